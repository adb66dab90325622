"""Tables: the thesis' tables of these models on this ensemble, beside the published ones."""

import services
import streamlit as st
import view

with view.explaining():
    store = view.choose_store()
    view.settle_point(store)
    view.show_in_url()
    names = view.models_or_stop(store)

"""Reconstruction: a lattice and what models make of it, and the errors over the ensemble."""

import models
import plotly.graph_objects as go
import services
import streamlit as st
import widgets

from skylattice.report.evaluation_figures import error_by_defects, error_histograms
from skylattice.report.lattice_figures import site_map

SMALL = {"height": 330, "margin": {"t": 5, "b": 5, "l": 5, "r": 5}}


def small(figure: go.Figure, key: str) -> None:
    """A map without axis titles, in a column."""
    st.plotly_chart(
        figure.update_layout(SMALL).update_xaxes(title=None).update_yaxes(title=None), key=key, config=widgets.PLAIN
    )


def one_model(key: str, point: services.Point, name: str) -> None:
    """Reconstruction, squared error and change of cosθ of one model."""
    found = models.reconstruction(key, point, name)
    st.markdown(
        f"**{widgets.plain(name)}** · MSE {float(found['mse']):.5f} · ΔE {float(found['energy_difference']):+.5f} J"
    )
    m_z = found["spin"].sel(component="z", drop=True)
    small(site_map(m_z, name="M_z", limits=(-1.0, 1.0)), f"{name} output")
    st.caption("Squared error, summed over components, logarithmic")
    small(site_map(found["squared_error"], name="squared error", colours="Inferno", log=True), f"{name} error")
    st.caption("cos θ of the reconstruction minus that of the input: artefacts stand out")
    small(site_map(found["cos_theta_change"], name="Δ cos θ"), f"{name} cosine")


def ensemble_errors(key: str) -> None:
    """Histograms of the errors (the thesis' Picture 3.5) and errors against defects (3.13)."""
    frames = models.errors(key)
    if not frames:
        st.info("No model has encoded this ensemble yet, so there are no errors over all of it.")
        st.page_link("views/jobs.py", label="Encode it", icon=":material/memory:")
        return
    st.plotly_chart(error_histograms(frames).update_layout(height=360), key="histograms")
    if all("n_defects" in frame for frame in frames.values()):
        st.plotly_chart(error_by_defects(frames).update_layout(height=400), key="by_defects")


with widgets.explaining():
    store = widgets.choose_store()
    chosen = widgets.choose_point(store)
    widgets.show_in_url()
    names = widgets.models_or_stop(store)
    shown = st.multiselect("Models", names, default=names[:1], max_selections=3, key="models")
    columns = st.columns(1 + max(1, len(shown)), gap="small")
    with columns[0], widgets.explaining():
        st.markdown(f"**Input** · {chosen}")
        small(site_map(services.lattice_map(store, chosen, "m_z"), name="M_z", limits=(-1.0, 1.0)), "input")
        st.caption("cos θ of the input")
        small(
            site_map(services.lattice_map(store, chosen, "cos_theta"), name="cos θ", colours="Viridis"), "input cosine"
        )
    for column, name in zip(columns[1:], shown, strict=False):
        with column, widgets.explaining():
            one_model(store, chosen, name)
    st.subheader("Over the ensemble")
    with widgets.explaining():
        ensemble_errors(store)

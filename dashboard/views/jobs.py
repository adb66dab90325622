"""Jobs: compute what is missing, in the background, on this machine or a cluster."""

import functools
import os
from importlib.util import find_spec
from pathlib import Path

import background
import models
import services
import stores
import streamlit as st
import widgets

from skylattice.errors import SkylatticeError
from skylattice.study.analysis import analyse_store
from skylattice.study.evaluation import encode_store

GROUPS = {
    "observables": "Observables, phase and quality",
    "defects": "Skyrmions, defects, order and grains",
}


def scheduler() -> str:
    """Where to compute: this process, or a scheduler."""
    given = os.environ.get("SKYLATTICE_DASHBOARD_SCHEDULER", "")
    text = st.text_input(
        "dask.distributed scheduler",
        given,
        key="scheduler",
        placeholder="empty: this machine's cores",
        help="tcp://127.0.0.1:8786 for one on this machine. Its workers must see the store under the same path.",
    )
    return background.check_address(text, given) if text.strip() else ""


def encode(path: Path, target: str, advance: object) -> None:
    """A job: latent vectors and errors of every lattice."""
    encode_store(path, target)


def missing(key: str, path: Path, address: str) -> None:
    """What was computed, and a button for what was not."""
    present = services.groups(key)
    for name, title in GROUPS.items():
        st.markdown(f":material/{'check_circle' if name in present else 'pending'}: {title}")
    label = "Compute again" if set(GROUPS) <= set(present) else "Compute observables and defects"
    if st.button(label, type="primary", icon=":material/play_arrow:", key="analyse"):
        background.start(f"{key}: analysis", lambda advance: analyse_store(path, progress=False), scheduler=address)
    fit, _ = models.fitting(key) if find_spec("keras") else ({}, {})
    for name, target in fit.items():
        column, button = st.columns([2, 1], vertical_alignment="center")
        mark = "check_circle" if models.has_encoded(key, name) else "pending"
        column.markdown(f":material/{mark}: Latent vectors and errors of `{name}`")
        if button.button("Encode", key=f"encode {name}", icon=":material/play_arrow:"):
            background.start(f"{key}: model {name}", functools.partial(encode, path, target), scheduler=address)


@st.fragment(run_every=1.0)
def progress() -> None:
    """How far the jobs are, looked up every second without running the rest of the page."""
    listed = background.registry()
    for job in reversed(list(listed.values())):
        if job.state == "running":
            share = job.done / job.total if job.total else 0.0
            st.progress(share, text=f"{job.name}: {job.done} of {job.total or '?'} tasks")
        elif job.state == "failed":
            with widgets.explaining():
                raise SkylatticeError(f"{job.name}: {job.message}")
        else:
            st.success(f"{job.name}: done in {job.elapsed:.1f} s", icon=":material/check:")
    if not listed:
        st.caption("No job was started yet.")


with widgets.explaining():
    store = widgets.choose_store()
    st.subheader("Results of this ensemble")
    path = stores.source(store).path
    if path is None:
        st.info("Results are kept beside a store, and this one is remote: copy it here to analyse it.")
    else:
        left, right = st.columns([3, 2], gap="large")
        with right, widgets.explaining():
            address = scheduler()
            with left, widgets.explaining():
                missing(store, path, address)
    st.subheader("Jobs")
    progress()
    widgets.show_in_url()

"""Generate: new lattices from a model, their quality, and a store of them."""

import background
import models
import numpy as np
import services
import stores
import streamlit as st
import widgets
import xarray as xr

from skylattice.latent.recipe import Generation, Recipe
from skylattice.report.lattice_figures import lattice_figure
from skylattice.study.lattice import analyse_lattice

METHODS: dict[Generation, str] = {
    "learned": "learned: from the density of the ensemble's latent vectors",
    "particles": "particles: skyrmions that settle as in the ensemble; asks no model",
    "thesis": "thesis: mean and spread of all latent vectors (2.20)",
    "prior": "prior: standard normal latent vectors",
    "neighbourhood": "neighbourhood: around lattices of the ensemble",
    "low_defect": "low defect: around the lattices with the fewest defects",
    "conditional": "conditional: under the given (D, B), by a model that is told them",
}
QUALITY = (
    "topological_charge",
    "n_skyrmions",
    "n_defects",
    "m_z",
    "energy",
    "cos_theta",
    "cos_theta_min",
    "temperature",
)


def options(key: str) -> tuple[int, Recipe]:
    """How many lattices, and how to draw them."""
    axes = {name: services.ensemble(key)[name].values for name in ("D", "B")}
    point = widgets.settle_point(key)
    with st.form("generate", border=False):
        method = st.selectbox("Method", list(METHODS), format_func=METHODS.__getitem__)
        columns = st.columns(2)
        D, B = (
            column.number_input(
                f"{name} / J", float(axis.min()), float(axis.max()), getattr(point, name), step=0.01, format="%.3f"
            )
            for column, (name, axis) in zip(columns, axes.items(), strict=True)
        )
        columns = st.columns(2)
        n = int(columns[0].number_input("Lattices", 1, 200, 1))
        seed = int(columns[1].number_input("Seed", 0, 2**31 - 1, 0))
        relax = st.checkbox("Relax: quench with the Monte Carlo engine at (D, B)")
        submitted = st.form_submit_button("Generate", type="primary", icon=":material/auto_awesome:")
    relax = relax and method != "particles"  # which are thermalised anyway
    return (n if submitted else 0), Recipe(method, D, B, relax=relax, seed=seed)


def show(ds: xr.Dataset) -> None:
    """One of the lattices with its defects, the numbers of all."""
    k = st.slider("Lattice", 0, ds.sizes["sample"] - 1, 0, key="sample") if ds.sizes["sample"] > 1 else 0
    one = ds.isel(sample=k)
    left, right = st.columns([3, 2], gap="medium")
    found = analyse_lattice(one["spin"], one["B"])
    left.plotly_chart(lattice_figure(found).update_layout(height=560), key="generated_lattice")
    with right:
        names = [name for name in QUALITY if name in ds]
        for n, name in enumerate(names):
            if n % 2 == 0:
                columns = st.columns(2)
            columns[n % 2].metric(name, f"{float(one[name]):.4g}", help=services.title_of(name))
        frame = ds[names].reset_coords(drop=True).to_dataframe()
        frame.insert(0, "D", np.broadcast_to(ds["D"].values, len(frame)))
        frame.insert(1, "B", np.broadcast_to(ds["B"].values, len(frame)))
        st.download_button("Download the numbers as CSV", frame.to_csv(), "generated.csv", "text/csv")
        save(ds)


def save(ds: xr.Dataset) -> None:
    """Write the lattices as a store."""
    with st.form("save", border=False):
        name = st.text_input("Save as a store beside the ensemble", "generated.zarr")
        if st.form_submit_button("Save", icon=":material/save:"):
            with widgets.explaining():
                path = models.save_generated(ds, name.strip())
                stores.sources.clear()
                st.success(f"Written: {path.name}. It is in the list of ensembles now.")


with widgets.explaining():
    store = widgets.choose_store()
    widgets.settle_point(store)
    left, right = st.columns([1, 2], gap="large")
    with left, widgets.explaining():
        name = st.selectbox("Model", widgets.models_or_stop(store), key="model")
        models.latents(store, name)
        n, chosen = options(store)
        job_name = f"{store}: lattices of {name}"
        st.session_state.generating = job_name
        if n:
            background.start(job_name, lambda advance: models.generate(store, name, n, chosen, advance))
        if job_name not in background.registry():
            st.caption("Choose a method and press Generate.")
        widgets.wait_for(job_name)
    with right, widgets.explaining():
        job = background.registry().get(st.session_state.get("generating", ""))
        if job is not None and job.state == "done":
            show(job.result)
    widgets.show_in_url()

"""Latent space: principal components coloured by observables, and walks whose lattices are decoded."""

import models
import numpy as np
import plotly.graph_objects as go
import services
import streamlit as st
import widgets
import xarray as xr

from skylattice.latent.pca import PCA
from skylattice.report.latent_figures import explained_variance
from skylattice.report.lattice_figures import site_map
from skylattice.report.panels import lattice_maps
from skylattice.schema import GRID_DIMS


def scatter(key: str, pca: PCA, projected: np.ndarray, state: xr.Dataset) -> list[int]:
    """Two principal components; returns the lattices selected in the figure."""
    found = {quantity.key: quantity for quantity in services.quantities(key)}
    titles = {"D": "D (J)", "B": "B (J)", **{name: quantity.title for name, quantity in found.items()}}
    columns = st.columns(3)
    colour = columns[0].selectbox("Colour", list(titles), format_func=titles.__getitem__, key="latent_colour")
    count = projected.shape[1]
    across = columns[1].number_input("Component across", 0, count - 1, 0, key="across")
    up = columns[2].number_input("Component up", 0, count - 1, min(1, count - 1), key="up")
    shown = state[colour] if colour in ("D", "B") else services.values(key, found[colour]).stack(sample=GRID_DIMS)
    marker = {
        "color": shown.sel(sample=state["sample"]).values.astype(float),
        "colorscale": "Viridis",
        "colorbar": {"title": ""},
    }
    text = [f"D = {d:g}, B = {b:g}, realization {r}" for d, b, r in state["sample"].values]
    points = go.Scatter(
        x=projected[:, across], y=projected[:, up], mode="markers", marker=marker, text=text, hoverinfo="text"
    )
    share = pca.explained_variance_ratio
    figure = go.Figure(points).update_layout(
        height=440,
        margin={"t": 10, "b": 10},
        xaxis_title=f"component {across} ({share[across]:.1%} of the variance)",
        yaxis_title=f"component {up} ({share[up]:.1%})",
    )
    event = st.plotly_chart(figure, key="latent_scatter", on_select="rerun", selection_mode=("points", "box", "lasso"))
    return [point["point_index"] for point in event["selection"]["points"]]


def selected_lattices(key: str, state: xr.Dataset, chosen: list[int]) -> None:
    """S_z of the lattices selected in the scatter."""
    if not chosen:
        st.caption("Click points, or draw a box around some, to see their lattices.")
        return
    points = [services.Point(float(d), float(b), int(r)) for d, b, r in state["sample"].values[chosen[:6]]]
    maps = np.stack([services.lattice_map(key, point, "m_z").values for point in points])
    figure = lattice_maps(xr.DataArray(maps, dims=("sample", "y", "x")), [str(p)[:22] for p in points], columns=2)
    st.plotly_chart(figure, key="selected")
    st.caption(f"{len(chosen)} selected" + (", 6 shown" if len(chosen) > 6 else ""))
    if st.button("Look closer at the first", icon=":material/hexagon:"):
        widgets.select(D=points[0].D, B=points[0].B, realization=points[0].realization)
        st.switch_page("views/lattice.py")


def variance(pca: PCA, name: str) -> None:
    """Explained variance, one by one and cumulative (the thesis' Picture 3.14)."""
    st.plotly_chart(explained_variance({name: pca}, title="").update_layout(height=380), key="variance")
    st.caption(f"{pca.components_for(0.9)} components explain 90 %, {pca.components_for(0.999)} explain 99.9 %.")


def walk(key: str, name: str, pca: PCA, vectors: np.ndarray, state: xr.Dataset) -> None:
    """The decoded lattice along a component, or between two lattices."""
    labels = [f"D = {d:g}, B = {b:g}, realization {r}" for d, b, r in state["sample"].values]
    kind = st.segmented_control("Walk", ["along a component", "between two lattices"], default="along a component")
    first = st.selectbox(
        "From" if kind != "along a component" else "Around", range(len(labels)), format_func=labels.__getitem__
    )
    D, B, _ = state["sample"].values[first]
    if kind == "between two lattices":
        last = st.selectbox("To", range(len(labels)), index=len(labels) - 1, format_func=labels.__getitem__)
        t = st.slider("Way gone", 0.0, 1.0, 0.5, 0.05)
        z = (1 - t) * vectors[first] + t * vectors[last]
        D, B = ((1 - t) * state[c].values[first] + t * state[c].values[last] for c in ("D", "B"))
    else:
        n = st.number_input("Component", 0, len(pca.components) - 1, 0, key="walk_component")
        spread = float(np.sqrt(pca.explained_variance[n]))
        t = st.slider("Steps of the standard deviation", -4.0, 4.0, 0.0, 0.25)
        z = vectors[first] + t * spread * pca.components[n]
    ds = services.ensemble(key)
    spin = models.decoded(name, z, float(D), float(B), (ds.sizes["y"], ds.sizes["x"]))
    figure = site_map(spin.isel(component=2, drop=True), name="M_z", limits=(-1.0, 1.0))
    st.plotly_chart(figure.update_layout(height=440), key="walk")


with widgets.explaining():
    store = widgets.choose_store()
    widgets.settle_point(store)
    widgets.show_in_url()
    name = st.selectbox("Model", widgets.models_or_stop(store), key="model")
    pca, vectors, state = models.components(store, name)
    projected = pca.transform(vectors)
    left, right = st.columns([3, 2], gap="medium")
    with left, widgets.explaining():
        chosen = scatter(store, pca, projected, state)
    with right, widgets.explaining():
        selected_lattices(store, state, chosen)
    left, right = st.columns(2, gap="medium")
    with left, widgets.explaining():
        st.subheader("Walk")
        walk(store, name, pca, vectors, state)
    with right, widgets.explaining():
        st.subheader("Explained variance")
        variance(pca, name)

"""Lattice: one lattice as maps with its mesh, defects and grains, its skyrmions as a table, its spins to download."""

import plotly.graph_objects as go
import services
import streamlit as st
import widgets

from skylattice.report import style
from skylattice.report.lattice_figures import angle_map, site_map
from skylattice.report.layers import Layer, layer_traces
from skylattice.study.lattice import analyse_lattice

#: Title, variable and colour scale of each map; None draws the spins as colours.
MAPS = {
    "M_z": ("m_z", "RdBu_r"),
    "M_x": ("m_x", "RdBu_r"),
    "M_y": ("m_y", "RdBu_r"),
    "in-plane angle": (None, ""),
    "charge density": ("charge_density", "RdBu_r"),
    "cos θ": ("cos_theta", "Viridis"),
    "local energy": ("energy_density", "Viridis"),
}
LAYERS: dict[str, Layer] = {"mesh": "mesh", "defects": "defects", "Burgers vectors": "burgers", "grains": "grains"}
NUMBERS = (
    ("topological_charge", "charge Q", "{:.0f}"),
    ("n_skyrmions", "skyrmions", "{:.0f}"),
    ("n_defects", "defects", "{:.0f}"),
    ("n_dislocations", "dislocations", "{:.0f}"),
    ("hexatic_order", "order ψ6", "{:.3f}"),
    ("m_z", "⟨M_z⟩", "{:.4f}"),
    ("energy", "energy (J/site)", "{:.5f}"),
    ("temperature", "spin temperature (J/k_B)", "{:.5f}"),
)


def base_map(key: str, point: services.Point, title: str) -> go.Figure:
    """The map under the layers."""
    name, colours = MAPS[title]
    if name is None:
        spin = services.lattice(key, point)["spin"].isel(D=0, B=0, realization=0, drop=True)
        return angle_map(spin)
    limits = (-1.0, 1.0) if title.startswith("M_") else None
    return site_map(services.lattice_map(key, point, name), name=title, colours=colours, limits=limits)


def picture(key: str, point: services.Point, title: str, layers: list[str]) -> go.Figure:
    """The map with the chosen layers of the skyrmion lattice over it."""
    figure = base_map(key, point, title)
    if layers:
        ds = services.lattice(key, point)
        found = analyse_lattice(ds["spin"], ds["B"])
        chosen = [LAYERS[name] for name in layers]
        figure.add_traces(layer_traces(found, chosen, mesh_colour=style.MESH_OVER_COLOURS))
        figure.update_layout(legend=style.LEGEND_BELOW)
    return figure.update_layout(height=640, margin={"t": 30})


def show_numbers(key: str, point: services.Point) -> None:
    """Scalars of this lattice."""
    found = services.lattice_numbers(key, point)
    rows = [f"| {label} | {form.format(found[name]) if name in found else '–'} |" for name, label, form in NUMBERS]
    st.markdown("\n".join(["| of this lattice | |", "|:--|--:|", *rows]))


def downloads(key: str, point: services.Point) -> None:
    """The spins as OVF or npz."""
    stem = f"{key.replace('/', '-')}-D{point.D:g}-B{point.B:g}-{point.realization}"
    kind = st.segmented_control("Spins as", ["OVF", "npz"], default="OVF", key="format")
    if kind is not None:
        st.download_button(
            f"Download {kind}",
            lambda: services.spin_file(key, point, kind.lower()),
            f"{stem}.{kind.lower()}",
            "application/octet-stream",
            icon=":material/download:",
            on_click="ignore",
        )


with widgets.explaining():
    store = widgets.choose_store()
    chosen = widgets.choose_point(store)
    left, right = st.columns([5, 2], gap="medium")
    with right, widgets.explaining():
        shown = st.selectbox("Map", list(MAPS), key="map")
        over = st.pills("Layers", list(LAYERS), selection_mode="multi", default=["mesh", "defects"], key="layers")
        st.caption(str(chosen))
        show_numbers(store, chosen)
        downloads(store, chosen)
    with left, widgets.explaining():
        with st.spinner("Drawing … (the first time ever, kernels are compiled)", show_time=True):
            figure = picture(store, chosen, shown, over)
        st.plotly_chart(figure, key="lattice", config={"scrollZoom": True})
    with widgets.explaining(), st.expander("Skyrmions", icon=":material/table_rows:"):
        frame = services.skyrmion_table(store, chosen)
        st.dataframe(frame, hide_index=True, height=300)
        st.download_button("Download as CSV", frame.to_csv(index=False), "skyrmions.csv", "text/csv")
    widgets.show_in_url()

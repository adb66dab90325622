"""Ensemble: the phase diagram, the lattices of a point, histograms and the table."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import services
import streamlit as st
import widgets

from skylattice.report import style
from skylattice.report.ensemble_figures import phase_diagram
from skylattice.report.panels import lattice_maps
from skylattice.schema import STATUS


def clicked() -> None:
    """Look at the point that was clicked."""
    points = st.session_state.phase_diagram["selection"]["points"]
    if points:
        widgets.select(D=float(points[0]["x"]), B=float(points[0]["y"]))


def diagram(key: str, point: services.Point) -> None:
    """The (D, B) plane coloured by a scalar; a click chooses a point."""
    done = services.status(key) == STATUS["done"]
    found = {quantity.key: quantity for quantity in services.quantities(key)}
    if found:
        wanted = st.query_params.get("colour", "topological_charge")
        chosen = st.selectbox(
            "Colour",
            list(found),
            format_func=lambda name: found[name].title,
            index=list(found).index(wanted) if wanted in found else 0,
            key="colour",
        )
        values, title = services.values(key, found[chosen]).where(done), found[chosen].title
    else:
        st.info("Nothing was computed on this ensemble yet, so the squares only show where lattices are.")
        st.page_link("views/jobs.py", label="Compute its observables", icon=":material/memory:")
        values, title = done.where(done), "Lattices"
    figure = phase_diagram(values.rename(title.partition(" (")[0]), title=title)
    figure.data[0].marker.colorbar.title = None
    ring = {"symbol": "square-open", "size": 20, "color": style.CHOSEN_COLOUR, "line": {"width": 3}}
    figure.add_trace(go.Scatter(x=[point.D], y=[point.B], mode="markers", marker=ring, hoverinfo="skip"))
    figure.update_layout(height=470, showlegend=False, margin={"l": 10, "r": 10, "t": 40, "b": 10})
    st.plotly_chart(figure, key="phase_diagram", on_select=clicked, selection_mode="points")


def realizations(key: str, point: services.Point) -> None:
    """S_z of every lattice at the point."""
    state = services.status(key).sel(D=point.D, B=point.B)
    done = [int(r) for r in state["realization"].values[state.values == STATUS["done"]]]
    st.subheader(f"D = {point.D:g}, B = {point.B:g}")
    shown = done[:6]
    columns = min(2, len(shown))
    figure = lattice_maps(services.overview(key, point, shown), [f"realization {r}" for r in shown], columns=columns)
    st.plotly_chart(
        figure.update_layout(height=40 + (420 // columns) * -(-len(shown) // columns)),
        key="realizations",
        config=widgets.PLAIN,
    )
    more = f" and {len(done) - len(shown)} more" if len(done) > len(shown) else ""
    st.caption(f"S_z: red along the field, blue against it. {len(done)} lattices{more and f', {len(shown)} shown'}.")
    st.page_link("views/lattice.py", label="Look closer", icon=":material/hexagon:")


def histogram(key: str) -> None:
    """Distribution of a scalar over the ensemble."""
    frame = services.table(key)
    titles = {quantity.column: quantity.title for quantity in services.quantities(key)}
    numbers = [name for name in titles if name in frame and pd.api.types.is_numeric_dtype(frame[name])]
    if not numbers:
        st.info("There is nothing to count before the observables are computed.")
        return
    name = st.selectbox("Quantity", numbers, format_func=titles.__getitem__, key="histogram_of")
    colour = st.selectbox("Split by", ["nothing", *(n for n in ("phase", "D") if n in frame)], key="histogram_by")
    figure = go.Figure()
    groups = [("all", frame)] if colour == "nothing" else list(frame.groupby(colour))
    edges = np.histogram_bin_edges(frame[name].dropna().astype(float), bins=40)
    for label, part in groups:
        figure.add_trace(
            go.Histogram(
                x=part[name],
                name=str(label),
                xbins={"start": edges[0], "end": edges[-1] + 1e-12, "size": (edges[1] - edges[0]) or 1.0},
            )
        )
    figure.update_layout(
        barmode="stack", height=380, xaxis_title=titles[name], yaxis_title="lattices", margin={"t": 10, "b": 10}
    )
    st.plotly_chart(figure, key="histogram")


def numbers(key: str) -> None:
    """One row per lattice, filtered, with download."""
    frame = services.table(key)
    if frame.empty:
        st.info("No lattice is done yet.")
        return
    columns = st.columns(3)
    for column, name in zip(columns, ("D", "B"), strict=False):
        values = sorted(frame[name].unique())
        if len(values) > 1:
            low, high = column.select_slider(
                f"{name} from … to",
                values,
                (values[0], values[-1]),
                format_func=lambda v: f"{v:g}",
                key=f"filter_{name}",
            )
            frame = frame[frame[name].between(low, high)]
    if "phase" in frame:
        phases = columns[2].multiselect("Phase", sorted(frame["phase"].dropna().unique()), key="filter_phase")
        frame = frame[frame["phase"].isin(phases)] if phases else frame
    st.dataframe(frame, hide_index=True, height=330, key="table")
    st.download_button(
        f"Download {len(frame)} rows as CSV",
        frame.to_csv(index=False),
        f"{key.replace('/', '-')}.csv",
        "text/csv",
        icon=":material/download:",
    )


with widgets.explaining():
    store = widgets.choose_store()
    chosen = widgets.choose_point(store)
    left, right = st.columns([3, 2], gap="medium")
    with right, widgets.explaining():  # first: who clicks on the diagram waits for this
        realizations(store, chosen)
    with left, widgets.explaining():
        diagram(store, chosen)
    first, second = st.tabs(["Table", "Histogram"])
    with first, widgets.explaining():
        numbers(store)
    with second, widgets.explaining():
        histogram(store)
    widgets.show_in_url()

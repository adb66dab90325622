"""Reconstruction: a lattice and what models make of it, and the errors over the ensemble."""

import model_services as models
import plotly.graph_objects as go
import services
import streamlit as st
import view

from skylattice.report.map_figures import site_map

SMALL = {"height": 330, "margin": {"t": 5, "b": 5, "l": 5, "r": 5}}


def small(figure: go.Figure, key: str) -> None:
    """A map without axis titles, in a column."""
    st.plotly_chart(
        figure.update_layout(SMALL).update_xaxes(title=None).update_yaxes(title=None), key=key, config=view.PLAIN
    )


def one_model(key: str, point: services.Point, name: str) -> None:
    """Reconstruction, squared error and change of cosθ of one model."""
    found = models.reconstruction(key, point, name)
    st.markdown(
        f"**{view.plain(name)}** · MSE {float(found['mse']):.5f} · ΔE {float(found['energy_difference']):+.5f} J"
    )
    m_z = found["spin"].sel(component="z", drop=True)
    small(site_map(m_z, name="M_z", limits=(-1.0, 1.0)), f"{name} output")
    st.caption("Squared error, summed over components, logarithmic")
    small(site_map(found["squared_error"], name="squared error", colours="Inferno", log=True), f"{name} error")
    st.caption("cos θ of the reconstruction minus that of the input: artefacts stand out")
    small(site_map(found["cos_theta_change"], name="Δ cos θ"), f"{name} cosine")


def ensemble_errors(key: str) -> None:
    """Histograms of the errors (the thesis' Picture 3.5) and errors against defects (3.13)."""
    ds = services.scalars(key)
    names = [str(name) for name in ds.data_vars if str(name).startswith("mse (")]
    if not names:
        st.info("No model has encoded this ensemble yet, so there are no errors over all of it.")
        st.page_link("pages/jobs.py", label="Encode it", icon=":material/memory:")
        return
    columns = st.columns(3 if "n_defects" in ds else 2)
    squared, energy, defects = go.Figure(), go.Figure(), go.Figure()
    for name in names:
        label = name.removeprefix("mse (").rstrip(")")
        squared.add_trace(go.Histogram(x=ds[name].values.ravel(), name=label, nbinsx=40, opacity=0.7))
        change = ds[name.replace("mse", "energy_difference", 1)]
        energy.add_trace(go.Histogram(x=change.values.ravel(), name=label, nbinsx=40, opacity=0.7))
        if "n_defects" in ds:
            points = {"x": ds["n_defects"].values.ravel(), "y": ds[name].values.ravel()}
            defects.add_trace(go.Scatter(**points, name=label, mode="markers", opacity=0.6))
    squared.update_layout(xaxis_title="mean squared error", yaxis_title="lattices")
    energy.update_layout(xaxis_title="energy difference (J/site)", yaxis_title="lattices")
    defects.update_layout(xaxis_title="defects", yaxis_title="mean squared error")
    for column, figure in zip(columns, (squared, energy, defects), strict=False):
        figure.update_layout(height=330, barmode="overlay", margin={"t": 10, "b": 10})
        column.plotly_chart(figure, key=figure.layout.xaxis.title.text)


with view.explaining():
    store = view.choose_store()
    chosen = view.choose_point(store)
    view.show_in_url()
    names = view.models_or_stop(store)
    shown = st.multiselect("Models", names, default=names[:1], max_selections=3, key="models")
    columns = st.columns(1 + max(1, len(shown)), gap="small")
    with columns[0], view.explaining():
        st.markdown(f"**Input** · {chosen}")
        small(site_map(services.lattice_map(store, chosen, "m_z"), name="M_z", limits=(-1.0, 1.0)), "input")
        st.caption("cos θ of the input")
        small(
            site_map(services.lattice_map(store, chosen, "cos_theta"), name="cos θ", colours="Viridis"), "input cosine"
        )
    for column, name in zip(columns[1:], shown, strict=False):
        with column, view.explaining():
            one_model(store, chosen, name)
    st.subheader("Over the ensemble")
    with view.explaining():
        ensemble_errors(store)

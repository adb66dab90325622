"""Plotly figures of models: how a training went, what a reconstruction looks like, how much data it took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from skylattice.errors import SchemaError
from skylattice.report.ensemble_figures import SPIN_COLOURS, graph_objects

if TYPE_CHECKING:
    import plotly.graph_objects as go

_BLUE, _ORANGE = "#2b6cb0", "#dd6b20"


def loss_curves(history: pd.DataFrame | Sequence[Mapping[str, Any]], *, title: str = "Training") -> go.Figure:
    """Reconstruction error and KL divergence by epoch (the thesis' Picture 3.4), with validation beside them.

    Parameters
    ----------
    history
        One row per epoch, as in ``history.csv`` or ``model.metadata["history"]``: ``epoch``, ``mse``, ``kl`` and
        perhaps ``val_mse``, ``val_kl``.
    title
        Above both panels.

    Raises
    ------
    SchemaError
        If a column is missing.
    """
    go = graph_objects()
    from plotly.subplots import make_subplots

    table = pd.DataFrame(history)
    missing = sorted({"epoch", "mse", "kl"} - set(table))
    if missing:
        raise SchemaError(f"loss_curves: expected columns epoch, mse and kl, missing {missing}; found {list(table)}.")
    figure = make_subplots(1, 2, subplot_titles=["mean squared error", "KL divergence (nats per lattice)"])
    for column, name in enumerate(("mse", "kl"), start=1):
        for prefix, colour, label in (("", _BLUE, "training, ε sampled"), ("val_", _ORANGE, "validation, ε = 0")):
            if prefix + name in table:
                line = go.Scatter(
                    x=table["epoch"], y=table[prefix + name], name=label, legendgroup=label, line_color=colour
                )
                figure.add_trace(line.update(showlegend=column == 1), row=1, col=column)
    figure.update_xaxes(title_text="epoch")
    figure.update_yaxes(type="log", exponentformat="power")
    return figure.update_layout(title=title, template="plotly_white", height=400)


def reconstruction_maps(
    spin: xr.DataArray, output: xr.DataArray, titles: Sequence[str], *, error_limit: float = 0.5
) -> go.Figure:
    """S_z of lattices, of their reconstructions, and the squared error of each site, one row per lattice.

    Parameters
    ----------
    spin, output
        Input and reconstruction, dims (sample, y, x, component).
    titles
        One for each lattice.
    error_limit
        Squared error (of at most 4) at the end of its colour scale.

    Raises
    ------
    SchemaError
        If the dims are others, or the shapes differ.
    """
    go = graph_objects()
    from plotly.subplots import make_subplots

    if spin.dims[1:] != ("y", "x", "component") or spin.shape != output.shape or len(titles) != len(spin):
        raise SchemaError(
            f"reconstruction_maps: expected two arrays (sample, y, x, component) of one shape and a title for each "
            f"lattice, found {spin.dims} {spin.shape}, {output.dims} {output.shape} and {len(titles)} titles."
        )
    columns = ("", "reconstruction", "squared error")
    names = [f"{title}, {column}" if column else title for title in titles for column in columns]
    figure = make_subplots(len(spin), 3, subplot_titles=names, horizontal_spacing=0.02, vertical_spacing=0.06)
    squared = ((output - spin) ** 2).sum("component", skipna=False)
    for row in range(len(spin)):
        maps = ((spin[row, ..., 2], SPIN_COLOURS, -1.0, 1.0), (output[row, ..., 2], SPIN_COLOURS, -1.0, 1.0))
        for column, (image, colours, low, high) in enumerate((*maps, (squared[row], "Inferno", 0.0, error_limit))):
            heatmap = go.Heatmap(
                z=np.round(image.values, 3).astype(np.float32),
                zmin=low,
                zmax=high,
                colorscale=colours,
                showscale=row == 0 and column == 2,
            )
            figure.add_trace(heatmap, row=row + 1, col=column + 1)
    figure.update_xaxes(visible=False, constrain="domain")
    figure.update_yaxes(visible=False, scaleanchor="x", constrain="domain")
    return figure.update_layout(
        height=60 + 360 * len(spin), template="plotly_white", margin={"l": 5, "r": 5, "t": 40, "b": 5}
    )


def learning_curve(table: pd.DataFrame, *, title: str = "Test error against training lattices") -> go.Figure:
    """Test MSE of models trained on more and more lattices.

    Parameters
    ----------
    table
        Columns ``n_train`` and ``test_mse``.
    """
    go = graph_objects()
    table = table.sort_values("n_train")
    figure = go.Figure(go.Scatter(x=table["n_train"], y=table["test_mse"], mode="lines+markers", line_color=_BLUE))
    figure.update_xaxes(type="log", title_text="training lattices")
    figure.update_yaxes(type="log", title_text="test MSE")
    return figure.update_layout(title=title, template="plotly_white")

"""Figures of trainings: how one went, and how much data it took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from skylattice.errors import SchemaError
from skylattice.report import style

if TYPE_CHECKING:
    import plotly.graph_objects as go


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

    Examples
    --------
    >>> loss_curves([{"epoch": 1, "mse": 0.2, "kl": 5.0}, {"epoch": 2, "mse": 0.1, "kl": 9.0}]).data[0].y.tolist()
    [0.2, 0.1]
    """
    table = pd.DataFrame(history)
    missing = sorted({"epoch", "mse", "kl"} - set(table))
    if missing:
        raise SchemaError(f"loss_curves: expected columns epoch, mse and kl, missing {missing}; found {list(table)}.")
    go = style.graph_objects()
    figure = style.subplots(1, 2, ["mean squared error", "KL divergence (nats per lattice)"], layout={"title": title})
    parts = (("", "training, ε sampled"), ("val_", "validation, ε = 0"))
    for column, name in enumerate(("mse", "kl"), start=1):
        for colour, (prefix, label) in zip(style.COLOURS, parts, strict=False):
            if prefix + name in table:
                line = go.Scatter(
                    x=table["epoch"], y=table[prefix + name], name=label, legendgroup=label, line_color=colour
                )
                figure.add_trace(line.update(showlegend=column == 1), row=1, col=column)
    figure.update_xaxes(title_text="epoch")
    return figure.update_yaxes(type="log", exponentformat="power")


def learning_curve(table: pd.DataFrame, *, title: str = "Test error against training lattices") -> go.Figure:
    """Test MSE of models trained on more and more lattices.

    Parameters
    ----------
    table
        Columns ``n_train`` and ``test_mse``.
    title
        Above the figure.

    Examples
    --------
    >>> learning_curve(pd.DataFrame({"n_train": [100, 10], "test_mse": [0.1, 0.5]})).data[0].y.tolist()
    [0.5, 0.1]
    """
    table = table.sort_values("n_train")
    line = style.graph_objects().Scatter(
        x=table["n_train"], y=table["test_mse"], mode="lines+markers", line_color=style.COLOURS[0]
    )
    figure = style.figure([line], title=title)
    figure.update_xaxes(type="log", title_text="training lattices")
    return figure.update_yaxes(type="log", title_text="test MSE")

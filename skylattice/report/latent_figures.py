"""Plotly figures of latent spaces: explained variance, quantities over the first components, and their means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from skylattice.errors import SchemaError
from skylattice.latent.pca import PCA
from skylattice.report.ensemble_figures import graph_objects
from skylattice.study.tables import mean_by

if TYPE_CHECKING:
    import plotly.graph_objects as go

COLOURS = ("#2b6cb0", "#dd6b20", "#2f855a", "#805ad5", "#c53030", "#718096")
#: How quantities are written in figures.
NAMES = {"D": "D / J", "B": "B / J", "m_z": "M_z", "Q": "Q", "n_defects": "defects"}


def explained_variance(pcas: Mapping[str, PCA], *, title: str = "Explained variance of the latents") -> go.Figure:
    """Explained variance ratio by component, and its cumulative sum (Picture 3.14), one line per PCA."""
    go = graph_objects()
    from plotly.subplots import make_subplots

    figure = make_subplots(1, 2, subplot_titles=["explained variance ratio", "cumulative"])
    for colour, (name, pca) in zip(COLOURS, pcas.items(), strict=False):
        ratio = pca.explained_variance_ratio
        for column, values in enumerate((ratio, np.cumsum(ratio)), start=1):
            line = go.Scatter(
                x=np.arange(1, len(ratio) + 1),
                y=values,
                name=name,
                legendgroup=name,
                line_color=colour,
                showlegend=column == 1,
            )
            figure.add_trace(line, row=1, col=column)
    figure.add_hline(y=0.999, line_dash="dot", line_color="#718096", row=1, col=2)
    figure.update_xaxes(title_text="principal component")
    figure.update_yaxes(type="log", exponentformat="power", row=1, col=1)
    return figure.update_layout(title=title, template="plotly_white", height=400)


def component_scatter(
    frame: pd.DataFrame, quantities: Sequence[str], *, x: str = "z0", y: str = "z1", title: str = ""
) -> go.Figure:
    """One panel per quantity: lattices over Ẑ0 and Ẑ1, coloured by it (Pictures 3.15 and 3.17).

    Raises
    ------
    SchemaError
        If a column is missing.
    """
    go = graph_objects()
    from plotly.subplots import make_subplots

    missing = sorted({*quantities, x, y} - set(frame))
    if missing:
        raise SchemaError(f"component_scatter: missing columns {missing}; found {list(frame)}.")
    n = len(quantities)
    figure = make_subplots(1, n, subplot_titles=[NAMES.get(q, q) for q in quantities], shared_yaxes=True)
    for column, quantity in enumerate(quantities, start=1):
        bar = {"orientation": "h", "y": -0.5, "x": (column - 0.5) / n, "len": 0.85 / n, "thickness": 9, "nticks": 4}
        marker = {"color": frame[quantity], "colorscale": "Viridis", "size": 5, "colorbar": bar}
        points = go.Scatter(
            x=frame[x],
            y=frame[y],
            mode="markers",
            marker=marker,
            showlegend=False,
            hovertemplate=f"{quantity} = %{{marker.color:.3g}}<extra></extra>",
        )
        figure.add_trace(points, row=1, col=column)
    figure.update_xaxes(title_text="Ẑ0")
    figure.update_yaxes(title_text="Ẑ1", col=1)
    return figure.update_layout(title=title, template="plotly_white", height=400, margin={"b": 130})


def component_by_charge(frames: Mapping[str, pd.DataFrame], *, averaged: bool = True, title: str = "") -> go.Figure:
    """Ẑ0 against Q, one colour per model: means of lattices that share Q with a linear fit (Picture 3.16), or, with
    ``averaged=False``, single lattices (Picture 3.18).

    Parameters
    ----------
    frames
        By model: columns Q and z0.
    """
    go = graph_objects()
    figure = go.Figure()
    for colour, (name, frame) in zip(COLOURS * len(frames), frames.items(), strict=False):
        if averaged:
            rounded = frame.assign(Q=frame["Q"].round())
            shown = mean_by(rounded, "Q", "z0")
        else:
            shown = frame[["Q", "z0"]].dropna()
        figure.add_scatter(
            x=shown["Q"], y=shown["z0"], mode="markers", marker_color=colour, name=name, legendgroup=name
        )
        if averaged and shown["Q"].nunique() > 1:
            slope, offset = np.polyfit(shown["Q"], shown["z0"], 1)
            ends = np.array([shown["Q"].min(), shown["Q"].max()])
            figure.add_scatter(
                x=ends,
                y=slope * ends + offset,
                mode="lines",
                line_color=colour,
                name=f"fit: {slope:.3g} Q + {offset:.3g}",
                legendgroup=name,
            )
    figure.update_xaxes(title_text="topological charge Q")
    figure.update_yaxes(title_text="mean Ẑ0" if averaged else "Ẑ0")
    return figure.update_layout(title=title, template="plotly_white", height=430, showlegend=True)

"""Plotly figures of reconstruction errors: their distributions, and how they go with defects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from skylattice.report.ensemble_figures import graph_objects
from skylattice.report.latent_figures import COLOURS
from skylattice.study.tables import mean_by

if TYPE_CHECKING:
    import plotly.graph_objects as go


def error_histograms(frames: Mapping[str, pd.DataFrame], *, bins: int = 40) -> go.Figure:
    """Distributions of MSE and of the energy difference over test lattices, one colour per model (Picture 3.5).

    Parameters
    ----------
    frames
        By model: columns ``mse`` and ``energy_difference`` (J per site).
    """
    go = graph_objects()
    from plotly.subplots import make_subplots

    panels = (("mse", "mean squared error"), ("energy_difference", "energy difference (J per site)"))
    figure = make_subplots(1, 2, subplot_titles=[text for _, text in panels])
    for column, (name, _) in enumerate(panels, start=1):
        values = np.concatenate([frame[name].dropna().to_numpy() for frame in frames.values()])
        edges = np.histogram_bin_edges(values, bins)
        for colour, (model, frame) in zip(COLOURS * len(frames), frames.items(), strict=False):
            count, _ = np.histogram(frame[name].dropna(), edges)
            bars = go.Bar(x=(edges[1:] + edges[:-1]) / 2, y=count, name=model, marker_color=colour, opacity=0.65)
            figure.add_trace(bars.update(legendgroup=model, showlegend=column == 1), row=1, col=column)
    figure.update_yaxes(title_text="lattices", col=1)
    return figure.update_layout(
        barmode="overlay", bargap=0, template="plotly_white", height=380, title="Errors on test lattices"
    )


def error_by_defects(frames: Mapping[str, pd.DataFrame], *, count: str = "n_defects") -> go.Figure:
    """MSE against the number of defects: single lattices, and means per number with a linear fit (Picture 3.13).

    Parameters
    ----------
    frames
        By model: columns ``mse`` and ``count``.
    """
    go = graph_objects()
    from plotly.subplots import make_subplots

    figure = make_subplots(1, 2, subplot_titles=["single lattices", "means of lattices with as many defects"])
    for colour, (model, frame) in zip(COLOURS * len(frames), frames.items(), strict=False):
        means = mean_by(frame, count, "mse")
        for column, shown in enumerate((frame, means), start=1):
            points = go.Scatter(x=shown[count], y=shown["mse"], mode="markers", name=model, marker_color=colour)
            figure.add_trace(points.update(legendgroup=model, showlegend=column == 1), row=1, col=column)
        if len(means) > 1:
            slope, offset = np.polyfit(means[count], means["mse"], 1)
            ends = np.array([means[count].min(), means[count].max()])
            line = go.Scatter(x=ends, y=slope * ends + offset, mode="lines", line_color=colour, showlegend=False)
            figure.add_trace(line.update(legendgroup=model), row=1, col=2)
    figure.update_xaxes(title_text="defects")
    figure.update_yaxes(title_text="MSE", col=1)
    return figure.update_layout(template="plotly_white", height=400, title="Reconstruction error and defects")


def detector_curves(table: pd.DataFrame) -> go.Figure:
    """ROC curves, from :func:`skylattice.study.anomaly.roc_curves`."""
    go = graph_objects()
    figure = go.Figure()
    for colour, (name, curve) in zip(COLOURS, table.groupby("detector", sort=False), strict=False):
        x, y = curve["false_positive_rate"], curve["true_positive_rate"]
        figure.add_scatter(x=x, y=y, mode="lines", name=name, line_color=colour)
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", name="chance", line={"color": "#a0aec0", "dash": "dot"})
    figure.update_xaxes(title_text="share of regular skyrmions flagged")
    figure.update_yaxes(title_text="share of defects found")
    return figure.update_layout(template="plotly_white", height=420, title="Defects from error maps")

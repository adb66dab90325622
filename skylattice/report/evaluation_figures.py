"""Figures of reconstruction errors: their distributions, and how they go with defects."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from skylattice.report import style
from skylattice.report.lines import fitted_line
from skylattice.study.tables import mean_by

if TYPE_CHECKING:
    import plotly.graph_objects as go


def error_histograms(frames: Mapping[str, pd.DataFrame], *, bins: int = 40) -> go.Figure:
    """Distributions of MSE and of the energy difference over test lattices, one colour per model (Picture 3.5).

    Parameters
    ----------
    frames
        By model: columns ``mse`` and ``energy_difference`` (J per site).
    bins
        Of each histogram, the same for all models.

    Examples
    --------
    >>> frame = pd.DataFrame({"mse": [0.01, 0.02, 0.02], "energy_difference": [0.1, 0.2, 0.3]})
    >>> [int(sum(bars.y)) for bars in error_histograms({"model": frame}).data]
    [3, 3]
    """
    go = style.graph_objects()
    panels = (("mse", "mean squared error"), ("energy_difference", "energy difference (J per site)"))
    layout = {"barmode": "overlay", "bargap": 0, "title": "Errors on test lattices"}
    figure = style.subplots(1, 2, [text for _, text in panels], layout=layout)
    for column, (name, _) in enumerate(panels, start=1):
        values = np.concatenate([frame[name].dropna().to_numpy() for frame in frames.values()])
        edges = np.histogram_bin_edges(values, bins)
        for colour, (model, frame) in zip(cycle(style.COLOURS), frames.items(), strict=False):
            count, _ = np.histogram(frame[name].dropna(), edges)
            bars = go.Bar(x=(edges[1:] + edges[:-1]) / 2, y=count, name=model, marker_color=colour, opacity=0.65)
            figure.add_trace(bars.update(legendgroup=model, showlegend=column == 1), row=1, col=column)
    return figure.update_yaxes(title_text="lattices", col=1)


def error_by_defects(frames: Mapping[str, pd.DataFrame], *, count: str = "n_defects") -> go.Figure:
    """MSE against the number of defects: single lattices, and means per number with a linear fit (Picture 3.13).

    Parameters
    ----------
    frames
        By model: columns ``mse`` and ``count``.
    count
        Column of the number of defects.

    Examples
    --------
    >>> frame = pd.DataFrame({"n_defects": [0, 0, 2], "mse": [0.1, 0.3, 0.4]})
    >>> means = error_by_defects({"model": frame}).data[1]
    >>> list(zip(means.x.tolist(), means.y.tolist()))
    [(0, 0.2), (2, 0.4)]
    """
    go = style.graph_objects()
    titles = ["single lattices", "means of lattices with as many defects"]
    figure = style.subplots(1, 2, titles, layout={"title": "Reconstruction error and defects"})
    for colour, (model, frame) in zip(cycle(style.COLOURS), frames.items(), strict=False):
        means = mean_by(frame, count, "mse")
        for column, shown in enumerate((frame, means), start=1):
            points = go.Scatter(x=shown[count], y=shown["mse"], mode="markers", name=model, marker_color=colour)
            figure.add_trace(points.update(legendgroup=model, showlegend=column == 1), row=1, col=column)
        if len(means) > 1:
            line, _ = fitted_line(means[count], means["mse"], colour)
            figure.add_trace(line.update(legendgroup=model, showlegend=False), row=1, col=2)
    figure.update_xaxes(title_text="defects")
    return figure.update_yaxes(title_text="MSE", col=1)


def detector_curves(curves: pd.DataFrame) -> go.Figure:
    """ROC curves of detectors of defects, one line for each.

    Parameters
    ----------
    curves
        From :func:`skylattice.study.anomaly.roc_curves`: columns ``detector``, ``false_positive_rate`` and
        ``true_positive_rate``.

    Examples
    --------
    >>> curves = pd.DataFrame(
    ...     {"detector": "psi6", "false_positive_rate": [0.0, 0.5, 1.0], "true_positive_rate": [0.0, 1.0, 1.0]}
    ... )
    >>> [line.name for line in detector_curves(curves).data]
    ['psi6', 'chance']
    """
    figure = style.figure(title="Defects from error maps")
    for colour, (name, curve) in zip(cycle(style.COLOURS), curves.groupby("detector", sort=False), strict=False):
        rates = curve["false_positive_rate"], curve["true_positive_rate"]
        figure.add_scatter(x=rates[0], y=rates[1], mode="lines", name=str(name), line_color=colour)
    chance = {"color": style.REFERENCE_COLOUR, "dash": "dot"}
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", name="chance", line=chance)
    figure.update_xaxes(title_text="share of regular skyrmions flagged")
    return figure.update_yaxes(title_text="share of defects found")

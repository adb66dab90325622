"""Figures of latent spaces: explained variance, quantities over the first components, and their means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from skylattice.errors import SchemaError
from skylattice.latent.pca import PCA
from skylattice.report import style
from skylattice.report.lines import fitted_line
from skylattice.study.tables import mean_by

if TYPE_CHECKING:
    import plotly.graph_objects as go

#: How quantities are written in figures.
NAMES = {"D": "D / J", "B": "B / J", "m_z": "M_z", "Q": "Q", "n_defects": "defects"}


def explained_variance(pcas: Mapping[str, PCA], *, title: str = "Explained variance of the latents") -> go.Figure:
    """Explained variance ratio by component, and its cumulative sum (Picture 3.14), one line per PCA.

    Parameters
    ----------
    pcas
        By name, from :func:`skylattice.latent.pca.fit_pca`.
    title
        Above both panels.

    Examples
    --------
    >>> import numpy as np
    >>> from skylattice.latent.pca import fit_pca
    >>> pca = fit_pca(np.random.default_rng(0).normal(size=(20, 5)))
    >>> round(float(explained_variance({"test": pca}).data[1].y[-1]), 6)
    1.0
    """
    go = style.graph_objects()
    figure = style.subplots(1, 2, ["explained variance ratio", "cumulative"], layout={"title": title})
    for colour, (name, pca) in zip(cycle(style.COLOURS), pcas.items(), strict=False):
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
    figure.add_hline(y=0.999, line_dash="dot", line_color=style.REFERENCE_COLOUR, row=1, col=2)
    figure.update_xaxes(title_text="principal component")
    return figure.update_yaxes(type="log", exponentformat="power", row=1, col=1)


def component_scatter(
    frame: pd.DataFrame, quantities: Sequence[str], *, x: str = "z0", y: str = "z1", title: str = ""
) -> go.Figure:
    """One panel per quantity: lattices over Ẑ0 and Ẑ1, coloured by it (Pictures 3.15 and 3.17).

    Parameters
    ----------
    frame
        One row per lattice: columns ``x``, ``y`` and the quantities.
    quantities
        Columns to colour by, one panel each.
    x, y
        Columns of the components.
    title
        Above all panels.

    Raises
    ------
    SchemaError
        If a column is missing.

    Examples
    --------
    >>> frame = pd.DataFrame({"z0": [0.0, 1.0], "z1": [1.0, 0.0], "Q": [-3.0, -4.0]})
    >>> component_scatter(frame, ["Q"]).data[0].marker.color.tolist()
    [-3.0, -4.0]
    """
    missing = sorted({*quantities, x, y} - set(frame))
    if missing:
        raise SchemaError(f"component_scatter: missing columns {missing}; found {list(frame)}.")
    n = len(quantities)
    margin = style.MARGIN | {"b": 130}  # room for the colour bars
    titles = [NAMES.get(q, q) for q in quantities]
    figure = style.subplots(1, n, titles, shared_yaxes=True, layout={"title": title, "margin": margin})
    for column, quantity in enumerate(quantities, start=1):
        bar = {"orientation": "h", "y": -0.5, "x": (column - 0.5) / n, "len": 0.85 / n, "thickness": 9, "nticks": 4}
        points = style.graph_objects().Scatter(
            x=frame[x],
            y=frame[y],
            mode="markers",
            marker={"color": frame[quantity], "colorscale": style.QUANTITY_COLOURS, "size": 5, "colorbar": bar},
            showlegend=False,
            hovertemplate=f"{quantity} = %{{marker.color:.3g}}<extra></extra>",
        )
        figure.add_trace(points, row=1, col=column)
    figure.update_xaxes(title_text="Ẑ0")
    return figure.update_yaxes(title_text="Ẑ1", col=1)


def component_by_charge(frames: Mapping[str, pd.DataFrame], *, averaged: bool = True, title: str = "") -> go.Figure:
    """Ẑ0 against Q, one colour per model: means of lattices that share Q with a linear fit (Picture 3.16), or, with
    ``averaged=False``, single lattices (Picture 3.18).

    Parameters
    ----------
    frames
        By model: columns Q and z0.
    averaged
        Show means with a fit, or single lattices.
    title
        Above the figure.

    Examples
    --------
    >>> frame = pd.DataFrame({"Q": [-2, -2, -1], "z0": [1.0, 3.0, 4.0]})
    >>> points, line = component_by_charge({"model": frame}).data
    >>> points.y.tolist(), line.name
    ([2.0, 4.0], 'fit: 2 Q + 6')
    """
    figure = style.figure(title=title, showlegend=True)
    for colour, (name, frame) in zip(cycle(style.COLOURS), frames.items(), strict=False):
        shown = mean_by(frame.assign(Q=frame["Q"].round()), "Q", "z0") if averaged else frame[["Q", "z0"]].dropna()
        figure.add_scatter(
            x=shown["Q"], y=shown["z0"], mode="markers", marker_color=colour, name=name, legendgroup=name
        )
        if averaged and shown["Q"].nunique() > 1:
            line, (slope, offset) = fitted_line(shown["Q"], shown["z0"], colour)
            figure.add_trace(line.update(name=f"fit: {slope:.3g} Q + {offset:.3g}", legendgroup=name))
    figure.update_xaxes(title_text="topological charge Q")
    return figure.update_yaxes(title_text="mean Ẑ0" if averaged else "Ẑ0")

"""Plotly figures of an ensemble: the (D, B) plane coloured by an observable, and lattices side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from skylattice.errors import MissingExtraError, SchemaError
from skylattice.schema import GRID_DIMS

if TYPE_CHECKING:
    import plotly.graph_objects as go

#: Blue for cores (S_z = -1), white in the plane, red for the background (S_z = +1).
SPIN_COLOURS = "RdBu_r"


def graph_objects() -> Any:
    """:mod:`plotly.graph_objects`, or the error that says how to install it."""
    try:
        import plotly.graph_objects as go
    except ImportError:
        raise MissingExtraError("plotly", "plot", "drawing a figure") from None
    return go


def phase_diagram(values: xr.DataArray, *, title: str | None = None) -> go.Figure:
    """The (D, B) plane: one square per point, coloured by the mean over realizations.

    Parameters
    ----------
    values
        A scalar per lattice, dims (D, B) and perhaps realization; points that are NaN throughout are left out.
    title
        Defaults to the long name.

    Returns
    -------
    Figure whose hover text gives D, B, mean, spread over realizations and their number.

    Raises
    ------
    SchemaError
        If D or B is missing, or other dims are left.
    """
    go = graph_objects()
    extra = set(values.dims) - set(GRID_DIMS)
    if extra or not {"D", "B"} <= set(values.dims):
        raise SchemaError(
            f"phase_diagram: expected dims (D, B) and perhaps realization, found {values.dims}. "
            "Reduce the others first, for example with .mean()."
        )
    cube = values.expand_dims("realization") if "realization" not in values.dims else values
    cube = cube.transpose(*GRID_DIMS)
    data = cube.values.astype(float)
    count = np.isfinite(data).sum(axis=2)
    i, j = np.nonzero(count)
    points = data[i, j]
    mean, spread = np.nanmean(points, axis=1), np.nanstd(points, axis=1)
    name = str(values.attrs.get("long_name", values.name))
    marker = {
        "symbol": "square",
        "size": 14,
        "color": mean,
        "colorscale": "Viridis",
        "colorbar": {"title": {"text": values.name}},
    }
    figure = go.Figure(
        go.Scatter(
            x=cube["D"].values[i],
            y=cube["B"].values[j],
            mode="markers",
            marker=marker,
            customdata=np.c_[mean, spread, count[i, j]],
            hovertemplate="D = %{x:g} J<br>B = %{y:g} J<br>%{customdata[0]:.5g} ± %{customdata[1]:.2g} over "
            "%{customdata[2]:d} lattices<extra></extra>",
        )
    )
    return figure.update_layout(title=title or name, xaxis_title="D / J", yaxis_title="B / J", template="plotly_white")


def lattice_maps(
    maps: xr.DataArray,
    titles: list[str],
    *,
    columns: int = 6,
    limits: tuple[float, float] = (-1.0, 1.0),
    colours: str = SPIN_COLOURS,
) -> go.Figure:
    """Maps of many lattices side by side, on one colour scale.

    Parameters
    ----------
    maps
        One map per lattice, dims (sample, y, x); stored in the figure as 8-bit steps of the colour scale.
    titles
        One for each.
    columns
        Maps in a row.
    limits
        Values at the ends of the colour scale.
    colours
        A Plotly colour scale.

    Raises
    ------
    SchemaError
        If dims are not (sample, y, x), or titles are not as many as maps.
    """
    graph_objects()
    from plotly.subplots import make_subplots

    if maps.dims[1:] != ("y", "x") or maps.ndim != 3 or len(titles) != len(maps):
        raise SchemaError(
            f"lattice_maps: expected dims (sample, y, x) and a title for each map, found {maps.dims} of shape "
            f"{maps.shape} and {len(titles)} titles."
        )
    rows = -(-len(maps) // columns)
    figure = make_subplots(
        rows, columns, subplot_titles=titles, horizontal_spacing=0.01, vertical_spacing=min(0.04, 0.3 / rows)
    )
    low, high = limits
    steps = np.clip((maps.values - low) / (high - low), 0, 1) * 254 - 127
    go = graph_objects()
    for n, image in enumerate(np.rint(steps).astype(np.int8)):
        heatmap = go.Heatmap(z=image, zmin=-127, zmax=127, colorscale=colours, showscale=False, hoverinfo="skip")
        figure.add_trace(heatmap, row=n // columns + 1, col=n % columns + 1)
    figure.update_xaxes(visible=False, constrain="domain")
    figure.update_yaxes(visible=False, scaleanchor="x", constrain="domain")
    figure.update_annotations(font_size=11)
    height = 50 + rows * (1100 // columns + 30)  # square maps on a page 1100 pixels wide, with room for the titles
    return figure.update_layout(height=height, template="plotly_white", margin={"l": 5, "r": 5, "t": 40, "b": 5})

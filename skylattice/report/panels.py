"""Grids of lattice maps: lattices side by side, what goes into a model and comes out, and where the two differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from skylattice.defects.triangulate import Mesh
from skylattice.errors import SchemaError
from skylattice.report import style
from skylattice.report.layers import defect_points, mesh_lines
from skylattice.schema import SPIN_DIMS

if TYPE_CHECKING:
    import plotly.graph_objects as go

#: Errors are drawn on a logarithmic scale, from a thousandth of the largest possible squared difference of spins.
ERROR_LIMITS = (4e-3, 4.0)
_TITLE_PIXELS = 28
#: Steps of a colour scale on either side of its middle: a map is stored as 8-bit integers.
_STEPS = 127

#: Middle (x, y) and half width of a square, in sites.
Window = tuple[float, float, float]


@dataclass(frozen=True)
class Panel:
    """One map.

    Attributes
    ----------
    values
        Shape (y, x); NaN is drawn as the middle of the colour scale.
    title
        Above it.
    limits
        Values at the ends of the colour scale.
    colours
        A Plotly colour scale; greys under a mesh.
    log
        Colour the logarithm.
    mesh
        Triangulation to draw over it, with its defects.
    has_bar
        Draw the colour scale with its values at the right of the figure.
    """

    values: np.ndarray
    title: str = ""
    limits: tuple[float, float] = (-1.0, 1.0)
    colours: str = style.SPIN_COLOURS
    log: bool = False
    mesh: Mesh | None = None
    has_bar: bool = False


def error_panel(values: np.ndarray, title: str, limits: tuple[float, float] = ERROR_LIMITS) -> Panel:
    """A map (y, x) of squared differences on a logarithmic scale."""
    return Panel(values, title, limits, style.ERROR_COLOURS, log=True)


def panel_grid(
    rows: Sequence[Sequence[Panel | None]], *, title: str = "", window: Sequence[Window] | None = None
) -> go.Figure:
    """Maps in rows and columns, each of square sites at any width of the page; None leaves a place empty.

    Parameters
    ----------
    rows
        Equally long.
    title
        Above all.
    window
        For each row ``(x, y, half width)`` of the square to show, in sites. Default: whole lattices.

    Raises
    ------
    SchemaError
        If there are no rows, or they are not equally long.

    Examples
    --------
    >>> import numpy as np
    >>> figure = panel_grid([[Panel(np.zeros((4, 4)), "left"), Panel(np.ones((4, 4)), "right")]])
    >>> [axis.scaleanchor for axis in figure.select_yaxes()]
    ['x', 'x2']
    """
    lengths = {len(row) for row in rows}
    if len(lengths) != 1:
        raise SchemaError(f"panel_grid: expected rows of one length, found {[len(row) for row in rows]}.")
    (columns,) = lengths
    titles = ["" if panel is None else panel.title for row in rows for panel in row]
    has_bar = any(panel is not None and panel.has_bar for row in rows for panel in row)
    height = style.MAP_MARGIN["t"] + len(rows) * (style.PAGE_WIDTH // columns + _TITLE_PIXELS)
    figure = style.subplots(
        len(rows),
        columns,
        titles,
        height=height,
        layout={
            "title": title,
            "showlegend": False,
            "margin": style.MAP_MARGIN | ({"r": 60} if has_bar else {}),
        },
        horizontal_spacing=0.012,
        vertical_spacing=_TITLE_PIXELS / height,
    )
    for r, row in enumerate(rows):
        for c, panel in enumerate(row):
            if panel is None:
                continue
            for trace in _traces(panel):
                figure.add_trace(trace, row=r + 1, col=c + 1)
            _set_axes(figure, panel, r + 1, c + 1, None if window is None else window[r])
    figure.update_xaxes(visible=False, constrain="domain")
    figure.update_yaxes(visible=False, constrain="domain")
    return figure.update_annotations(font_size=style.SMALL_TEXT)


def lattice_maps(
    maps: xr.DataArray,
    titles: Sequence[str],
    *,
    columns: int = 6,
    limits: tuple[float, float] = (-1.0, 1.0),
    colours: str = style.SPIN_COLOURS,
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
        If dims are not (sample, y, x), there is no map, or titles are not as many as maps.

    Examples
    --------
    >>> from skylattice import testing
    >>> maps = testing.random(8, realizations=2).spin.sel(component="z")[0, 0].rename(realization="sample")
    >>> len(lattice_maps(maps, ["first", "second"]).data)
    2
    """
    if maps.dims[1:] != ("y", "x") or maps.ndim != 3 or len(titles) != len(maps) or not len(maps):
        raise SchemaError(
            f"lattice_maps: expected dims (sample, y, x) and a title for each map, found {maps.dims} of shape "
            f"{maps.shape} and {len(titles)} titles."
        )
    panels = [Panel(image, title, limits, colours) for image, title in zip(maps.values, titles, strict=True)]
    empty = [None] * (-len(panels) % columns)
    return panel_grid([[*panels, *empty][k : k + columns] for k in range(0, len(panels), columns)])


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
        If the dims are others, the shapes differ, or titles are not as many as lattices.

    Examples
    --------
    >>> from skylattice import testing
    >>> spin = testing.ferromagnet(4).spin[0, 0].rename(realization="sample")
    >>> [text.text for text in reconstruction_maps(spin, -spin, ["up"]).layout.annotations]
    ['up', 'up, reconstruction', 'up, squared error']
    """
    if spin.dims[1:] != SPIN_DIMS or spin.shape != output.shape or len(titles) != len(spin):
        raise SchemaError(
            f"reconstruction_maps: expected two arrays (sample, y, x, component) of one shape and a title for each "
            f"lattice, found {spin.dims} {spin.shape}, {output.dims} {output.shape} and {len(titles)} titles."
        )
    squared = ((output - spin) ** 2).sum("component", skipna=False).values
    rows = [
        [
            Panel(before[..., 2], title),
            Panel(after[..., 2], f"{title}, reconstruction"),
            Panel(error, f"{title}, squared error", (0.0, error_limit), style.ERROR_COLOURS, has_bar=k == 0),
        ]
        for k, (before, after, error, title) in enumerate(zip(spin.values, output.values, squared, titles, strict=True))
    ]
    return panel_grid(rows)


def _set_axes(figure: Any, panel: Panel, row: int, column: int, window: Window | None) -> None:
    ny, nx = panel.values.shape
    x_range, y_range = [-0.5, nx - 0.5], [-0.5, ny - 0.5]
    if window is not None:
        x, y, half = window
        x_range, y_range = [x - half, x + half], [y - half, y + half]
    anchor = next(figure.select_yaxes(row=row, col=column)).anchor  # its own x axis: another one would stretch it
    figure.update_xaxes(range=x_range, row=row, col=column)
    figure.update_yaxes(range=y_range, scaleanchor=anchor, row=row, col=column)


def _traces(panel: Panel) -> list[Any]:
    """The map in steps of its colour scale, then mesh and defects."""
    heatmap = style.graph_objects().Heatmap(
        z=_in_steps(panel),
        zmin=-_STEPS,
        zmax=_STEPS,
        colorscale=panel.colours if panel.mesh is None else style.SPIN_GREYS,
        showscale=panel.has_bar,
        hoverinfo="skip",
    )
    if panel.has_bar:
        at = np.linspace(0, 1, 5)
        low, high = panel.limits
        values = low * (high / low) ** at if panel.log else low + (high - low) * at
        heatmap.colorbar = {"tickvals": _STEPS * (2 * at - 1), "ticktext": [f"{value:.3g}" for value in values]}
    return [heatmap] if panel.mesh is None else [heatmap, mesh_lines(panel.mesh, width=1), *_defects(panel.mesh)]


def _in_steps(panel: Panel) -> np.ndarray:
    values = np.asarray(panel.values, dtype=np.float64)
    low, high = panel.limits
    if panel.log:
        values, low, high = np.log10(np.maximum(values, low)), np.log10(low), np.log10(high)
    return np.rint(np.nan_to_num(np.clip((values - low) / (high - low), 0, 1) * 2 * _STEPS - _STEPS)).astype(np.int8)


def _defects(mesh: Mesh) -> list[Any]:
    return [trace.update(hoverinfo="skip", hovertemplate=None) for trace in defect_points(mesh, size=7)]

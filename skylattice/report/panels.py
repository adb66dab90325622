"""Grids of lattice maps: what goes in, what comes out, and where the two differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from skylattice.defects.detect import ample_capacity, skyrmions
from skylattice.defects.triangulate import Mesh, triangulate
from skylattice.errors import SchemaError
from skylattice.report.ensemble_figures import SPIN_COLOURS, graph_objects
from skylattice.report.lattice_figures import FEWER_COLOUR, MESH_COLOUR, MORE_COLOUR, SPIN_GREYS, mesh_segments

if TYPE_CHECKING:
    import plotly.graph_objects as go

#: Errors are drawn on a logarithmic scale, from a thousandth of the largest possible squared difference of spins.
ERROR_LIMITS = (4e-3, 4.0)
ERROR_COLOURS = "Inferno"
_PIXELS, _TITLE_PIXELS = 1100, 28

#: Middle (x, y) and half width of a square, in sites.
Window = tuple[float, float, float]


@dataclass(frozen=True)
class Panel:
    """One map.

    Attributes
    ----------
    values
        Shape (y, x).
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
    """

    values: np.ndarray
    title: str = ""
    limits: tuple[float, float] = (-1.0, 1.0)
    colours: str = SPIN_COLOURS
    log: bool = False
    mesh: Mesh | None = None


def error_panel(values: np.ndarray, title: str, limits: tuple[float, float] = ERROR_LIMITS) -> Panel:
    """A map of squared differences on a logarithmic scale."""
    return Panel(values, title, limits, ERROR_COLOURS, log=True)


def mesh_of_lattice(spin: xr.DataArray, B: float) -> Mesh | None:
    """Periodic triangulation of the skyrmions of one lattice (y, x, component); None for too few."""
    found = skyrmions(spin, B, max_skyrmions=ample_capacity((spin.sizes["y"], spin.sizes["x"]))).compute()
    n = int(np.nan_to_num(found["n_skyrmions"].item()))
    points = np.column_stack([found["skyrmion_x"].values[:n], found["skyrmion_y"].values[:n]])
    return triangulate(points, (spin.sizes["y"], spin.sizes["x"]))


def panel_grid(
    rows: Sequence[Sequence[Panel | None]], *, title: str = "", window: Sequence[Window] | None = None
) -> go.Figure:
    """Maps in rows and columns; None leaves a place empty.

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
        If the rows are not equally long.
    """
    go = graph_objects()
    from plotly.subplots import make_subplots

    columns = len(rows[0])
    if any(len(row) != columns for row in rows):
        raise SchemaError(f"panel_grid: expected rows of one length, found {[len(row) for row in rows]}.")
    titles = ["" if panel is None else panel.title for row in rows for panel in row]
    height = 60 + len(rows) * (_PIXELS // columns + _TITLE_PIXELS)
    figure = make_subplots(
        len(rows), columns, subplot_titles=titles, horizontal_spacing=0.012, vertical_spacing=_TITLE_PIXELS / height
    )
    for r, row in enumerate(rows):
        for c, panel in enumerate(row):
            if panel is None:
                continue
            for trace in _traces(go, panel):
                figure.add_trace(trace, row=r + 1, col=c + 1)
            _set_axes(figure, panel, r + 1, c + 1, None if window is None else window[r])
    figure.update_xaxes(visible=False, constrain="domain")
    figure.update_yaxes(visible=False, constrain="domain")
    figure.update_annotations(font_size=11)
    return figure.update_layout(
        title=title, height=height, showlegend=False, template="plotly_white", margin={"l": 5, "r": 5, "t": 60, "b": 5}
    )


def _set_axes(figure: Any, panel: Panel, row: int, column: int, window: Window | None) -> None:
    ny, nx = panel.values.shape
    x_range, y_range = [-0.5, nx - 0.5], [-0.5, ny - 0.5]
    if window is not None:
        x, y, half = window
        x_range, y_range = [x - half, x + half], [y - half, y + half]
    anchor = next(figure.select_yaxes(row=row, col=column)).anchor
    figure.update_xaxes(range=x_range, row=row, col=column)
    figure.update_yaxes(range=y_range, scaleanchor=anchor, row=row, col=column)


def _traces(go: Any, panel: Panel) -> list[Any]:
    """The map in 8-bit steps of its colour scale, then mesh and defects."""
    values = np.asarray(panel.values, dtype=np.float64)
    low, high = panel.limits
    if panel.log:
        values, low, high = np.log10(np.maximum(values, low)), np.log10(low), np.log10(high)
    steps = np.nan_to_num(np.clip((values - low) / (high - low), 0, 1) * 254 - 127)
    heatmap = go.Heatmap(
        z=np.rint(steps).astype(np.int8),
        zmin=-127,
        zmax=127,
        colorscale=panel.colours if panel.mesh is None else SPIN_GREYS,
        showscale=False,
        hoverinfo="skip",
    )
    return [heatmap] if panel.mesh is None else [heatmap, *_mesh_traces(go, panel.mesh)]


def _mesh_traces(go: Any, mesh: Mesh) -> list[Any]:
    start, stop = mesh_segments(mesh)
    gap = np.full(len(start), np.nan)
    x, y = (np.column_stack([start[:, k], stop[:, k], gap]).ravel() for k in (0, 1))
    lines = go.Scatter(x=x, y=y, mode="lines", line={"color": MESH_COLOUR, "width": 1}, hoverinfo="skip")
    points = []
    for colour, chosen in ((FEWER_COLOUR, mesh.coordination < 6), (MORE_COLOUR, mesh.coordination > 6)):
        marker = {"color": colour, "size": 7, "line": {"color": "#ffffff", "width": 0.8}}
        where = (mesh.points[chosen] + 0.5) % np.array(mesh.size[::-1]) - 0.5
        points.append(go.Scatter(x=where[:, 0], y=where[:, 1], mode="markers", marker=marker, hoverinfo="skip"))
    return [lines, *points]

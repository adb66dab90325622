"""Plotly figures of one lattice: spins, mesh, defects, Burgers vectors and grains."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import xarray as xr

from skylattice.defects.classify import Defects, find_defects
from skylattice.defects.detect import Rule, ample_capacity, skyrmions
from skylattice.defects.grains import find_grains
from skylattice.defects.triangulate import Boundary, Mesh, triangulate
from skylattice.errors import SchemaError
from skylattice.report.ensemble_figures import graph_objects
from skylattice.schema import SPIN_DIMS, check_spin

if TYPE_CHECKING:
    import plotly.graph_objects as go

Layer = Literal["mesh", "defects", "burgers", "grains"]

#: S_z from -1 to +1 in greys, so that the colours of mesh and defects stand out.
SPIN_GREYS = [[0.0, "#30343b"], [1.0, "#f4f4f4"]]
MESH_COLOUR = "rgba(220, 40, 40, 0.45)"
#: As in the thesis: yellow for more than six neighbours, blue for fewer.
MORE_COLOUR, FEWER_COLOUR, ARROW_COLOUR = "#f5c400", "#1f6fe0", "#0a8a4a"
GRAIN_COLOURS = ("#4c9f70", "#c06c9f", "#d98b3a", "#6f7fd0", "#9a8a3c", "#46a7b8", "#b85c4f", "#7d6a9f")


def lattice_figure(
    spin: xr.DataArray,
    B: xr.DataArray | float = 0.0,
    *,
    layers: Collection[Layer] = ("mesh", "defects", "burgers"),
    rule: Rule = "charge",
    boundary: Boundary = "periodic",
    title: str | None = None,
) -> go.Figure:
    """S_z of one lattice with the mesh of its skyrmions and the defects in it.

    Parameters
    ----------
    spin
        Unit spins of one lattice, dims y, x, component, and others of length 1.
    B
        Field along z; its sign tells the background.
    layers
        What to draw over S_z: ``"mesh"``; ``"defects"``, points without six neighbours; ``"burgers"``, an arrow for
        each dislocation; ``"grains"``, points coloured by grain.
    rule, boundary
        As for :func:`skylattice.defects.detect.skyrmions` and :func:`skylattice.defects.triangulate.triangulate`.
    title
        Defaults to the numbers of skyrmions and defects.

    Returns
    -------
    Figure in units of sites, positive y up. Edges that wrap around the torus end at the border, on both sides. A
    lattice with too few skyrmions to triangulate shows its spins alone.

    Raises
    ------
    SchemaError
        For more than one lattice, a bad ``spin``, or an unknown layer, rule or boundary.

    Examples
    --------
    >>> from skylattice import testing
    >>> ds = testing.hexagonal_ensemble(columns=6, rows=6, spacing=10).sel(realization=2)
    >>> lattice_figure(ds.spin, ds.B).layout.title.text
    '35 skyrmions, 4 defects'
    """
    go = graph_objects()
    spin = _one_lattice(spin)
    unknown = set(layers) - set(get_args(Layer))
    if unknown:
        raise SchemaError(f"layers: expected some of {get_args(Layer)}, found {sorted(unknown)}.")
    size = (spin.sizes["y"], spin.sizes["x"])
    found = skyrmions(spin, xr.DataArray(B).squeeze(drop=True), rule=rule, max_skyrmions=ample_capacity(size))
    n = 0 if np.isnan(found["n_skyrmions"]) else int(found["n_skyrmions"])
    points = np.column_stack([found["skyrmion_x"].values[:n], found["skyrmion_y"].values[:n]])
    mesh = triangulate(points, size, boundary)

    traces = [_spins(go, spin)]
    text = f"{n} skyrmions, no triangulation"
    if mesh is not None:
        defects = find_defects(mesh)
        text = f"{n} skyrmions, {defects.is_defect.sum()} defects"
        traces += [_mesh(go, mesh)] if "mesh" in layers else []
        traces += _grains(go, mesh) if "grains" in layers else []
        traces += _defects(go, mesh, defects) if "defects" in layers else []
        traces += _burgers(go, mesh, defects) if "burgers" in layers else []
    figure = go.Figure(traces)
    figure.update_xaxes(range=[-0.5, size[1] - 0.5], title="x", constrain="domain", showgrid=False)
    figure.update_yaxes(range=[-0.5, size[0] - 0.5], title="y", scaleanchor="x", constrain="domain", showgrid=False)
    return figure.update_layout(
        title=text if title is None else title,
        template="plotly_white",
        legend={"orientation": "h", "yanchor": "top", "y": -0.08},
        height=640,
        margin={"l": 40, "r": 20, "t": 50, "b": 40},
    )


def _one_lattice(spin: xr.DataArray) -> xr.DataArray:
    """The lattice alone, computed, of dims (y, x, component)."""
    check_spin(spin)
    extra = {dim: n for dim, n in spin.sizes.items() if dim not in SPIN_DIMS and n > 1}
    if extra:
        raise SchemaError(f"lattice_figure: expected one lattice, found {extra}. Choose one, for example with .isel().")
    leading = [dim for dim in spin.dims if dim not in SPIN_DIMS]
    return spin.squeeze(leading, drop=True).transpose(*SPIN_DIMS).compute()


def _spins(go: Any, spin: xr.DataArray) -> Any:
    """S_z as a map, in 8-bit steps."""
    steps = np.nan_to_num(spin.values[..., 2] * 127)
    return go.Heatmap(
        z=np.rint(steps).astype(np.int8), zmin=-127, zmax=127, colorscale=SPIN_GREYS, showscale=False, hoverinfo="skip"
    )


def _on_map(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Points moved onto the map, which reaches half a site beyond the outermost spins."""
    return (points + 0.5) % np.array(size[::-1]) - 0.5


def _mesh(go: Any, mesh: Mesh) -> Any:
    """All edges as one line with gaps."""
    start, stop = mesh_segments(mesh)
    gap = np.full(len(start), np.nan)
    return go.Scatter(
        x=np.column_stack([start[:, 0], stop[:, 0], gap]).ravel(),
        y=np.column_stack([start[:, 1], stop[:, 1], gap]).ravel(),
        mode="lines",
        line={"color": MESH_COLOUR, "width": 1.2},
        name="Delaunay mesh",
        hoverinfo="skip",
    )


def mesh_segments(mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    """Straight pieces of the mesh on the map: an edge that wraps is two pieces, each up to the border.

    Returns
    -------
    Start and end of each piece, shape (pieces, 2).
    """
    points = _on_map(mesh.points, mesh.size)
    edges = mesh.edges
    start, vector = points[mesh.origin[edges]], mesh.vector[edges]
    stop = points[mesh.end[edges]]
    wraps = ~np.isclose(start + vector, stop, atol=1e-6).all(axis=1)
    first = start + np.where(wraps, _reach(start, vector, mesh.size), 1.0)[:, None] * vector
    second = stop - _reach(stop, -vector, mesh.size)[:, None] * vector
    return np.concatenate([start, stop[wraps]]), np.concatenate([first, second[wraps]])


def _reach(start: np.ndarray, vector: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Share of each vector, at most all of it, that lies on the map."""
    low, high = -0.5, np.array(size[::-1]) - 0.5
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(vector > 0, (high - start) / vector, np.where(vector < 0, (low - start) / vector, 1.0))
    return np.clip(share.min(axis=1), 0.0, 1.0)


def _defects(go: Any, mesh: Mesh, defects: Defects) -> list[Any]:
    """Points with fewer and with more than six neighbours."""
    points = _on_map(mesh.points, mesh.size)
    traces = []
    for name, colour, chosen in (
        ("fewer than 6 neighbours", FEWER_COLOUR, mesh.coordination < 6),
        ("more than 6 neighbours", MORE_COLOUR, mesh.coordination > 6),
    ):
        shown = defects.is_defect & chosen
        traces.append(
            go.Scatter(
                x=points[shown, 0],
                y=points[shown, 1],
                mode="markers",
                marker={"color": colour, "size": 10, "line": {"color": "#ffffff", "width": 1}},
                name=name,
                customdata=mesh.coordination[shown],
                hovertemplate="%{customdata} neighbours at (%{x:.1f}, %{y:.1f})<extra></extra>",
                showlegend=True,
            )
        )
    return traces


def _burgers(go: Any, mesh: Mesh, defects: Defects) -> list[Any]:
    """An arrow of the Burgers vector's true length, centred on each dislocation."""
    centre = _on_map(defects.centres(mesh)[defects.is_dislocation], mesh.size)
    vector = defects.burgers[defects.is_dislocation]
    drawn = np.isfinite(vector).all(axis=1)
    centre, vector = centre[drawn], vector[drawn]
    tail, tip = centre - vector / 2, centre + vector / 2
    gap = np.full(len(tip), np.nan)
    lines = go.Scatter(
        x=np.column_stack([tail[:, 0], tip[:, 0], gap]).ravel(),
        y=np.column_stack([tail[:, 1], tip[:, 1], gap]).ravel(),
        mode="lines",
        line={"color": ARROW_COLOUR, "width": 2},
        hoverinfo="skip",
        legendgroup="burgers",
        showlegend=False,
    )
    heads = go.Scatter(
        x=tip[:, 0],
        y=tip[:, 1],
        mode="markers",
        marker={
            "symbol": "arrow",
            "angle": np.degrees(np.arctan2(vector[:, 0], vector[:, 1])),
            "color": ARROW_COLOUR,
            "size": 11,
        },
        name="Burgers vectors",
        customdata=np.column_stack([vector, np.hypot(*vector.T)]),
        hovertemplate="b = (%{customdata[0]:.1f}, %{customdata[1]:.1f}), |b| = %{customdata[2]:.1f} sites"
        "<extra></extra>",
        legendgroup="burgers",
        showlegend=True,
    )
    return [lines, heads]


def _grains(go: Any, mesh: Mesh) -> list[Any]:
    """Points in the colour of their grain, one trace for each grain."""
    if mesh.on_hull.any():
        raise SchemaError("layers: grains are defined on the torus; draw them with boundary='periodic'.")
    grain = find_grains(mesh)
    points = _on_map(mesh.points, mesh.size)
    return [
        go.Scatter(
            x=points[grain == k, 0],
            y=points[grain == k, 1],
            mode="markers",
            marker={"symbol": "hexagon", "color": GRAIN_COLOURS[(k - 1) % len(GRAIN_COLOURS)], "size": 17},
            opacity=0.75,
            name=f"grain {k} ({(grain == k).sum()})",
            hoverinfo="name",
            showlegend=True,
        )
        for k in range(1, grain.max() + 1)
    ]

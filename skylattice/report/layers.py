"""What is drawn over the map of a lattice: mesh, defects, Burgers vectors and grains, each by one function."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal, get_args

import numpy as np

from skylattice.defects.classify import Defects
from skylattice.defects.triangulate import Mesh
from skylattice.errors import SchemaError
from skylattice.report import style
from skylattice.study.lattice import LatticeAnalysis

Layer = Literal["mesh", "defects", "burgers", "grains"]


def layer_traces(
    found: LatticeAnalysis, layers: Collection[Layer] = get_args(Layer), *, mesh_colour: str = style.MESH_COLOUR
) -> list[Any]:
    """Plotly traces of the chosen layers, from the lowest; none for a lattice without a mesh.

    Parameters
    ----------
    found
        From :func:`skylattice.study.lattice.analyse_lattice`.
    layers
        ``"mesh"``; ``"defects"``, points without six neighbours; ``"burgers"``, an arrow for each dislocation;
        ``"grains"``, points coloured by grain.
    mesh_colour
        Of the lines; over a map in colours a dark one is seen better.

    Raises
    ------
    SchemaError
        For an unknown layer, or grains of a lattice with open boundaries.

    Examples
    --------
    >>> from skylattice import testing
    >>> from skylattice.study.lattice import analyse_lattice
    >>> ds = testing.hexagonal_skyrmions(columns=4, rows=4, spacing=12)
    >>> [trace.name for trace in layer_traces(analyse_lattice(ds.spin, ds.B), ["mesh"])]
    ['Delaunay mesh']
    """
    unknown = set(layers) - set(get_args(Layer))
    if unknown:
        raise SchemaError(f"layers: expected some of {get_args(Layer)}, found {sorted(unknown)}.")
    if found.mesh is None or found.defects is None:
        return []
    traces = [mesh_lines(found.mesh, colour=mesh_colour)] if "mesh" in layers else []
    traces += _grains(found.mesh, found.grain) if "grains" in layers else []
    traces += defect_points(found.mesh, found.defects.is_defect) if "defects" in layers else []
    return traces + (_burgers(found.mesh, found.defects) if "burgers" in layers else [])


def mesh_lines(mesh: Mesh, *, colour: str = style.MESH_COLOUR, width: float = 1.2) -> Any:
    """All edges of a mesh as one line with gaps."""
    start, stop = mesh_segments(mesh)
    return style.graph_objects().Scatter(
        **_with_gaps(start, stop),
        mode="lines",
        line={"color": colour, "width": width},
        name="Delaunay mesh",
        hoverinfo="skip",
    )


def mesh_segments(mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    """Straight pieces of the mesh on the map: an edge that wraps is two pieces, each up to the border.

    Returns
    -------
    Start and end of each piece, shape (pieces, 2).
    """
    points = on_map(mesh.points, mesh.size)
    edges = mesh.edges
    start, vector = points[mesh.origin[edges]], mesh.vector[edges]
    stop = points[mesh.end[edges]]
    wraps = ~np.isclose(start + vector, stop, atol=1e-6).all(axis=1)
    first = start + np.where(wraps, _reach(start, vector, mesh.size), 1.0)[:, None] * vector
    second = stop - _reach(stop, -vector, mesh.size)[:, None] * vector
    return np.concatenate([start, stop[wraps]]), np.concatenate([first, second[wraps]])


def on_map(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Points (n, 2) moved onto the map of ``size`` = (ny, nx), which reaches half a site beyond the outermost spins."""
    return (points + 0.5) % np.array(size[::-1]) - 0.5


def defect_points(mesh: Mesh, is_defect: np.ndarray | None = None, *, size: float = 10) -> list[Any]:
    """Points with fewer and with more than six neighbours, as two traces.

    Parameters
    ----------
    mesh
        Of the skyrmions.
    is_defect
        Which points count, shape (n,); default: all.
    size
        Of a marker in pixels.
    """
    go = style.graph_objects()
    points = on_map(mesh.points, mesh.size)
    counted = np.ones(len(points), dtype=bool) if is_defect is None else is_defect
    traces = []
    for name, colour, chosen in (
        ("fewer than 6 neighbours", style.FEWER_COLOUR, mesh.coordination < 6),
        ("more than 6 neighbours", style.MORE_COLOUR, mesh.coordination > 6),
    ):
        shown = counted & chosen
        traces.append(
            go.Scatter(
                x=points[shown, 0],
                y=points[shown, 1],
                mode="markers",
                marker={"color": colour, "size": size, "line": {"color": style.RIM_COLOUR, "width": size / 10}},
                name=name,
                customdata=mesh.coordination[shown],
                hovertemplate="%{customdata} neighbours at (%{x:.1f}, %{y:.1f})<extra></extra>",
                showlegend=True,
            )
        )
    return traces


def _with_gaps(start: np.ndarray, stop: np.ndarray) -> dict[str, np.ndarray]:
    """Coordinates of one line through all pieces, NaN between them."""
    gap = np.full(len(start), np.nan)
    return {name: np.column_stack([start[:, k], stop[:, k], gap]).ravel() for k, name in enumerate("xy")}


def _reach(start: np.ndarray, vector: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Share of each vector, at most all of it, that lies on the map."""
    low, high = -0.5, np.array(size[::-1]) - 0.5
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(vector > 0, (high - start) / vector, np.where(vector < 0, (low - start) / vector, 1.0))
    return np.clip(share.min(axis=1), 0.0, 1.0)


def _burgers(mesh: Mesh, defects: Defects) -> list[Any]:
    """An arrow of the Burgers vector's true length, centred on each dislocation."""
    go = style.graph_objects()
    centre = on_map(defects.centres(mesh)[defects.is_dislocation], mesh.size)
    vector = defects.burgers[defects.is_dislocation]
    drawn = np.isfinite(vector).all(axis=1)
    centre, vector = centre[drawn], vector[drawn]
    tail, tip = centre - vector / 2, centre + vector / 2
    lines = go.Scatter(
        **_with_gaps(tail, tip),
        mode="lines",
        line={"color": style.BURGERS_COLOUR, "width": 2},
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
            "color": style.BURGERS_COLOUR,
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


def _grains(mesh: Mesh, grain: np.ndarray | None) -> list[Any]:
    """Points in the colour of their grain, one trace for each grain."""
    if grain is None:
        raise SchemaError("layers: grains are defined on the torus; draw them with boundary='periodic'.")
    go = style.graph_objects()
    points, colours = on_map(mesh.points, mesh.size), style.GRAIN_COLOURS
    return [
        go.Scatter(
            x=points[grain == k, 0],
            y=points[grain == k, 1],
            mode="markers",
            marker={"symbol": "hexagon", "color": colours[(k - 1) % len(colours)], "size": 17},
            opacity=0.75,
            name=f"grain {k} ({(grain == k).sum()})",
            hoverinfo="name",
            showlegend=True,
        )
        for k in range(1, grain.max() + 1)
    ]

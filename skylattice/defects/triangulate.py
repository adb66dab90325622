"""Delaunay triangulation of skyrmions, on the torus or with open boundaries."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
import xarray as xr

from skylattice.defects._lattices import per_lattice
from skylattice.errors import SchemaError
from skylattice.schema import SKYRMION, STATUS, require

Boundary = Literal["periodic", "open"]

#: Fewer points than this do not triangulate a torus without edges that close on themselves.
MIN_POINTS = 12


@dataclass(frozen=True)
class Mesh:
    """A triangulation as half-edges.

    Half-edge h belongs to triangle h // 3 and runs counter-clockwise around it.

    Attributes
    ----------
    points
        Positions in sites, shape (n, 2), columns x and y.
    size
        (ny, nx), the periods in sites.
    origin
        Point that each half-edge leaves, shape (h,).
    twin
        The same edge the other way round, shape (h,); -1 on the hull of an open triangulation.
    vector
        From each half-edge's origin to its end in sites, shape (h, 2); short even where the edge wraps.
    coordination
        Number of edges at each point, shape (n,).
    on_hull
        Whether a point lies on the hull, shape (n,); all False on the torus.
    """

    points: np.ndarray
    size: tuple[int, int]
    origin: np.ndarray
    twin: np.ndarray
    vector: np.ndarray
    coordination: np.ndarray
    on_hull: np.ndarray

    @property
    def triangles(self) -> np.ndarray:
        """Corners of each triangle, shape (triangles, 3), counter-clockwise."""
        return self.origin.reshape(-1, 3)

    @cached_property
    def following(self) -> np.ndarray:
        """The next half-edge around the triangle of each half-edge, shape (h,)."""
        return np.roll(np.arange(len(self.origin)).reshape(-1, 3), -1, axis=1).ravel()

    @cached_property
    def end(self) -> np.ndarray:
        """Point that each half-edge leads to, shape (h,)."""
        return self.origin[self.following]

    @cached_property
    def edges(self) -> np.ndarray:
        """One half-edge of each edge, shape (edges,)."""
        return np.flatnonzero((self.twin < 0) | (np.arange(len(self.twin)) < self.twin))


def points_arguments(positions: xr.Dataset) -> tuple[list[xr.DataArray], list[tuple[str, ...]]]:
    """Positions and their number as arguments, with core dims, of :func:`skylattice.defects._lattices.per_lattice`.

    Raises
    ------
    SchemaError
        If ``positions`` has no ``x``, ``y`` and ``n_skyrmions``.
    """
    require(positions, ["x", "y", "n_skyrmions"], purpose="an analysis of skyrmion positions")
    return [positions["x"], positions["y"], positions["n_skyrmions"]], [(SKYRMION,), (SKYRMION,), ()]


def check_boundary(boundary: str) -> None:
    """Raise :class:`SchemaError` for an unknown boundary."""
    if boundary not in get_args(Boundary):
        raise SchemaError(f"boundary: expected one of {get_args(Boundary)}, found {boundary!r}.")


def triangulate(points: np.ndarray, size: tuple[int, int], boundary: Boundary = "periodic") -> Mesh | None:
    """Delaunay triangulation of points on the torus, or of points in the plane.

    Qhull triangulates the points and a rim of ghosts, wide enough that the circumcircle of every triangle lies inside;
    one image of each triangle is kept. Cells of more than three cocircular points are cut along the shorter diagonal,
    then the one with the less crowded ends, so that the result follows translations on the torus and rotations;
    only where the surroundings are symmetric as well, a fixed direction decides.

    Parameters
    ----------
    points
        Positions in sites, shape (n, 2), columns x and y in [0, nx) and [0, ny).
    size
        (ny, nx), the periods in sites.
    boundary
        ``"periodic"``, or ``"open"``: no ghosts, and a hull.

    Returns
    -------
    The mesh, or None where there is none: coinciding points, all points on a line, or fewer than
    :data:`MIN_POINTS` (3 with open boundaries). On the torus V - E + F = 0, E = 3 V and Σ(6 - z) = 0 hold; with a
    hull of h points Σ(6 - z) = 2 h + 6.

    Raises
    ------
    SchemaError
        For an unknown boundary.

    Examples
    --------
    >>> import numpy as np
    >>> mesh = triangulate(np.random.default_rng(0).uniform(0, 50, size=(40, 2)), (50, 50))
    >>> len(mesh.triangles), int(mesh.coordination.sum())
    (80, 240)
    """
    from scipy.spatial import Delaunay, QhullError

    from skylattice.kernels.triangulate import canonical_triangles, half_edges, with_ghosts

    check_boundary(boundary)
    points = np.ascontiguousarray(points, dtype=np.float64)
    n = len(points)
    if n < (MIN_POINTS if boundary == "periodic" else 3):
        return None
    height, width = map(float, size)
    margin = 2.0 * np.sqrt(width * height / n) if boundary == "periodic" else np.inf
    while True:
        coordinates, source = with_ghosts(points, width, height, margin if boundary == "periodic" else 0.0)
        try:
            qhull = Delaunay(coordinates)
        except QhullError:  # all points on a line
            return None
        if len(qhull.coplanar):  # points that coincide
            return None
        triangles, is_settled = canonical_triangles(
            points, coordinates, source, qhull.simplices, qhull.neighbors, width, height, margin
        )
        # a triangle that reaches out of the rim may be missing altogether: a torus has two for each point
        if boundary == "open" or (is_settled and len(triangles) == 2 * n):
            break
        if margin > 4 * max(width, height):
            return None
        margin *= 2
    origin, twin, vector, coordination, on_hull = half_edges(coordinates, source, triangles, n)
    return Mesh(points, (int(size[0]), int(size[1])), origin, twin, vector, coordination, on_hull)


def triangulation(positions: xr.Dataset, size: tuple[int, int], *, boundary: Boundary = "periodic") -> xr.Dataset:
    """Delaunay triangulation of each lattice: :func:`triangulate`.

    Parameters
    ----------
    positions
        ``x`` and ``y`` in sites, shape ``(..., skyrmion)``, padded with NaN, and ``n_skyrmions``, NaN for a hole, as
        from :func:`skylattice.defects.detect.skyrmions`. ``skyrmion`` must be one chunk.
    size
        (ny, nx) of the lattice of spins.
    boundary
        ``"periodic"`` or ``"open"``.

    Returns
    -------
    Dataset, lazy if ``positions`` is lazy. ``triangles`` of shape ``(..., triangle, corner)``, numbers along
    ``skyrmion``, counter-clockwise, -1 where padded; ``n_triangles`` of shape ``(...)``; ``coordination`` of shape
    ``(..., skyrmion)``; ``status``: done, empty for a hole, skipped for fewer than 12 points, failed for points without
    a triangulation.

    Raises
    ------
    SchemaError
        For an unknown boundary, or positions without ``x``, ``y`` and ``n_skyrmions``.
    """
    check_boundary(boundary)
    rows = positions.sizes[SKYRMION]
    return per_lattice(
        _triangulation,
        *points_arguments(positions),
        ["triangles", "n_triangles", "coordination", "status"],
        {SKYRMION: rows, "triangle": 2 * rows, "corner": 3},
        size=size,
        boundary=boundary,
    )


def _triangulation(
    x: np.ndarray, y: np.ndarray, n: np.ndarray, *, size: tuple[int, int], boundary: Boundary
) -> dict[str, Any]:
    """Triangulation of one lattice, by name."""
    mesh = mesh_of(x, y, n, size, boundary)
    if not isinstance(mesh, Mesh):
        return mesh
    return {
        "triangles": mesh.triangles,
        "n_triangles": len(mesh.triangles),
        "coordination": mesh.coordination,
        "status": STATUS["done"],
    }


def mesh_of(
    x: np.ndarray, y: np.ndarray, n: np.ndarray, size: tuple[int, int], boundary: Boundary = "periodic"
) -> Mesh | dict[str, Any]:
    """Mesh of one lattice's padded positions, or the status that says why there is none."""
    if np.isnan(n):
        return {}
    if n > len(x):  # more than the detection had room for
        return {"status": STATUS["failed"]}
    mesh = triangulate(np.column_stack([x, y])[: int(n)], size, boundary)
    return mesh or {"status": STATUS["skipped" if n < MIN_POINTS else "failed"]}

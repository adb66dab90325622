"""Delaunay triangulation of skyrmions, on the torus or with open boundaries."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
import xarray as xr

from skylattice.defects._per_lattice import per_lattice
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
    def psi6(self) -> np.ndarray:
        """Local bond order ψ6 = mean of exp(6 i θ) over the neighbours of each point, complex, shape (n,)."""
        from skylattice.kernels.order import local_psi6

        return local_psi6(self.origin, self.end, self.twin, self.vector, len(self.points))

    @cached_property
    def edges(self) -> np.ndarray:
        """One half-edge of each edge, shape (edges,)."""
        return np.flatnonzero((self.twin < 0) | (np.arange(len(self.twin)) < self.twin))


def check_boundary(boundary: str) -> None:
    """Raise :class:`SchemaError` for an unknown boundary."""
    if boundary not in get_args(Boundary):
        raise SchemaError(f"boundary: expected one of {get_args(Boundary)}, found {boundary!r}.")


def triangulate(points: np.ndarray, size: tuple[int, int], boundary: Boundary = "periodic") -> Mesh | None:
    """Delaunay triangulation of points on the torus, or of points in the plane.

    On the torus triangles grow from edge to edge, and are kept if every circumcircle is empty by more than rounding
    takes. Otherwise, and with open boundaries, Qhull triangulates the points and a rim of ghosts, wide enough that the
    circumcircle of every triangle lies inside; one image of each triangle is kept. Cells of more than three cocircular
    points are cut along the shorter diagonal, then the one with the less crowded ends, so that the result follows
    translations on the torus and rotations; only where the surroundings are symmetric as well, a fixed direction
    decides.

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
    from skylattice.kernels.triangulate import BEYOND, CERTAIN, torus_mesh

    check_boundary(boundary)
    points = np.ascontiguousarray(points, dtype=np.float64)
    n = len(points)
    if n < (MIN_POINTS if boundary == "periodic" else 3):
        return None
    height, width = map(float, size)
    if boundary == "periodic":
        margin, outcome = _rim(n, width, height), BEYOND
        while outcome == BEYOND and margin <= 4 * max(width, height):
            mesh, outcome = torus_mesh(points, width, height, margin)
            margin *= 2
        if outcome == CERTAIN:
            return Mesh(points, (int(size[0]), int(size[1])), *mesh)
    return _by_qhull(points, size, boundary)


def _rim(n: int, width: float, height: float) -> float:
    """How far ghosts are taken from a torus of n points at first."""
    return 2.0 * math.sqrt(width * height / n)


def _by_qhull(points: np.ndarray, size: tuple[int, int], boundary: Boundary) -> Mesh | None:
    """The triangulation where points tie or the plane has a hull: Qhull's, with cocircular cells cut by our rule."""
    from scipy.spatial import Delaunay, QhullError

    from skylattice.kernels.cocircular import canonical_triangles
    from skylattice.kernels.half_edges import half_edges, with_ghosts

    n = len(points)
    height, width = map(float, size)
    margin = _rim(n, width, height) if boundary == "periodic" else np.inf
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
    corner, images = source[triangles, 0].astype(np.int32), source[triangles, 1]
    return Mesh(points, (int(size[0]), int(size[1])), *half_edges(points, corner, images, width, height))


def triangulation(positions: xr.Dataset, size: tuple[int, int], *, boundary: Boundary = "periodic") -> xr.Dataset:
    """Delaunay triangulation of each lattice: :func:`triangulate`.

    Parameters
    ----------
    positions
        ``skyrmion_x`` and ``skyrmion_y`` in sites, shape ``(..., skyrmion)``, padded with NaN, and ``n_skyrmions``, NaN
        for a hole, as from :func:`skylattice.defects.detect.skyrmions`. ``skyrmion`` must be one chunk.
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
        For an unknown boundary, or positions without ``skyrmion_x``, ``skyrmion_y`` and ``n_skyrmions``.
    """
    rows = positions.sizes[SKYRMION]
    return per_mesh(
        _triangulation,
        positions,
        ["triangles", "n_triangles", "coordination"],
        {SKYRMION: rows, "triangle": 2 * rows, "corner": 3},
        size=size,
        boundary=boundary,
    )


def _triangulation(mesh: Mesh) -> dict[str, Any]:
    """Triangulation of one lattice, by name."""
    return {"triangles": mesh.triangles, "n_triangles": len(mesh.triangles), "coordination": mesh.coordination}


def per_mesh(
    function: Callable[..., Mapping[str, Any]],
    positions: xr.Dataset,
    names: Sequence[str],
    sizes: Mapping[str, int],
    *,
    size: tuple[int, int],
    boundary: Boundary = "periodic",
    **options: Any,
) -> xr.Dataset:
    """Triangulate each lattice of points, call ``function(mesh, **options)``, and collect what it returns by name.

    Parameters
    ----------
    function, names, sizes
        As for :func:`skylattice.defects._per_lattice.per_lattice`. ``status`` is added: done, empty for a hole, skipped
        for too few points, failed for points without a triangulation.
    positions
        ``skyrmion_x``, ``skyrmion_y`` and ``n_skyrmions``.
    size, boundary
        As for :func:`triangulate`.

    Raises
    ------
    SchemaError
        For an unknown boundary, or if ``positions`` lacks a variable.
    """
    check_boundary(boundary)
    arguments = ["skyrmion_x", "skyrmion_y", "n_skyrmions"]
    require(positions, arguments, purpose="an analysis of skyrmion positions")
    return per_lattice(
        _on_mesh,
        [positions[name] for name in arguments],
        [(SKYRMION,), (SKYRMION,), ()],
        [*names, "status"],
        sizes,
        function=function,
        size=size,
        boundary=boundary,
        keywords=options,
    )


def _on_mesh(
    x: np.ndarray,
    y: np.ndarray,
    n: np.ndarray,
    *,
    function: Callable[..., Mapping[str, Any]],
    size: tuple[int, int],
    boundary: Boundary,
    keywords: Mapping[str, Any],
) -> dict[str, Any]:
    """What a function finds on the mesh of one lattice's padded positions, or why there is none."""
    if np.isnan(n):
        return {}
    if n > len(x):  # more than the detection had room for
        return {"status": STATUS["failed"]}
    mesh = triangulate(np.column_stack([x, y])[: int(n)], size, boundary)
    if mesh is None:
        return {"status": STATUS["skipped" if n < MIN_POINTS else "failed"]}
    return {**function(mesh, **keywords), "status": STATUS["done"]}

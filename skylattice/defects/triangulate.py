"""Delaunay triangulation of skyrmions, on the torus or with open boundaries."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from skylattice.boundary import Boundary, BoundaryLike
from skylattice.defects._per_lattice import per_lattice
from skylattice.schema import SITE_DIMS, SKYRMION, STATUS, require

#: Fewer points than this do not triangulate a torus without edges that close on themselves.
MIN_POINTS = 12
#: A place is off the lattice if this share of the sites is missing, up to this part of the points' distance around it.
_MISSING, _AROUND = 0.25, 0.25


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
    on_boundary
        Whether a point is at the rim of the lattice, shape (n,): on the hull, or with a Voronoi cell that reaches
        across an open boundary or into empty sites.
    """

    points: np.ndarray
    size: tuple[int, int]
    origin: np.ndarray
    twin: np.ndarray
    vector: np.ndarray
    coordination: np.ndarray
    on_hull: np.ndarray
    on_boundary: np.ndarray

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


def triangulate(
    points: np.ndarray, size: tuple[int, int], boundary: BoundaryLike = "periodic", mask: np.ndarray | None = None
) -> Mesh | None:
    """Delaunay triangulation of points on the torus, on a cylinder, or in the plane.

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
        As :meth:`skylattice.boundary.Boundary.parse` takes it. Along an open axis there are no ghosts, and a hull.
    mask
        Where there are sites, shape (ny, nx); None for all.

    Returns
    -------
    The mesh, or None where there is none: coinciding points, all points on a line, or fewer than
    :data:`MIN_POINTS` (3 with both axes open). On the torus V - E + F = 0, E = 3 V and Σ(6 - z) = 0 hold; with a
    hull of h points Σ(6 - z) = 2 h + 6 in the plane, and 2 h on a cylinder.

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

    boundary = Boundary.parse(boundary)
    points = np.ascontiguousarray(points, dtype=np.float64)
    n = len(points)
    if n < (MIN_POINTS if boundary.y or boundary.x else 3):
        return None
    height, width = map(float, size)
    if boundary.is_periodic:
        margin, outcome = _rim(n, width, height), BEYOND
        while outcome == BEYOND and margin <= 4 * max(width, height):
            mesh, outcome = torus_mesh(points, width, height, margin)
            margin *= 2
        if outcome == CERTAIN:
            return _with_rim(points, size, mesh, boundary, mask)
    found = _by_qhull(points, size, boundary)
    return None if found is None else _with_rim(points, size, found, boundary, mask)


def _rim(n: int, width: float, height: float) -> float:
    """How far ghosts are taken from a torus of n points at first."""
    return 2.0 * math.sqrt(width * height / n)


def _by_qhull(points: np.ndarray, size: tuple[int, int], boundary: Boundary) -> tuple[np.ndarray, ...] | None:
    """Half-edges where points tie or the plane has a hull: Qhull's, with cocircular cells cut by our rule."""
    from scipy.spatial import Delaunay, QhullError

    from skylattice.kernels.cocircular import canonical_triangles
    from skylattice.kernels.half_edges import half_edges, with_ghosts

    n = len(points)
    height, width = map(float, size)
    margin = _rim(n, width, height)
    if boundary.y != boundary.x:  # an edge of the hull may be as long as the period
        margin = max(margin, 2.0 * (width if boundary.x else height))
    while True:
        rim = margin * boundary.x, margin * boundary.y
        coordinates, source = with_ghosts(points, width, height, *rim)
        try:
            qhull = Delaunay(coordinates)
        except QhullError:  # all points on a line
            return None
        if len(qhull.coplanar):  # points that coincide
            return None
        triangles, is_settled = canonical_triangles(
            points, coordinates, source, qhull.simplices, qhull.neighbors, width, height, *rim
        )
        corner, images = source[triangles, 0].astype(np.int32), source[triangles, 1]
        mesh = half_edges(points, corner, images, width, height)
        # a triangle that reaches out of the rim may be missing altogether: each point has two, less at the hull
        n_hull = np.count_nonzero(mesh[1] < 0)
        if not (boundary.x or boundary.y) or (is_settled and len(triangles) == 2 * n - n_hull):
            return mesh
        if margin > 4 * max(width, height):
            return None
        margin *= 2


def _with_rim(
    points: np.ndarray,
    size: tuple[int, int],
    mesh: tuple[np.ndarray, ...],
    boundary: Boundary,
    mask: np.ndarray | None,
) -> Mesh:
    """The mesh of half-edges with its rim: the corners of triangles whose circumcentre is not on the lattice."""
    origin, twin, vector, coordination, on_hull = mesh
    on_boundary = on_hull.copy()
    if not (boundary.is_periodic and mask is None):
        (bx, by), (cx, cy) = vector[0::3].T, -vector[2::3].T
        with np.errstate(divide="ignore", invalid="ignore"):
            scale = 0.5 / (bx * cy - by * cx)
            b2, c2 = bx * bx + by * by, cx * cx + cy * cy
            x, y = scale * (cy * b2 - by * c2), scale * (bx * c2 - cx * b2)
        x, y = points[origin[0::3], 0] + x, points[origin[0::3], 1] + y
        is_off = ~(np.isfinite(x) & np.isfinite(y))
        reach = math.ceil(_AROUND * math.sqrt(size[0] * size[1] / len(points)))
        is_off[~is_off] = _is_off_lattice(x[~is_off], y[~is_off], size, boundary, mask, reach)
        on_boundary[origin.reshape(-1, 3)[is_off]] = True
    return Mesh(points, (int(size[0]), int(size[1])), origin, twin, vector, coordination, on_hull, on_boundary)


def _is_off_lattice(
    x: np.ndarray, y: np.ndarray, size: tuple[int, int], boundary: Boundary, mask: np.ndarray | None, reach: int
) -> np.ndarray:
    """Whether too many sites around places are missing, which those of a single empty site inside are not."""
    steps = np.arange(-reach, reach + 1)
    row, column = (np.rint(along).astype(np.int64)[:, None] + steps for along in (y, x))
    ny, nx = size
    has_row = boundary.y | ((row >= 0) & (row < ny))
    has_column = boundary.x | ((column >= 0) & (column < nx))
    is_there = has_row[:, :, None] & has_column[:, None, :]
    if mask is not None:
        is_there &= mask[(row % ny)[:, :, None], (column % nx)[:, None, :]]
    return is_there.mean(axis=(1, 2)) < 1 - _MISSING


def triangulation(
    positions: xr.Dataset,
    size: tuple[int, int],
    *,
    boundary: BoundaryLike = "periodic",
    mask: xr.DataArray | None = None,
) -> xr.Dataset:
    """Delaunay triangulation of each lattice: :func:`triangulate`.

    Parameters
    ----------
    positions
        ``skyrmion_x`` and ``skyrmion_y`` in sites, shape ``(..., skyrmion)``, padded with NaN, and ``n_skyrmions``, NaN
        for a hole, as from :func:`skylattice.defects.detect.skyrmions`. ``skyrmion`` must be one chunk.
    size
        (ny, nx) of the lattice of spins.
    boundary, mask
        As for :func:`triangulate`; the mask of dims ``(..., y, x)``.

    Returns
    -------
    Dataset, lazy if ``positions`` is lazy. ``triangles`` of shape ``(..., triangle, corner)``, numbers along
    ``skyrmion``, counter-clockwise, -1 where padded; ``n_triangles`` of shape ``(...)``; ``coordination`` of shape
    ``(..., skyrmion)``; ``on_boundary``, as :class:`Mesh` has it, of the same shape; ``status``: done, empty for a
    hole, skipped for fewer than 12 points, failed for points without a triangulation.

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
        mask=mask,
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
    boundary: BoundaryLike = "periodic",
    mask: xr.DataArray | None = None,
    **options: Any,
) -> xr.Dataset:
    """Triangulate each lattice of points, call ``function(mesh, **options)``, and collect what it returns by name.

    Parameters
    ----------
    function, names, sizes
        As for :func:`skylattice.defects._per_lattice.per_lattice`. Added are ``on_boundary``, as :class:`Mesh` has it,
        and ``status``: done, empty for a hole, skipped for too few points, failed for points without a triangulation.
    positions
        ``skyrmion_x``, ``skyrmion_y`` and ``n_skyrmions``.
    size, boundary, mask
        As for :func:`triangulate`.

    Raises
    ------
    SchemaError
        For an unknown boundary, or if ``positions`` lacks a variable.
    """
    boundary = Boundary.parse(boundary)
    arguments = ["skyrmion_x", "skyrmion_y", "n_skyrmions"]
    require(positions, arguments, purpose="an analysis of skyrmion positions")
    return per_lattice(
        _on_mesh,
        [*(positions[name] for name in arguments), *([] if mask is None else [mask])],
        [(SKYRMION,), (SKYRMION,), (), *([] if mask is None else [SITE_DIMS])],
        [*names, "on_boundary", "status"],
        {**sizes, SKYRMION: positions.sizes[SKYRMION]},
        function=function,
        size=size,
        boundary=boundary,
        keywords=options,
    )


def _on_mesh(
    x: np.ndarray,
    y: np.ndarray,
    n: np.ndarray,
    mask: np.ndarray | None = None,
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
    mesh = triangulate(np.column_stack([x, y])[: int(n)], size, boundary, mask)
    if mesh is None:
        return {"status": STATUS["skipped" if n < MIN_POINTS else "failed"]}
    return {**function(mesh, **keywords), "on_boundary": mesh.on_boundary, "status": STATUS["done"]}

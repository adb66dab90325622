"""Grains of a skyrmion lattice by orientation, and the boundaries between them."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from skylattice.defects.classify import Defects, find_defects
from skylattice.defects.triangulate import Mesh, per_mesh
from skylattice.errors import SchemaError
from skylattice.schema import SKYRMION

#: Results of :func:`grains`.
GRAINS = (
    "n_grains",
    "largest_grain",
    "skyrmion_grain",
    "grain_size",
    "grain_orientation",
    "boundary_grain",
    "boundary_other_grain",
    "misorientation",
    "boundary_length",
    "boundary_dislocations",
    "dislocation_spacing",
    "expected_spacing",
)

#: Smallest misorientation of two grains in rad (5°), and smallest grain in skyrmions.
TOLERANCE, MIN_SIZE = 0.09, 12
#: Mean length of a path along the Voronoi edges of a triangular lattice over the straight distance.
_ZIGZAG = 2 * np.sqrt(3) / np.pi


def find_grains(mesh: Mesh, *, tolerance: float = TOLERANCE, min_size: int = MIN_SIZE) -> np.ndarray:
    """Number of the grain that each point belongs to, shape (n,), from 1 in the order of decreasing size.

    Each point's ψ6 is averaged with its neighbours'. Neighbours then join in the order of their misorientation, as long
    as the mean orientations of their grains differ by less than the tolerance; grains below the minimum size join the
    neighbour that they share most edges with.

    Parameters
    ----------
    mesh
        From :func:`skylattice.defects.triangulate.triangulate`.
    tolerance
        Smallest misorientation of two grains in rad.
    min_size
        Smallest grain, in points.
    """
    from skylattice.kernels.grains import grow_grains

    return grow_grains(mesh.origin, mesh.end, _smooth_psi6(mesh), tolerance, min_size)


def grains(
    positions: xr.Dataset,
    size: tuple[int, int],
    *,
    tolerance: float = TOLERANCE,
    min_size: int = MIN_SIZE,
    max_grains: int | None = None,
) -> xr.Dataset:
    """Divide each lattice into grains of one orientation, and measure the boundaries between them.

    Parameters
    ----------
    positions
        ``skyrmion_x`` and ``skyrmion_y`` in sites, shape ``(..., skyrmion)``, padded with NaN, and ``n_skyrmions``, NaN
        for a hole, as from :func:`skylattice.defects.detect.skyrmions`. ``skyrmion`` must be one chunk.
    size
        (ny, nx) of the lattice of spins.
    tolerance, min_size
        As for :func:`find_grains`.
    max_grains
        Length of the ``grain`` dimension; by default as many as there can be.

    Returns
    -------
    Dataset, lazy if ``positions`` is lazy. Of shape ``(...)``: ``n_grains``; ``largest_grain``, its share of the
    skyrmions; ``status`` as for :func:`skylattice.defects.classify.defects`. Of shape ``(..., skyrmion)``:
    ``skyrmion_grain``, -1 where padded. Of shape ``(..., grain)``: ``grain_size`` in skyrmions; ``grain_orientation``
    in (-π/6, π/6] rad.
    Of shape ``(..., boundary)``, one for each two grains that touch: ``boundary_grain`` and ``boundary_other_grain``;
    ``misorientation`` θ in rad; ``boundary_length`` in sites; ``boundary_dislocations``; ``dislocation_spacing``, the
    length over their number, and ``expected_spacing`` a / (2 sin(θ/2)), in sites.

    Raises
    ------
    SchemaError
        For a tolerance or size that is not positive; and, when computed, if a lattice has more than ``max_grains``.
    """
    if not tolerance > 0 or min_size < 1:
        raise SchemaError(
            f"grains: expected tolerance > 0 rad and min_size >= 1, found {tolerance!r} and {min_size!r}."
        )
    rows = positions.sizes[SKYRMION]
    most = max(1, rows // min_size) if max_grains is None else max_grains
    return per_mesh(
        _grains,
        positions,
        GRAINS,
        {SKYRMION: rows, **grain_sizes(most)},
        size=size,
        tolerance=tolerance,
        min_size=min_size,
    )


def grain_sizes(most: int) -> dict[str, int]:
    """Lengths of the padded dims of :func:`grains` for so many grains at most."""
    return {"grain": most, "boundary": 3 * most}  # a map on the torus has at most three borders for each country


def _grains(mesh: Mesh, *, tolerance: float, min_size: int) -> dict[str, Any]:
    return grains_of_mesh(mesh, find_defects(mesh), tolerance=tolerance, min_size=min_size)


def grains_of_mesh(
    mesh: Mesh, found: Defects, *, tolerance: float = TOLERANCE, min_size: int = MIN_SIZE
) -> dict[str, Any]:
    """Grains and boundaries of one lattice with its defects, by the names of :data:`GRAINS`."""
    grain = find_grains(mesh, tolerance=tolerance, min_size=min_size)
    count = np.bincount(grain)[1:]
    order = _grain_order(mesh, grain)
    return {
        "n_grains": len(count),
        "largest_grain": count.max() / len(mesh.points),
        "skyrmion_grain": grain,
        "grain_size": count,
        "grain_orientation": np.angle(order) / 6,
        **_boundaries(mesh, found, grain, order),
    }


def _boundaries(mesh: Mesh, defects: Defects, grain: np.ndarray, order: np.ndarray) -> dict[str, np.ndarray]:
    """Every two grains that touch: length of the boundary between them and dislocations on it."""
    a, b = grain[mesh.origin], grain[mesh.end]
    crossing = np.flatnonzero(a < b)
    pairs, which = np.unique(np.column_stack([a[crossing], b[crossing]]), axis=0, return_inverse=True)
    length = np.bincount(which.ravel(), weights=_path(mesh, a != b)[crossing], minlength=len(pairs)) / _ZIGZAG

    on_boundary = np.zeros(len(pairs))
    for k in np.flatnonzero(defects.is_dislocation) + 1:
        leaving = defects.core[mesh.origin] == k
        around = np.bincount(np.concatenate([a[leaving], b[leaving]]), minlength=len(order) + 1)
        first, second = np.sort(np.argsort(-around, kind="stable")[:2])
        if around[first] and around[second]:
            on_boundary += (pairs == (first, second)).all(axis=1)

    turn = abs(np.angle(order[pairs[:, 0] - 1] * order[pairs[:, 1] - 1].conj())) / 6
    spacing = np.sqrt(2 / np.sqrt(3) * mesh.size[0] * mesh.size[1] / len(mesh.points))
    with np.errstate(divide="ignore"):
        return {
            "boundary_grain": pairs[:, 0],
            "boundary_other_grain": pairs[:, 1],
            "misorientation": turn,
            "boundary_length": length,
            "boundary_dislocations": on_boundary,
            "dislocation_spacing": length / on_boundary,
            "expected_spacing": spacing / (2 * np.sin(turn / 2)),
        }


def _path(mesh: Mesh, crosses: np.ndarray) -> np.ndarray:
    """Length of the boundary's path around the middle of each half-edge that crosses it, from triangle to triangle.

    A triangle between two grains has two such half-edges; the path joins their middles, half as long as the third
    edge. Between three grains it leads from each middle to the centroid.
    """
    from_middle = np.zeros(len(mesh.origin))
    third = np.hypot(*mesh.vector.T).reshape(-1, 3)
    corner = crosses.reshape(-1, 3)
    two, three = corner.sum(axis=1) == 2, corner.all(axis=1)
    share = from_middle.reshape(-1, 3)
    share[two] = (third * ~corner).sum(axis=1)[two, None] / 4 * corner[two]
    squares = third**2
    median = np.sqrt(np.maximum(2 * squares.sum(axis=1, keepdims=True) - 3 * squares, 0)) / 2
    share[three] = median[three] / 3
    return from_middle + np.where(mesh.twin >= 0, from_middle[mesh.twin], 0)


def _grain_order(mesh: Mesh, grain: np.ndarray) -> np.ndarray:
    """Sum of ψ6 over the points of each grain, those on its rim left out unless it has no others; shape (grains,)."""
    local = mesh.psi6
    on_rim = np.zeros(len(grain), dtype=bool)
    on_rim[mesh.origin[grain[mesh.origin] != grain[mesh.end]]] = True
    inner, all_ = (
        np.bincount(grain, weights=local.real * use) + 1j * np.bincount(grain, weights=local.imag * use)
        for use in (~on_rim, np.ones(len(grain)))
    )
    return np.where(inner != 0, inner, all_)[1:]


def _smooth_psi6(mesh: Mesh) -> np.ndarray:
    """ψ6 of each point averaged with its neighbours'."""
    local = mesh.psi6
    total, count = local.copy(), 1 + np.bincount(mesh.origin, minlength=len(local))
    np.add.at(total, mesh.origin, local[mesh.end])
    return total / count

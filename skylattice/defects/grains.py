"""Grains of a skyrmion lattice by orientation, and the boundaries between them."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from skylattice.boundary import Boundary, BoundaryLike, Sites, check_torus
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
    neighbour that they share most edges with. Ties are decided by order and orientation, so that grains move with the
    points.

    Parameters
    ----------
    mesh
        From :func:`skylattice.defects.triangulate.triangulate`.
    tolerance
        Smallest misorientation of two grains in rad.
    min_size
        Smallest grain, in points.
    """
    from skylattice.kernels.grains import grow_grains, smooth_psi6

    smooth = smooth_psi6(mesh.origin, mesh.end, mesh.psi6)
    return grow_grains(mesh.origin, mesh.end, mesh.twin, smooth, tolerance, min_size)


def grains(
    positions: xr.Dataset,
    size: tuple[int, int],
    *,
    tolerance: float = TOLERANCE,
    min_size: int = MIN_SIZE,
    max_grains: int | None = None,
    boundary: BoundaryLike = "periodic",
    mask: xr.DataArray | None = None,
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
    boundary, mask
        As for :func:`skylattice.defects.triangulate.triangulation`; grains are those of periodic lattices.

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
        For a tolerance or size that is not positive, or an open boundary; and, when computed, if a lattice has more
        than ``max_grains``.
    """
    check_torus(Sites(Boundary.parse(boundary)), "grains", "hexatic_order() has the order around each skyrmion.")
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
        grain_sizes(most),
        size=size,
        mask=mask,
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
    from skylattice.kernels.grains import grain_order

    grain = find_grains(mesh, tolerance=tolerance, min_size=min_size)
    count = np.bincount(grain)[1:]
    order = grain_order(mesh.origin, mesh.end, mesh.psi6, grain, len(count))
    return {
        "n_grains": len(count),
        "largest_grain": count.max() / len(mesh.points),
        "skyrmion_grain": grain,
        "grain_size": count,
        "grain_orientation": np.angle(order) / 6,
        **_boundaries(mesh, found, grain, order),
    }


def _boundaries(mesh: Mesh, found: Defects, grain: np.ndarray, order: np.ndarray) -> dict[str, np.ndarray]:
    """Every two grains that touch: length of the boundary between them and dislocations on it."""
    from skylattice.kernels.grains import boundaries

    pairs, path, on_boundary = boundaries(
        mesh.origin, mesh.end, mesh.twin, mesh.vector, grain, len(order), found.core, found.is_dislocation
    )
    length = path / _ZIGZAG
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

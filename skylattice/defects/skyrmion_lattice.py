"""Everything about the lattice that skyrmions form, from one triangulation."""

from __future__ import annotations

from typing import Any

import xarray as xr

from skylattice.boundary import Boundary, BoundaryLike
from skylattice.defects.classify import DEFECTS, defect_sizes, defects_of_mesh, find_defects
from skylattice.defects.grains import GRAINS, MIN_SIZE, grain_sizes, grains_of_mesh
from skylattice.defects.order import ORDER, order_of_mesh
from skylattice.defects.triangulate import Mesh, per_mesh
from skylattice.schema import SKYRMION


def skyrmion_lattice(
    positions: xr.Dataset,
    size: tuple[int, int],
    *,
    boundary: BoundaryLike = "periodic",
    mask: xr.DataArray | None = None,
) -> xr.Dataset:
    """Defects, order and, on the torus, grains of each lattice of points, with the defaults of each.

    Parameters
    ----------
    positions
        ``skyrmion_x`` and ``skyrmion_y`` in sites, shape ``(..., skyrmion)``, padded with NaN, and ``n_skyrmions``, NaN
        for a hole, as from :func:`skylattice.defects.detect.skyrmions`. ``skyrmion`` must be one chunk.
    size
        (ny, nx) of the lattice of spins.
    boundary, mask
        As for :func:`skylattice.defects.triangulate.triangulation`.

    Returns
    -------
    Dataset, lazy if ``positions`` is lazy, with the variables of :func:`skylattice.defects.classify.defects`,
    :func:`skylattice.defects.order.hexatic_order` and :func:`skylattice.defects.grains.grains`, bit for bit.

    Examples
    --------
    >>> from skylattice import testing
    >>> ds = testing.hexagonal_skyrmions(columns=4, rows=4, spacing=12)
    >>> found = skyrmion_lattice(ds.sky.skyrmions(), (ds.sizes["y"], ds.sizes["x"]))
    >>> found.n_defects.item(), round(found.hexatic_order.item(), 2), found.n_grains.item()
    (0.0, 1.0, 1.0)
    """
    rows = positions.sizes[SKYRMION]
    sizes = {**defect_sizes(rows), **grain_sizes(max(1, rows // MIN_SIZE))}
    boundary = Boundary.parse(boundary)
    names = (*DEFECTS, *ORDER, *(GRAINS if boundary.is_periodic else ()))
    return per_mesh(
        _skyrmion_lattice,
        positions,
        names,
        sizes,
        size=size,
        boundary=boundary,
        mask=mask,
        with_grains=boundary.is_periodic,
    )


def _skyrmion_lattice(mesh: Mesh, *, with_grains: bool) -> dict[str, Any]:
    found = find_defects(mesh)
    grains = grains_of_mesh(mesh, found) if with_grains else {}
    return {**defects_of_mesh(mesh, found), **order_of_mesh(mesh), **grains}

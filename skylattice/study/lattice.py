"""One lattice as particles: positions, mesh, defects and grains in one bundle, ready to be drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from skylattice.boundary import TORUS, BoundaryLike, Sites
from skylattice.defects.classify import Defects, find_defects
from skylattice.defects.detect import Rule, ample_capacity, skyrmions
from skylattice.defects.grains import find_grains
from skylattice.defects.triangulate import Mesh, triangulate
from skylattice.errors import SchemaError
from skylattice.schema import SITE_DIMS, SPIN_DIMS, check_spin


@dataclass(frozen=True)
class LatticeAnalysis:
    """What was found in one lattice.

    Attributes
    ----------
    spin
        Unit spins, dims (y, x, component), computed; NaN throughout for a hole.
    points
        Centres of the skyrmions in sites, shape (n, 2), columns x and y.
    mesh
        Their triangulation; None where there is none.
    defects
        Of the mesh.
    grain
        Number, from 1, of the grain of each point, shape (n,); None without a mesh, or with open boundaries.
    """

    spin: xr.DataArray
    points: np.ndarray
    mesh: Mesh | None = None
    defects: Defects | None = None
    grain: np.ndarray | None = None


def analyse_lattice(
    spin: xr.DataArray,
    B: xr.DataArray | float = 0.0,
    sites: Sites = TORUS,
    *,
    rule: Rule = "charge",
    boundary: BoundaryLike | None = None,
) -> LatticeAnalysis:
    """Find the skyrmions of one lattice, triangulate them, and classify the defects and grains of the mesh.

    Parameters
    ----------
    spin
        Unit spins of one lattice, dims y, x, component, and others of length 1. Computed if lazy.
    B
        Field along z in units of J; its sign tells the background.
    sites
        Which sites and bonds there are, of this lattice alone.
    rule, boundary
        As for :func:`skylattice.defects.detect.skyrmions` and :func:`skylattice.defects.triangulate.triangulate`; the
        boundary is that of the sites by default.

    Raises
    ------
    SchemaError
        For more than one lattice, a bad ``spin``, or an unknown rule or boundary.

    Examples
    --------
    >>> from skylattice import testing
    >>> ds = testing.hexagonal_ensemble(columns=6, rows=6, spacing=10).sel(realization=2)
    >>> found = analyse_lattice(ds.spin, ds.B)
    >>> len(found.points), int(found.defects.is_defect.sum())
    (35, 4)
    """
    spin = _one_lattice(spin)
    points = _centres(spin, B, sites, rule)
    mesh = _mesh(points, spin, sites, boundary)
    if mesh is None:
        return LatticeAnalysis(spin, points)
    # grains are defined on the torus
    grain = None if mesh.on_hull.any() else find_grains(mesh)
    return LatticeAnalysis(spin, points, mesh, find_defects(mesh), grain)


def mesh_of_lattice(spin: xr.DataArray, B: xr.DataArray | float = 0.0, sites: Sites = TORUS) -> Mesh | None:
    """Triangulation of the skyrmions of one lattice alone; parameters and errors as :func:`analyse_lattice`.

    Returns
    -------
    The mesh; None for too few skyrmions.

    Examples
    --------
    >>> from skylattice import testing
    >>> ds = testing.hexagonal_skyrmions(columns=4, rows=4, spacing=12)
    >>> set(mesh_of_lattice(ds.spin, ds.B).coordination.tolist())
    {6}
    """
    spin = _one_lattice(spin)
    return _mesh(_centres(spin, B, sites, "charge"), spin, sites, None)


def _mesh(points: np.ndarray, spin: xr.DataArray, sites: Sites, boundary: BoundaryLike | None) -> Mesh | None:
    mask = None if sites.mask is None else sites.mask.squeeze(drop=True).transpose(*SITE_DIMS).values
    return triangulate(points, (spin.sizes["y"], spin.sizes["x"]), sites.boundary.of_neighbours(boundary), mask)


def _one_lattice(spin: xr.DataArray) -> xr.DataArray:
    """The lattice alone, computed, of dims (y, x, component)."""
    check_spin(spin)
    extra = {dim: n for dim, n in spin.sizes.items() if dim not in SPIN_DIMS and n > 1}
    if extra:
        raise SchemaError(f"spin: expected one lattice, found {extra}. Choose one, for example with .isel().")
    leading = [dim for dim in spin.dims if dim not in SPIN_DIMS]
    return spin.squeeze(leading, drop=True).transpose(*SPIN_DIMS).compute()


def _centres(spin: xr.DataArray, B: xr.DataArray | float, sites: Sites, rule: Rule) -> np.ndarray:
    """Centres of all skyrmions, of which noise has more than the usual number, shape (n, 2)."""
    rows = ample_capacity((spin.sizes["y"], spin.sizes["x"]))
    alone = sites if sites.mask is None else Sites(sites.boundary, sites.mask.squeeze(drop=True))
    found = skyrmions(spin, xr.DataArray(B).squeeze(drop=True), alone, rule=rule, max_skyrmions=rows).compute()
    n = int(np.nan_to_num(found["n_skyrmions"].item()))
    return np.column_stack([found["skyrmion_x"].values[:n], found["skyrmion_y"].values[:n]])

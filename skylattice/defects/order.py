"""Sixfold order of a skyrmion lattice: ψ6, orientations, pair correlations and their length."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from skylattice.boundary import Boundary, BoundaryLike, Sites, check_torus
from skylattice.defects.triangulate import Mesh, per_mesh
from skylattice.errors import SchemaError
from skylattice.schema import VARIABLES

#: Results of :func:`hexatic_order`.
ORDER = ("hexatic_order", "local_order", "lattice_orientation", "psi6", "orientation")
#: The correlation of ψ6 is fitted up to the first distance where it falls below this.
_NOISE = 0.05
#: A decay slower than this, per bin, is none.
_FLAT = 1e-9


def hexatic_order(
    positions: xr.Dataset,
    size: tuple[int, int],
    *,
    boundary: BoundaryLike = "periodic",
    mask: xr.DataArray | None = None,
) -> xr.Dataset:
    """Sixfold bond order of each lattice and around each skyrmion.

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
    Dataset, lazy if ``positions`` is lazy. Of shape ``(...)``: ``hexatic_order`` |⟨ψ6⟩| in [0, 1], 1 for the perfect
    lattice; ``local_order`` ⟨|ψ6|⟩; ``lattice_orientation`` in rad; ``status`` as for
    :func:`skylattice.defects.classify.defects`. Of shape ``(..., skyrmion)``: ``psi6``, the modulus; ``orientation`` of
    the neighbours in (-π/6, π/6] rad, 0 for an edge along x.

    Raises
    ------
    SchemaError
        For an unknown boundary, or positions without ``skyrmion_x``, ``skyrmion_y`` and ``n_skyrmions``.
    """
    return per_mesh(order_of_mesh, positions, ORDER, {}, size=size, boundary=boundary, mask=mask)


def order_of_mesh(mesh: Mesh) -> dict[str, Any]:
    """Bond order of one lattice, by the names of :data:`ORDER`."""
    local = mesh.psi6
    return {
        "hexatic_order": abs(local.mean()),
        "local_order": abs(local).mean(),
        "lattice_orientation": np.angle(local.mean()) / 6,
        "psi6": abs(local),
        "orientation": np.angle(local) / 6,
    }


def pair_correlation(
    positions: xr.Dataset,
    size: tuple[int, int],
    *,
    bin_width: float = 0.5,
    boundary: BoundaryLike = "periodic",
    mask: xr.DataArray | None = None,
) -> xr.Dataset:
    """Pair correlations of positions and of bond orientations on the torus.

    g(r) is the density of pairs at distance r relative to that of independent points. g6(r) is the mean of
    Re ψ6*(0) ψ6(r) over the pairs at distance r. Its correlation length ξ is that of an exponential fitted to g6(r)
    in shells of one lattice constant, weighted with the pairs, until it first falls below 5 % of ⟨|ψ6|²⟩.

    Parameters
    ----------
    positions
        As for :func:`hexatic_order`.
    size
        (ny, nx) of the lattice of spins. Distances run to half the smaller one.
    bin_width
        In sites.
    boundary, mask
        Of periodic lattices without empty sites: elsewhere the number of independent pairs at a distance is another.

    Returns
    -------
    Dataset, lazy if ``positions`` is lazy. Of shape ``(..., distance)``: ``pair_correlation``,
    ``orientation_correlation`` (NaN without pairs); the coordinate ``distance`` holds the bins' middles in sites. Of
    shape ``(...)``: ``correlation_length`` in sites, infinite where the order does not decay; ``status``.

    Raises
    ------
    SchemaError
        For a ``bin_width`` that is not positive or wider than the range of distances, bad positions, or lattices that
        are not periodic or have empty sites.
    """
    check_torus(Sites(Boundary.parse(boundary), mask), "pair_correlation", "Cut out a part, or use hexatic_order().")
    n_bins = int(min(size) / 2 / bin_width) if bin_width > 0 else 0
    if n_bins < 1:
        raise SchemaError(f"bin_width: expected a width in (0, {min(size) / 2}] sites, found {bin_width!r}.")
    correlations = per_mesh(
        _pair_correlation,
        positions,
        ["pair_correlation", "orientation_correlation", "correlation_length"],
        {"distance": n_bins},
        size=size,
        bin_width=bin_width,
        n_bins=n_bins,
    )
    return correlations.assign_coords(
        distance=("distance", (np.arange(n_bins) + 0.5) * bin_width, VARIABLES["distance"].attrs())
    )


def _pair_correlation(mesh: Mesh, *, bin_width: float, n_bins: int) -> dict[str, Any]:
    """Pair correlations of one lattice, by name."""
    from skylattice.kernels.order import pair_histogram

    local, size, n = mesh.psi6, mesh.size, len(mesh.points)
    count, order = pair_histogram(mesh.points, local, float(size[1]), float(size[0]), bin_width, n_bins)
    rings = np.pi * bin_width**2 * (2 * np.arange(n_bins) + 1)
    independent = 0.5 * n * (n - 1) * rings / (size[0] * size[1])
    correlation = np.divide(order, count, out=np.full(n_bins, np.nan), where=count > 0)
    shell = np.sqrt(2 / np.sqrt(3) * size[0] * size[1] / n)
    return {
        "pair_correlation": count / independent,
        "orientation_correlation": correlation,
        "correlation_length": _decay_length(count, order / (abs(local) ** 2).mean(), shell / bin_width) * bin_width,
    }


def _decay_length(count: np.ndarray, order: np.ndarray, shell: float) -> float:
    """Length of the exponential fitted to order / count, in bins; NaN with fewer than three shells above the noise.

    Bins are joined to shells of one lattice constant, so that the few pairs between two shells of neighbours do not
    decide.
    """
    bins = np.arange(len(count))
    which = ((bins + 0.5) / shell - 0.5).astype(int)
    use = (bins + 0.5 > 0.5 * shell) & (which < int(len(count) / shell - 0.5))
    pairs = np.bincount(which[use], weights=count[use])
    r = np.bincount(which[use], weights=count[use] * (bins[use] + 0.5)) / np.maximum(pairs, 1)
    correlation = np.bincount(which[use], weights=order[use]) / np.maximum(pairs, 1)
    low = np.flatnonzero(correlation < _NOISE)
    n = low[0] if len(low) else len(pairs)
    if n < 3:
        return np.nan
    slope = np.polyfit(r[:n], np.log(correlation[:n]), 1, w=np.sqrt(pairs[:n]))[0]
    return -1 / slope if slope < -_FLAT else np.inf

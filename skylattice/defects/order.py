"""Sixfold order of a skyrmion lattice: ψ6, orientations, pair correlations and their length."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from skylattice.defects._lattices import per_lattice
from skylattice.defects.triangulate import Boundary, Mesh, check_boundary, mesh_of, points_arguments
from skylattice.errors import SchemaError
from skylattice.schema import SKYRMION, STATUS

#: The correlation of ψ6 is fitted up to the first distance where it falls below this.
_NOISE = 0.05
#: A decay slower than this, per bin, is none.
_FLAT = 1e-9


def psi6(mesh: Mesh) -> np.ndarray:
    """Local bond order ψ6 = mean of exp(6 i θ) over the neighbours, complex, shape (n,)."""
    from skylattice.kernels.order import local_psi6

    return local_psi6(mesh.origin, mesh.end, mesh.twin, mesh.vector, len(mesh.points))


def hexatic_order(positions: xr.Dataset, size: tuple[int, int], *, boundary: Boundary = "periodic") -> xr.Dataset:
    """Sixfold bond order of each lattice and around each skyrmion.

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
    Dataset, lazy if ``positions`` is lazy. Of shape ``(...)``: ``hexatic_order`` |⟨ψ6⟩| in [0, 1], 1 for the perfect
    lattice; ``local_order`` ⟨|ψ6|⟩; ``lattice_orientation`` in rad; ``status`` as for
    :func:`skylattice.defects.classify.defects`. Of shape ``(..., skyrmion)``: ``psi6``, the modulus; ``orientation`` of
    the neighbours in (-π/6, π/6] rad, 0 for an edge along x.

    Raises
    ------
    SchemaError
        For an unknown boundary, or positions without ``x``, ``y`` and ``n_skyrmions``.
    """
    check_boundary(boundary)
    return per_lattice(
        _hexatic_order,
        *points_arguments(positions),
        ["hexatic_order", "local_order", "lattice_orientation", "psi6", "orientation", "status"],
        {SKYRMION: positions.sizes[SKYRMION]},
        size=size,
        boundary=boundary,
    )


def _hexatic_order(
    x: np.ndarray, y: np.ndarray, n: np.ndarray, *, size: tuple[int, int], boundary: Boundary
) -> dict[str, Any]:
    """Bond order of one lattice, by name."""
    mesh = mesh_of(x, y, n, size, boundary)
    if not isinstance(mesh, Mesh):
        return mesh
    local = psi6(mesh)
    return {
        "hexatic_order": abs(local.mean()),
        "local_order": abs(local).mean(),
        "lattice_orientation": np.angle(local.mean()) / 6,
        "psi6": abs(local),
        "orientation": np.angle(local) / 6,
        "status": STATUS["done"],
    }


def pair_correlation(positions: xr.Dataset, size: tuple[int, int], *, bin_width: float = 0.5) -> xr.Dataset:
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

    Returns
    -------
    Dataset, lazy if ``positions`` is lazy. Of shape ``(..., distance)``: ``pair_correlation``,
    ``orientation_correlation`` (NaN without pairs); the coordinate ``distance`` holds the bins' middles in sites. Of
    shape ``(...)``: ``correlation_length`` in sites, infinite where the order does not decay; ``status``.

    Raises
    ------
    SchemaError
        For a ``bin_width`` that is not positive or wider than the range of distances, or bad positions.
    """
    n_bins = int(min(size) / 2 / bin_width) if bin_width > 0 else 0
    if n_bins < 1:
        raise SchemaError(f"bin_width: expected a width in (0, {min(size) / 2}] sites, found {bin_width!r}.")
    correlations = per_lattice(
        _pair_correlation,
        *points_arguments(positions),
        ["pair_correlation", "orientation_correlation", "correlation_length", "status"],
        {"distance": n_bins},
        size=size,
        bin_width=bin_width,
        n_bins=n_bins,
    )
    return correlations.assign_coords(
        distance=("distance", (np.arange(n_bins) + 0.5) * bin_width, {"long_name": "distance", "units": "site"})
    )


def _pair_correlation(
    x: np.ndarray, y: np.ndarray, n: np.ndarray, *, size: tuple[int, int], bin_width: float, n_bins: int
) -> dict[str, Any]:
    """Pair correlations of one lattice, by name."""
    from skylattice.kernels.order import pair_histogram

    mesh = mesh_of(x, y, n, size)
    if not isinstance(mesh, Mesh):
        return mesh
    local = psi6(mesh)
    count, order = pair_histogram(mesh.points, local, float(size[1]), float(size[0]), bin_width, n_bins)
    rings = np.pi * bin_width**2 * (2 * np.arange(n_bins) + 1)
    independent = 0.5 * n * (n - 1) * rings / (size[0] * size[1])
    correlation = np.divide(order, count, out=np.full(n_bins, np.nan), where=count > 0)
    shell = np.sqrt(2 / np.sqrt(3) * size[0] * size[1] / n)
    return {
        "pair_correlation": count / independent,
        "orientation_correlation": correlation,
        "correlation_length": _decay_length(count, order / (abs(local) ** 2).mean(), shell / bin_width) * bin_width,
        "status": STATUS["done"],
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

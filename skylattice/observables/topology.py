"""Topological charge of spin lattices, and its density."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import xarray as xr

from skylattice.boundary import TORUS, Sites
from skylattice.errors import SchemaError
from skylattice.observables._apply import apply_to_lattices
from skylattice.schema import SITE_DIMS, check_spin, label

Method = Literal["berg-luescher", "gradient"]
Diagonal = Literal["main", "alt"]


def topological_charge(
    spin: xr.DataArray,
    sites: Sites = TORUS,
    *,
    method: Method = "berg-luescher",
    diagonal: Diagonal = "main",
) -> xr.DataArray:
    """Topological charge of each lattice.

    Parameters
    ----------
    spin
        Unit spins, shape ``(..., y, x, component)``, component = 3, dimensionless. May be chunked along any leading
        dimension; ``y``, ``x``, ``component`` must be one chunk.
    sites
        Which sites and bonds there are: of a periodic lattice without empty sites all.
    method
        ``"berg-luescher"`` sums the solid angles of the two triangles of each plaquette [1]_: an integer for any
        periodic lattice. ``"gradient"`` sums S·(∂_x S × ∂_y S) / 4π with central differences: not an integer, and
        short of one by several percent for skyrmions of a few sites.
    diagonal
        How Berg-Lüscher cuts plaquettes: ``"main"`` from (0, 0) to (1, 1), ``"alt"`` from (1, 0) to (0, 1). The two
        differ only where neighbouring spins are almost opposite.

    Returns
    -------
    Shape ``(...)``, unit 1; NaN for a hole. Berg-Lüscher charges of periodic lattices without empty sites are integers
    to 1e-9, float32 spins included, unless neighbours are opposite to within rounding: then no charge is defined. With
    open boundaries or empty sites the charge is that of the plaquettes whose four corners are there, and no integer.
    Lazy if ``spin`` is lazy.

    Raises
    ------
    SchemaError
        If ``spin`` does not follow the schema, or ``method`` or ``diagonal`` is unknown.

    References
    ----------
    .. [1] B. Berg and M. Lüscher, Nucl. Phys. B 190, 412 (1981).

    Examples
    --------
    >>> from skylattice import testing
    >>> round(topological_charge(testing.belavin_polyakov(radius=5, size=64).spin).item(), 9)
    -1.0
    """
    if method == "gradient":
        density = charge_density(spin, sites, method=method, diagonal=diagonal)
        return label(density.sum(SITE_DIMS, skipna=False), "topological_charge")
    check_spin(spin)
    alternate = _alternate(method, diagonal)
    charge = apply_to_lattices("topology.topological_charge", spin, sites=sites, constants=[alternate])
    return label(charge, "topological_charge_alt" if alternate else "topological_charge")


def charge_density(
    spin: xr.DataArray,
    sites: Sites = TORUS,
    *,
    method: Method = "berg-luescher",
    diagonal: Diagonal = "main",
) -> xr.DataArray:
    """Topological charge of each plaquette, or, by gradients, of each site; parameters as :func:`topological_charge`.

    Returns
    -------
    Shape ``(..., y, x)``, unit 1. The plaquette of (y, x) has its other corners at x + 1 and y + 1, and a charge
    between -1 and 1; 0 if a corner is not there. Gradients are one-sided where a neighbour is not there. The sum over
    the lattice is the topological charge. NaN for a hole. Lazy if ``spin`` is lazy.

    Raises
    ------
    SchemaError
        If ``spin`` does not follow the schema, or ``method`` or ``diagonal`` is unknown.

    Examples
    --------
    >>> from skylattice import testing
    >>> density = charge_density(testing.planted_skyrmions([(20, 20)], radius=6, size=40).spin)
    >>> round(density.sum().item(), 9)
    -1.0
    """
    check_spin(spin)
    alternate = _alternate(method, diagonal)
    if method == "gradient":
        density = apply_to_lattices("topology.gradient_density", spin, sites=sites, output_dims=SITE_DIMS)
    else:
        density = apply_to_lattices(
            "topology.charge_density", spin, sites=sites, output_dims=SITE_DIMS, constants=[alternate]
        )
    return label(density, "charge_density")


def _alternate(method: str, diagonal: str) -> np.bool_:
    """Whether plaquettes are cut along the alternative diagonal; checks both arguments."""
    for name, value, known in (("method", method, get_args(Method)), ("diagonal", diagonal, get_args(Diagonal))):
        if value not in known:
            raise SchemaError(f"{name}: expected one of {known}, found {value!r}.")
    return np.bool_(diagonal == "alt")

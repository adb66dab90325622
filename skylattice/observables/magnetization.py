"""Mean magnetization of spin lattices."""

from __future__ import annotations

import xarray as xr

from skylattice.boundary import TORUS, Sites
from skylattice.observables._apply import apply_to_lattices
from skylattice.schema import COMPONENT, COMPONENTS, check_spin, label


def magnetization(spin: xr.DataArray, sites: Sites = TORUS) -> xr.DataArray:
    """Mean spin of each lattice.

    Parameters
    ----------
    spin
        Unit spins, shape ``(..., y, x, component)``, component = 3, dimensionless. May be chunked along any leading
        dimension; ``y``, ``x``, ``component`` must be one chunk.
    sites
        Which sites there are: the mean is over them.

    Returns
    -------
    Shape ``(..., component)``, unit 1, each between -1 and 1; NaN for a hole. Lazy if ``spin`` is lazy.

    Raises
    ------
    SchemaError
        If ``spin`` does not follow the schema.

    Examples
    --------
    >>> from skylattice import testing
    >>> magnetization(testing.ferromagnet().spin).squeeze().values
    array([0., 0., 1.])
    """
    check_spin(spin)
    mean = apply_to_lattices("magnetization.magnetization", spin, sites=sites, output_dims=[COMPONENT])
    return label(mean.assign_coords({COMPONENT: list(COMPONENTS)}), "magnetization")


def m_z(spin: xr.DataArray, sites: Sites = TORUS) -> xr.DataArray:
    """Mean magnetization along the field: the z component of :func:`magnetization`, shape ``(...)``."""
    return label(magnetization(spin, sites).sel({COMPONENT: "z"}, drop=True), "m_z")

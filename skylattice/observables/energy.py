"""Energies, effective field and local alignment, for the Hamiltonian of :mod:`skylattice.hamiltonian`."""

from __future__ import annotations

import xarray as xr

from skylattice.boundary import TORUS, Sites
from skylattice.hamiltonian import Hamiltonian
from skylattice.observables._apply import apply_to_lattices, checked_parameter
from skylattice.observables.scalars import lattice_scalars
from skylattice.schema import SITE_DIMS, SPIN_DIMS, check_spin, label

ENERGIES = ["energy", "energy_exchange", "energy_dmi", "energy_zeeman"]


def energy(
    spin: xr.DataArray,
    D: xr.DataArray | float,
    B: xr.DataArray | float,
    hamiltonian: Hamiltonian,
    sites: Sites = TORUS,
) -> xr.Dataset:
    """Energy of each lattice, in total and by term, per site.

    Parameters
    ----------
    spin
        Unit spins, shape ``(..., y, x, component)``, component = 3, dimensionless. May be chunked along any leading
        dimension; ``y``, ``x``, ``component`` must be one chunk.
    D, B
        DMI magnitude and field along z in units of J, of any shape that broadcasts against the leading dims.
    hamiltonian
        Symmetry and sign of the DMI.
    sites
        Which sites and bonds there are: of a periodic lattice without empty sites all.

    Returns
    -------
    Dataset with ``energy`` and its terms ``energy_exchange``, ``energy_dmi``, ``energy_zeeman``, each of shape
    ``(...)``, in J per site that is there; NaN for a hole. Bonds are between sites that are there. A periodic dimension
    of length 1 has none, one of length 2 has two between the same neighbours. Lazy if any input is lazy.

    Raises
    ------
    SchemaError
        If ``spin`` does not follow the schema, D or B are not finite numbers, or D is negative.

    Examples
    --------
    >>> from skylattice import Hamiltonian, testing
    >>> ds = testing.ferromagnet(B=0.25)
    >>> energy(ds.spin, ds.D, ds.B, Hamiltonian()).energy.item()
    -2.25
    """
    return lattice_scalars(spin, D, B, hamiltonian, sites)[ENERGIES]


def temperature(
    spin: xr.DataArray,
    D: xr.DataArray | float,
    B: xr.DataArray | float,
    hamiltonian: Hamiltonian,
    sites: Sites = TORUS,
) -> xr.DataArray:
    """Spin temperature of each lattice, <|S×h|²> / 2<S·h>; parameters as :func:`energy`.

    In equilibrium its mean over many lattices is T, exactly and at any T [1]_; a lattice of N sites scatters by about
    1 / √N, a relaxed lattice reads 0. One far off was not in equilibrium, or was analysed with another Hamiltonian.

    Returns
    -------
    Shape ``(...)``, in units of J / k_B; NaN for a hole, or where <S·h> = 0. Lazy if any input is lazy.

    References
    ----------
    .. [1] P.-W. Ma, S. L. Dudarev, A. A. Semenov, and C. H. Woo, Phys. Rev. E 82, 031111 (2010).

    Examples
    --------
    >>> from skylattice import Hamiltonian, testing
    >>> ds = testing.ferromagnet()
    >>> temperature(ds.spin, ds.D, ds.B, Hamiltonian()).item()
    0.0
    """
    return lattice_scalars(spin, D, B, hamiltonian, sites)["temperature"]


def energy_density(
    spin: xr.DataArray,
    D: xr.DataArray | float,
    B: xr.DataArray | float,
    hamiltonian: Hamiltonian,
    sites: Sites = TORUS,
) -> xr.DataArray:
    """Local energy of each site: half of each of its bonds, and its Zeeman energy; parameters as :func:`energy`.

    Returns
    -------
    Shape ``(..., y, x)``, in J; its mean over the sites that are there is the energy per site. 0 where no site is, NaN
    for a hole. Lazy if any input is lazy.

    Examples
    --------
    >>> from skylattice import Hamiltonian, testing
    >>> ds = testing.ferromagnet(B=0.25)
    >>> energy_density(ds.spin, ds.D, ds.B, Hamiltonian()).squeeze().values[3, 5]
    np.float64(-2.25)
    """
    return _site_map("energy_density", spin, D, B, hamiltonian, sites)


def effective_field(
    spin: xr.DataArray,
    D: xr.DataArray | float,
    B: xr.DataArray | float,
    hamiltonian: Hamiltonian,
    sites: Sites = TORUS,
) -> xr.DataArray:
    """Effective field h = -∂H/∂S on each site; parameters as :func:`energy`.

    Returns
    -------
    Shape ``(..., y, x, component)``, in J; 0 where no site is, NaN for a hole. Lazy if any input is lazy.

    Examples
    --------
    >>> from skylattice import Hamiltonian, testing
    >>> ds = testing.ferromagnet(B=0.25)
    >>> effective_field(ds.spin, ds.D, ds.B, Hamiltonian()).squeeze().values[3, 5]
    array([0.  , 0.  , 4.25])
    """
    return _site_map("effective_field", spin, D, B, hamiltonian, sites)


def cos_theta(
    spin: xr.DataArray,
    D: xr.DataArray | float,
    B: xr.DataArray | float,
    hamiltonian: Hamiltonian,
    sites: Sites = TORUS,
) -> xr.DataArray:
    """Alignment S·h / |h| of each spin with its effective field; parameters as :func:`energy`.

    1 everywhere in a relaxed lattice. At T = 0.006 the mean is 0.9986, and a site below 0.98 is an artefact.

    Returns
    -------
    Shape ``(..., y, x)``, unit 1, between -1 and 1, 0 where h = 0 or no site is; NaN for a hole. Named
    ``cos_theta_map``, because ``cos_theta`` is the mean in :func:`skylattice.observables.scalars.observables`. Lazy if
    any input is lazy.

    Examples
    --------
    >>> from skylattice import Hamiltonian, testing
    >>> ds = testing.spiral(turns=16, size=200)
    >>> round(cos_theta(ds.spin, ds.D, ds.B, Hamiltonian()).min().item(), 9)
    1.0
    """
    return _site_map("cos_theta_map", spin, D, B, hamiltonian, sites)


def _site_map(
    name: str,
    spin: xr.DataArray,
    D: xr.DataArray | float,
    B: xr.DataArray | float,
    hamiltonian: Hamiltonian,
    sites: Sites,
) -> xr.DataArray:
    """Apply the energy kernel that gives the registry's variable ``name``."""
    check_spin(spin)
    result = apply_to_lattices(
        f"energy.{name.removesuffix('_map')}",
        spin,
        checked_parameter("D", D),
        checked_parameter("B", B),
        sites=sites,
        output_dims=SPIN_DIMS if name == "effective_field" else SITE_DIMS,
        constants=[hamiltonian.dmi_directions, hamiltonian.J],
    )
    return label(result, name)

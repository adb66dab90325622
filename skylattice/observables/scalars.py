"""All scalars of a lattice from one pass over its spins: the observables, and the quality control."""

from __future__ import annotations

import numpy as np
import xarray as xr

from skylattice.boundary import TORUS, Sites
from skylattice.defects.detect import detected_charge, skyrmions
from skylattice.hamiltonian import Hamiltonian
from skylattice.observables._apply import apply_to_lattices, checked_parameter
from skylattice.schema import check_spin, label

#: Variables of :func:`observables`.
OBSERVABLES = [
    "topological_charge",
    "topological_charge_alt",
    "m_x",
    "m_y",
    "m_z",
    "energy",
    "energy_exchange",
    "energy_dmi",
    "energy_zeeman",
    "cos_theta",
    "cos_theta_min",
    "temperature",
]
#: What :func:`skylattice.kernels.scalars.lattice_scalars` returns, in this order.
SCALARS = [*OBSERVABLES, "spin_norm_error", "energy_balance", "lid_charge"]


def lattice_scalars(
    spin: xr.DataArray,
    D: xr.DataArray | float,
    B: xr.DataArray | float,
    hamiltonian: Hamiltonian,
    sites: Sites = TORUS,
) -> xr.Dataset:
    """Everything that one pass over the spins gives: :data:`SCALARS`; parameters as :func:`observables`."""
    check_spin(spin)
    scalars = apply_to_lattices(
        "scalars.lattice_scalars",
        spin,
        checked_parameter("D", D),
        checked_parameter("B", B),
        sites=sites,
        output_dims=["scalar"],
        output_sizes={"scalar": len(SCALARS)},
        constants=[hamiltonian.dmi_directions, hamiltonian.J, np.zeros(len(SCALARS))],
    )
    return xr.Dataset({name: label(scalars.isel(scalar=k), name) for k, name in enumerate(SCALARS)})


def observables(
    spin: xr.DataArray,
    D: xr.DataArray | float,
    B: xr.DataArray | float,
    hamiltonian: Hamiltonian,
    sites: Sites = TORUS,
) -> xr.Dataset:
    """All scalar observables of each lattice, in one pass over the spins.

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
    Dataset of float64 variables of shape ``(...)``, NaN for a hole: ``topological_charge`` and
    ``topological_charge_alt`` (plaquettes cut along the other diagonal), ``m_x``, ``m_y``, ``m_z``, ``energy`` and
    its terms ``energy_exchange``, ``energy_dmi``, ``energy_zeeman`` (J per site), ``cos_theta`` (mean over the sites)
    and ``cos_theta_min``, ``temperature`` (J / k_B). Means are over the sites that are there. Lazy if any input is
    lazy; compute the Dataset as a whole, since variables computed apart do the work again.

    Raises
    ------
    SchemaError
        If ``spin`` does not follow the schema, D or B are not finite numbers, or D is negative.

    Examples
    --------
    >>> from skylattice import Hamiltonian, testing
    >>> ds = testing.planted_skyrmions([(16, 16), (48, 40)], size=64)
    >>> round(observables(ds.spin, ds.D, ds.B, Hamiltonian()).topological_charge.item(), 9)
    -2.0
    """
    return lattice_scalars(spin, D, B, hamiltonian, sites)[OBSERVABLES]


def qc(
    spin: xr.DataArray,
    D: xr.DataArray | float,
    B: xr.DataArray | float,
    hamiltonian: Hamiltonian,
    sites: Sites = TORUS,
    T: xr.DataArray | float | None = None,
) -> xr.Dataset:
    """Figures that show whether each lattice is what it is said to be; parameters as :func:`observables`.

    Parameters
    ----------
    T
        Temperature stated with the data, in units of J / k_B; None or NaN where it is not known.

    Returns
    -------
    Dataset of float64 variables of shape ``(...)``, NaN for a hole:

    =========================== ==============================================================================
    spin_norm_error             largest | |S| - 1 |: about 6e-8 for float32, more for rounded or generated spins
    charge_error                distance of the topological charge to an integer: below 1e-9; with open boundaries or
                                empty sites, after the free edges are closed with triangles to one direction
    charge_diagonal_difference  charge minus that with plaquettes cut along the other diagonal: 0 for smooth spins
    temperature_ratio           spin temperature over T: 1 in equilibrium; NaN where T is 0 or not stated
    energy_balance              energy summed over bonds minus that summed over sites, per site: below 1e-12
    unexplained_charge          charge minus that of the detected skyrmions and stripes: 0 when nothing is lost
    =========================== ==============================================================================

    Lazy if any input is lazy.

    Raises
    ------
    SchemaError
        If ``spin`` does not follow the schema, D, B or T are not finite numbers, or D or T is negative.

    Examples
    --------
    >>> from skylattice import Hamiltonian, testing
    >>> ds = testing.ferromagnet()
    >>> qc(ds.spin, ds.D, ds.B, Hamiltonian()).charge_error.item()
    0.0
    """
    scalars = lattice_scalars(spin, D, B, hamiltonian, sites)
    charge = scalars["topological_charge"]
    closed = charge + scalars["lid_charge"]
    stated = xr.DataArray(np.nan if T is None or np.isnan(T).all() else checked_parameter("T", T))
    if sites.is_whole:
        unexplained = charge - detected_charge(spin, B)
    else:  # such a charge is no integer; the counted one, of which detection makes its objects, is
        unexplained = skyrmions(spin, B, sites=sites)["unexplained_charge"]
    figures = {
        "spin_norm_error": scalars["spin_norm_error"],
        "charge_error": abs(closed - closed.round()),
        "charge_diagonal_difference": charge - scalars["topological_charge_alt"],
        "temperature_ratio": scalars["temperature"] / stated.where(stated > 0),
        "energy_balance": scalars["energy_balance"],
        "unexplained_charge": unexplained,
    }
    return xr.Dataset({name: label(figure, name) for name, figure in figures.items()})

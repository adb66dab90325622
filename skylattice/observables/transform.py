"""Symmetry operations on datasets of spins: new lattices of the same energy and charge."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from skylattice.hamiltonian import Hamiltonian
from skylattice.schema import COMPONENT, SITE_DIMS, SPIN_DIMS, check_spin


def to_handedness(ds: xr.Dataset, handedness: int, *, spin: str = "spin") -> xr.Dataset:
    """The same lattices under the other sign of the DMI: spins turned by π about z, if they are not there already.

    Exact for every DMI symmetry: each energy term, the topological charge and M_z keep their values, and what was in
    equilibrium stays in equilibrium.

    Parameters
    ----------
    ds
        Dataset with spins of shape ``(..., y, x, component)`` and the Hamiltonian in its attributes.
    handedness
        +1 or -1.
    spin
        Name of the spins.

    Returns
    -------
    A new dataset, its attribute ``handedness`` set. Spins keep dtype and chunks. Lazy if they are lazy.

    Raises
    ------
    SchemaError
        If the spins do not follow the schema, the attributes name no Hamiltonian, or ``handedness`` is not ±1.

    Examples
    --------
    >>> from skylattice import testing
    >>> ds = testing.planted_skyrmions()
    >>> to_handedness(ds, -1).attrs["handedness"]
    -1
    """
    check_spin(ds[spin])
    hamiltonian = Hamiltonian.from_attrs(ds.attrs)
    target = hamiltonian.with_handedness(handedness)
    if target == hamiltonian:
        return ds.copy(deep=False)
    turned = _turn_spins(ds[spin], 2)
    return ds.assign({spin: turned}).assign_attrs(target.to_attrs())


def rotate90(ds: xr.Dataset, k: int = 1, *, spin: str = "spin") -> xr.Dataset:
    """Lattices turned by k quarter turns counterclockwise, the spins with them as the DMI demands.

    The spins turn by as many quarters, or against them for the antiskyrmion DMI
    (:attr:`skylattice.hamiltonian.Hamiltonian.rotation_sign`): energies and charge keep their values.

    Parameters
    ----------
    ds, spin
        As :func:`to_handedness`.
    k
        Number of quarter turns; negative ones are clockwise.

    Returns
    -------
    A new dataset; the site (y, x) goes to (x, ny - 1 - y) for k = 1. Other variables over the sites are left out:
    they belong to the lattice as it was. Lazy if the spins are lazy.

    Raises
    ------
    SchemaError
        If the spins do not follow the schema, or the attributes name no Hamiltonian.

    Examples
    --------
    >>> from skylattice import testing
    >>> dict(rotate90(testing.random((3, 5))).spin.sizes)["y"]
    5
    """
    check_spin(ds[spin])
    rotated = _turn_spins(ds[spin], k * Hamiltonian.from_attrs(ds.attrs).rotation_sign)
    for _ in range(k % 4):
        rotated = rotated.rename(y="x", x="y").isel(x=slice(None, None, -1))
    return _replace_sites(ds, spin, rotated)


def roll(ds: xr.Dataset, *, y: int = 0, x: int = 0, spin: str = "spin") -> xr.Dataset:
    """Lattices shifted on the torus: the spin at (0, 0) goes to (y, x). Every observable keeps its value.

    Parameters
    ----------
    ds, spin
        As :func:`to_handedness`.
    y, x
        Sites to shift by, of any sign and size.

    Returns
    -------
    A new dataset. Other variables over the sites are left out: they belong to the lattice as it was. Spins keep dtype
    and chunks. Lazy if they are lazy.

    Raises
    ------
    SchemaError
        If the spins do not follow the schema.

    Examples
    --------
    >>> from skylattice import testing
    >>> ds = testing.random(8)
    >>> bool((roll(ds, x=3).spin[..., 3, :] == ds.spin[..., 0, :]).all())
    True
    """
    check_spin(ds[spin])
    shifted = xr.apply_ufunc(
        np.roll,
        ds[spin],
        input_core_dims=[SPIN_DIMS],
        output_core_dims=[SPIN_DIMS],
        kwargs={"shift": (y, x), "axis": (-3, -2)},
        dask="parallelized",
        output_dtypes=[ds[spin].dtype],
        keep_attrs=True,
    )
    return _replace_sites(ds, spin, shifted)


def _turn_spins(spin: xr.DataArray, quarters: int) -> xr.DataArray:
    """Spins turned about z by quarter turns; the sites stay."""
    order, signs = {
        0: ([0, 1, 2], [1, 1, 1]),
        1: ([1, 0, 2], [-1, 1, 1]),
        2: ([0, 1, 2], [-1, -1, 1]),
        3: ([1, 0, 2], [1, -1, 1]),
    }[quarters % 4]
    sign: Any = xr.DataArray(np.array(signs, dtype=spin.dtype), dims=COMPONENT)
    turned = spin.drop_vars(COMPONENT, errors="ignore").isel({COMPONENT: order}) * sign
    return turned.assign_coords({name: spin[name] for name in (COMPONENT,) if name in spin.coords}).assign_attrs(
        spin.attrs
    )


def _replace_sites(ds: xr.Dataset, spin: str, moved: xr.DataArray) -> xr.Dataset:
    """``ds`` with its spins replaced by ``moved`` and everything else over the sites left out."""
    return ds.drop_dims(SITE_DIMS).assign({spin: moved.drop_vars(SITE_DIMS, errors="ignore").transpose(*ds[spin].dims)})

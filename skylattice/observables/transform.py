"""Symmetry operations on datasets of spins: new lattices of the same energy and charge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from skylattice.hamiltonian import Hamiltonian
from skylattice.kernels.rotation import rotate_lattices, turn_spins
from skylattice.schema import SITE_DIMS, SPIN_DIMS, check_spin


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
    turned = _map_lattices(turn_spins, ds[spin], quarters=2)
    return ds.assign({spin: turned.variable}).assign_attrs(target.to_attrs())


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
    sign = Hamiltonian.from_attrs(ds.attrs).rotation_sign
    rotated = _map_lattices(rotate_lattices, ds[spin], swap=k % 2 == 1, quarters=k, rotation_sign=sign)
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
    shifted = _map_lattices(np.roll, ds[spin], shift=(y, x), axis=(-3, -2))
    return _replace_sites(ds, spin, shifted)


def _map_lattices(
    function: Callable[..., np.ndarray], spin: xr.DataArray, *, swap: bool = False, **options: Any
) -> xr.DataArray:
    """Apply a function of arrays ``(..., y, x, 3)``; ``swap`` for one that exchanges the lengths of y and x."""
    ny, nx = (spin.sizes[dim] for dim in SITE_DIMS)
    sizes = dict(zip(SPIN_DIMS, (nx, ny, 3) if swap else (ny, nx, 3), strict=True))
    return xr.apply_ufunc(
        function,
        spin,
        input_core_dims=[SPIN_DIMS],
        output_core_dims=[SPIN_DIMS],
        exclude_dims=set(SITE_DIMS),
        kwargs=options,
        dask="parallelized",
        output_dtypes=[spin.dtype],
        dask_gufunc_kwargs={"output_sizes": {dim: sizes[dim] for dim in SITE_DIMS}},
        keep_attrs=True,
    ).transpose(*spin.dims)


def _replace_sites(ds: xr.Dataset, spin: str, moved: xr.DataArray) -> xr.Dataset:
    """``ds`` with its spins replaced by ``moved`` and everything else over the sites left out."""
    return ds.drop_dims(SITE_DIMS).assign({spin: moved.transpose(*ds[spin].dims).variable})

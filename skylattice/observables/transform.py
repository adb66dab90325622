"""Symmetry operations on datasets of spins: new lattices of the same energy and charge."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from skylattice.boundary import Boundary
from skylattice.errors import SchemaError
from skylattice.hamiltonian import Hamiltonian
from skylattice.kernels.rotation import rotate_lattices, turn_spins
from skylattice.schema import MASK, SITE_DIMS, SPIN_DIMS, check_spin


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
    A new dataset; the site (y, x) goes to (x, ny - 1 - y) for k = 1. The boundary and the mask turn along. Other
    variables over the sites are left out: they belong to the lattice as it was. Lazy if the spins are lazy.

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
    turn = partial(np.rot90, k=-k % 4, axes=(-2, -1))
    moved = _replace_sites(ds, spin, rotated, turn, swap=k % 2 == 1)
    boundary = Boundary.from_attrs(ds.attrs)
    if k % 2 == 1 and not boundary.is_periodic:
        moved = moved.assign_attrs(Boundary(y=boundary.x, x=boundary.y).to_attrs())
    return moved


def roll(ds: xr.Dataset, *, y: int = 0, x: int = 0, spin: str = "spin") -> xr.Dataset:
    """Lattices shifted along periodic axes: the spin at (0, 0) goes to (y, x). Every observable keeps its value.

    Parameters
    ----------
    ds, spin
        As :func:`to_handedness`.
    y, x
        Sites to shift by, of any sign and size.

    Returns
    -------
    A new dataset; the mask goes along. Other variables over the sites are left out: they belong to the lattice as it
    was. Spins keep dtype and chunks. Lazy if they are lazy.

    Raises
    ------
    SchemaError
        If the spins do not follow the schema, or are shifted along an open axis.

    Examples
    --------
    >>> from skylattice import testing
    >>> ds = testing.random(8)
    >>> bool((roll(ds, x=3).spin[..., 3, :] == ds.spin[..., 0, :]).all())
    True
    """
    check_spin(ds[spin])
    boundary = Boundary.from_attrs(ds.attrs)
    for axis, shift in (("y", y), ("x", x)):
        if shift and not getattr(boundary, axis):
            raise SchemaError(
                f"roll: expected no shift along {axis}, found {shift}: the lattices are open there. Cut them with "
                f"ds.isel({axis}=slice(...))."
            )
    shifted = _map_lattices(np.roll, ds[spin], shift=(y, x), axis=(-3, -2))
    return _replace_sites(ds, spin, shifted, partial(np.roll, shift=(y, x), axis=(-2, -1)))


def _map_lattices(
    function: Callable[..., np.ndarray],
    array: xr.DataArray,
    *,
    swap: bool = False,
    dims: tuple[str, ...] = SPIN_DIMS,
    **options: Any,
) -> xr.DataArray:
    """Apply a function of arrays over the trailing ``dims``; ``swap`` for one that exchanges the lengths of y and x."""
    ny, nx = (array.sizes[dim] for dim in SITE_DIMS)
    sizes = dict(zip(SITE_DIMS, (nx, ny) if swap else (ny, nx), strict=True))
    return xr.apply_ufunc(
        function,
        array,
        input_core_dims=[dims],
        output_core_dims=[dims],
        exclude_dims=set(SITE_DIMS),
        kwargs=options,
        dask="parallelized",
        output_dtypes=[array.dtype],
        dask_gufunc_kwargs={"output_sizes": sizes},
        keep_attrs=True,
    ).transpose(*array.dims)


def _replace_sites(
    ds: xr.Dataset, spin: str, moved: xr.DataArray, move: Callable[[np.ndarray], np.ndarray], *, swap: bool = False
) -> xr.Dataset:
    """``ds`` with its spins replaced by ``moved``, its mask moved too, and everything else over the sites left out."""
    arrays = {spin: moved}
    if MASK in ds.variables:
        arrays[MASK] = _map_lattices(move, ds[MASK], swap=swap, dims=SITE_DIMS)
    return ds.drop_dims(SITE_DIMS).assign({name: a.transpose(*ds[name].dims).variable for name, a in arrays.items()})

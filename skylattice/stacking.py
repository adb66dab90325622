"""The flat view of an ensemble, one lattice per ``sample``, and the way back to the (D, B, realization) grid."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from skylattice.errors import SchemaError
from skylattice.schema import GRID_DIMS, SPIN_DIMS, STATUS, VARIABLES, check_spin

SAMPLE = "sample"


def stack(ds: xr.Dataset, *, spin: str = "spin") -> xr.Dataset:
    """One lattice after the other along ``sample``, without the holes.

    Parameters
    ----------
    ds
        Dataset with spins of shape ``(..., y, x, component)``.
    spin
        Name of the spins.

    Returns
    -------
    Dataset whose variables over leading dims have ``sample`` as their first dim instead, a MultiIndex of the leading
    dims: ``ds.sel(D=0.5)`` still works, and ``ds.reset_index("sample")`` makes it fit for a file. Where ``status`` is
    there, only lattices that are done are kept; no spin is read to tell. Without it all are kept. Lazy if the spins are
    lazy.

    Raises
    ------
    SchemaError
        If the spins do not follow the schema.

    Examples
    --------
    >>> from skylattice import testing
    >>> stack(testing.random(4, realizations=3)).spin.sizes["sample"]
    3
    """
    check_spin(ds[spin])
    leading = [dim for dim in ds[spin].dims if dim not in SPIN_DIMS]
    if not leading:
        leading = [dim for dim in GRID_DIMS if dim in ds.coords] or ["realization"]
        ds = ds.expand_dims(leading)
    ds = flat(ds, leading)
    if "status" in ds.variables and SAMPLE in ds["status"].dims:
        ds = ds.isel({SAMPLE: np.flatnonzero(ds["status"].values == STATUS["done"])})
    return ds


def flat(ds: xr.Dataset, dims: Sequence[Hashable] = GRID_DIMS) -> xr.Dataset:
    """Everything per lattice along ``sample``, holes included, in the order of ``dims``; lazy if ``ds`` is lazy.

    Examples
    --------
    >>> from skylattice import testing
    >>> flat(testing.random(4, realizations=3)[["spin"]]).sizes["sample"]
    3
    """
    if [*dims] == [SAMPLE]:
        return ds
    unlabelled = {dim: np.arange(ds.sizes[dim]) for dim in dims if dim not in ds.coords}
    return ds.assign_coords(unlabelled).stack({SAMPLE: dims}).transpose(SAMPLE, ...)


def take(ds: xr.Dataset, positions: np.ndarray, dims: Sequence[Hashable] = GRID_DIMS) -> xr.Dataset:
    """The lattices at positions of :func:`flat`, with D, B and realization as plain coordinates of ``sample``."""
    taken = flat(ds, dims).isel({SAMPLE: positions})
    return taken.reset_index(SAMPLE) if SAMPLE in taken.indexes else taken


def per_lattice(array: xr.DataArray, like: xr.DataArray) -> np.ndarray:
    """Values for every lattice in the order of :func:`flat`, shape ``(lattices, ...)``, holes included.

    Parameters
    ----------
    array
        Anything over some of the leading dims of the lattices, and dims of its own; what all lattices share, such as
        the D of a single point, is repeated.
    like
        Spins, or anything with exactly their leading dims.

    Examples
    --------
    >>> from skylattice import testing
    >>> ds = testing.random(4, realizations=3)
    >>> per_lattice(ds.D, ds.spin).shape, per_lattice(ds.spin.mean(["y", "x"]), ds.spin).shape
    ((3,), (3, 3))
    """
    one = like.isel({dim: 0 for dim in SPIN_DIMS if dim in like.dims}, drop=True)
    own = [dim for dim in array.dims if dim not in one.dims]
    values = array.broadcast_like(one).transpose(*one.dims, *own).values
    return values.reshape(-1, *(array.sizes[dim] for dim in own))


def usable_lattices(ds: xr.Dataset) -> np.ndarray:
    """Flat positions of the lattices that are there: status "done", or without a status those that are no holes."""
    if "status" in ds.variables:
        is_done = ds["status"] == STATUS["done"]
    else:
        is_done = ds["spin"].isel(dict.fromkeys(SPIN_DIMS, 0), drop=True).notnull()
    return np.flatnonzero(per_lattice(is_done, ds["spin"]))


def unstack(ds: xr.Dataset, *, like: xr.Dataset | None = None) -> xr.Dataset:
    """Back from ``sample`` to the dims that :func:`stack` took it from.

    Parameters
    ----------
    ds
        Anything along the ``sample`` of :func:`stack`, or of any ``sample`` with D and B as coordinates, such as
        that of :func:`skylattice.from_arrays` or of generated lattices: spins, observables, latent vectors.
    like
        The dataset that was stacked. Grid points that lost all their lattices come back, and dims keep their order.

    Returns
    -------
    Dataset with the leading dims in place of ``sample``. Lattices that are not in ``ds`` are holes: NaN, flags
    "empty", other integers 0. Lazy if ``ds`` is lazy.

    Raises
    ------
    SchemaError
        If ``ds`` has no ``sample``, or it is not a MultiIndex.

    Examples
    --------
    >>> from skylattice import testing
    >>> ds = testing.random(4, realizations=3)
    >>> unstack(stack(ds)).spin.dims
    ('D', 'B', 'realization', 'y', 'x', 'component')
    """
    index = ds.indexes.get(SAMPLE)
    if not isinstance(index, pd.MultiIndex):
        ds = _numbered(ds)
        along: list[Any] = [dim for dim in GRID_DIMS if dim in ds.coords and ds[dim].dims == (SAMPLE,)]
        ds = ds.drop_vars(SAMPLE, errors="ignore").set_index(sample=along) if along else ds
    levels = list(getattr(ds.indexes.get(SAMPLE), "names", []))
    if len(levels) < 2 and levels in ([], [SAMPLE]):
        raise SchemaError(
            f"{SAMPLE}: expected a MultiIndex of the grid's dims, as ds.sky.stack() makes it, found dims "
            f"{dict(ds.sizes)}. After a file, put it back: ds.set_index({SAMPLE}=['D', 'B', 'realization'])."
        )
    fill = {name: empty_value(str(name), variable.dtype) for name, variable in ds.variables.items()}
    grid = ds.unstack(SAMPLE, fill_value=fill)
    if like is not None:
        grid = grid.reindex({dim: like[dim] for dim in levels if dim in like.coords}, fill_value=fill)
    return grid.transpose(*levels, ...)


def _numbered(ds: xr.Dataset) -> xr.Dataset:
    """With realization numbers for the samples of each (D, B), unless those that are there tell them apart."""
    along = [dim for dim in GRID_DIMS if dim in ds.coords and ds[dim].dims == (SAMPLE,)]
    if not {"D", "B"} <= {*along}:
        return ds
    points = pd.DataFrame({dim: ds[dim].values for dim in along})
    if not points.duplicated().any():
        return ds
    return ds.assign_coords(realization=(SAMPLE, points.groupby(["D", "B"]).cumcount().to_numpy()))


def empty_value(name: str, dtype: np.dtype) -> Any:
    """What a variable holds where there is no lattice."""
    flags = VARIABLES[name].flags if name in VARIABLES else None
    if flags is not None:
        return flags["empty"]
    return np.nan if dtype.kind == "f" else np.zeros((), dtype).item()

"""Lattice by lattice: how a function of one lattice becomes a labelled, lazy result over an ensemble."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from skylattice.errors import SchemaError
from skylattice.schema import STATUS, VARIABLES, label_dataset

#: Keyword that sets the length of each padded dimension.
_REMEDY = {
    "skyrmion": "max_skyrmions",
    "dislocation": "max_skyrmions",
    "grain": "max_grains",
    "boundary": "max_grains",
}


def per_lattice(
    of_lattice: Callable[..., Mapping[str, Any]],
    arguments: Sequence[xr.DataArray],
    core_dims: Sequence[Sequence[str]],
    names: Sequence[str],
    sizes: Mapping[str, int],
    *,
    go_on: bool = False,
    **options: Any,
) -> xr.Dataset:
    """Call ``of_lattice`` for each lattice and collect what it returns, padded, by name.

    Parameters
    ----------
    of_lattice
        Takes one lattice's arrays, and ``options``; returns values by name. What it leaves out stays NaN, -1 for
        integers, 0 (empty) for ``status``; an array shorter than its dimension is padded the same way.
    arguments, core_dims
        Arrays, and for each the dims that one lattice has; the other dims are looped over, in parallel if lazy.
    names
        Variables of the result, with dims, dtype and attributes from the registry.
    sizes
        Lengths of the result's padded dims.
    go_on
        What to do with a lattice that returns more than a padded dim holds: raise an error that names the lattice and
        the remedy; or say the same in a warning, and keep its scalars, with the status failed.
    """
    used = {dim for dims in core_dims for dim in dims}
    leading = {dim: n for array in arguments for dim, n in array.sizes.items() if dim not in used}
    index = xr.DataArray(np.arange(np.prod([*leading.values()], dtype=int)).reshape([*leading.values()]), dims=leading)
    labels = {
        dim: next((array[dim].values for array in arguments if dim in array.coords), np.arange(n))
        for dim, n in leading.items()
    }

    def name_of(flat: int) -> str:
        place = np.unravel_index(flat, [*leading.values()])
        return ", ".join(f"{dim}={labels[dim][k]}" for dim, k in zip(leading, place, strict=True)) or "the lattice"

    def block(index: np.ndarray, *arrays: np.ndarray) -> tuple[np.ndarray, ...] | np.ndarray:
        out = [_empty(name, index.shape, sizes) for name in names]
        shaped = [
            np.broadcast_to(a, (*index.shape, *a.shape[a.ndim - len(dims) :]))
            for a, dims in zip(arrays, core_dims, strict=True)
        ]
        for place in np.ndindex(index.shape):
            values = of_lattice(*(array[place] for array in shaped), **options)
            overflow = _overflow(values, sizes)
            if overflow:
                message = f"{name_of(int(index[place]))}: {overflow}"
                if not go_on:
                    raise SchemaError(message)
                warnings.warn(f"{message} Its status is failed.", stacklevel=2)
                values = {name: v for name, v in values.items() if not VARIABLES[name].dims}
                values["status"] = STATUS["failed"]
            for name, target in zip(names, out, strict=True):
                if name in values:
                    target[(*place, *(slice(k) for k in np.shape(values[name])))] = values[name]
        return tuple(out) if len(out) > 1 else out[0]

    results = xr.apply_ufunc(
        block,
        index,
        *arguments,
        input_core_dims=[(), *core_dims],
        output_core_dims=[VARIABLES[name].dims for name in names],
        dask="parallelized",
        output_dtypes=[np.dtype(VARIABLES[name].dtype) for name in names],
        dask_gufunc_kwargs={"output_sizes": dict(sizes)},
    )
    variables = results if len(names) > 1 else [results]
    return label_dataset(xr.Dataset(dict(zip(names, variables, strict=True))))


def _empty(name: str, shape: tuple[int, ...], sizes: Mapping[str, int]) -> np.ndarray:
    """An array of lattices without a result."""
    variable = VARIABLES[name]
    dtype = np.dtype(variable.dtype)
    fill = np.nan if dtype.kind == "f" else STATUS["empty"] if name == "status" else -1
    return np.full((*shape, *(sizes[dim] for dim in variable.dims)), fill, dtype=dtype)


def _overflow(values: Mapping[str, Any], sizes: Mapping[str, int]) -> str:
    """What is wrong if a value does not fit into its padded dimension, and how to make room."""
    for name, value in values.items():
        dims = VARIABLES[name].dims
        if dims and len(value) > sizes[dims[0]]:
            return (
                f"expected at most {sizes[dims[0]]} entries along '{dims[0]}', found {len(value)}. "
                f"Make room with {_REMEDY[dims[0]]}={-(-len(value) // 16) * 16}, or leave the lattice out."
            )
    return ""

"""How every observable calls its kernel: by name, on whole lattices, eager or lazy."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
import xarray as xr

from skylattice.boundary import TORUS, Sites
from skylattice.schema import SPIN_DIMS, check_coordinate


def call_kernel(path: str, *arrays: Any, constants: Sequence[Any] = ()) -> Any:
    """Call the kernel ``"module.function"`` of :mod:`skylattice.kernels` on the arrays and constants.

    Dask tasks hold this name rather than the compiled kernel: importing it compiles once per process, where a pickled
    gufunc would be compiled anew by each task that receives it.
    """
    module, function = path.split(".")
    return getattr(import_module(f"skylattice.kernels.{module}"), function)(*arrays, *constants)


def apply_to_lattices(
    path: str,
    spin: xr.DataArray,
    *parameters: xr.DataArray | float,
    sites: Sites = TORUS,
    output_dims: Sequence[str] = (),
    output_sizes: dict[str, int] | None = None,
    constants: Sequence[Any] = (),
    dtype: type[np.generic] = np.float64,
) -> xr.DataArray:
    """Apply a kernel to each lattice: ``kernel(spin, *parameters, *constants, sites)``.

    Parameters
    ----------
    path
        ``"module.function"`` below :mod:`skylattice.kernels`.
    spin
        Shape ``(..., y, x, component)``.
    parameters
        One number per lattice: broadcast against the leading dims.
    sites
        Which sites and bonds there are; the kernel takes its flags.
    output_dims, output_sizes
        Dims of a lattice's result, and the lengths of those that ``spin`` does not have.
    constants
        The same for all lattices.
    dtype
        Of the result.
    """
    return xr.apply_ufunc(
        partial(call_kernel, path, constants=(*constants, sites.flags)),
        sites.of_spins(spin),
        *parameters,
        input_core_dims=[SPIN_DIMS, *[()] * len(parameters)],
        output_core_dims=[output_dims],
        dask="parallelized",
        output_dtypes=[dtype],
        dask_gufunc_kwargs={"output_sizes": output_sizes} if output_sizes else None,
    )


def checked_parameter(name: str, value: xr.DataArray | float) -> xr.DataArray | float:
    """``value``, after :func:`skylattice.schema.check_coordinate` has passed it; lazy values go unread."""
    if not (isinstance(value, xr.DataArray) and value.chunks is not None):
        check_coordinate(name, value)
    return value

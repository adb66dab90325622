"""Padded results as tidy tables: one row per skyrmion, dislocation, grain or boundary."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from skylattice.errors import SchemaError
from skylattice.schema import whole_numbers

if TYPE_CHECKING:
    import pandas as pd


def to_table(results: xr.Dataset, dim: str = "skyrmion") -> pd.DataFrame:
    """One row per entry along a padded dimension, without the padding; computes lazy results.

    Parameters
    ----------
    results
        From ``ds.sky.skyrmions()``, ``ds.sky.defects()``, ``ds.sky.grains()``, ...
    dim
        The padded dimension: ``"skyrmion"``, ``"dislocation"``, ``"grain"`` or ``"boundary"``.

    Returns
    -------
    Table with the leading dims' coordinates (D, B, realization), the entry's number within its lattice, and all
    variables along ``dim``; flags are spelled out.

    Raises
    ------
    SchemaError
        If no variable has the dimension.

    Examples
    --------
    >>> from skylattice import testing
    >>> to_table(testing.planted_skyrmions().sky.skyrmions())[["D", "B", "charge", "texture"]].values.tolist()
    [[0.5, 0.125, -1, 'neel']]
    """
    import pandas as pd

    columns = {str(name): array for name, array in results.data_vars.items() if dim in array.dims}
    if not columns:
        padded = sorted({str(d) for array in results.data_vars.values() for d in array.dims})
        raise SchemaError(f"to_table: expected a variable along {dim!r}, found the dims {padded}.")
    stacked = xr.broadcast(*xr.Dataset(columns).compute().data_vars.values())
    dims = stacked[0].dims
    arrays = [array.transpose(*dims) for array in stacked]
    is_entry = np.any([array.notnull().values for array in arrays if array.dtype.kind == "f"], axis=0)
    place = np.nonzero(is_entry)
    table: dict[str, np.ndarray] = {}
    for axis, name in enumerate(dims):
        values = results[name].values if name in results.coords else np.arange(arrays[0].sizes[name])
        table[str(name)] = values[place[axis]]
    for name, array in zip(columns, arrays, strict=True):
        table[name] = _spelled(array)[is_entry]
    return whole_numbers(pd.DataFrame(table))


def _spelled(array: xr.DataArray) -> np.ndarray:
    """Values, flags by their meaning."""
    if "flag_meanings" not in array.attrs:
        return array.values
    meanings = dict(zip(array.attrs["flag_values"], array.attrs["flag_meanings"].split(), strict=True))
    return np.vectorize(lambda flag: meanings.get(flag, ""), otypes=[object])(array.values)

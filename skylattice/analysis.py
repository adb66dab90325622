"""What ``skylattice analyse`` does: every scalar of every lattice, into the result store and a table."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import xarray as xr

from skylattice.errors import MissingExtraError, SkylatticeError
from skylattice.io.results import write_results
from skylattice.io.store import open_ensemble
from skylattice.schema import STATUS

if TYPE_CHECKING:
    import pandas as pd


def analyse_store(store: str | os.PathLike[str]) -> xr.Dataset:
    """Compute observables, phase and quality of every lattice in one pass, and write them to the result store.

    Parameters
    ----------
    store
        An ensemble store. Holes stay NaN.

    Returns
    -------
    Eager dataset of dims (D, B, realization) with the variables of ``ds.sky.observables()`` and ``ds.sky.qc()``,
    ``phase`` and ``status``; the same is in group ``observables`` of the results.
    """
    ds = open_ensemble(store)
    scalars = xr.merge([ds.sky.observables(), ds.sky.qc(), ds.sky.phase(), ds["status"]], compat="override")
    results = scalars.drop_vars("component", errors="ignore").compute()
    results.attrs = {key: value for key, value in ds.attrs.items() if key != "store"}
    write_results(store, "observables", results)
    return results


def to_table(results: xr.Dataset) -> pd.DataFrame:
    """Tidy :class:`pandas.DataFrame` of scalars: one row per lattice that is done, flags by name."""
    frame = results.to_dataframe().reset_index()
    frame = frame[frame["status"] == STATUS["done"]].reset_index(drop=True)
    for name in ("status", "phase"):
        if name in results:
            names = str(results[name].attrs["flag_meanings"]).split()
            values = [int(value) for value in results[name].attrs["flag_values"]]
            frame[name] = frame[name].map(dict(zip(values, names, strict=True)))
    return frame


def write_table(results: xr.Dataset, path: str | os.PathLike[str]) -> int:
    """Write :func:`to_table` as CSV or Parquet, by the ending of ``path``; returns the number of rows.

    Raises
    ------
    SkylatticeError
        If the ending is neither .csv nor .parquet.
    MissingExtraError
        If Parquet is asked for without pyarrow.
    """
    frame = to_table(results)
    ending = Path(path).suffix
    if ending == ".csv":
        frame.to_csv(path, index=False)
    elif ending == ".parquet":
        try:
            frame.to_parquet(path, index=False)
        except ImportError:
            raise MissingExtraError("pyarrow", "table", f"writing {path}") from None
    else:
        raise SkylatticeError(f"{path}: expected a table ending in .csv or .parquet, found {ending!r}.")
    return len(frame)

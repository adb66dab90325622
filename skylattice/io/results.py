"""Results of an ensemble, kept beside it: ``NAME.results.zarr`` with one group per analysis."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import xarray as xr

from skylattice.errors import StoreError
from skylattice.io.guard import explained, local_path, locked
from skylattice.schema import label_dataset

#: Names that version 0.1 gave to variables of results.
_RENAMED = {"x": "skyrmion_x", "y": "skyrmion_y", "grain": "skyrmion_grain"}


def results_path(path: str | os.PathLike[str]) -> Path:
    """Where the results of a store live: beside it, as ``NAME.results.zarr``."""
    path = Path(path)
    return path.with_name(path.name.removesuffix(".zarr") + ".results.zarr")


def write_results(path: str | os.PathLike[str], group: str, ds: xr.Dataset) -> Path:
    """Compute ``ds`` and write it as ``group`` of the result store beside the ensemble at ``path``, replacing it.

    Returns the path of the result store.
    """
    target = results_path(local_path(path))
    ds = ds.load()
    ds.attrs = {key: value for key, value in ds.attrs.items() if key != "store"}
    for name, variable in ds.variables.items():
        variable.encoding.clear()
        if variable.dtype.kind == "U":  # zarr has no lasting form for strings of fixed width
            ds[name] = ds[name].astype(object)
    with explained(target), locked(target, group.replace("/", "-"), timeout=60):
        ds.to_zarr(target, group=group, mode="w", zarr_format=3, consolidated=False)
    return target


def open_results(path: str | os.PathLike[str], group: str) -> xr.Dataset:
    """Open ``group`` of the results beside the ensemble at ``path``, lazily.

    Raises
    ------
    StoreError
        If it was not computed yet.
    """
    import zarr

    target = results_path(path)
    try:
        results = xr.open_zarr(target, group=group, chunks={}, consolidated=False, zarr_format=3)
    except (FileNotFoundError, zarr.errors.GroupNotFoundError):
        raise StoreError(f"{target}: has no group {group!r}. Compute it with: skylattice analyse {path}") from None
    old = [name for name in _RENAMED if name in results.variables and "skyrmion" in results[name].dims]
    results = results.reset_coords(old).rename_vars({name: _RENAMED[name] for name in old})
    return label_dataset(results)


def cache_key(*parts: Any) -> str:
    """Digest of what a result depends on."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def cached(store: str | os.PathLike[str], group: str, key: str, compute: Callable[[], xr.Dataset]) -> xr.Dataset:
    """A group of the result store if it was made under the same key, else computed and written now."""
    try:
        known = open_results(store, group)
        if known.attrs.get("key") == key:
            return known.compute()
    except StoreError:
        pass  # never computed
    result = compute().assign_attrs(key=key)
    write_results(store, group, result.copy())
    return result

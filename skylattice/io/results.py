"""Results of an ensemble, kept beside it: ``NAME.results.zarr`` with one group per analysis."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import xarray as xr

from skylattice.errors import StoreError
from skylattice.io.atomic import new_folder
from skylattice.io.guard import explained, local_path, locked
from skylattice.schema import GRID_DIMS, label_dataset
from skylattice.stacking import empty_value

#: Names that version 0.1 gave to variables of results.
_RENAMED = {"x": "skyrmion_x", "y": "skyrmion_y", "grain": "skyrmion_grain"}


def results_path(path: str | os.PathLike[str]) -> Path:
    """Where the results of a store live: beside it, ``NAME.results.zarr`` for ``NAME.zarr``.

    A store without that ending has its own, ``NAME-results.zarr``: two stores never share one.
    """
    path = Path(path)
    is_plain = path.name.endswith(".zarr")
    return path.with_name(path.name.removesuffix(".zarr") + (".results.zarr" if is_plain else "-results.zarr"))


def write_results(path: str | os.PathLike[str], group: str, ds: xr.Dataset) -> Path:
    """Compute ``ds`` and write it as ``group`` of the result store beside the ensemble at ``path``, replacing it.

    The group is written beside and takes its place when it is complete: who reads sees the old one or the new one.

    Returns the path of the result store.
    """
    import zarr

    target = results_path(local_path(path))
    ds = ds.load()
    ds.attrs = {key: value for key, value in ds.attrs.items() if key != "store"}
    for name, variable in ds.variables.items():
        variable.encoding.clear()
        if variable.dtype.kind == "U":  # zarr has no lasting form for strings of fixed width
            ds[name] = ds[name].astype(object)
    with explained(target), locked(target, group.replace("/", "-"), timeout=60):
        for parent in (target, *(target / Path(*group.split("/")[:k]) for k in range(1, group.count("/") + 1))):
            if not (parent / "zarr.json").exists():
                zarr.open_group(parent, mode="a", zarr_format=3)
        with new_folder(target / group) as folder:
            ds.to_zarr(folder, mode="w", zarr_format=3, consolidated=False)
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


def match(results: xr.Dataset, ds: xr.Dataset) -> tuple[xr.Dataset, int]:
    """Results at the lattices of an ensemble: by coordinates, never by position, and only of the very spins there.

    Parameters
    ----------
    results
        From :func:`open_results`, over D, B and realization.
    ds
        The ensemble, from :func:`skylattice.io.store.open_ensemble`.

    Returns
    -------
    aligned
        On the grid of ``ds``; where there is no result, or that of other spins, it is that of a hole.
    n_stale
        How many results are those of other spins. Stores of 0.1 do not say which spins they hold: then 0.
    """
    axes = {dim: ds[dim] for dim in GRID_DIMS}
    fill = {name: empty_value(str(name), variable.dtype) for name, variable in results.variables.items()}
    aligned = results.reindex(axes, fill_value={name: value for name, value in fill.items() if name not in axes})
    if "lattice_id" not in results or "lattice_id" not in ds:
        return aligned, 0
    ids = ds["lattice_id"].load()
    known = aligned["lattice_id"].load() != 0
    same = known & (aligned["lattice_id"] == ids)
    n_stale = int((known & ~same).sum())
    if n_stale:
        for name, array in aligned.data_vars.items():
            if set(GRID_DIMS) <= set(array.dims):
                aligned[name] = array.where(same, fill[name]).astype(array.dtype).assign_attrs(array.attrs)
    return aligned, n_stale


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

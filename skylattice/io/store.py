"""Ensemble stores: zarr v3 groups that many workers fill (:mod:`skylattice.io.writing`) and xarray opens lazily.

Format version 2; ``docs/store.md`` is its contract.

- ``spin``: a chunk is one lattice, a shard all realizations of one (D, B) point and the unit of writing, one file
  ``spin/c.I.J.0.0.0.0``. Chunks are compressed (zstd, bit-shuffled); chunks and index carry a CRC-32C. A shard is there
  where a lattice is.
- ``status``, ``seed``, ``lattice_id``, and ``moment`` where there is one: blocks of thousands of lattices, updated
  under the block's lock and replaced at once. These, the coordinates and T exist from creation on, whole and with a
  CRC-32C: a chunk that is missing is damage, and never reads as zeros.
- ``status`` is written after the spins and their ``lattice_id``, so that it never promises what is not there.
- ``mask``, where sites are empty: like ``spin``, or one (y, x) for all lattices.
- Every metadata document carries a checksum of the rest of itself (:mod:`skylattice.io.seals`); that of the group names
  the arrays that must be there. Opening a store checks them all.

Version 1 had one small chunk of ``status``, ``seed`` and ``lattice_id`` for each point, checksums for chunks only, and
no promise that one exists. It is read, and written to after ``skylattice upgrade STORE``.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import xarray as xr

from skylattice.errors import StoreError
from skylattice.schema import COMPONENTS, FORMAT_VERSION, GRID_DIMS, STATUS, label_dataset

if TYPE_CHECKING:
    from zarr.abc.store import Store

#: How often a store is opened anew that seems damaged, and after how many seconds.
_TRIES, _PAUSE = 3, 0.05


def read_status(path: str | os.PathLike[str]) -> xr.DataArray:
    """Status of every lattice, eager, dims (D, B, realization), in grid order."""
    return open_ensemble(path)["status"].load()


def open_ensemble(
    path: str | os.PathLike[str] | Store, *, storage_options: dict[str, Any] | None = None, load: bool = False
) -> xr.Dataset:
    """Open a store lazily: coordinates are read, spins are not.

    Parameters
    ----------
    path
        Folder of the store, an fsspec URL of one (``s3://...``), or a :class:`zarr.abc.store.Store`, such as that of an
        Icechunk session.
    storage_options
        Passed to fsspec for URLs.
    load
        Read everything into memory.

    Returns
    -------
    Dataset with ``spin`` (D, B, realization, y, x, component), chunked by (D, B) point, and ``status``, ``seed`` and
    ``lattice_id`` (D, B, realization), which are read when they are used; D and B ascending. ``mask`` (bool, where a
    site is there) and ``moment`` where the store has them. Other dims may come before D.

    Raises
    ------
    StoreError
        If there is no store, it is not one of skylattice, a newer version wrote it, or a document or coordinate is
        damaged or missing. Spins and status raise it when they are read, for damaged or missing chunks.

    Examples
    --------
    >>> import skylattice
    >>> skylattice.open_ensemble("nowhere.zarr")
    Traceback (most recent call last):
        ...
    skylattice.errors.StoreError: nowhere.zarr: there is no ensemble store here. Check the path, or create one ...
    """
    from skylattice.io.checked import ARRAYS, open_group, read_group

    where = os.fspath(path) if isinstance(path, str | os.PathLike) else path
    if isinstance(where, str) and "://" not in where:
        where = os.path.abspath(where)  # lazy spins travel to workers that run in another folder
    for attempt in range(_TRIES):
        try:
            group = open_group(where, **(storage_options or {}))
            check_version(group.attrs, path)
            ds = read_group(group)
            break
        except FileNotFoundError:
            raise no_store(path) from None
        except (StoreError, ValueError):  # an axis that grows between two reads looks like damage, for once
            if attempt == _TRIES - 1:
                raise
            time.sleep(_PAUSE)
    promised = {"spin", "status", "T", *GRID_DIMS, *ds.attrs.pop(ARRAYS, ())}
    if missing := sorted(promised - set(ds.variables)):
        raise StoreError(
            f"{path}: expected the arrays of an ensemble, found none for {missing}: the store is damaged. "
            f"Find all damage with: skylattice verify {path}"
        )
    ds = label_dataset(ds.assign_coords(component=list(COMPONENTS), T=ds["T"].load()))
    for array in ("spin", "mask"):  # status and the like stay whole: they are small, and chunks of points would cost
        if array in ds and set(GRID_DIMS) <= set(ds[array].dims):
            shard = group[array].shards or group[array].chunks
            ds[array] = ds[array].chunk(dict(zip(ds[array].dims, shard, strict=True)))
    for name in ds["spin"].dims[:-3]:
        if name != "realization" and name in ds.indexes and not ds.indexes[name].is_monotonic_increasing:
            ds = ds.sortby(str(name))
    ds.attrs["store"] = str(where)
    if load:
        ds["status"].load()  # first: what it promises is there already, whoever writes meanwhile
        ds.load()
    return ds


def info(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What a store holds, without reading spins: grid, size, counts by status, bytes on disk, attributes."""
    ds = open_ensemble(path)
    status = ds["status"].values
    return {
        "path": os.fspath(path),
        "D": ds["D"].values,
        "B": ds["B"].values,
        "realizations": ds.sizes["realization"],
        "size": (ds.sizes["y"], ds.sizes["x"]),
        "T": float(ds["T"].item()) if ds["T"].size == 1 else ds["T"].values,
        "lattices": {name: int((status == value).sum()) for name, value in STATUS.items()},
        "points": int((status != STATUS["empty"]).any(axis=-1).sum()),
        "bytes": bytes_below(path),
        "attrs": {key: value for key, value in ds.attrs.items() if key != "store"},
    }


def bytes_below(folder: str | os.PathLike[str]) -> int:
    """Size of all files below a folder; one that vanishes meanwhile does not count."""
    total = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                total += bytes_below(entry) if entry.is_dir(follow_symlinks=False) else entry.stat().st_size
            except FileNotFoundError:
                continue
    return total


def no_store(path: Any) -> StoreError:
    """What to say where no store is."""
    return StoreError(
        f"{path}: there is no ensemble store here. Check the path, or create one with skylattice.simulate_ensemble."
    )


def check_version(attrs: Any, path: Any) -> None:
    """Raise :class:`StoreError` unless attributes are those of a store that this version reads."""
    version = attrs.get("format_version")
    if version is None:
        raise StoreError(f"{path}: expected attribute format_version, found none: this is no store of skylattice.")
    if not isinstance(version, int) or version < 1:
        raise StoreError(f"{path}: expected a format_version from 1 to {FORMAT_VERSION}, found {version!r}.")
    if version > FORMAT_VERSION:
        raise StoreError(
            f"{path}: expected format_version <= {FORMAT_VERSION}, found {version}: a newer skylattice wrote it. "
            "Update with: pip install --upgrade skylattice"
        )


def check_extendable(attrs: Any, path: Any) -> None:
    """Raise :class:`StoreError` unless attributes are those of a store that this version writes to."""
    check_version(attrs, path)
    if attrs["format_version"] < FORMAT_VERSION:
        raise StoreError(
            f"{path}: its format_version is {attrs['format_version']}, which is read only; lattices are added to "
            f"version {FORMAT_VERSION}. Convert it, spins as they are, with: skylattice upgrade {path}"
        )

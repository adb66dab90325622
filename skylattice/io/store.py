"""Ensemble stores: zarr v3 groups that many workers fill (:mod:`skylattice.io.writing`) and xarray opens lazily.

A chunk is one lattice, a shard all realizations of one (D, B) point and the unit of writing. Chunks are compressed
(zstd, bit-shuffled) and carry a CRC-32C; points never written cost no bytes. ``status`` has one small chunk per point,
written after the spins, so that it never promises what is not there.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr

from skylattice.errors import StoreError
from skylattice.io.guard import explained
from skylattice.schema import COMPONENTS, FORMAT_VERSION, GRID_DIMS, STATUS, label_dataset

if TYPE_CHECKING:
    from zarr.abc.store import Store


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
    Dataset with ``spin`` (D, B, realization, y, x, component), ``status`` and ``seed`` (D, B, realization), chunked by
    (D, B) point, D and B ascending.

    Raises
    ------
    StoreError
        If there is no store, it is not one of skylattice, or a newer version wrote it.

    Examples
    --------
    >>> import skylattice
    >>> skylattice.open_ensemble("nowhere.zarr")
    Traceback (most recent call last):
        ...
    skylattice.errors.StoreError: nowhere.zarr: there is no ensemble store here. Check the path, or create one ...
    """
    import zarr

    where = os.fspath(path) if isinstance(path, str | os.PathLike) else path
    if isinstance(where, str) and "://" not in where:
        where = os.path.abspath(where)  # lazy spins travel to workers that run in another folder
    with explained(str(where)):
        try:
            ds = _open_arrays(where, storage_options)
        except (FileNotFoundError, zarr.errors.GroupNotFoundError):
            raise no_store(path) from None
        check_version(ds.attrs, path)
    missing = [name for name in ("spin", "status", "T", *GRID_DIMS) if name not in ds.variables]
    if missing:
        raise StoreError(f"{path}: expected the arrays of an ensemble, found none for {missing}: the store is damaged.")
    shard = ds["spin"].encoding["shards"] or ds["spin"].encoding["chunks"]
    ds = label_dataset(ds.assign_coords(component=list(COMPONENTS), T=ds["T"].load()))
    ds = ds.chunk(dict(zip(GRID_DIMS, shard, strict=False)))
    for name in ("D", "B"):
        if not ds.indexes[name].is_monotonic_increasing:
            ds = ds.sortby(name)
    ds.attrs["store"] = str(where)
    return ds.load() if load else ds


def _open_arrays(where: Any, storage_options: dict[str, Any] | None) -> xr.Dataset:
    """All arrays; those that reach beyond their coordinates, as while a store grows, up to where these end."""
    options: dict[str, Any] = {"chunks": None, "consolidated": False, "zarr_format": 3}
    try:
        return xr.open_zarr(where, storage_options=storage_options, **options)
    except ValueError as error:
        if "conflicting sizes" not in str(error):
            raise
    import zarr

    group: Any = zarr.open_group(where, mode="r", zarr_format=3, storage_options=storage_options)
    names = set(group.array_keys())
    lengths = {dim: group[dim].shape[0] for dim in GRID_DIMS}
    parts = []
    for name in names:
        one = xr.open_zarr(where, storage_options=storage_options, drop_variables=names - {name}, **options)
        parts.append(one.isel({dim: slice(n) for dim, n in lengths.items() if dim in one.dims}))
    return xr.merge(parts, combine_attrs="override")


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
        "T": float(ds["T"]),
        "lattices": {name: int((status == value).sum()) for name, value in STATUS.items()},
        "points": int((status != STATUS["empty"]).any(axis=2).sum()),
        "bytes": sum(f.stat().st_size for f in Path(path).rglob("*") if f.is_file()),
        "attrs": {key: value for key, value in ds.attrs.items() if key != "store"},
    }


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
    if int(version) > FORMAT_VERSION:
        raise StoreError(
            f"{path}: expected format_version <= {FORMAT_VERSION}, found {version}: a newer skylattice wrote it. "
            "Update with: pip install --upgrade skylattice"
        )

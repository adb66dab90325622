"""Results of an ensemble, kept beside it: ``NAME.results.zarr`` with one group per analysis.

A group is written beside and takes its place when it is complete; every chunk exists and has a CRC-32C, every document
a checksum (:mod:`skylattice.io.seals`), and that of the group names its arrays and the version of the code behind it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from skylattice.errors import StoreError
from skylattice.io.atomic import new_folder
from skylattice.io.checked import ARRAYS, open_group, read_group
from skylattice.io.guard import explained, local_path, locked
from skylattice.io.seals import DOCUMENT, seal_folder, write_document
from skylattice.io.store import check_version
from skylattice.schema import FORMAT_VERSION, GRID_DIMS, label_dataset
from skylattice.stacking import empty_value

#: Names that version 0.1 gave to variables of results.
_RENAMED = {"x": "skyrmion_x", "y": "skyrmion_y", "grain": "skyrmion_grain"}
#: Bytes of a chunk, about.
_CHUNK = 1 << 22
#: Attribute of a group: version of the code that made it. Groups of 0.1, which do not say, are of version 1.
ANALYSIS_VERSION = "analysis_version"


def results_path(path: str | os.PathLike[str]) -> Path:
    """Where the results of a store live: beside it, ``NAME.results.zarr`` for ``NAME.zarr``.

    A store without that ending has its own, ``NAME-results.zarr``: two stores never share one.
    """
    path = Path(path)
    is_plain = path.name.endswith(".zarr")
    return path.with_name(path.name.removesuffix(".zarr") + (".results.zarr" if is_plain else "-results.zarr"))


def write_results(path: str | os.PathLike[str], group: str, ds: xr.Dataset, *, version: int = 1) -> Path:
    """Compute ``ds`` and write it as ``group`` of the result store beside the ensemble at ``path``, replacing it.

    The group is written beside and takes its place when it is complete: who reads sees the old one or the new one.

    Parameters
    ----------
    path
        The ensemble store.
    group
        Name of the group, with ``/`` between levels.
    ds
        The results.
    version
        Of the code that made them; raised whenever its numbers change.

    Returns
    -------
    Path of the result store.
    """
    target = results_path(local_path(path))
    ds = ds.load()
    with explained(target), locked(target, group.replace("/", "-"), timeout=60):
        for parent in (target, *(target / Path(*group.split("/")[:k]) for k in range(1, group.count("/") + 1))):
            if not (parent / DOCUMENT).exists():
                parent.mkdir(parents=True, exist_ok=True)
                write_group(parent)
        with new_folder(target / group) as folder:
            _fill(folder, ds.assign_attrs({ANALYSIS_VERSION: version}))
            seal_folder(folder)
    return target


def write_group(folder: Path) -> None:
    """The document of a group that only holds others; it says its version, so that a checksum must be there."""
    write_document(folder, {"zarr_format": 3, "node_type": "group", "attributes": {"format_version": FORMAT_VERSION}})


def _fill(folder: Path, ds: xr.Dataset) -> None:
    """Write a dataset into an empty folder."""
    import zarr

    attrs = {key: plain(value) for key, value in ds.attrs.items() if key != "store"}
    attrs |= {"format_version": FORMAT_VERSION, ARRAYS: sorted(map(str, ds.variables))}
    group = zarr.open_group(folder, mode="w", zarr_format=3, attributes=attrs)
    named = " ".join(sorted(str(name) for name in ds.coords if name not in ds.dims))
    for name, variable in ds.variables.items():
        own = {key: plain(value) for key, value in variable.attrs.items()}
        if named and name in ds.data_vars:
            own["coordinates"] = named  # CF: plain xarray sees coordinates
        _write_array(group, str(name), variable, own)


def _write_array(group: Any, name: str, variable: xr.Variable, attrs: dict[str, Any]) -> None:
    """One array whose chunks all exist, each with a CRC-32C, cut along the first dim."""
    from zarr.codecs import BloscCodec, Crc32cCodec, ZstdCodec

    values = variable.values
    is_text = values.dtype.kind in "UO"  # zarr has no lasting form for strings of fixed width
    values = values.astype(object) if is_text else values
    shape = tuple(max(1, n) for n in values.shape)
    rows = max(1, _CHUNK // max(1, values.nbytes // shape[0])) if shape else 1
    packed = ZstdCodec(level=3) if is_text else BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle")
    array = group.create_array(
        name,
        shape=values.shape,
        chunks=(min(rows, shape[0]), *shape[1:]) if shape else (),
        dtype=str if is_text else values.dtype,
        compressors=[packed, Crc32cCodec()],
        fill_value="" if is_text else np.nan if values.dtype.kind == "f" else values.dtype.type(0),
        dimension_names=tuple(map(str, variable.dims)),
        attributes=attrs,
        config={"write_empty_chunks": True},
    )
    array[...] = values


def plain(value: Any) -> Any:
    """An attribute as JSON keeps it."""
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def open_results(path: str | os.PathLike[str], group: str) -> xr.Dataset:
    """Open ``group`` of the results beside the ensemble at ``path``, lazily.

    Raises
    ------
    StoreError
        If it was not computed yet, a newer version wrote it, or a document is damaged or missing; when values are read,
        for damaged or missing chunks.
    """
    target = results_path(path)
    try:
        opened = open_group(target, path=group)
        results = read_group(opened)
    except FileNotFoundError:
        raise StoreError(f"{target}: has no group {group!r}. Compute it with: skylattice analyse {path}") from None
    version = results.attrs.setdefault("format_version", 1)  # what 0.1 generated does not say
    check_version(results.attrs, target)
    if missing := sorted(set(results.attrs.pop(ARRAYS, ())) - set(results.variables)):
        raise StoreError(
            f"{target}: group {group!r} lost its arrays {missing}. Compute it with: skylattice analyse {path}"
        )
    if version == 1:
        results = xr.decode_cf(results, decode_times=False)  # written by xarray, whose forms these are
        old = [name for name in _RENAMED if name in results.variables and "skyrmion" in results[name].dims]
        results = results.reset_coords(old).rename_vars({name: _RENAMED[name] for name in old})
    for name, variable in results.variables.items():
        stored = opened.get(name)
        if variable.ndim and name not in results.indexes and stored is not None:
            chunks = dict(zip(variable.dims, stored.chunks, strict=True))
            results[name] = results[name].chunk(chunks)
    return label_dataset(results)


def match(results: xr.Dataset, ds: xr.Dataset, *, version: int = 1) -> tuple[xr.Dataset, int]:
    """Results at the lattices of an ensemble: by coordinates, never by position, and only of the very spins there.

    Parameters
    ----------
    results
        From :func:`open_results`, over D, B and realization.
    ds
        The ensemble, from :func:`skylattice.io.store.open_ensemble`.
    version
        Of the code that makes such results today; those of another are stale, every one.

    Returns
    -------
    aligned
        On the grid of ``ds``; where there is no result, or that of other spins or other code, it is that of a hole.
    n_stale
        How many results are those of other spins or other code. Stores of 0.1 do not say which spins they hold: then
        only the code counts.
    """
    axes = {dim: ds[dim] for dim in GRID_DIMS}
    fill = {name: empty_value(str(name), variable.dtype) for name, variable in results.variables.items()}
    aligned = results.reindex(axes, fill_value={name: value for name, value in fill.items() if name not in axes})
    is_current = results.attrs.get(ANALYSIS_VERSION, 1) == version
    has_ids = "lattice_id" in results and "lattice_id" in ds
    if is_current and not has_ids:
        return aligned, 0
    if has_ids:
        known = aligned["lattice_id"].load() != 0
        same = known & (aligned["lattice_id"] == ds["lattice_id"].load()) & is_current
    else:
        known = xr.ones_like(ds["status"].load(), dtype=bool)
        same = ~known
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
        pass  # never computed, or damaged
    write_results(store, group, compute().assign_attrs(key=key))
    return open_results(store, group).compute()  # the same, down to its attributes, as the next time

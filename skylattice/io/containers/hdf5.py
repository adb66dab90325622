"""HDF5, and with it netCDF 4, through h5py. Links out of the file are not followed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from skylattice.errors import MissingExtraError
from skylattice.io.bounded import open_bounded
from skylattice.io.containers.contents import LATTICE_LIMIT, MOST_ARRAYS, Array, Contents
from skylattice.io.problems import LocatedError, shown

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_DAMAGED = "The file is damaged or was cut: copy it again, or write it again."
#: Members of a group that are looked at.
_MOST_MEMBERS = 100_000
#: For bytes of names that are no UTF-8: they become U+FFFD.
_UNKNOWN = "replace"
#: What h5py raises for files that are damaged.
_DAMAGE = (OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError, OverflowError, MemoryError)


def is_hdf5(start: bytes) -> bool:
    """Whether a file that starts so is HDF5."""
    return start.startswith(_SIGNATURE)


class Hdf5Source:
    """A dataset of a HDF5 file, which is opened where it is indexed."""

    def __init__(self, path: Path, name: str, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self.path, self.name, self.shape, self.dtype, self.ndim = path, name, shape, dtype, len(shape)

    def __getitem__(self, key: Any) -> np.ndarray:
        try:
            with _open(self.path) as file:
                return np.asarray(file[self.name][key])
        except _DAMAGE as error:
            if isinstance(error, LocatedError):
                raise
            raise _damaged(self.path, self.name, error) from None


def read_file(path: Path) -> Contents:
    """The datasets of a HDF5 file, of all its groups.

    Raises
    ------
    LocatedError
        If it is damaged.
    MissingExtraError
        If h5py is not installed.
    """
    arrays: dict[str, Array] = {}
    skipped: dict[str, str] = {}

    try:
        with _open(path) as file:
            attrs = _attrs(file)
            for name, item in _datasets(file, "", set()):
                if reason := _reason_to_skip(name, item):
                    skipped[name] = reason
                elif not _is_bare_dimension(item):
                    source = Hdf5Source(path, name, item.shape, item.dtype)
                    arrays[name] = Array(name, source, _dims(item), _attrs(item), item.chunks or ())
                if len(arrays) + len(skipped) > MOST_ARRAYS:
                    break
    except _DAMAGE as error:
        if isinstance(error, LocatedError | MissingExtraError):
            raise
        raise _damaged(path, "", error) from None
    kind = "netCDF file" if "_NCProperties" in attrs else "HDF5 file"
    return Contents(path, kind, arrays, {k: v for k, v in attrs.items() if k != "_NCProperties"}, skipped)


def _open(path: Path) -> Any:
    try:
        import h5py
    except ImportError:
        raise MissingExtraError("h5py", "hdf5", "reading HDF5 and netCDF 4") from None
    with open_bounded(path, limit=None, what="a HDF5 file"):  # a regular file, before the library opens it
        return h5py.File(os.fspath(path), "r", locking=False)


def _datasets(group: Any, below: str, seen: set[int]) -> Iterator[tuple[str, Any]]:
    """Datasets of a group and the groups in it, each once, with their names; hard links only, nothing of other files.

    The library's own way to visit them has no end in some damaged groups, whose number of members it cannot read.
    """
    import h5py

    for k in range(min(group.id.get_num_objs(), _MOST_MEMBERS)):
        member = group.id.get_objname_by_idx(k)
        if group.id.links.get_info(member).type != h5py.h5l.TYPE_HARD:
            continue
        item, name = group[member], below + member.decode("utf-8", _UNKNOWN)
        address = h5py.h5o.get_info(item.id).addr
        if address in seen:
            continue
        seen.add(address)
        if isinstance(item, h5py.Dataset):
            yield name, item
        elif isinstance(item, h5py.Group):
            yield from _datasets(item, f"{name}/", seen)


def _reason_to_skip(name: str, item: Any) -> str:
    """Why a dataset is not read; empty if it is."""
    if "\ufffd" in name:
        return "its name is no text"
    if item.shape is None:
        return "no numbers"
    if item.is_virtual or item.external:
        return "its numbers lie in other files"
    if item.dtype.hasobject or item.dtype.kind not in "fiubSUV":
        return f"of type {item.dtype}"
    if item.chunks and int(np.prod(item.chunks, dtype=object)) * item.dtype.itemsize > LATTICE_LIMIT:
        return f"chunks of shape {item.chunks}"
    return ""


def _is_bare_dimension(item: Any) -> bool:
    """NetCDF 4 keeps a dimension without values as a dataset that says so."""
    name = item.attrs.get("NAME", b"")
    return bytes(name).startswith(b"This is a netCDF dimension but not a netCDF variable") if name else False


def _dims(item: Any) -> tuple[str | None, ...]:
    """Names of the axes: labels, or the names of scales that are attached to them."""
    names: list[str | None] = []
    for k, dim in enumerate(item.dims):
        scale = next(iter(dim.values()), None) if len(dim) else None
        name = dim.label or (scale.name.rsplit("/", 1)[-1] if scale is not None and scale.name else "")
        if not name and item.is_scale and item.ndim == 1 and k == 0:
            name = item.name.rsplit("/", 1)[-1]
        names.append(name or None)
    return tuple(names)


def _attrs(item: Any) -> dict[str, Any]:
    """Attributes that are text or numbers."""
    attrs: dict[str, Any] = {}
    for name in item.attrs:
        try:
            value = item.attrs[name]
        except _DAMAGE:  # of a type that h5py has no name for
            continue
        if isinstance(value, bytes | np.bytes_):
            attrs[name] = value.decode("utf-8", "replace")
        elif isinstance(value, str | int | float | np.number):
            attrs[name] = value
        elif isinstance(value, np.ndarray) and value.dtype.kind in "fiu" and value.size <= 1024:
            attrs[name] = value.item() if value.size == 1 else value
    return attrs


def _damaged(path: Path, name: str, error: BaseException) -> LocatedError:
    where = f"{path} ({shown(name)})" if name else path
    return LocatedError(where, f"expected readable HDF5, found {shown(' '.join(str(error).split()), 200)}.", _DAMAGED)

"""Zarr groups and arrays of version 2 and 3, of any program."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from skylattice.io.bounded import open_bounded
from skylattice.io.containers.contents import LATTICE_LIMIT, MOST_ARRAYS, Array, Contents
from skylattice.io.problems import LocatedError, shown

#: Files that make a folder a zarr group or array.
MARKS = ("zarr.json", ".zgroup", ".zarray", ".zmetadata")
_DAMAGED = "The metadata are damaged or were cut: restore them from a copy."
#: Bytes of the metadata of one array or group, and most folders in each other.
_METADATA, _DEPTH = 1 << 24, 8
#: What zarr and its codecs raise for metadata and chunks that make no sense.
_DAMAGE = (
    *(OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError, OverflowError, MemoryError),
    *(IndexError, NotImplementedError, AssertionError, ImportError, RecursionError, ZeroDivisionError),
)


class ZarrSource:
    """An array of a zarr group, which is opened where it is indexed."""

    def __init__(self, path: Path, name: str, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self.path, self.name, self.shape, self.dtype, self.ndim = path, name, shape, dtype, len(shape)

    def __getitem__(self, key: Any) -> np.ndarray:
        import zarr

        try:
            return np.asarray(zarr.open_array(self.path / self.name, mode="r")[key])
        except _DAMAGE as error:
            raise _damaged(self.path / self.name, error) from None


def is_zarr(path: Path) -> bool:
    """Whether a folder is a zarr group or array."""
    return any((path / mark).is_file() for mark in MARKS)


def read_group(path: Path) -> Contents:
    """The arrays of a zarr group, those of its groups with their path; or the one array that the folder is.

    Raises
    ------
    LocatedError
        If its metadata are missing, damaged or too large, or a link leads out of the folder.
    """
    arrays: dict[str, Array] = {}
    skipped: dict[str, str] = {}
    attrs = _collect(path, "", arrays, skipped, 0)
    return Contents(path, "zarr array" if list(arrays) == [""] else "zarr group", arrays, attrs, skipped)


def _collect(path: Path, name: str, arrays: dict[str, Array], skipped: dict[str, str], depth: int) -> dict[str, Any]:
    """Put the arrays at and below a folder into ``arrays``; returns the folder's attributes."""
    import zarr

    folder = path / name
    for mark in MARKS:
        if (folder / mark).exists():
            with open_bounded(folder / mark, limit=_METADATA, what="zarr metadata"):
                pass
    if not folder.resolve().is_relative_to(path.resolve()):
        skipped[name] = "a link out of the folder"
        return {}
    try:
        node = zarr.open(folder, mode="r")
        attrs = dict(node.attrs)
        if isinstance(node, zarr.Array):
            _add(path, name, node, attrs, arrays, skipped)
    except _DAMAGE as error:
        raise _damaged(folder, error) from None
    if not isinstance(node, zarr.Array) and depth < _DEPTH:
        for part in sorted(os.listdir(folder)):
            if len(arrays) + len(skipped) < MOST_ARRAYS and is_zarr(folder / part):
                _collect(path, f"{name}/{part}" if name else part, arrays, skipped, depth + 1)
    return attrs


def _add(
    path: Path, name: str, node: Any, attrs: dict[str, Any], arrays: dict[str, Array], skipped: dict[str, str]
) -> None:
    dtype = np.dtype(node.dtype)
    chunk = int(np.prod(node.chunks, dtype=object)) * dtype.itemsize
    if dtype.hasobject or dtype.kind not in "fiubSUV":
        skipped[name] = f"of type {dtype}"
    elif chunk > LATTICE_LIMIT:
        skipped[name] = f"chunks of shape {node.chunks}"
    else:
        dims = getattr(node.metadata, "dimension_names", None) or attrs.get("_ARRAY_DIMENSIONS") or ()
        dims = tuple(dims) if len(dims) == node.ndim else (None,) * node.ndim
        names = tuple(None if dim is None else str(dim) for dim in dims)
        arrays[name] = Array(name, ZarrSource(path, name, node.shape, dtype), names, attrs, tuple(node.chunks))


def _damaged(where: Path, error: BaseException) -> LocatedError:
    return LocatedError(
        where, f"expected readable zarr, found {shown(' '.join(str(error).split()) or repr(error), 200)}.", _DAMAGED
    )

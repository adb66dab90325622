"""The kinds of containers, and which of them a file or folder is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from skylattice.io.bounded import open_bounded
from skylattice.io.containers import hdf5, netcdf, raw, zarr
from skylattice.io.containers.contents import Contents
from skylattice.io.problems import LocatedError


class Kind(NamedTuple):
    """One kind: what it is called, whether a file that starts so is of it, and how it is read."""

    title: str
    recognises: Callable[[bytes], bool]
    read: Callable[[Path], Contents]


_FILES = (
    Kind("NumPy array", raw.is_npy, raw.read_npy),
    Kind("NumPy archive", raw.is_zip, raw.read_npz),
    Kind("HDF5 file", hdf5.is_hdf5, hdf5.read_file),
    Kind("netCDF file", netcdf.is_netcdf, netcdf.read_file),
)
_FOLDER = Kind("zarr group", lambda _: True, zarr.read_group)


def kind_of(path: Path, start: bytes) -> Kind | None:
    """The kind of a folder, or of a file that starts so; None if it is no container.

    Examples
    --------
    >>> kind_of(Path("any"), b"\\x93NUMPY").title
    'NumPy array'
    """
    if path.is_dir():
        return _FOLDER if zarr.is_zarr(path) else None
    return next((kind for kind in _FILES if kind.recognises(start)), None)


def read_contents(path: Path) -> Contents:
    """What a file or folder holds, by its first bytes; no array is read.

    Raises
    ------
    LocatedError
        If it is damaged, or none of npy, npz, HDF5, netCDF and zarr.
    MissingExtraError
        For HDF5 and netCDF 4, if h5py is not installed.
    """
    start = b""
    if not path.is_dir():
        with open_bounded(path, limit=None, what="a container of arrays") as file:
            start = file.read(16)
    kind = kind_of(path, start)
    if kind is None:
        raise LocatedError(
            path, f"expected npy, npz, HDF5, netCDF or zarr, found {start!r}.", "Give a file or folder of one of these."
        )
    return kind.read(path)

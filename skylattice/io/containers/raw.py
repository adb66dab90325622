"""Numbers that lie plainly in a file: npy, npz, and the variables of netCDF 3. Nothing is unpickled."""

from __future__ import annotations

import io
import math
import mmap
import os
import struct
import tokenize
import zipfile
import zlib
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import numpy as np

from skylattice.io.bounded import open_bounded
from skylattice.io.containers.contents import MOST_ARRAYS, Array, Contents
from skylattice.io.problems import LocatedError, shown

_NPY = b"\x93NUMPY"
#: Most bytes of the header of a npy file.
_HEADER = 10_000
#: A compressed array above the first size must not unpack to more than so many times its bytes in the file: spins do
#: not, and what does is made to fill memory.
_FREE, _RATIO = 1 << 30, 100
_DAMAGED = "The file is damaged or was cut: copy it again, or write it again."

#: What zipfile and numpy raise for files that are damaged.
_DAMAGE = (
    *(ValueError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError),
    *(OverflowError, TypeError, KeyError, AttributeError, SyntaxError, RecursionError, MemoryError, OSError),
    *(IndexError, struct.error, tokenize.TokenError),  # the header of a npy file is a Python literal
)


class RawSource:
    """Numbers at a place in a file, in any order of axes and bytes.

    Parameters
    ----------
    path, offset
        The file, and the byte of the first number.
    shape, strides, dtype
        As :class:`numpy.ndarray` takes them.
    checksum
        First byte, length and CRC-32 of what must be intact before anything is believed; None if the file has none.
    """

    def __init__(
        self,
        path: Path,
        offset: int,
        shape: tuple[int, ...],
        strides: tuple[int, ...],
        dtype: np.dtype,
        checksum: tuple[int, int, int] | None = None,
    ) -> None:
        self.path, self.offset, self.shape, self.strides, self.dtype = path, offset, shape, strides, dtype
        self.checksum, self.ndim = checksum, len(shape)

    def __getitem__(self, key: Any) -> np.ndarray:
        end = (
            self.offset + self.dtype.itemsize + sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True))
        )
        if 0 in self.shape:
            return np.empty(self.shape, self.dtype)[key]
        with open_bounded(self.path, limit=None, what="a container of arrays") as file:
            status = os.fstat(file.fileno())
            if status.st_size < end:
                raise LocatedError(
                    f"{self.path} (byte {self.offset})",
                    f"expected numbers up to byte {end}, found {status.st_size} bytes.",
                    _DAMAGED,
                )
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as memory:
                if self.checksum is not None:
                    _check_sum(self.path, memory, self.checksum, status.st_mtime_ns)
                return self._of(memory, key)

    def _of(self, memory: mmap.mmap, key: Any) -> np.ndarray:
        """A copy of some of the numbers, so that nothing refers to the file afterwards."""
        array = np.ndarray(self.shape, self.dtype, memory, self.offset, self.strides)
        return np.array(array[key])


#: Members that were found intact, with the time of change of their file.
_intact: set[tuple[Path, int, int]] = set()


def _check_sum(path: Path, memory: mmap.mmap, checksum: tuple[int, int, int], changed: int) -> None:
    begin, length, expected = checksum
    if (path, begin, changed) in _intact:
        return
    found = 0
    for start in range(begin, begin + length, 1 << 22):
        found = zlib.crc32(memory[start : min(start + (1 << 22), begin + length)], found)
    if found != expected:
        raise LocatedError(
            f"{path} (byte {begin})", f"expected the checksum {expected:08x}, found {found:08x}.", _DAMAGED
        )
    _intact.add((path, begin, changed))


class ZippedSource:
    """A compressed array of an npz file, which can be read as a whole only; the last one is kept."""

    def __init__(self, path: Path, member: str, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self.path, self.member, self.shape, self.dtype, self.ndim = path, member, shape, dtype, len(shape)

    def __getitem__(self, key: Any) -> np.ndarray:
        return _unzipped(self.path, self.member, os.stat(self.path).st_mtime_ns)[key]


@lru_cache(maxsize=1)
def _unzipped(path: Path, member: str, _changed: int) -> np.ndarray:
    try:
        with open_bounded(path, limit=None, what="an npz file") as file, zipfile.ZipFile(file) as archive:
            info = archive.getinfo(member)
            with archive.open(info) as part:
                data = part.read(info.file_size)
        return np.lib.format.read_array(io.BytesIO(data), allow_pickle=False, max_header_size=_HEADER)
    except _DAMAGE as error:
        if isinstance(error, LocatedError):
            raise
        raise _damaged(path, member, error) from None


def is_npy(start: bytes) -> bool:
    """Whether a file that starts so is npy."""
    return start.startswith(_NPY)


def is_zip(start: bytes) -> bool:
    """Whether a file that starts so is a zip archive, which npz files are."""
    return start.startswith((b"PK\x03\x04", b"PK\x05\x06"))


def read_npy(path: Path) -> Contents:
    """The array of a npy file, without a name."""
    with open_bounded(path, limit=None, what="an npy file") as file:
        try:
            source = _plain_source(path, file, 0, os.fstat(file.fileno()).st_size)
        except _DAMAGE as error:
            raise _damaged(path, "", error) from None
    return Contents(path, "NumPy array", {"": Array("", source, (None,) * source.ndim)})


def read_npz(path: Path) -> Contents:
    """The arrays of an npz file; members that are no plain arrays are skipped."""
    arrays: dict[str, Array] = {}
    skipped: dict[str, str] = {}
    try:
        with open_bounded(path, limit=None, what="an npz file") as file, zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            if len(members) > MOST_ARRAYS:
                raise ValueError(f"it has {len(members)} members")
            for info in members:
                name = info.filename.removesuffix(".npy")
                if name == info.filename:
                    skipped[shown(name)] = "no npy file"
                    continue
                source, reason = _member(path, file, archive, info)
                if source is None:
                    skipped[shown(name)] = reason
                else:
                    arrays[name] = Array(name, source, (None,) * source.ndim, stored_chunks=_chunks(source))
    except _DAMAGE as error:
        if isinstance(error, LocatedError):
            raise
        raise _damaged(path, "", error) from None
    kind = "NumPy archive" if arrays or path.suffix == ".npz" else "zip archive"
    return Contents(path, kind, arrays, skipped=skipped)


def _chunks(source: RawSource | ZippedSource) -> tuple[int, ...]:
    return source.shape if isinstance(source, ZippedSource) else ()


def _member(
    path: Path, file: IO[bytes], archive: zipfile.ZipFile, info: zipfile.ZipInfo
) -> tuple[RawSource | ZippedSource | None, str]:
    """Where the numbers of a member lie; None, and why, for one that is not read."""
    with archive.open(info) as part:
        shape, is_fortran, dtype, start = _header(part)
    if dtype.hasobject:
        return None, "pickled objects, which are never read"
    n_bytes = dtype.itemsize * math.prod(shape)
    if n_bytes != info.file_size - start:
        raise ValueError(f"{shown(info.filename)}: its header says {shape} of {dtype}, its size another thing")
    if info.compress_type != zipfile.ZIP_STORED:
        if n_bytes > max(_FREE, _RATIO * info.compress_size):
            return None, f"{info.compress_size} bytes that unpack to {n_bytes}"
        return ZippedSource(path, info.filename, shape, dtype), ""
    file.seek(info.header_offset)
    local = file.read(30)  # its name and extra field may differ in length from those of the directory
    begin = info.header_offset + 30 + int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little")
    checksum = (begin, info.file_size, info.CRC)
    return RawSource(path, begin + start, shape, _strides(shape, dtype, is_fortran), dtype, checksum), ""


def _plain_source(path: Path, file: IO[bytes], begin: int, size: int) -> RawSource:
    file.seek(begin)
    shape, is_fortran, dtype, start = _header(file)
    if dtype.hasobject:
        raise ValueError("it holds pickled objects, which are never read")
    n_bytes = dtype.itemsize * math.prod(shape)
    if n_bytes != size - start:
        raise ValueError(f"its header says {shape} of {dtype}, which is {n_bytes} bytes, found {size - start}")
    return RawSource(path, begin + start, shape, _strides(shape, dtype, is_fortran), dtype)


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype, int]:
    """Shape, whether the first axis runs fastest, type, and the length of what stands before the numbers."""
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file, max_header_size=_HEADER)
    else:  # version 3 differs in the encoding of the names of fields alone
        shape, is_fortran, dtype = np.lib.format.read_array_header_2_0(file, max_header_size=_HEADER)
    if any(length < 0 for length in shape) or len(shape) > 32:
        raise ValueError(f"its header says shape {shape}")
    return shape, is_fortran, dtype, file.tell()


def _strides(shape: tuple[int, ...], dtype: np.dtype, is_fortran: bool) -> tuple[int, ...]:
    lengths = shape if is_fortran else shape[::-1]
    strides = [dtype.itemsize * math.prod(lengths[:k]) for k in range(len(lengths))]
    return tuple(strides if is_fortran else strides[::-1])


def _damaged(path: Path, member: str, error: BaseException) -> LocatedError:
    where = f"{path} ({shown(member)})" if member else path
    return LocatedError(
        where, f"expected plain NumPy arrays, found a damaged file: {shown(str(error), 200)}.", _DAMAGED
    )

"""The header of netCDF 3 in its three forms: classic, 64-bit offsets, 64-bit data. NetCDF 4 is HDF5.

A file is a list of dimensions, attributes and variables, then their numbers, big end first. Variables along the one
dimension without a length, the record, lie interleaved at the end of the file.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from skylattice.io.bounded import open_bounded
from skylattice.io.containers.contents import MOST_ARRAYS, Array, Contents
from skylattice.io.containers.raw import RawSource
from skylattice.io.problems import LocatedError, shown

#: Types by their number; those from 7 on are of 64-bit data files alone.
_TYPES = {1: "i1", 2: "S1", 3: ">i2", 4: ">i4", 5: ">f4", 6: ">f8", 7: "u1", 8: ">u2", 9: ">u4", 10: ">i8", 11: ">u8"}
_DIMENSIONS, _VARIABLES, _ATTRIBUTES = 10, 11, 12
#: Most bytes of a name, and of an attribute that is read.
_NAME, _ATTRIBUTE = 1024, 1 << 20
_DAMAGED = "The file is damaged or was cut: copy it again, or write it again."


def is_netcdf(start: bytes) -> bool:
    """Whether a file that starts so is netCDF 3."""
    return start[:3] == b"CDF" and start[3:4] in (b"\x01", b"\x02", b"\x05", b"")


def read_file(path: Path) -> Contents:
    """The variables of a netCDF 3 file.

    Raises
    ------
    LocatedError
        Naming the byte of a header that makes no sense, or a variable whose numbers are not all there.
    """
    with open_bounded(path, limit=None, what="a netCDF file") as file:
        return _Header(path, file).contents()


@dataclass(frozen=True)
class _Variable:
    name: str
    dims: list[int]
    attrs: dict[str, Any]
    dtype: np.dtype
    begin: int


class _Header:
    """Goes through a header from its first byte on."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path, self.file, self.size = path, file, os.fstat(file.fileno()).st_size
        version = self._bytes(4)[3]
        self.offset_bytes = 4 if version == 1 else 8
        self.count_bytes = 8 if version == 5 else 4

    def contents(self) -> Contents:
        """All variables, with dims and attributes."""
        n_records = self._count()
        dims = [(self._name(), self._count()) for _ in range(self._list(_DIMENSIONS))]
        attrs = self._attributes()
        variables = [self._variable(len(dims)) for _ in range(self._list(_VARIABLES))]
        records = [v for v in variables if v.dims and dims[v.dims[0]][1] == 0]
        lengths = [v.dtype.itemsize * math.prod(dims[d][1] for d in v.dims[1:]) for v in records]
        padded = lengths if len(records) == 1 else [-(-n // 4) * 4 for n in lengths]
        arrays = {}
        for variable in variables:
            is_record = variable in records
            array = self._array(variable, dims, n_records if is_record else None, sum(padded))
            arrays[variable.name] = array
        return Contents(self.path, "netCDF file", arrays, attrs)

    def _array(
        self, variable: _Variable, dims: list[tuple[str, int]], n_records: int | None, record_bytes: int
    ) -> Array:
        shape = [dims[d][1] for d in variable.dims]
        strides = [variable.dtype.itemsize * math.prod(shape[k + 1 :]) for k in range(len(shape))]
        if n_records is not None:
            shape[0], strides[0] = n_records, record_bytes
        end = variable.begin + variable.dtype.itemsize + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
        if 0 not in shape and end > self.size:
            raise LocatedError(
                f"{self.path} (byte {variable.begin})",
                f"expected the numbers of {variable.name!r} up to byte {end}, found {self.size} bytes.",
                _DAMAGED,
            )
        source = RawSource(self.path, variable.begin, tuple(shape), tuple(strides), variable.dtype)
        return Array(variable.name, source, tuple(dims[d][0] for d in variable.dims), variable.attrs)

    def _bytes(self, count: int) -> bytes:
        begin = self.file.tell()
        data = self.file.read(count) if count <= self.size - begin else b""
        if len(data) != count:
            raise LocatedError(
                f"{self.path} (byte {begin})", f"expected {count} bytes of header, found the end.", _DAMAGED
            )
        return data

    def _whole(self, n_bytes: int) -> int:
        return int.from_bytes(self._bytes(n_bytes), "big")

    def _count(self) -> int:
        count = self._whole(self.count_bytes)
        return 0 if count == (1 << 8 * self.count_bytes) - 1 else count  # all ones: a stream that was not closed

    def _list(self, tag: int) -> int:
        """Length of a list that starts here."""
        found, count = self._whole(4), self._count()
        if found not in (tag, 0) or (found == 0 and count) or count > MOST_ARRAYS:
            raise self._wrong(f"a list of {tag}", f"{found} with {count} entries")
        return count

    def _name(self) -> str:
        length = self._count()
        if not 0 < length <= _NAME:
            raise self._wrong("a name", f"one of {length} bytes")
        name = self._bytes(-(-length // 4) * 4)[:length]
        return name.decode("utf-8", "replace")

    def _type(self) -> np.dtype:
        number = self._whole(4)
        if number not in _TYPES:
            raise self._wrong("a type from 1 to 11", str(number))
        return np.dtype(_TYPES[number])

    def _attributes(self) -> dict[str, Any]:
        attrs: dict[str, Any] = {}
        for _ in range(self._list(_ATTRIBUTES)):
            name, dtype, count = self._name(), self._type(), self._count()
            if count * dtype.itemsize > _ATTRIBUTE:
                raise self._wrong("an attribute", f"{shown(name)!r} of {count} numbers")
            data = self._bytes(-(-count * dtype.itemsize // 4) * 4)[: count * dtype.itemsize]
            values = np.frombuffer(data, dtype)
            attrs[name] = (
                data.decode("utf-8", "replace")
                if dtype.kind == "S"
                else (values[0].item() if count == 1 else values.astype(dtype.newbyteorder("=")))
            )
        return attrs

    def _variable(self, n_dims: int) -> _Variable:
        name, rank = self._name(), self._count()
        if rank > 32:
            raise self._wrong(f"at most 32 dims of {shown(name)!r}", str(rank))
        dims = [self._count() for _ in range(rank)]
        if any(d >= n_dims for d in dims):
            raise self._wrong(f"dims below {n_dims} of {shown(name)!r}", str(dims))
        attrs, dtype = self._attributes(), self._type()
        self._count()  # the size, which follows from shape and type, and does not hold large ones
        return _Variable(name, dims, attrs, dtype, self._whole(self.offset_bytes))

    def _wrong(self, expected: str, found: str) -> LocatedError:
        return LocatedError(
            f"{self.path} (byte {self.file.tell()})", f"expected {expected} before it, found {found}.", _DAMAGED
        )

"""Reading what a store holds so that damage is an error with a name: the one door to its arrays.

Documents are checked as they pass (:mod:`skylattice.io.seals`), chunks that must exist are missed, and what the codecs
of zarr say of a chunk that does not decode becomes a :class:`StoreError` with the store, the array and the chunk.
"""

from __future__ import annotations

import itertools
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing
from zarr.abc.store import ByteRequest, Store
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import FsspecStore, LocalStore, WrapperStore

from skylattice.errors import StoreError
from skylattice.io.guard import explained
from skylattice.io.seals import CHECKSUM, DOCUMENT, check, is_sealed, parse
from skylattice.schema import STATUS

#: Attribute of a group: the arrays that it was made with.
ARRAYS = "arrays"
#: Arrays whose chunks are there only where a lattice is.
SPARSE = ("spin", "mask")
#: What zarr and its codecs raise for bytes that make no sense.
BROKEN = (ValueError, RuntimeError, KeyError, TypeError, IndexError, AssertionError, EOFError, OverflowError)

_CHUNK = re.compile(r"(?P<array>.+)/c(?P<place>(?:[/.]\d+)*)")


class CheckedStore(WrapperStore[Store]):
    """A zarr store whose documents and chunks are checked as they are read.

    Parameters
    ----------
    store
        The store itself.
    where
        Its name, for the errors.
    is_sealed
        Whether documents have checksums and chunks must exist; None until the first document says so.
    """

    def __init__(self, store: Store, where: str, is_sealed: bool | None = None) -> None:
        super().__init__(store)
        self.where, self.is_sealed = where, is_sealed

    def _with_store(self, store: Store) -> CheckedStore:
        return type(self)(store, self.where, self.is_sealed)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None:
        """What lies at ``key``; raises :class:`StoreError` for what is damaged, or missing and must be there."""
        value = await self._store.get(key, prototype, byte_range)
        if value is None:
            if self.is_sealed and (chunk := _CHUNK.fullmatch(key)) and await self._must_exist(chunk):
                raise missing(self.where, chunk["array"], key)
        elif key.rpartition("/")[2] == DOCUMENT:
            document = parse(value.to_bytes(), f"{self.where}/{key}")
            if self.is_sealed is None:
                self.is_sealed = is_sealed(document)
            if self.is_sealed:
                check(document, f"{self.where}/{key}")
        return value

    async def _must_exist(self, chunk: re.Match[str]) -> bool:
        """Every chunk but those of spins; a mask is where its spins are."""
        array = chunk["array"]
        if array not in SPARSE:
            return True
        place = chunk["place"]  # of the spins: one more dim
        return array == "mask" and await self._store.exists(f"spin/c{place}{place[:1]}0")


def missing(where: str, array: str, key: str) -> StoreError:
    """What to say of a chunk that is not there."""
    return StoreError(
        f"{where}: array {array!r}: chunk {key} is missing: it was deleted, or not copied. Find all damage with: "
        f"skylattice verify {where}"
    )


def open_group(where: str | os.PathLike[str] | Store, *, mode: Any = "r", path: str = "", **options: Any) -> Any:
    """A zarr group, checked as it is read; ``options`` go to fsspec. Raises what zarr raises where nothing is."""
    import zarr

    if isinstance(where, Store):
        store: Store = where
    elif "://" in os.fspath(where) or "::" in os.fspath(where):
        store = FsspecStore.from_url(os.fspath(where), storage_options=options, read_only=mode == "r")
    else:
        store = LocalStore(os.fspath(where), read_only=mode == "r")
    with translated(str(where)):
        return zarr.open_group(CheckedStore(store, str(where)), mode=mode, path=path, zarr_format=3)


@contextmanager
def translated(where: str, array: str = "", find: Any = None) -> Iterator[None]:
    """Turn what zarr says of broken bytes into a :class:`StoreError`; ``find`` tells which chunk they are of."""
    try:
        with explained(where):
            yield
    except (StoreError, FileNotFoundError):  # the second says that nothing is there
        raise
    except BROKEN as error:
        chunk = find() if find is not None else None
        place = f"array {array!r}: chunk {chunk} is" if chunk else f"array {array!r} is" if array else "it is"
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise StoreError(
            f"{where}: {place} damaged ({reason}). Find all damage with: skylattice verify {where}"
        ) from error


def key_of(array: Any, place: Sequence[int]) -> str:
    """Name of the file of a chunk or shard, from the store's folder on."""
    return f"{array.path}/{array.metadata.chunk_key_encoding.encode_chunk_key(tuple(place))}"


class StoredArray(BackendArray):
    """One array of a store, read when it is indexed.

    Parameters
    ----------
    array
        Of zarr, over a :class:`CheckedStore`.
    where
        The store's name.
    status
        For spins: the status of their lattices. Where it says "done", there must be spins.
    """

    def __init__(self, array: Any, where: str, status: StoredArray | None = None) -> None:
        self.array, self.where, self.status = array, where, status
        self.shape = array.shape
        self.name = array.path
        self.is_text = array.dtype.kind in "TUO"
        self.dtype = np.dtype(object) if self.is_text else array.dtype

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        return type(self).__name__, self.where, self.name, self.shape

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self.read)

    def read(self, key: tuple[Any, ...]) -> np.ndarray:
        """Values at integers, slices and lists of integers, one for each dimension."""
        values = self._values(key)
        if self.status is not None:
            gone = self._gone(key, values)
            if gone.any():
                values = self._values(key)  # a writer may have come between the two
                gone &= self._gone(key, values)
            if gone.any():
                raise missing(self.where, self.name, self._first(key, gone))
        return values

    def _values(self, key: tuple[Any, ...]) -> np.ndarray:
        with translated(self.where, self.name, lambda: next(self.broken(key), None)):
            basic = all(isinstance(k, slice | int | np.integer) for k in key)
            values = np.asarray(self.array[key] if basic else self.array.oindex[key])
        return values.astype(object) if self.is_text else values

    def _gone(self, key: tuple[Any, ...], values: np.ndarray) -> np.ndarray:
        """Which of the lattices asked for are done and not there; a hole is NaN throughout."""
        of_lattice = key[: len(self.shape) - 3]
        shape = values.shape[: sum(not isinstance(k, int | np.integer) for k in of_lattice)]
        if not values.size:
            return np.zeros(shape, dtype=bool)
        hole = np.isnan(values.reshape(*shape, -1)[..., 0])
        if not hole.any() or self.status is None:
            return np.zeros(shape, dtype=bool)
        return hole & (self.status.read(of_lattice) == STATUS["done"])

    def _first(self, key: tuple[Any, ...], chosen: np.ndarray) -> str:
        """File of the first lattice that is chosen among those of ``key``."""
        lengths = self.shape[: len(self.shape) - 3]
        axes = [np.arange(n)[k] for k, n in zip(key, lengths, strict=False)]
        first = iter(np.argwhere(chosen)[0]) if chosen.ndim else iter(())
        place = [int(axis[next(first)]) if axis.ndim else int(axis) for axis in axes]
        return key_of(self.array, [p // n for p, n in zip((*place, 0, 0, 0), self.stored, strict=True)])

    @property
    def stored(self) -> tuple[int, ...]:
        """Shape of what one file holds."""
        return self.array.shards or self.array.chunks

    def broken(self, key: tuple[Any, ...] | None = None) -> Iterator[str]:
        """Names of the chunks that cannot be read, among those that ``key`` touches, or all."""
        indices = [np.atleast_1d(np.arange(n)[k]) for k, n in zip(key or [slice(None)] * 9, self.shape, strict=False)]
        places = [np.unique(i // n).tolist() for i, n in zip(indices, self.stored, strict=True)]
        for place in itertools.product(*places):
            region = tuple(slice(p * n, (p + 1) * n) for p, n in zip(place, self.stored, strict=True))
            try:
                self.array[region]
            except (*BROKEN, StoreError):
                yield key_of(self.array, place)


def arrays_of(group: Any) -> dict[str, Any]:
    """The arrays that a group names; all that lie in it where it names none."""
    promised = group.attrs.get(ARRAYS)
    if promised is None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of zarr, for folders that are none of its own
            return dict(group.arrays())
    found = {}
    for name in promised:
        with suppress(KeyError):  # who opens the group misses it
            found[name] = group[name]
    return found


def read_group(group: Any) -> xr.Dataset:
    """All arrays of a checked group, lazily, in no chunks; coordinates are read.

    Arrays that reach beyond their coordinates, as while a store grows, are taken up to where these end.
    """
    where = group.store.where
    with translated(where):
        arrays = arrays_of(group)
        attrs = {key: value for key, value in group.attrs.asdict().items() if key != CHECKSUM}
    prefix = f"{group.path}/" if group.path else ""
    stored = {name: StoredArray(array, where) for name, array in arrays.items()}
    if not prefix and "status" in stored and "spin" in stored:
        stored["spin"] = StoredArray(arrays["spin"], where, stored["status"])
    named = set(str(attrs.pop("coordinates", "")).split())
    variables = {}
    for name, array in stored.items():
        own = arrays[name].attrs.asdict()
        named |= set(str(own.pop("coordinates", "")).split())
        own = {key: value for key, value in own.items() if key not in (CHECKSUM, "_FillValue")}
        dims = arrays[name].metadata.dimension_names or ()
        if len(dims) != len(array.shape) or None in dims:
            raise StoreError(f"{where}: array {prefix + name!r}: expected a name for each of its dims, found {dims}.")
        variables[name] = xr.Variable(dims, indexing.LazilyIndexedArray(array), own)
    lengths: dict[Any, int] = {name: v.sizes[name] for name, v in variables.items() if v.dims == (name,)}
    for name, variable in variables.items():
        cut = {dim: slice(lengths[dim]) for dim in variable.dims if variable.sizes[dim] > lengths.get(dim, np.inf)}
        variables[name] = variable.isel(cut)
        if name in lengths:
            variables[name].load()
    ds = xr.Dataset(variables, attrs=attrs)
    return ds.set_coords([name for name in named if name in variables])

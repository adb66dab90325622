"""How the arrays of a store are cut into files, and how blocks of small numbers are kept."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from skylattice.errors import StoreError
from skylattice.io.checked import BROKEN, key_of
from skylattice.schema import COMPONENTS, GRID_DIMS, VARIABLES

#: Variables of one number per lattice, in the order in which they are written.
PER_LATTICE = ("moment", "seed", "lattice_id", "status")
#: Lattices whose numbers share a block, at most: 16 KiB of eight bytes each. A hundred thousand lattices are 50 blocks.
_BLOCK_LATTICES = 2048
#: Points of a block along B, at most.
_BLOCK_B = 32

#: Chunks are written even where all values are the fill value: then a missing one is damage.
_WHOLE = {"write_empty_chunks": True}


def block_shape(n_leading: int, realizations: int) -> tuple[int, ...]:
    """Points of one block along all leading dims of a store, all realizations of each.

    Examples
    --------
    >>> block_shape(3, 5), block_shape(4, 1000)
    ((12, 32, 5), (1, 1, 2, 1000))
    """
    points = max(1, _BLOCK_LATTICES // realizations)
    along_B = min(_BLOCK_B, points)
    return (*(1,) * (n_leading - 3), points // along_B, along_B, realizations)


def create_spins(group: Any, name: str, dims: Sequence[str], shape: Sequence[int], site_shape: Sequence[int]) -> Any:
    """``spin``, or ``mask`` of each lattice: a chunk per lattice, a shard per point, no file where no lattice is."""
    from zarr.codecs import BloscCodec, Crc32cCodec

    ones = (1,) * (len(dims) - 1)
    return group.create_array(
        name,
        shape=(*shape, *site_shape),
        chunks=(*ones, 1, *site_shape),
        shards=(*ones, shape[-1], *site_shape),
        chunk_key_encoding={"name": "default", "separator": "."},  # one folder, instead of four below each point
        dtype=np.dtype(VARIABLES[name].dtype),
        compressors=[BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle"), Crc32cCodec()],
        fill_value=np.nan if name == "spin" else False,
        dimension_names=(*dims, *VARIABLES[name].dims),
        attributes=attributes(name, coordinates="T"),
    )


def create_dense(group: Any, name: str, dims: Sequence[str], values: Any, chunks: Sequence[int] = ()) -> Any:
    """An array with values whose chunks all exist, without compression: the numbers are few, or random."""
    from zarr.codecs import Crc32cCodec

    values = np.asarray(values, dtype=object if name == "component" else VARIABLES[name].dtype)
    array = group.create_array(
        name,
        shape=values.shape,
        chunks=tuple(chunks) or tuple(max(1, n) for n in values.shape),
        dtype=str if name == "component" else values.dtype,
        compressors=[Crc32cCodec()],
        fill_value="" if name == "component" else np.nan if values.dtype.kind == "f" else values.dtype.type(0),
        dimension_names=tuple(dims),
        attributes=attributes(name, **({"coordinates": "T"} if set(GRID_DIMS) <= set(dims) else {})),
        config=_WHOLE,
    )
    array[...] = values
    return array


def create_coordinates(group: Any, T: float, coordinates: dict[str, Any]) -> None:
    """The coordinates of a store, with the components and T, unless this is one of them."""
    for name, values in coordinates.items():
        create_dense(group, name, (name,), values)
    create_dense(group, "component", ("component",), COMPONENTS)
    if "T" not in coordinates:
        create_dense(group, "T", (), T)


def attributes(name: str, **more: Any) -> dict[str, Any]:
    """Attributes of a variable of the registry, as they are written."""
    attrs = VARIABLES[name].attrs() if name in VARIABLES else {}
    # CF: T among the coordinates, so that plain xarray and Intake see one, and not one more variable
    return {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in attrs.items()} | more


def whole(array: Any) -> Any:
    """The array, for writing: no chunk vanishes because all its values are the fill value."""
    return array.with_config(_WHOLE)


def fill_missing(array: Any, folder: Path) -> None:
    """Write every chunk of a dense array that does not exist, with the fill value; the others stay as they are."""
    array = whole(array)
    counts = [-(-n // c) for n, c in zip(array.shape, array.chunks, strict=True)]
    for place in itertools.product(*map(range, counts)):
        if not (folder / key_of(array, place)).exists():
            region = tuple(slice(p * c, (p + 1) * c) for p, c in zip(place, array.chunks, strict=True))
            array[region] = array.fill_value


def put_numbers(array: Any, place: Sequence[int], where: np.ndarray, values: Any) -> None:
    """Set some realizations of a point in a block of numbers; whoever calls holds the block's lock."""
    whole(array).oindex[(*place, where)] = np.asarray(values, dtype=array.dtype)


def put_lattices(array: Any, place: Sequence[int], where: np.ndarray, values: np.ndarray, folder: Path) -> None:
    """Set some lattices of a point, shard by shard; the others of a shard are kept, unless they cannot be read."""
    n = array.shards[len(place)]
    array = whole(array) if array.path == "mask" else array
    for shard in np.unique(where // n):
        chosen = where // n == shard
        span = slice(shard * n, min((shard + 1) * n, array.shape[len(place)]))
        if chosen.sum() < span.stop - span.start:
            block = _kept(array, place, span, folder / key_of(array, (*place, shard, 0, 0, 0)[: array.ndim]))
        else:
            block = np.empty((span.stop - span.start, *values.shape[1:]), array.dtype)
        block[where[chosen] - span.start] = values[chosen]
        array[(*place, span)] = block


def _kept(array: Any, place: Sequence[int], span: slice, file: Path) -> np.ndarray:
    """The lattices of a shard; of one that is damaged, those that can be read, and holes."""
    with suppress(*BROKEN, StoreError):
        return array[(*place, span)]
    block = np.full((span.stop - span.start, *array.shape[len(place) + 1 :]), array.fill_value, array.dtype)
    for k in range(len(block)):
        with suppress(*BROKEN, StoreError):
            block[k] = array[(*place, span.start + k)]
    file.unlink(missing_ok=True)  # zarr would read it, to keep what is in it
    return block

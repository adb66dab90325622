"""Look at everything in a store and in the results beside it, and name what is damaged or missing.

Nothing here knows physics: whether spins are spins, and what can be computed anew, is :mod:`skylattice.study.verify`.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skylattice.errors import SkylatticeError, StoreError
from skylattice.io.bounded import read_bounded
from skylattice.io.checked import ARRAYS, BROKEN, arrays_of, key_of, open_group
from skylattice.io.results import results_path
from skylattice.io.seals import DOCUMENT, LIMIT, canonical, check, is_sealed, parse
from skylattice.io.store import open_ensemble
from skylattice.schema import GRID_DIMS, STATUS


@dataclass(frozen=True)
class Damage:
    """One thing that is wrong.

    Attributes
    ----------
    folder
        The store or the result store.
    file
        The file in it, or the group.
    problem
        What is wrong with it.
    lattice
        D, B and realization, where a lattice is concerned.
    kind
        ``"document"``, ``"chunk"`` or ``"lattice"``; ``"stale"`` for results of other spins or other code.
    """

    folder: str
    file: str
    problem: str
    kind: str
    lattice: tuple[float, float, int] | None = None

    def __str__(self) -> str:
        at = "" if self.lattice is None else " (D={:g}, B={:g}, realization {})".format(*self.lattice)
        return f"{self.folder}: {self.file}{at}: {self.problem}"

    @property
    def array(self) -> str:
        """Array or group that the file belongs to."""
        return self.file.rpartition("/")[0] if self.kind == "document" else self.file.split("/c", 1)[0]


def check_documents(folder: Path, *, sealed: bool | None = None, below: str = "") -> Iterator[Damage]:
    """Every metadata document of a folder and of the arrays and groups in it, and those that are promised and gone."""
    place = folder / below
    name = f"{below}/{DOCUMENT}".lstrip("/")
    document: dict[str, Any] = {}
    try:
        data = read_bounded(place / DOCUMENT, limit=LIMIT, what="metadata")
        document = parse(data, str(place / DOCUMENT))
        if sealed is None:
            sealed = is_sealed(document)
        if sealed:
            check(document, str(place / DOCUMENT))
            if canonical(document) != data:
                raise StoreError("it says what it did, in other bytes than were written")
    except SkylatticeError as error:
        problem = str(error).removeprefix(f"{place / DOCUMENT}: ")
        yield Damage(str(folder), name, " ".join(problem.split()), "document")
    promised = document.get("attributes", {}).get(ARRAYS, [])
    inside = {child.name for child in place.iterdir() if child.is_dir() and child.name[0] != "." and child.name != "c"}
    for child in sorted(inside | {str(array) for array in promised}):
        if (place / child).is_dir():
            yield from check_documents(folder, sealed=sealed, below=f"{below}/{child}".lstrip("/"))
        else:
            yield Damage(str(folder), f"{below}/{child}/{DOCUMENT}".lstrip("/"), "the array is missing", "document")


def check_chunks(folder: Path, array: Any, lengths: dict[str, int]) -> Iterator[Damage]:
    """Every chunk of a dense array, up to where the coordinates end."""
    dims = array.metadata.dimension_names or ()
    shape = [min(n, lengths.get(dim, n)) for n, dim in zip(array.shape, dims, strict=True)]
    counts = [range(-(-n // c)) for n, c in zip(shape, array.chunks, strict=True)]
    for place in itertools.product(*counts):
        key = key_of(array, place)
        if not (folder / key).exists():
            yield Damage(str(folder), key, "the chunk is missing", "chunk")
            continue
        try:
            array[tuple(slice(p * c, (p + 1) * c) for p, c in zip(place, array.chunks, strict=True))]
        except (*BROKEN, OSError) as error:
            yield Damage(str(folder), key, reason(error), "chunk")


def reason(error: BaseException) -> str:
    """What an error says of a chunk, on one line."""
    return f"the chunk is damaged ({' '.join(str(error).split())[:160] or type(error).__name__})"


def check_store(path: str | os.PathLike[str]) -> list[Damage]:
    """Documents, coordinates and numbers of a store, and whether there are spins where the status says "done".

    The spins themselves are not read: seconds for a hundred thousand lattices.

    Raises
    ------
    StoreError
        If there is no store at all.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise StoreError(f"{path}: there is no ensemble store here. Check the path.")
    found = list(check_documents(folder))
    if found:
        return found  # nothing else can be told by documents that are not to be trusted
    group = open_group(folder)
    arrays = arrays_of(group)
    coordinates: dict[str, int] = {}
    for name, array in arrays.items():
        if (array.metadata.dimension_names or ()) == (name,):
            coordinates[name] = array.shape[0]
    is_old = group.attrs.get("format_version") == 1
    for name, array in sorted(arrays.items()):
        if name != "spin" and array.shards is None and not is_old:
            found += check_chunks(folder, array, coordinates)
    return found or list(_missing_shards(folder, arrays))


def _missing_shards(folder: Path, arrays: dict[str, Any]) -> Iterator[Damage]:
    """Files of spins, and of masks of each lattice, that are not there and should be: one look at the folder."""
    ds = open_ensemble(folder)
    for name in ("spin", "mask"):
        if name not in arrays or arrays[name].ndim < 4:
            continue
        there = {f"{name}/{file.relative_to(folder / name).as_posix()}" for file in _files(folder / name)}
        for position, lattice in done_lattices(ds, arrays):
            key = shard_key(arrays[name], position)
            if key not in there:
                yield Damage(str(folder), key, "the chunk is missing, and the lattice is done", "lattice", lattice)


def _files(folder: Path) -> Iterator[Path]:
    return (file for file in folder.rglob("*") if file.name != DOCUMENT and file.is_file())


def done_lattices(ds: Any, arrays: dict[str, Any]) -> Iterator[tuple[tuple[int, ...], tuple[float, float, int]]]:
    """Position in the store's arrays and D, B and realization of every lattice that is done."""
    axes = [arrays[dim][:] for dim in arrays["spin"].metadata.dimension_names[:-3]]
    status = arrays["status"][tuple(slice(len(axis)) for axis in axes)]
    grid = len(axes) - len(GRID_DIMS)
    for position in np.argwhere(status == STATUS["done"]):
        D, B, realization = (axis[k] for axis, k in zip(axes[grid:], position[grid:], strict=True))
        yield tuple(map(int, position)), (float(D), float(B), int(realization))


def shard_key(array: Any, position: tuple[int, ...]) -> str:
    """File of the lattice at a position."""
    unit = array.shards or array.chunks
    rest = (0,) * (array.ndim - len(position))
    return key_of(array, [p // n for p, n in zip((*position, *rest), unit, strict=True)])


def check_results(path: str | os.PathLike[str]) -> list[Damage]:
    """Documents and chunks of all results beside a store."""
    folder = results_path(Path(path))
    if not folder.exists():
        return []
    found = list(check_documents(folder))
    broken = {damage.array for damage in found}
    for document in sorted(folder.rglob(DOCUMENT)):
        name = document.parent.relative_to(folder).as_posix()
        if any(name == other or name.startswith(f"{other}/") for other in broken if other) or name.startswith("."):
            continue
        try:
            arrays = arrays_of(open_group(folder, path="" if name == "." else name))
        except (StoreError, FileNotFoundError):
            continue  # an array, or a document that was named above
        for _, array in sorted(arrays.items()):
            if array.path not in broken:
                found += check_chunks(folder, array, {})
    return found

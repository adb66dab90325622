"""Writing ensemble stores: creating and enlarging them, and putting lattices in, from many workers at once."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skylattice.errors import SchemaError, StoreError
from skylattice.io.atomic import new_folder
from skylattice.io.checked import ARRAYS, open_group, translated
from skylattice.io.chunks import (
    PER_LATTICE,
    block_shape,
    create_coordinates,
    create_dense,
    create_spins,
    fill_missing,
    put_lattices,
    put_numbers,
)
from skylattice.io.guard import explained, local_path, locked
from skylattice.io.lattices import filled, lattice_ids, round_mantissa, shaped, sites_of
from skylattice.io.layout import Layout, check_alike, layout_of
from skylattice.io.seals import read_document, seal_folder, write_document
from skylattice.io.store import check_extendable, no_store, open_ensemble
from skylattice.schema import GRID_DIGITS, SPIN_DIMS, STATUS, check_coordinate, check_values


def round_grid(values: Any) -> np.ndarray:
    """D or B values as the store keeps them: sorted, rounded to 6 digits, each once."""
    return np.unique(np.round(np.asarray(values, dtype=np.float64), GRID_DIGITS))


def create_store(
    path: str | os.PathLike[str],
    *,
    D: Any,
    B: Any,
    realizations: int,
    layout: Layout,
    leading: Mapping[str, Any] | None = None,
    attrs: dict[str, Any] | None = None,
) -> None:
    """Create an empty store: metadata and coordinates, every lattice with status 0.

    Parameters
    ----------
    path
        A folder that does not exist yet; customarily ``NAME.zarr``.
    D, B
        Coordinates of the grid in units of J; rounded to 6 digits.
    realizations
        Lattices per (D, B) point, >= 1; the number in a shard.
    layout
        What all lattices share: size, temperature, Hamiltonian, boundary, rounding.
    leading
        Dims before D, with their coordinates. T among them takes the place of the layout's.
    attrs
        Further attributes, for instance the schedule.

    Raises
    ------
    StoreError
        If something is at ``path`` already, or it cannot be written.
    SchemaError
        If D, B or T is not a valid number.
    """
    path = local_path(path)
    if path.exists():
        raise _exists(path)
    if realizations < 1:
        raise StoreError(f"{path}: expected at least one realization, found {realizations}.")
    values = {**(leading or {}), "D": D, "B": B}
    grid = {name: round_grid(check_coordinate(name, v) if name in "TDB" else v) for name, v in values.items()}
    if empty := [name for name, v in grid.items() if not len(v)]:
        found = ", ".join(f"{len(v)} of {name}" for name, v in grid.items())
        raise StoreError(f"{path}: expected at least one value of {' and of '.join(empty)}, found {found}.")
    grid["realization"] = np.arange(realizations)
    with explained(path), locked(path, "grid", timeout=60):
        if path.exists():  # another process was faster
            raise _exists(path)
        with new_folder(path) as folder:
            fill_new_store(folder, grid, layout, attrs or {})


def fill_new_store(folder: Path, grid: dict[str, np.ndarray], layout: Layout, attrs: Mapping[str, Any]) -> None:
    """Make an empty store in an empty folder that nobody else sees yet; ``grid`` has the coordinates, dim by dim."""
    import zarr

    group = zarr.open_group(folder, mode="w", zarr_format=3, attributes={**layout.to_attrs(), **attrs})
    dims, shape = tuple(grid), tuple(map(len, grid.values()))
    create_coordinates(group, layout.T, grid)
    create_spins(group, "spin", dims, shape, (*layout.size, 3))
    if isinstance(layout.mask, np.ndarray):
        create_dense(group, "mask", ("y", "x"), layout.mask)
    elif layout.mask is not None:
        create_spins(group, "mask", dims, shape, layout.size)
    for name in PER_LATTICE:
        if name != "moment" or layout.has_moment:
            nothing = np.full(shape, np.nan if name == "moment" else 0)
            create_dense(group, name, dims, nothing, block_shape(len(dims), shape[-1]))
    group.attrs[ARRAYS] = sorted(group.array_keys())
    seal_folder(folder)


def _exists(path: Path) -> StoreError:
    return StoreError(f"{path}: exists already. Open it, append to it, or choose another path.")


def append_grid(
    path: str | os.PathLike[str],
    *,
    D: Any = (),
    B: Any = (),
    realizations: int | None = None,
    leading: Mapping[str, Any] | None = None,
) -> None:
    """Make room for more values of D and B, or more realizations; lattices already there stay where they are.

    New coordinates are appended as stored; :func:`open_ensemble` sorts them. Values that exist already are left alone.

    Parameters
    ----------
    path
        The store.
    D, B
        Values that the grid must have afterwards, in units of J.
    realizations
        How many realizations the grid must have afterwards, at least; default: as many as now.
    leading
        Values that dims before D must have afterwards.
    """
    path = local_path(path)
    _open_to_write(path, mode="r")
    with explained(path), locked(path, "grid", timeout=60):
        group = _open_to_write(path)  # under the lock: another process may have made room just now
        for name, values in {**(leading or {}), "D": D, "B": B}.items():
            present = _coordinate(group, path, name)
            new = np.setdiff1d(round_grid(check_coordinate(name, values) if name in "TDB" else values), present)
            if new.size:
                _grow(path, group, name, np.concatenate([present, new]))
        if realizations is not None and realizations > group["realization"].shape[0]:
            _grow(path, group, "realization", np.arange(realizations))


def _grow(path: Path, group: Any, name: str, values: np.ndarray) -> None:
    """Resize every variable along ``name``; the coordinate, which announces the room, takes its place last and at once.

    A process that dies in between leaves arrays that reach beyond their coordinates: readers do not look there, and who
    makes the room again finds it, with or without its chunks.
    """
    import zarr

    for variable in group.array_keys():
        document = read_document(path / variable)
        dims = document.get("dimension_names") or []
        if name not in dims or variable == name:
            continue
        axis = dims.index(name)
        if document["shape"][axis] != len(values):
            document["shape"][axis] = len(values)
            write_document(path / variable, document)
        if variable in PER_LATTICE:
            fill_missing(zarr.open_group(path, mode="r+")[variable], path)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.grow-") as folder:
        create_dense(zarr.open_group(folder, mode="w", zarr_format=3), name, (name,), values)
        seal_folder(Path(folder))
        with new_folder(path / name, beside=path) as coordinate:  # within the store it would be one more array
            shutil.copytree(Path(folder) / name, coordinate, dirs_exist_ok=True)


def write_point(
    path: str | os.PathLike[str],
    *,
    D: float,
    B: float,
    spin: np.ndarray,
    status: Sequence[int] | None = None,
    seeds: Sequence[int] | None = None,
    realizations: Sequence[int] | None = None,
    leading: Mapping[str, float] | None = None,
    mask: np.ndarray | None = None,
    moment: Sequence[float] | None = None,
) -> None:
    """Write lattices of one (D, B) point and then their status; safe from many threads, processes and machines at once.

    Parameters
    ----------
    path
        A local store that has the point.
    D, B
        The point, in units of J.
    spin
        Unit spins, shape (n, ny, nx, 3); 0 at empty sites. All-NaN lattices stay holes.
    status
        One of :data:`skylattice.schema.STATUS` per lattice; default: done, and empty for holes.
    seeds
        What each lattice's random numbers came from; default 0.
    realizations
        Where to put them; default 0 … n-1.
    leading
        The point along dims before D, where the store has such.
    mask
        Where sites are, shape (n, ny, nx), for a store with a mask per lattice; default: everywhere.
    moment
        Length of the spins before they were normalised, for a store that keeps it; default: NaN, not known.

    Raises
    ------
    StoreError
        If the point is not in the store, the shape differs, another writer is at the same point, or the disk is full
        or read-only.
    SchemaError
        If spins are not finite and of unit length, or a lattice that is done is a hole.
    """
    path = local_path(path)
    with explained(path):
        group = _open_to_write(path)
        place = _place(group, path, {**(leading or {}), "D": D, "B": B})
        spin, where, flags = shaped(group, path, spin, realizations, status)
        sites = sites_of(group, path, spin, mask)
        named = f"{path}, D={D:g}, B={B:g}"
        check_values(spin if sites is None else filled(spin, sites, named), where=named)
        present = ~np.isnan(spin[:, 0, 0, 0])
        if (~present & (flags == STATUS["done"])).any():
            raise SchemaError(f"{named}: expected spins of every lattice that is done, found holes. Give their status.")
        numbers: dict[str, tuple[np.ndarray, Any]] = {"status": (where, flags.astype(np.int8))}
        if seeds is not None:
            numbers["seed"] = where, np.asarray(seeds, dtype=np.uint64)
        with locked(path, "-".join(map(str, place))):
            if present.any():
                there = where[present]
                _withdraw(path, group, place, there)
                stored = round_mantissa(spin[present].astype(np.float32), group.attrs.get("spin_keep_bits"))
                if sites is not None and group["mask"].ndim > 2:
                    put_lattices(group["mask"], place, there, sites[present], path)
                put_lattices(group["spin"], place, there, stored, path)
                numbers["lattice_id"] = there, lattice_ids(stored)
            if "moment" in group:
                numbers["moment"] = where, np.full(len(where), np.nan) if moment is None else moment
            _put_all(path, group, place, numbers)


def _withdraw(path: Path, group: Any, place: tuple[int, ...], where: np.ndarray) -> None:
    """Lattices about to be replaced are no longer done, so that a death in between leaves none with another's id."""
    with translated(str(path), "status"):
        done = group["status"].oindex[(*place, where)] == STATUS["done"]
    if done.any():
        _put_all(path, group, place, {"status": (where[done], np.full(done.sum(), STATUS["empty"]))})


def _put_all(path: Path, group: Any, place: tuple[int, ...], numbers: dict[str, tuple[np.ndarray, Any]]) -> None:
    """Numbers of a point's lattices into their blocks, the status last, under the lock of the block."""
    shape = group["status"].chunks
    block = "-".join(str(p // n) for p, n in zip(place, shape, strict=False))
    with locked(path, f"block-{block}", timeout=60):
        for name in PER_LATTICE:
            if name in numbers:
                with translated(str(path), name):
                    put_numbers(group[name], place, *numbers[name])


def check_layout(path: str | os.PathLike[str], layout: Layout) -> None:
    """Raise :class:`StoreError` unless lattices of ``layout`` may join the store at ``path``."""
    ds = open_ensemble(path)
    check_extendable(ds.attrs, path)
    check_alike(path, layout_of(ds), layout, owner="the store has")


def ensure_store(
    path: str | os.PathLike[str],
    *,
    D: Any,
    B: Any,
    realizations: int,
    layout: Layout,
    same: Mapping[str, Any] | None = None,
    attrs: Mapping[str, Any] | None = None,
) -> None:
    """Create a store, or make room in the one that is there once its lattices are found to be of the same kind.

    Parameters
    ----------
    path
        A local folder.
    D, B, realizations
        What the grid must have afterwards, at least.
    layout
        Of the lattices to come.
    same
        Attributes that a store must have in common with them, such as the root of all seeds.
    attrs
        Further attributes of a new store.

    Raises
    ------
    StoreError
        If the store holds lattices of another kind, naming what differs; nothing is changed then.
    """
    path, same = local_path(path), dict(same or {})
    if not path.exists():
        create_store(path, D=D, B=B, realizations=realizations, layout=layout, attrs={**same, **(attrs or {})})
        return
    check_layout(path, layout)
    found = open_ensemble(path).attrs
    for name, value in same.items():
        if found.get(name) != value:
            raise StoreError(
                f"{path}: its lattices were made with {name} {found.get(name)!r}, asked for is {value!r}. "
                "Give the same, or write to another store."
            )
    append_grid(path, D=D, B=B, realizations=realizations)


def _open_to_write(path: Path, mode: Any = "r+") -> Any:
    try:
        group = open_group(path, mode=mode)
    except FileNotFoundError:
        raise no_store(path) from None
    check_extendable(group.attrs, path)
    return group


def _place(group: Any, path: Path, values: Mapping[str, float]) -> tuple[int, ...]:
    """Index of a point along the leading dims of a store, without the realizations."""
    dims = group["spin"].metadata.dimension_names[: -len(SPIN_DIMS) - 1]
    if set(values) != set(dims):
        raise StoreError(f"{path}: expected a value for each of {list(dims)}, found them for {list(values)}.")
    return tuple(_position(group, path, name, values[name]) for name in dims)


def _coordinate(group: Any, path: Path, name: str) -> np.ndarray:
    with translated(str(path), name):
        return group[name][:]


def _position(group: Any, path: Path, name: str, value: float) -> int:
    values = _coordinate(group, path, name)
    hits = np.flatnonzero(np.isclose(values, value, rtol=0, atol=0.5 * 10.0**-GRID_DIGITS))
    if not hits.size:
        raise SchemaError(
            f"{path}: expected {name} in {values.tolist()}, found {value!r}. "
            f"Make room with append_grid(path, {name}=...)."
        )
    return int(hits[0])

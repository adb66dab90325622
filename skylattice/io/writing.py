"""Writing ensemble stores: creating and enlarging them, and putting lattices in, from many workers at once."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skylattice.errors import SchemaError, StoreError
from skylattice.hamiltonian import Hamiltonian
from skylattice.io.atomic import new_folder
from skylattice.io.guard import explained, local_path, locked
from skylattice.io.layout import MANTISSA_BITS, Layout, check_alike
from skylattice.io.store import check_version, no_store, open_ensemble
from skylattice.schema import COMPONENTS, GRID_DIGITS, GRID_DIMS, STATUS, VARIABLES, check_coordinate, check_values

#: Variables of one number per lattice.
_PER_LATTICE = ("status", "seed", "lattice_id")


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
        Size, temperature, Hamiltonian and rounding of all lattices.
    attrs
        Further attributes, for instance the schedule.

    Raises
    ------
    StoreError
        If something is at ``path`` already, or it cannot be written.
    SchemaError
        If D, B or T is not a valid number.
    """
    import zarr

    path = local_path(path)
    if path.exists():
        raise _exists(path)
    if realizations < 1:
        raise StoreError(f"{path}: expected at least one realization, found {realizations}.")
    D, B = round_grid(check_coordinate("D", D)), round_grid(check_coordinate("B", B))
    if not (len(D) and len(B)):
        raise StoreError(f"{path}: expected at least one value of D and of B, found {len(D)} and {len(B)}.")
    with explained(path), locked(path, "grid", timeout=60):
        if path.exists():  # another process was faster
            raise _exists(path)
        with new_folder(path) as folder:
            attributes = {**layout.to_attrs(), **(attrs or {})}
            group = zarr.open_group(folder, mode="w", zarr_format=3, attributes=attributes)
            grid = (len(D), len(B), realizations)
            _create(group, "spin", GRID_DIMS, (*grid, *layout.size, 3), unit=(1, 1, realizations))
            for name in _PER_LATTICE:
                _create(group, name, GRID_DIMS, grid, unit=(1, 1, realizations))
            for name, values in (("D", D), ("B", B), ("realization", np.arange(realizations))):
                _create(group, name, (name,), (len(values),), unit=(1024,))[:] = values
            component = group.create_array("component", shape=(3,), dtype=str, dimension_names=("component",))
            component[:] = np.array(COMPONENTS, dtype=object)
            _create(group, "T", (), (), unit=())[...] = layout.T


def _exists(path: Path) -> StoreError:
    return StoreError(f"{path}: exists already. Open it, append to it, or choose another path.")


def _create(group: Any, name: str, dims: tuple[str, ...], shape: tuple[int, ...], *, unit: tuple[int, ...]) -> Any:
    """Create the registry's variable ``name``; ``unit`` is what is written at once along ``dims``."""
    from zarr.codecs import BloscCodec, Crc32cCodec

    variable = VARIABLES[name]
    dtype = np.dtype(variable.dtype)
    core = variable.dims if len(shape) > len(dims) else ()
    whole = shape[len(dims) :]
    lattice_wise = bool(core)
    attrs = {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in variable.attrs().items()}
    if dims == GRID_DIMS:
        attrs["coordinates"] = "T"  # CF: plain xarray and Intake see a coordinate, not one more variable
    return group.create_array(
        name,
        shape=shape,
        chunks=((1,) * len(dims) if lattice_wise else unit) + whole,
        shards=unit + whole if lattice_wise else None,
        dtype=dtype,
        compressors=[BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle"), Crc32cCodec()] if shape else None,
        fill_value=np.nan if dtype.kind == "f" else 0,
        dimension_names=dims + core,
        attributes=attrs,
    )


def append_grid(path: str | os.PathLike[str], *, D: Any = (), B: Any = (), realizations: int | None = None) -> None:
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
    """
    path = local_path(path)
    with explained(path):
        _open_group(path, mode="r")
        with locked(path, "grid", timeout=60):
            group = _open_group(path, mode="r+")  # under the lock: another process may have made room just now
            for name, values in (("D", D), ("B", B)):
                present = group[name][:]
                new = np.setdiff1d(round_grid(check_coordinate(name, values)), present)
                if new.size:
                    _grow(path, group, name, np.concatenate([present, new]))
            if realizations is not None and realizations > group["realization"].shape[0]:
                _grow(path, group, "realization", np.arange(realizations))


def _grow(path: Path, group: Any, name: str, values: np.ndarray) -> None:
    """Resize every variable along ``name``; the coordinate, which announces the room, takes its place last and at once.

    A process that dies in between leaves arrays that reach beyond their coordinates: readers do not look there.
    """
    import zarr

    axis = GRID_DIMS.index(name)
    for variable in ("spin", *_PER_LATTICE):
        if variable in group:  # stores of 0.1 have no lattice_id
            shape = list(group[variable].shape)
            shape[axis] = len(values)
            group[variable].resize(tuple(shape))
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.grow-") as folder:
        beside = zarr.open_group(folder, mode="w", zarr_format=3)
        _create(beside, name, (name,), (len(values),), unit=(1024,))[:] = values
        with new_folder(path / name) as coordinate:
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
) -> None:
    """Write lattices of one (D, B) point and then their status; safe from many threads, processes and machines at once.

    Parameters
    ----------
    path
        A local store that has the point.
    D, B
        The point, in units of J.
    spin
        Unit spins, shape (n, ny, nx, 3). All-NaN lattices stay holes.
    status
        One of :data:`skylattice.schema.STATUS` per lattice; default: done.
    seeds
        What each lattice's random numbers came from; default 0.
    realizations
        Where to put them; default 0 … n-1.

    Raises
    ------
    StoreError
        If the point is not in the store, the shape differs, another writer is at the same point, or the disk is full
        or read-only.
    SchemaError
        If spins are not finite and of unit length.
    """
    with explained(path):
        group = _open_group(path, mode="r+")
        i, j = (_position(group, path, name, value) for name, value in (("D", D), ("B", B)))
        spin = np.asarray(spin)
        n = len(spin)
        flags = np.full(n, STATUS["done"]) if status is None else np.asarray(status)
        where = np.arange(n) if realizations is None else np.asarray(realizations)
        lattice = group["spin"].shape[3:]
        if spin.shape[1:] != lattice or len(flags) != n or len(where) != n:
            raise StoreError(
                f"{path}: expected lattices of shape {lattice} with a status and a realization each, found spin of "
                f"shape {spin.shape}, {len(flags)} status and {len(where)} realizations."
            )
        if where.size and (where.min() < 0 or where.max() >= group["realization"].shape[0]):
            raise StoreError(
                f"{path}: expected realizations below {group['realization'].shape[0]}, found {where.tolist()}. "
                "Make room first with append_grid(path, realizations=...)."
            )
        check_values(spin, where=f"{path}, D={D:g}, B={B:g}")
        with locked(path, f"{i}-{j}"):
            present = ~np.isnan(spin[:, 0, 0, 0])
            if present.any():
                bits = group.attrs.get("spin_keep_bits")
                stored = round_mantissa(spin[present].astype(np.float32), bits)
                _put(group["spin"], (i, j), where[present], stored)
                if "lattice_id" in group:
                    _put(group["lattice_id"], (i, j), where[present], lattice_ids(stored))
            if seeds is not None:
                _put(group["seed"], (i, j), where, np.asarray(seeds, dtype=np.uint64))
            _put(group["status"], (i, j), where, flags.astype(np.int8))


def _put(array: Any, point: tuple[int, int], where: np.ndarray, values: np.ndarray) -> None:
    """Set some realizations of a point, which is one shard, keeping the others."""
    span = slice(int(where.min()), int(where.max()) + 1)
    block = array[(*point, span)]
    block[where - span.start] = values
    array[(*point, span)] = block


def lattice_ids(spin: np.ndarray) -> np.ndarray:
    """Fingerprint of each lattice of float32 spins (n, ny, nx, 3): 64 bits of its bytes, never 0; 0 for a hole."""
    ids = np.zeros(len(spin), dtype=np.uint64)
    for k, lattice in enumerate(np.ascontiguousarray(spin, dtype="<f4")):
        if not np.isnan(lattice[0, 0, 0]):
            ids[k] = int.from_bytes(hashlib.blake2b(lattice.data, digest_size=8).digest(), "little") or 1
    return ids


def round_mantissa(spin: np.ndarray, keep_bits: int | None) -> np.ndarray:
    """Round float32 to ``keep_bits`` mantissa bits, half to even: relative error at most 2**-(keep_bits + 1)."""
    if keep_bits is None or keep_bits >= MANTISSA_BITS:
        return spin
    drop = np.uint32(MANTISSA_BITS - keep_bits)
    bits = np.ascontiguousarray(spin, dtype=np.float32).view(np.uint32)
    half = np.uint32((1 << (int(drop) - 1)) - 1) + ((bits >> drop) & np.uint32(1))
    return (((bits + half) >> drop) << drop).view(np.float32)


def check_layout(path: str | os.PathLike[str], layout: Layout) -> None:
    """Raise :class:`StoreError` unless lattices of ``layout`` may join the store at ``path``."""
    ds = open_ensemble(path)
    found = Layout((ds.sizes["y"], ds.sizes["x"]), float(ds["T"]), Hamiltonian.if_stated(ds.attrs))
    check_alike(path, found, layout, owner="the store has")


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


def _open_group(path: str | os.PathLike[str], mode: Any) -> Any:
    import zarr

    try:
        group = zarr.open_group(os.fspath(path), mode=mode, zarr_format=3)
    except (FileNotFoundError, zarr.errors.GroupNotFoundError):
        raise no_store(path) from None
    check_version(group.attrs, path)
    return group


def _position(group: Any, path: str | os.PathLike[str], name: str, value: float) -> int:
    values = group[name][:]
    hits = np.flatnonzero(np.isclose(values, value, rtol=0, atol=0.5 * 10.0**-GRID_DIGITS))
    if not hits.size:
        raise SchemaError(
            f"{path}: expected {name} in {values.tolist()}, found {value!r}. "
            f"Make room with append_grid(path, {name}=...)."
        )
    return int(hits[0])

"""Put datasets, for instance runs read from files of another program, into an ensemble store."""

from __future__ import annotations

import os
import warnings
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from skylattice.errors import SkylatticeError, StoreError
from skylattice.io.fingerprints import only_new
from skylattice.io.guard import local_path
from skylattice.io.layout import Layout, check_alike, layout_of
from skylattice.io.store import open_ensemble
from skylattice.io.writing import check_layout, ensure_store, write_point
from skylattice.schema import GRID_DIGITS, STATUS, check_coordinate
from skylattice.stacking import stack

Point = tuple[float, float]


def import_datasets(
    datasets: Iterable[xr.Dataset],
    store: str | os.PathLike[str],
    *,
    keep_bits: int | None = None,
    attrs: Mapping[str, Any] | None = None,
    progress: bool = True,
) -> xr.Dataset:
    """Add every lattice of some datasets to a store, as new realizations of their (D, B) points.

    A lattice that is there already at its point, by the fingerprint of its spins, is not added again.

    Parameters
    ----------
    datasets
        Each with ``spin`` (D, B, realization, y, x, component) or other dims in place of the first three, the
        coordinates D, B and T, and the Hamiltonian in its attributes unless it is not known, as
        :func:`skylattice.from_arrays` and ``xr.open_dataset(path, engine="uppasd")`` give. Lazy spins are read one
        point at a time. Lattices
        that are not done by their ``status`` are left out; those that are NaN stay holes.
    store
        Folder of the store; created unless it is there, else extended.
    keep_bits
        Rounding of the spins of a new store; see :class:`skylattice.io.layout.Layout`.
    attrs
        Further attributes of a new store.
    progress
        Show a progress bar.

    Returns
    -------
    The store, opened lazily.

    Raises
    ------
    SchemaError
        If a dataset lacks a coordinate or its spins are not unit vectors.
    StoreError
        If lattices differ in size, temperature or Hamiltonian among themselves or from the store; nothing is written
        then.
    """
    from dask.delayed import delayed

    from skylattice import __version__
    from skylattice.progress import run_tasks

    store, datasets = local_path(store), list(datasets)
    if not datasets:
        raise StoreError(f"{store}: expected lattices to import, found none.")
    layouts = [_rounded(layout_of(ds, keep_bits)) for ds in datasets]
    for layout in layouts[1:]:
        check_alike(store, layouts[0], layout, owner="the first has")
    flat = only_new([stack(ds) for ds in datasets], store, keep_bits)
    if not flat and store.exists():
        check_layout(store, layouts[0])
        return open_ensemble(store)
    flat = flat or [stack(ds) for ds in datasets]  # holes alone: room for what is missing
    by_point: dict[Point, list[tuple[xr.Dataset, list[int]]]] = defaultdict(list)
    for ds in flat:
        for point, samples in _samples_by_point(ds).items():
            by_point[point].append((ds, samples))
    sources = [str(ds.attrs["source"]) for ds in datasets if "source" in ds.attrs]
    made_by = {"software": f"skylattice {__version__}", "sources": sources, **(attrs or {})}
    first = _make_room(store, by_point, layouts, made_by)
    tasks = [
        delayed(_write, pure=False)(
            store, point, [_kept(ds).isel(sample=samples) for ds, samples in parts], first[point]
        )
        for point, parts in by_point.items()
    ]
    run_tasks(tasks, description="Importing", show=progress)
    return open_ensemble(store)


def _rounded(layout: Layout) -> Layout:
    """With T as the grid's coordinates are kept, so that equal ones of different origin meet."""
    return replace(layout, T=round(layout.T, GRID_DIGITS))


def _samples_by_point(ds: xr.Dataset) -> dict[Point, list[int]]:
    points: dict[Point, list[int]] = defaultdict(list)
    n = ds.sizes["sample"]
    values = [np.broadcast_to(check_coordinate(name, ds[name].values), n) for name in ("D", "B")]
    for sample, point in enumerate(zip(*(np.round(v, GRID_DIGITS).tolist() for v in values), strict=True)):
        points[point].append(sample)
    return points


def _make_room(
    store: Path, by_point: dict[Point, Any], layouts: list[Layout], attrs: dict[str, Any]
) -> dict[Point, int]:
    """Create or extend the store; return the first free realization of each point."""
    first = _first_free(store, by_point) if store.exists() else dict.fromkeys(by_point, 0)
    count = {point: sum(len(samples) for _, samples in parts) for point, parts in by_point.items()}
    D, B = (sorted({point[axis] for point in by_point}) for axis in (0, 1))
    most = max(first[point] + count[point] for point in by_point)
    has_moment = any(layout.has_moment for layout in layouts)
    if has_moment and store.exists() and "moment" not in open_ensemble(store):
        warnings.warn(
            f"{store}: it keeps no lengths of spins before they were normalised (moment); those of the new lattices "
            "are left out. Import them into a store of their own to keep them.",
            stacklevel=3,
        )
    layout = replace(layouts[0], has_moment=has_moment)
    ensure_store(store, D=D, B=B, realizations=most, layout=layout, attrs=attrs)
    return first


def _first_free(store: Path, points: Iterable[Point]) -> dict[Point, int]:
    """First realization after those that are taken, for each point of a store or beyond its grid."""
    used = open_ensemble(store)["status"].load() != STATUS["empty"]
    first = {}
    for D, B in points:
        there = {name: np.isclose(used[name].values, value) for name, value in (("D", D), ("B", B))}
        taken = np.flatnonzero(used.isel(there).values.any(axis=(0, 1)))
        first[D, B] = int(taken[-1]) + 1 if taken.size else 0
    return first


def _kept(ds: xr.Dataset) -> xr.Dataset:
    """What a store keeps of lattices along ``sample``, beside their coordinates."""
    return ds[[name for name in ("spin", "mask", "moment") if name in ds]]


def _write(store: str | os.PathLike[str], point: Point, parts: list[xr.Dataset], first: int) -> None:
    D, B = point
    spin = np.concatenate([part["spin"].transpose("sample", "y", "x", "component").values for part in parts])
    masks = [_per_sample(part, "mask", True, ("y", "x")) for part in parts]
    moments = [_per_sample(part, "moment", np.nan, ()) for part in parts]
    try:
        status = np.where(np.isnan(spin).all(axis=(1, 2, 3)), STATUS["empty"], STATUS["done"]).tolist()
        write_point(
            store,
            D=D,
            B=B,
            spin=spin,
            status=status,
            realizations=range(first, first + len(spin)),
            mask=np.concatenate(masks),
            moment=np.concatenate(moments).tolist(),
        )
    except SkylatticeError as error:
        error.add_note(f"while importing D={D:g}, B={B:g}")
        raise


def _per_sample(part: xr.Dataset, name: str, nothing: Any, own: tuple[str, ...]) -> np.ndarray:
    """Values for each sample, or the one that stands for nothing known."""
    dims = ("sample", *own)
    array = part[name] if name in part else xr.DataArray(nothing)
    values = array.transpose(*(dim for dim in dims if dim in array.dims)).values
    return np.broadcast_to(values, [part.sizes[dim] for dim in dims])

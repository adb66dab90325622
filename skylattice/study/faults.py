"""Lattices that are marked done and are not fit to be analysed, encoded or generated from: found and listed."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np
import xarray as xr

from skylattice.errors import StoreError
from skylattice.io.points import PointReader
from skylattice.io.store import open_ensemble
from skylattice.observables.topology import topological_charge
from skylattice.progress import run_tasks
from skylattice.schema import FAULT, GRID_DIMS, SPIN_DIMS, STATUS, label
from skylattice.stacking import take

#: Largest accepted | |S| - 1 |, beside what rounding of the store explains.
NORM_TOLERANCE = 1e-3
#: Largest accepted distance of the charge of a lattice without edges to an integer.
CHARGE_TOLERANCE = 1e-3
#: In words, by fault.
REASONS = {
    "failed": "its simulation failed. Run the same simulation again",
    "unreadable": "its spins cannot be read. `skylattice doctor` says more",
    "missing": "it is marked done, and has no spins",
    "not_finite": "some spins are NaN or infinite",
    "zero": "some spins have no length",
    "not_unit": "some spins are not of unit length",
    "charge": "its topological charge is not an integer",
    "crowded": "it has more skyrmions than a table of them holds: its defects are left out",
}


@dataclass(frozen=True)
class Fault:
    """A lattice that was left out, by D and B in J and realization, and the fault, a key of :data:`REASONS`."""

    D: float
    B: float
    realization: int
    kind: str

    def __str__(self) -> str:
        return f"D={self.D:g}, B={self.B:g}, realization {self.realization}: {REASONS[self.kind]}"


def faults_in(results: xr.Dataset) -> list[Fault]:
    """All that the ``fault`` of results over (D, B, realization) tells, in the order of the grid.

    Examples
    --------
    >>> axes = {"D": [0.5], "B": [0.1], "realization": [0, 1]}
    >>> results = xr.Dataset({"fault": (GRID_DIMS, [[[0, FAULT["zero"]]]])}, axes)
    >>> [str(fault) for fault in faults_in(results)]
    ['D=0.5, B=0.1, realization 1: some spins have no length']
    """
    if "fault" not in results:  # written by 0.1
        return []
    names = {value: name for name, value in FAULT.items()}
    flags = results["fault"].transpose(*GRID_DIMS)
    axes = [flags[dim].values for dim in GRID_DIMS]
    return [
        Fault(float(axes[0][i]), float(axes[1][j]), int(axes[2][k]), names[int(flags.values[i, j, k])])
        for i, j, k in np.argwhere(flags.values > FAULT["none"])
    ]


def faults_of(
    spin: np.ndarray, *, tolerance: float = NORM_TOLERANCE, closed: bool = True, there: np.ndarray | None = None
) -> np.ndarray:
    """What is wrong with lattices that should be whole.

    Parameters
    ----------
    spin
        Shape (n, y, x, 3).
    tolerance
        Largest accepted | |S| - 1 |.
    closed
        Whether the lattices have no edges and no empty sites, so that their charge must be an integer.
    there
        Where a site is there, shape (n, y, x) or (y, x); default: everywhere. Spins elsewhere do not matter.

    Returns
    -------
    Values of :data:`skylattice.schema.FAULT`, int8, shape (n,).

    Examples
    --------
    >>> spin = np.zeros((2, 4, 4, 3))
    >>> spin[0, ..., 2] = 1
    >>> faults_of(spin).tolist() == [FAULT["none"], FAULT["zero"]]
    True
    """
    with np.errstate(over="ignore", invalid="ignore"):
        length = np.sqrt(np.einsum("...c,...c->...", spin, spin, dtype=np.float64))
    is_finite = np.isfinite(spin).all(axis=-1)
    if there is not None:
        length, is_finite = np.where(there, length, 1.0), is_finite | ~there
    checks = {
        "missing": np.isnan(spin).all(axis=(1, 2, 3)),
        "not_finite": ~is_finite.all(axis=(1, 2)),
        "zero": (is_finite & (length == 0)).any(axis=(1, 2)),
        "not_unit": ~(np.abs(length - 1) <= tolerance).all(axis=(1, 2)),
    }
    flags = np.select(list(checks.values()), [FAULT[name] for name in checks], FAULT["none"]).astype(np.int8)
    whole = np.flatnonzero(flags == FAULT["none"])
    if closed and whole.size:
        charge = topological_charge(xr.DataArray(spin[whole], dims=("sample", *SPIN_DIMS))).values
        flags[whole[charge_is_broken(charge)]] = FAULT["charge"]
    return flags


def charge_is_broken(charge: np.ndarray) -> np.ndarray:
    """Where charges of lattices without edges are no integers: coplanar spins of a plaquette have two half ones."""
    return np.abs(charge - np.rint(charge)) > CHARGE_TOLERANCE


def is_closed(ds: xr.Dataset) -> bool:
    """Whether the lattices of a dataset have neither edges nor empty sites."""
    return ds.attrs.get("boundary", "periodic") == "periodic" and "mask" not in ds


def norm_tolerance(ds: xr.Dataset) -> float:
    """Largest | |S| - 1 | that tolerance and the rounding of a store's spins explain."""
    return NORM_TOLERANCE + float(ds.attrs.get("spin_max_error", 0.0))


def check_lattices(
    store: str | os.PathLike[str], ds: xr.Dataset, done: np.ndarray, *, progress: bool = False
) -> xr.DataArray:
    """Read lattices of a store through and say what is wrong with each.

    Parameters
    ----------
    store
        The store.
    ds
        The same, opened.
    done
        Which lattices to read, shape (D, B, realization).
    progress
        Show a progress bar.

    Returns
    -------
    ``fault`` over (D, B, realization), eager; "empty" where nothing was to be read.
    """
    from dask.delayed import delayed

    reader = PointReader(store)
    points = np.argwhere(done.any(axis=2))
    D, B = ds["D"].values, ds["B"].values
    options = {"tolerance": norm_tolerance(ds), "closed": is_closed(ds)}
    tasks = [
        delayed(partial(_check_point, reader, D[i], B[j], np.flatnonzero(done[i, j]), options), pure=False)()
        for i, j in points
    ]
    flags = np.full(done.shape, FAULT["empty"], np.int8)
    for (i, j), found in zip(points, run_tasks(tasks, description="Checking", show=progress), strict=True):
        flags[i, j, done[i, j]] = found
    return label(xr.DataArray(flags, {dim: ds[dim] for dim in GRID_DIMS}, GRID_DIMS), "fault")


def _check_point(
    reader: PointReader, D: float, B: float, realizations: np.ndarray, options: dict[str, float]
) -> np.ndarray:
    spin, unreadable = reader.read(D, B, realizations.tolist())
    flags = faults_of(spin, **options)  # type: ignore[arg-type]
    flags[np.isin(realizations, list(unreadable))] = FAULT["unreadable"]
    return flags


def failed_lattices(ds: xr.Dataset) -> list[Fault]:
    """Lattices of a store whose simulation failed, by their status."""
    flags = xr.where(ds["status"].load() == STATUS["failed"], FAULT["failed"], FAULT["empty"])
    return faults_in(flags.to_dataset(name="fault"))


def sound_lattices(store: str | os.PathLike[str], ds: xr.Dataset) -> tuple[np.ndarray, list[Fault]]:
    """Flat positions of the lattices of a store that are done and sound, after reading them, and the faults of others.

    Those whose simulation failed are among the faults.
    """
    status = ds["status"].transpose(*GRID_DIMS).load()
    fault = check_lattices(store, ds, status.values == STATUS["done"])
    sound = np.flatnonzero(fault.values.ravel() == FAULT["none"])
    fault = fault.where(status != STATUS["failed"], FAULT["failed"])
    return sound, faults_in(fault.to_dataset(name="fault"))


def sound_ensemble(store: str | os.PathLike[str]) -> tuple[xr.Dataset, list[Fault]]:
    """A store opened without the lattices that are not sound, after reading them, and the faults of those.

    Returns
    -------
    ds
        On the grid if all lattices that are done are sound, else the sound ones along ``sample``.
    faults
        Of the others.

    Raises
    ------
    StoreError
        If it cannot be opened, or no lattice is sound.
    """
    ds = open_ensemble(store)
    sound, faults = sound_lattices(store, ds)
    if not sound.size:
        raise StoreError("\n".join([f"{store}: expected lattices that are done, found none.", *listed(faults)]))
    if not any(fault.kind != "failed" for fault in faults):
        return ds, faults
    return lattices_at(ds, sound, faults), faults


def lattices_at(ds: xr.Dataset, positions: np.ndarray, faults: Iterable[Fault] = ()) -> xr.Dataset:
    """Lattices at flat positions of the grid, along ``sample``, lazily.

    Where some of the ``faults`` are lattices that cannot be read, each is read alone: a block of a store is a whole
    point, and would fail with all of its lattices.
    """
    chosen = take(ds[["spin"]], positions)
    is_torn = any(fault.kind in ("unreadable", "missing") for fault in faults)
    return _read_singly(chosen) if is_torn else chosen


def _read_singly(ds: xr.Dataset) -> xr.Dataset:
    """The lattices of a store along ``sample``, one block each."""
    import dask.array as da
    from dask.delayed import delayed

    reader, spin = PointReader(ds.attrs["store"]), ds["spin"]
    places = zip(*(ds[dim].values.tolist() for dim in GRID_DIMS), strict=True)
    read = [delayed(partial(_read_one, reader, *place), pure=False)() for place in places]
    blocks = [da.from_delayed(lattice, (1, *spin.shape[1:]), spin.dtype) for lattice in read]
    return ds.assign(spin=spin.copy(data=da.concatenate(blocks)))


def _read_one(reader: PointReader, D: float, B: float, realization: int) -> np.ndarray:
    spin, unreadable = reader.read(D, B, [realization])
    if unreadable:
        raise StoreError(f"{reader.path}: D={D:g}, B={B:g}, realization {realization}: {unreadable[realization]}")
    return spin


def fault_flags(done: xr.DataArray, faults: Iterable[Fault]) -> xr.DataArray:
    """``fault`` over (D, B, realization) of a list of them: "none" where ``done`` is a number, else "empty"."""
    values = np.where(np.isfinite(done.transpose(*GRID_DIMS).values), FAULT["none"], FAULT["empty"]).astype(np.int8)
    flags = xr.DataArray(values, {dim: done[dim] for dim in GRID_DIMS}, GRID_DIMS)
    for fault in faults:
        at = {"D": fault.D, "B": fault.B, "realization": fault.realization}
        flags.loc[at] = FAULT[fault.kind]
    return label(flags, "fault")


def listed(faults: Iterable[Fault], limit: int = 20) -> list[str]:
    """Faults as lines for people, at most ``limit`` of them and how many more there are."""
    lines = [str(fault) for fault in faults]
    more = len(lines) - limit
    return lines if more <= 0 else [*lines[:limit], f"... and {more} more"]

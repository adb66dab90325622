"""Ensembles over (D, B, realization): which lattices to simulate, with which seeds, into which store."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skylattice.boundary import TORUS
from skylattice.errors import SimulationError, StoreError
from skylattice.hamiltonian import Hamiltonian
from skylattice.layouts import shape_of, whole
from skylattice.schema import PHASE, STATUS, check_coordinate
from skylattice.simulation.engine import ENGINE_VERSION, anneal, random_lattice
from skylattice.simulation.grid import Point, grid_points
from skylattice.simulation.machine import provenance
from skylattice.simulation.schedule import Schedule

if TYPE_CHECKING:
    import xarray as xr

#: D and B enter the seeds as whole multiples of this.
_SEED_UNIT = 1e-6


def lattice_seed(root: int, D: float, B: float, realization: int) -> np.random.SeedSequence:
    """Seed of one lattice: it depends on the values of (D, B, realization) alone, not on the grid around them."""
    key = (round(D / _SEED_UNIT), round(B / _SEED_UNIT) % 2**64, realization)  # spawn keys are not negative
    return np.random.SeedSequence(root, spawn_key=key)


def simulate_lattice(
    D: float,
    B: float,
    realization: int,
    *,
    size: tuple[int, int],
    schedule: Schedule,
    hamiltonian: Hamiltonian,
    seed: int,
) -> np.ndarray:
    """One lattice from random spins through the schedule: float32, shape (ny, nx, 3)."""
    start, sweeps = lattice_seed(seed, D, B, realization).spawn(2)
    return anneal(random_lattice(size, start), schedule, D=D, B=B, hamiltonian=hamiltonian, seed=sweeps)


def simulate_ensemble(
    D: Any = None,
    B: Any = None,
    *,
    store: str | os.PathLike[str],
    points: Sequence[Point] | None = None,
    B_limits: tuple[float, float] | None = None,
    B_step: float | None = None,
    realizations: int = 5,
    size: int | tuple[int, int] = 200,
    T: float = 0.006,
    schedule: Schedule | None = None,
    hamiltonian: Hamiltonian | None = None,
    seed: int = 0,
    only_phase: str | None = None,
    keep_bits: int | None = None,
    progress: bool = True,
) -> xr.Dataset:
    """Simulate lattices over a grid of (D, B) and independent realizations into a store, and open it.

    Each lattice is annealed from random spins on one thread; Dask runs many at once, on the current
    ``dask.distributed`` client if there is one, else on threads. A point is written when its lattices are done. An
    interrupted run, started again, does what is missing; a larger grid or more realizations extend the store. The
    spins depend on (seed, D, B, realization) and the schedule only: not on scheduler, order or the rest of the grid.

    Parameters
    ----------
    D, B, points, B_limits, B_step
        The grid, in units of J, stated in one of three ways: see :func:`skylattice.simulation.grid.grid_points`.
    store
        Folder of the store, customarily ``NAME.zarr``; created unless it is there.
    realizations
        Lattices per point, >= 1.
    size
        N or (ny, nx) in sites. Even sizes run about ten times faster than odd ones.
    T
        Final temperature in units of J / k_B; 0 relaxes each spin to its field in the last stage.
    schedule
        Annealing schedule that ends at T; default ``Schedule.geometric(1.0, T)``.
    hamiltonian
        Symmetry and handedness of the interaction; default ``Hamiltonian()``.
    seed
        Root of all seeds.
    only_phase
        Keep only lattices of this phase (``"skyrmion"``, ...; see :func:`skylattice.observables.phase.phase`); the
        others get status 2 (skipped) and no spins.
    keep_bits
        Round stored spins to so many mantissa bits; see :class:`skylattice.io.layout.Layout`.
    progress
        Show a progress bar.

    Returns
    -------
    The ensemble, lazy: see :func:`skylattice.io.store.open_ensemble`.

    Raises
    ------
    SimulationError, SchemaError
        If the grid, schedule or phase is not as described above.
    StoreError
        If the store holds another kind of lattices, or was made with another seed, schedule or engine version.

    Examples
    --------
    >>> import skylattice, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ds = skylattice.simulate_ensemble(
    ...         D=[0.5], B=[0.1, 0.15], realizations=2, size=32, T=0.1, store=f"{folder}/small.zarr", progress=False
    ...     ).load()
    >>> dict(ds.spin.sizes)
    {'D': 1, 'B': 2, 'realization': 2, 'y': 32, 'x': 32, 'component': 3}
    """
    from skylattice.io.guard import local_path
    from skylattice.io.layout import Layout
    from skylattice.io.store import open_ensemble
    from skylattice.io.writing import ensure_store

    store = local_path(store)
    if only_phase is not None and only_phase not in set(PHASE) - {"empty"}:
        raise SimulationError(f"only_phase: expected one of {sorted(set(PHASE) - {'empty'})}, found {only_phase!r}.")
    T = float(check_coordinate("T", T))
    realizations, seed = whole("realizations", realizations, least=1), whole("seed", seed)
    schedule = Schedule.geometric(max(1.0, T), T) if schedule is None else schedule
    hamiltonian = Hamiltonian() if hamiltonian is None else hamiltonian
    for name, value, kind in (("schedule", schedule, Schedule), ("hamiltonian", hamiltonian, Hamiltonian)):
        if not isinstance(value, kind):
            raise SimulationError(f"{name}: expected a {kind.__name__}, found {value!r}.")
    if not np.isclose(schedule.T, T):
        raise SimulationError(f"schedule: expected it to end at T = {T:g}, found {schedule.T:g} in its last stage.")
    shape = shape_of(size)
    layout = Layout(shape, T, hamiltonian, keep_bits)
    grid = grid_points(D, B, points=points, B_limits=B_limits, B_step=B_step)
    axes = {name: sorted({point[k] for point in grid}) for k, name in enumerate(("D", "B"))}
    same = {"seed": seed, "schedule": schedule.to_json()}
    made_by = {**provenance(), "engine": "numba", "engine_version": ENGINE_VERSION}
    _check_engine(store, grid, realizations)
    ensure_store(store, **axes, realizations=realizations, layout=layout, same=same, attrs=made_by)
    options = {"size": shape, "schedule": schedule, "hamiltonian": hamiltonian, "seed": seed}
    _simulate_missing(store, grid, realizations, options, only_phase, progress)
    return open_ensemble(store)


def _check_engine(store: Path, grid: list[Point], realizations: int) -> None:
    """Raise :class:`StoreError` if lattices are missing in a store of another engine: one seed gives others there."""
    from skylattice.io.store import open_ensemble

    if not store.exists():
        return
    ds = open_ensemble(store)
    made_with = int(ds.attrs.get("engine_version", 1))
    if made_with != ENGINE_VERSION and any(_missing(ds["status"].load(), point, realizations) for point in grid):
        raise StoreError(
            f"{store}: its lattices were made with engine_version {made_with} (software: {ds.attrs.get('software')}), "
            f"this is engine_version {ENGINE_VERSION}, whose lattices of the same seed are others. Extend the store "
            "with the software that made it, or write to another store."
        )


def _missing(status: xr.DataArray, point: Point, realizations: int) -> list[int]:
    """Realizations of a point that are not finished, or not in the store at all."""
    at = {name: np.isclose(status[name].values, value) for name, value in zip(("D", "B"), point, strict=True)}
    finished = status.isel(at).isin([STATUS["done"], STATUS["skipped"]]).values.reshape(-1, status.sizes["realization"])
    there = set(np.flatnonzero(finished.any(axis=0)).tolist())
    return [r for r in range(realizations) if r not in there]


def _simulate_missing(
    store: str | os.PathLike[str],
    grid: list[Point],
    realizations: int,
    options: dict[str, Any],
    only_phase: str | None,
    progress: bool,
) -> None:
    """One Dask task per lattice that is not there yet, and one per point that writes them."""
    from dask.delayed import delayed

    from skylattice.io.store import read_status
    from skylattice.progress import run_tasks

    status = read_status(store)
    writes = []
    for D, B in grid:
        missing = _missing(status, (D, B), realizations)
        if missing:
            lattices = [delayed(_attempt, pure=False)(D, B, r, options) for r in missing]
            writes.append(delayed(_finish, pure=False)(store, D, B, missing, lattices, options, only_phase))
    failures = [error for errors in run_tasks(writes, description="Simulating", show=progress) for error in errors]
    if failures:
        warnings.warn(
            f"{store}: {len(failures)} lattices failed and have status 3; the first: {failures[0]}", stacklevel=3
        )


def _attempt(D: float, B: float, realization: int, options: dict[str, Any]) -> np.ndarray | str:
    """A lattice, or what went wrong: one failure must not take the other lattices down."""
    try:
        return simulate_lattice(D, B, realization, **options)
    except Exception as error:
        return f"D={D:g}, B={B:g}, realization {realization}: {type(error).__name__}: {error}"


def _finish(
    store: str | os.PathLike[str],
    D: float,
    B: float,
    realizations: list[int],
    lattices: list[np.ndarray | str],
    options: dict[str, Any],
    only_phase: str | None,
) -> list[str]:
    """Classify the lattices of one point, write them with their status, and return the errors among them."""
    from skylattice.io.writing import write_point
    from skylattice.kernels.phase import phase

    hole = np.full((*options["size"], 3), np.nan, np.float32)
    errors = [lattice for lattice in lattices if isinstance(lattice, str)]
    spin = np.stack([hole if isinstance(lattice, str) else lattice for lattice in lattices])
    status = np.where(np.isnan(spin[:, 0, 0, 0]), STATUS["failed"], STATUS["done"])
    if only_phase is not None:
        status[(status == STATUS["done"]) & (phase(spin, B, TORUS.flags) != PHASE[only_phase])] = STATUS["skipped"]
        spin[status == STATUS["skipped"]] = np.nan
    seeds = [int(lattice_seed(options["seed"], D, B, r).generate_state(1, np.uint64)[0]) for r in realizations]
    write_point(store, D=D, B=B, spin=spin, status=status.tolist(), seeds=seeds, realizations=realizations)
    return errors

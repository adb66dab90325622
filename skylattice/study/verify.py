"""``skylattice verify``: everything in a store and its results is read, and what can be made anew is made anew.

Lattices are accepted from their seeds only if they are, bit by bit, those that the store's ``lattice_id`` names.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from skylattice.errors import SkylatticeError, StoreError
from skylattice.hamiltonian import Hamiltonian
from skylattice.io.bounded import read_bounded
from skylattice.io.checked import BROKEN, arrays_of, open_group
from skylattice.io.chunks import put_lattices
from skylattice.io.correct import correct_chunk, correct_document
from skylattice.io.guard import local_path, locked, replacing
from skylattice.io.lattices import lattice_ids, round_mantissa
from skylattice.io.results import ANALYSIS_VERSION, match, open_results, results_path, write_group
from skylattice.io.seals import DOCUMENT, LIMIT
from skylattice.io.store import open_ensemble
from skylattice.io.verify import Damage, check_results, check_store, done_lattices, reason, shard_key
from skylattice.progress import run_tasks
from skylattice.schema import FAULT, GRID_DIMS, STATUS
from skylattice.simulation.engine import ENGINE_VERSION
from skylattice.simulation.ensemble import lattice_seed, simulate_lattice
from skylattice.simulation.machine import differences
from skylattice.simulation.schedule import Schedule
from skylattice.study.analysis import VERSIONS, analyse_store
from skylattice.study.faults import REASONS, faults_of, norm_tolerance

#: How often a repair may open the way for the next one: documents, then numbers, then spins, then results.
_ROUNDS = 5


@dataclass
class Verification:
    """What was found in a store.

    Attributes
    ----------
    found
        All that was wrong.
    repaired
        What was done about it.
    left
        What is wrong now, and why it was not repaired.
    unread
        Whether spins and results were not looked at, since documents or numbers of the store are still damaged.
    """

    found: list[Damage] = field(default_factory=list)
    repaired: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    unread: bool = False

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong now."""
        return not self.left


def verify_store(
    store: str | os.PathLike[str], *, repair: bool = False, results: bool = True, progress: bool = True
) -> Verification:
    """Read everything in a store, and in the results beside it, and name what is damaged, missing or stale.

    Parameters
    ----------
    store
        A local ensemble store that nobody writes to.
    repair
        Put right what can be: a file with one changed byte by its checksum; numbers that follow from others; lattices
        from their seeds where engine version, CPU and numba agree, if they are those of the store's fingerprints;
        results from the lattices.
    results
        Look at the results too.
    progress
        Show a progress bar.

    Returns
    -------
    What was found, what was done about it, and what is wrong now.

    Raises
    ------
    StoreError
        If there is no store.

    Examples
    --------
    >>> import tempfile
    >>> from skylattice import simulate_ensemble
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     options = {"D": [0.5], "B": [0.1], "realizations": 1, "size": 16, "T": 0.1, "progress": False}
    ...     _ = simulate_ensemble(store=f"{folder}/e.zarr", **options)
    ...     verify_store(f"{folder}/e.zarr", progress=False).ok
    True
    """
    path = local_path(store)
    look = partial(_look, path, results, progress)
    seen: dict[Damage, None] = {}
    repaired: list[str] = []
    reasons: dict[Damage, str] = {}
    found = look()
    for _ in range(_ROUNDS if repair else 0):
        seen |= dict.fromkeys(found)
        reasons, done = _repair(path, found, progress)
        repaired += done
        found = look() if done else found
        if not (found and done):
            break
    left = [f"{damage}{': ' + reasons[damage] if damage in reasons else ''}" for damage in found]
    unread = any(damage.folder == str(path) and damage.kind != "lattice" for damage in found)
    return Verification(list(seen | dict.fromkeys(found)), repaired, left, unread)


def _look(path: Path, results: bool, progress: bool) -> list[Damage]:
    """What is wrong now; nothing is said of spins in a store whose documents or numbers are damaged."""
    found = check_store(path)
    if not any(damage.kind != "lattice" for damage in found):
        known = {damage.lattice for damage in found}
        found += [damage for damage in _check_lattices(path, progress) if damage.lattice not in known]
        if results:
            found += check_results(path)
            found += _stale(path, {damage.array for damage in found})
    return found


def _check_lattices(path: Path, progress: bool) -> list[Damage]:
    """Spins of every lattice that is done: whether they can be read, are spins, and are those of its ``lattice_id``."""
    from dask.delayed import delayed

    ds = open_ensemble(path)
    arrays = arrays_of(open_group(path))
    points: dict[tuple[int, ...], list[Any]] = {}
    for position, lattice in done_lattices(ds, arrays):
        points.setdefault(position[:-1], []).append((position, lattice))
    ids = arrays["lattice_id"][...] if "lattice_id" in arrays else None
    tolerance = norm_tolerance(ds)
    tasks = [
        delayed(_check_point, pure=False)(
            path,
            arrays["spin"],
            arrays.get("mask"),
            lattices,
            None if ids is None else [ids[position] for position, _ in lattices],
            tolerance,
        )
        for lattices in points.values()
    ]
    return [damage for part in run_tasks(tasks, description="Verifying", show=progress) for damage in part]


def _check_point(path: Path, spins: Any, mask: Any, lattices: Any, ids: Any, tolerance: float) -> list[Damage]:
    found = []
    for k, (position, lattice) in enumerate(lattices):
        problem = ""
        try:
            spin = spins[position][None]
            sites = None if mask is None else mask[...] if mask.ndim == 2 else mask[position]
        except (*BROKEN, OSError) as error:
            problem = reason(error)
        else:
            whole = spin if sites is None else np.where(sites[..., None], spin, np.array([0, 0, 1], spin.dtype))
            fault = int(faults_of(whole, tolerance=tolerance, closed=False)[0])
            if fault != FAULT["none"]:
                problem = next(REASONS[name] for name, value in FAULT.items() if value == fault)
            elif ids is not None and lattice_ids(spin)[0] != ids[k]:
                problem = f"its spins are not those of its lattice_id {ids[k]}"
        if problem:
            found.append(Damage(str(path), shard_key(spins, position), problem, "lattice", lattice))
    return found


def _stale(path: Path, broken: set[str]) -> list[Damage]:
    """Groups of results that are of other spins or other code than today's."""
    folder = results_path(path)
    found = []
    for group, version in VERSIONS.items():
        if group in broken or any(array.startswith(f"{group}/") for array in broken):
            continue
        try:
            results = open_results(path, group)
        except StoreError:  # never computed
            continue
        scalars = results[[name for name, array in results.data_vars.items() if name in ("lattice_id", "status")]]
        _, n_stale = match(scalars.load(), open_ensemble(path), version=version)
        if n_stale:
            made = results.attrs.get(ANALYSIS_VERSION, 1)
            whose = "other spins" if made == version else f"version {made} of the code, today's is {version}"
            found.append(Damage(str(folder), group, f"results of {n_stale} lattices are those of {whose}", "stale"))
    return found


def _repair(path: Path, found: list[Damage], progress: bool) -> tuple[dict[Damage, str], list[str]]:
    """Try to put each damage right; why not, by damage, and what was done."""
    reasons: dict[Damage, str] = {}
    done: list[str] = []
    results = results_path(path)
    of_results = [damage for damage in found if damage.folder == str(results)]
    for damage in (damage for damage in found if damage.folder != str(results) and damage.kind != "lattice"):
        try:
            done.append(f"{damage.file}: {_mend(path, damage)}")
        except SkylatticeError as error:
            reasons[damage] = str(error)
    lattices = [damage for damage in found if damage.kind == "lattice"]
    if lattices:
        _repair_lattices(path, lattices, reasons, done, progress)
    if of_results and len(of_results) == len(found):
        done += _repair_results(path, results, of_results, progress)
    return reasons, done


def _mend(path: Path, damage: Damage) -> str:
    """Put one file of a store right; raises :class:`StoreError` that says why not."""
    file = path / damage.file
    correct = correct_document if damage.kind == "document" else correct_chunk
    if file.is_file():
        fixed = correct(read_bounded(file, limit=LIMIT, what="a file of the store"))
        if fixed is not None:
            with replacing(file) as out:
                out.write(fixed)
            return "one byte had changed, and its checksum tells which"
    if damage.kind == "document":
        raise StoreError("more than a byte of it is lost. Restore it from a copy")
    return _compute_numbers(path, damage.array)


def _compute_numbers(path: Path, name: str) -> str:
    """Write an array of a store anew from what it follows from."""
    group = open_group(path, mode="r+")
    shape = group["status"].shape
    if name == "realization":
        values: Any = np.arange(group[name].shape[0])
    elif name == "component":
        values = np.array(["x", "y", "z"], dtype=object)
    elif name == "lattice_id" and len(shape) == 3:
        values = np.zeros(shape, np.uint64)
        for place in np.ndindex(*shape[:2]):
            values[place] = lattice_ids(_read(group["spin"], place))
    elif name == "seed" and "seed" in group.attrs and len(shape) == 3:
        values = np.zeros(shape, np.uint64)
        D, B = (group[axis][:] for axis in ("D", "B"))
        status = group["status"][:]
        for i, j, r in np.argwhere(status != STATUS["empty"]):
            sequence = lattice_seed(group.attrs["seed"], float(D[i]), float(B[j]), int(r))
            values[i, j, r] = sequence.generate_state(1, np.uint64)[0]
    elif name == "status" and len(shape) == 3:
        there = group["lattice_id"][:] != 0
        values = np.where(there, STATUS["done"], STATUS["empty"]).astype(np.int8)
    else:
        raise StoreError("nothing else in the store tells what it said. Restore it from a copy, or import it again")
    for file in (path / name).glob("c*"):
        shutil.rmtree(file) if file.is_dir() else file.unlink()
    array = group[name].with_config({"write_empty_chunks": True})
    array[...] = values
    return "written anew from the rest of the store"


def _read(spins: Any, place: tuple[int, ...]) -> np.ndarray:
    try:
        return spins[place]
    except (*BROKEN, OSError) as error:
        raise StoreError(f"spins that it follows from cannot be read: {error}") from None


def _repair_lattices(
    path: Path, lattices: list[Damage], reasons: dict[Damage, str], done: list[str], progress: bool
) -> None:
    """Simulate damaged lattices again; those that are not of the very bits are left as they are."""
    from dask.delayed import delayed

    ds = open_ensemble(path)
    attrs = ds.attrs
    refusal = _why_not(ds)
    if refusal:
        reasons |= dict.fromkeys(lattices, refusal)
        return
    options = {
        "size": (ds.sizes["y"], ds.sizes["x"]),
        "schedule": Schedule.from_json(attrs["schedule"]),
        "hamiltonian": Hamiltonian.from_attrs(attrs),
        "seed": attrs["seed"],
    }
    wanted = [(damage, damage.lattice) for damage in lattices if damage.lattice is not None]
    tasks = [delayed(simulate_lattice, pure=False)(*lattice, **options) for _, lattice in wanted]
    spins = run_tasks(tasks, description="Simulating", show=progress)
    for (damage, (D, B, realization)), spin in zip(wanted, spins, strict=True):
        stored = round_mantissa(spin[None].astype(np.float32), attrs.get("spin_keep_bits"))
        if _put_back(path, (D, B, realization), stored):
            at = f"D={D:g}, B={B:g}, realization {realization}"
            done.append(f"{damage.file}: {at} simulated again, bit by bit as it was")
        else:
            reasons[damage] = "simulated again it is another lattice than its lattice_id names"


def _why_not(ds: xr.Dataset) -> str:
    """Why lattices of a store cannot be simulated here to the same bits; empty if they can."""
    attrs = ds.attrs
    if ds["spin"].dims[:3] != GRID_DIMS or "lattice_id" not in ds:
        return "lattices of several temperatures, or without a lattice_id, are not simulated again"
    missing = [name for name in ("seed", "schedule", "dmi") if name not in attrs]
    if missing:
        sources = attrs.get("sources")
        return f"it was not simulated here: import it again{f' from {sources}' if sources else ''}"
    if attrs.get("engine_version", 1) != ENGINE_VERSION:
        return f"it was simulated by engine_version {attrs.get('engine_version', 1)}, this is {ENGINE_VERSION}"
    if found := differences(attrs):
        return f"it was simulated elsewhere, where bits may differ: {'; '.join(found)}"
    return ""


def _put_back(path: Path, lattice: tuple[float, float, int], stored: np.ndarray) -> bool:
    """Write a lattice if it is the one that the store names."""
    group = open_group(path, mode="r+")
    D, B, realization = lattice
    place = tuple(int(np.flatnonzero(group[n][:] == v)[0]) for n, v in (("D", D), ("B", B)))
    if group["lattice_id"][(*place, realization)] != lattice_ids(stored)[0]:
        return False
    with locked(path, "-".join(map(str, place)), timeout=60):
        put_lattices(group["spin"], place, np.array([realization]), stored, path)
    return True


def _repair_results(path: Path, folder: Path, found: list[Damage], progress: bool) -> list[str]:
    """Analyse again what is damaged or stale; other groups are removed, and made anew when they are asked for."""
    done = []
    groups = set()
    for damage in found:
        name = damage.array
        top = name if damage.kind == "stale" else _group_of(folder, name)
        if (folder / top / DOCUMENT).parent == folder or top in ("models", "generation"):
            write_group(folder / top)
            done.append(f"{damage.file}: written anew")
        else:
            groups.add(top)
    for group in groups:
        shutil.rmtree(folder / group, ignore_errors=True)
        if group not in VERSIONS:
            done.append(f"{group}: removed; it is made anew when it is asked for")
    if groups & set(VERSIONS):
        analyse_store(path, progress=progress)
        done += [f"{group}: analysed again" for group in sorted(groups & set(VERSIONS))]
    return done


def _group_of(folder: Path, name: str) -> str:
    """The group of results that an array belongs to: one level, or two below models and generation."""
    parts = name.split("/") if name else [""]
    return "/".join(parts[: 2 if parts[0] in ("models", "generation") else 1])

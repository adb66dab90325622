"""What ``skylattice analyse`` does: every scalar of every lattice, into the result store and a table."""

from __future__ import annotations

import os
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from skylattice.arrays import field, lattices
from skylattice.boundary import Sites
from skylattice.defects.of_spins import of_spins
from skylattice.defects.skyrmion_lattice import skyrmion_lattice
from skylattice.errors import MissingExtraError, SkylatticeError, StoreError
from skylattice.hamiltonian import Hamiltonian
from skylattice.io.guard import check_writable, explained, local_path, replacing
from skylattice.io.points import PointReader
from skylattice.io.results import results_path, write_results
from skylattice.io.store import open_ensemble
from skylattice.observables.magnetization import magnetization
from skylattice.observables.phase import phase
from skylattice.observables.scalars import observables, qc
from skylattice.observables.topology import topological_charge
from skylattice.progress import run_tasks
from skylattice.schema import (
    COMPONENTS,
    FAULT,
    GRID_DIMS,
    MASK,
    SITE_DIMS,
    SPIN_DIMS,
    STATUS,
    VARIABLES,
    label,
    whole_numbers,
)
from skylattice.study.faults import charge_is_broken, faults_of, is_closed, norm_tolerance

if TYPE_CHECKING:
    import pandas as pd

#: Of the groups that an analysis writes: raised whenever a number changes by more than rounding, so that results of the
#: code before are known as such. Frozen values in the tests stand guard.
VERSIONS = {"observables": 1, "defects": 1}
#: How often lattices are read again that another writer replaced meanwhile.
_ROUNDS = 4
#: Endings of tables.
_ENDINGS = (".csv", ".parquet")


def analyse_store(store: str | os.PathLike[str], *, progress: bool = True) -> xr.Dataset:
    """Compute scalars, quality, phase, skyrmions and defects of every lattice, and write them to the result store.

    Lattices that are not fit to be analysed (damaged, not finite, not of unit length, of no integer charge) do not stop
    the others: they have the status failed, and ``fault`` says why; :func:`skylattice.study.faults.faults_in` lists
    them. Who simulates into the store meanwhile does no harm: a lattice counts as what its status said at the start,
    and one whose spins are replaced is read again.

    Parameters
    ----------
    store
        An ensemble store. Holes stay NaN.
    progress
        Show a progress bar.

    Returns
    -------
    Eager dataset of dims (D, B, realization) with the variables of ``ds.sky.observables()`` and ``ds.sky.qc()``,
    ``phase``, ``status``, ``fault``, and the scalars of ``ds.sky.defects()``, ``hexatic_order()`` and ``grains()``.
    The results have it as group ``observables``, and all that those give, skyrmion by skyrmion, as group ``defects``.

    Raises
    ------
    StoreError
        If the store cannot be opened, results cannot be written beside it (before anything is computed), or another
        writer replaces lattices faster than they are read.
    """
    store = local_path(store)
    check_writable(results_path(store))
    ds = open_ensemble(store)
    state = _state(ds)
    parts: dict[tuple[int, int], tuple[xr.Dataset, xr.Dataset]] = {}
    pending = _points(state["status"] == STATUS["done"])
    for _ in range(_ROUNDS):
        parts |= _analyse_points(store, ds, state, pending, progress)
        now = _state(open_ensemble(store)).reindex_like(state, fill_value=0)
        is_new = ((now != state).to_dataarray().any("variable")) & (state["status"] == STATUS["done"])
        state = now.where(is_new, state).astype({name: state[name].dtype for name in state})
        pending = _points(is_new)
        if not pending:
            break
    else:
        raise StoreError(f"{store}: lattices are replaced while they are read. Let the other writer finish first.")
    return _write(store, ds, state, parts)


def _state(ds: xr.Dataset) -> xr.Dataset:
    """What a store says of its lattices at this moment: ``status`` and, but for stores of 0.1, ``lattice_id``."""
    return ds[[name for name in ("status", "lattice_id") if name in ds]].drop_vars("T").load()


def _points(chosen: xr.DataArray) -> list[tuple[int, int]]:
    """Positions (D, B) of points with a chosen lattice."""
    return [(int(i), int(j)) for i, j in np.argwhere(chosen.any("realization").transpose("D", "B").values)]


def _analyse_points(
    store: Path, ds: xr.Dataset, state: xr.Dataset, points: list[tuple[int, int]], progress: bool
) -> dict[tuple[int, int], tuple[xr.Dataset, xr.Dataset]]:
    """One task per point: the lazy methods would spend more on the graph's variables than on the lattices."""
    from dask.delayed import delayed

    reader = PointReader(store)
    grid = ds.drop_vars([name for name in ds.data_vars if name not in ("status", MASK)]).assign(status=state["status"])
    tasks = [delayed(partial(_analyse_point, reader, grid.isel(D=[i], B=[j])), pure=False)() for i, j in points]
    return dict(zip(points, run_tasks(tasks, description="Analysing", show=progress), strict=True))


def _analyse_point(reader: PointReader, point: xr.Dataset) -> tuple[xr.Dataset, xr.Dataset]:
    """Scalars, with ``fault``, and defects of the lattices of a point that are done; the others are holes."""
    point = point.compute(scheduler="synchronous")  # a mask is lazy
    done = np.flatnonzero(point["status"].values.ravel() == STATUS["done"])
    read, unreadable = reader.read(point["D"].item(), point["B"].item(), done.tolist())
    spin = np.full((point.sizes["realization"], *read.shape[1:]), np.nan, read.dtype)
    spin[done] = read
    ds = point.assign(spin=((*GRID_DIMS, *SPIN_DIMS), spin[None, None])).assign_coords(component=list(COMPONENTS))
    scalars = _scalars(ds)
    fault = np.full(len(spin), FAULT["empty"], np.int8)
    fault[done] = _faults(ds, scalars, done)
    fault[list(unreadable)] = FAULT["unreadable"]
    if (fault > FAULT["none"]).any():
        spin[fault > FAULT["none"]] = np.nan  # in place: no result of a lattice that is not one
        scalars = _scalars(ds)
    defects = of_spins(skyrmion_lattice, ds["spin"], field(ds), Sites.of(ds))
    is_crowded = (defects["status"].values.ravel() == STATUS["failed"]) & (fault == FAULT["none"])
    fault[is_crowded] = FAULT["crowded"]
    return scalars.assign(fault=label(ds["status"].copy(data=fault[None, None]), "fault")), defects


def _faults(ds: xr.Dataset, scalars: xr.Dataset, done: np.ndarray) -> np.ndarray:
    """Faults of the lattices that are done; where the scalars tell that all is well, spins are not looked at again."""
    if "spin_norm_error" in scalars:
        is_unit = scalars["spin_norm_error"].values.ravel()[done] <= norm_tolerance(ds)
        charge = scalars["topological_charge"].values.ravel()[done]
        if is_unit.all() and not (is_closed(ds) and charge_is_broken(charge).any()):
            return np.full(len(done), FAULT["none"], np.int8)
    there = None
    if MASK in ds:
        mask = ds[MASK].broadcast_like(ds["spin"].isel(component=0, drop=True)).transpose(*GRID_DIMS, *SITE_DIMS)
        there = mask.values[0, 0, done]
    spin = ds["spin"].values[0, 0, done]
    return faults_of(spin, tolerance=norm_tolerance(ds), closed=is_closed(ds), there=there)


def _write(
    store: Path, ds: xr.Dataset, state: xr.Dataset, parts: dict[tuple[int, int], tuple[xr.Dataset, xr.Dataset]]
) -> xr.Dataset:
    """Put the points on the grid, write both groups of results, and return the scalars."""
    hole = _hole(ds)
    points = np.array(list(parts), dtype=int).reshape(-1, 2)
    scalars, defects = (_assemble(ds, points, [part[k] for part in parts.values()], hole[k]) for k in range(2))
    fault = scalars["fault"].where(state["status"] != STATUS["failed"], FAULT["failed"])
    is_out = (fault > FAULT["none"]) & (fault != FAULT["crowded"])
    status = state["status"].where(~is_out, STATUS["failed"])
    scalars = scalars.assign(fault=fault, status=label(status, "status"))
    counts = [name for name in defects if defects[name].dims == GRID_DIMS and name != "status"]
    results = scalars.merge(defects[counts], compat="override")
    if "lattice_id" in state:
        results, defects = (part.assign(lattice_id=state["lattice_id"]) for part in (results, defects))
    for group, found in (("observables", results), ("defects", defects)):
        write_results(store, group, found, version=VERSIONS[group])
    return results


def _hole(ds: xr.Dataset) -> tuple[xr.Dataset, xr.Dataset]:
    """Results of a point without lattices."""
    point = ds[["spin"]].isel(D=[0], B=[0]).map(xr.full_like, fill_value=np.nan, keep_attrs=True).compute()
    flags = np.full((1, 1, ds.sizes["realization"]), FAULT["empty"], np.int8)
    scalars = _scalars(point).assign(fault=label(xr.DataArray(flags, dims=GRID_DIMS), "fault"))
    return scalars, of_spins(skyrmion_lattice, point["spin"], field(point), Sites.of(point))


def _scalars(ds: xr.Dataset) -> xr.Dataset:
    """Observables, quality and phase; without energies where the interaction is not known."""
    sites = Sites.of(ds)
    labelled = phase(ds["spin"], field(ds), sites)
    if Hamiltonian.if_stated(ds.attrs) is None:
        charges = [topological_charge(ds["spin"], sites, diagonal=diagonal) for diagonal in ("main", "alt")]
        mean = magnetization(ds["spin"], sites)
        components = [label(mean.sel(component=c, drop=True), f"m_{c}") for c in COMPONENTS]
        return xr.merge([*charges, *components, labelled], compat="override")
    of = lattices(ds)
    return xr.merge([observables(*of), qc(*of, T=ds["T"]), labelled], compat="override")


def _assemble(ds: xr.Dataset, points: np.ndarray, parts: list[xr.Dataset], hole: xr.Dataset) -> xr.Dataset:
    """Put the results of single points on the grid of ``ds``; everywhere else they are those of a hole."""
    grid = (ds.sizes["D"], ds.sizes["B"])
    variables = {}
    for name, empty in hole.variables.items():
        if empty.dims[:2] == ("D", "B"):
            values = np.empty((*grid, *empty.shape[2:]), empty.dtype)
            values[:] = empty.values[0, 0]
            for (i, j), part in zip(points, parts, strict=True):
                values[i, j] = part[name].values[0, 0]
            variables[name] = (empty.dims, values, empty.attrs)
    attrs = {key: value for key, value in {**ds.attrs, **hole.attrs}.items() if key != "store"}
    return xr.Dataset(variables, {name: ds[name] for name in (*GRID_DIMS, "T")}, attrs)


def scalar_table(results: xr.Dataset) -> pd.DataFrame:
    """Tidy :class:`pandas.DataFrame` of scalars: one row per lattice that is done or failed, flags by name.

    Columns are in the order of the schema, whatever order a store gives them. ``fault`` says what failed.
    """
    place = {name: k for k, name in enumerate(dict.fromkeys((*GRID_DIMS, *VARIABLES)))}
    frame = results.to_dataframe().reset_index()
    frame = frame.drop(columns="lattice_id", errors="ignore")
    frame = frame[sorted(frame, key=lambda name: place.get(str(name), len(place)))]
    frame = frame[frame["status"].isin([STATUS["done"], STATUS["failed"]])].reset_index(drop=True)
    for name in ("status", "fault", "phase"):
        if name in results:
            names = str(results[name].attrs["flag_meanings"]).split()
            values = [int(value) for value in results[name].attrs["flag_values"]]
            frame[name] = frame[name].map(dict(zip(values, names, strict=True)))
    return whole_numbers(frame)


def check_table(path: str | os.PathLike[str]) -> None:
    """Raise unless :func:`write_table` can write to ``path``; errors as there, before the work."""
    path = Path(path)
    if path.suffix not in _ENDINGS:
        raise SkylatticeError(f"{path}: expected a table ending in .csv or .parquet, found {path.suffix!r}.")
    if path.suffix == ".parquet" and find_spec("pyarrow") is None:
        raise MissingExtraError("pyarrow", "table", f"writing {path}")
    if path.is_dir():
        raise StoreError(f"{path}: cannot be written: it is a folder. Choose another path.")
    if not path.absolute().parent.is_dir():
        raise StoreError(f"{path}: cannot be written: there is no folder {path.parent}. Create it first.")
    check_writable(path)


def write_table(results: xr.Dataset, path: str | os.PathLike[str]) -> int:
    """Write :func:`scalar_table` as CSV or Parquet, by the ending of ``path``; returns the number of rows.

    Who reads the file sees the old table or the new one.

    Raises
    ------
    SkylatticeError
        If the ending is neither .csv nor .parquet.
    MissingExtraError
        If Parquet is asked for without pyarrow.
    StoreError
        If the path cannot be written.
    """
    check_table(path)
    frame = scalar_table(results)
    with explained(path), replacing(path) as file:
        if Path(path).suffix == ".csv":
            frame.to_csv(file, index=False)
        else:
            frame.to_parquet(file, index=False)
    return len(frame)

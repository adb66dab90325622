"""What ``skylattice analyse`` does: every scalar of every lattice, into the result store and a table."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from skylattice.arrays import field, lattices
from skylattice.boundary import Sites
from skylattice.defects.of_spins import of_spins
from skylattice.defects.skyrmion_lattice import skyrmion_lattice
from skylattice.errors import MissingExtraError, SkylatticeError
from skylattice.hamiltonian import Hamiltonian
from skylattice.io.guard import local_path
from skylattice.io.results import write_results
from skylattice.io.store import open_ensemble
from skylattice.observables.magnetization import magnetization
from skylattice.observables.phase import phase
from skylattice.observables.scalars import observables, qc
from skylattice.observables.topology import topological_charge
from skylattice.progress import run_tasks
from skylattice.schema import COMPONENTS, GRID_DIMS, STATUS, VARIABLES, label, whole_numbers

if TYPE_CHECKING:
    import pandas as pd


def analyse_store(store: str | os.PathLike[str], *, progress: bool = True) -> xr.Dataset:
    """Compute scalars, quality, phase, skyrmions and defects of every lattice, and write them to the result store.

    Parameters
    ----------
    store
        An ensemble store. Holes stay NaN.
    progress
        Show a progress bar.

    Returns
    -------
    Eager dataset of dims (D, B, realization) with the variables of ``ds.sky.observables()`` and ``ds.sky.qc()``,
    ``phase``, ``status``, and the scalars of ``ds.sky.defects()``, ``hexatic_order()`` and ``grains()``. The results
    have it as group ``observables``, and all that those give, skyrmion by skyrmion, as group ``defects``.
    """
    from dask.delayed import delayed

    store = local_path(store)
    ds = open_ensemble(store)
    points = np.argwhere((ds["status"] == STATUS["done"]).any("realization").values)
    # One task per point: the lazy methods would spend more on the graph's variables than on the lattices.
    tasks = [delayed(_analyse_point, pure=False)(ds.isel(D=[i], B=[j])) for i, j in points]
    parts = run_tasks(tasks, description="Analysing", show=progress)
    hole = _analyse_point(ds.isel(D=[0], B=[0]).map(xr.full_like, fill_value=np.nan, keep_attrs=True))
    scalars, defects = (_assemble(ds, points, [part[k] for part in parts], hole[k]) for k in range(2))
    counts = [name for name in defects if defects[name].dims == GRID_DIMS and name != "status"]
    results = scalars.merge(ds["status"].load()).merge(defects[counts], compat="override")
    if "lattice_id" in ds:
        results, defects = (part.assign(lattice_id=ds["lattice_id"].load()) for part in (results, defects))
    write_results(store, "observables", results)
    write_results(store, "defects", defects)
    return results


def _analyse_point(ds: xr.Dataset) -> tuple[xr.Dataset, xr.Dataset]:
    """Scalars and defects of a few lattices, eager; with the defects, order and grains."""
    return _scalars(ds), of_spins(skyrmion_lattice, ds["spin"], field(ds), Sites.of(ds))


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
    """Tidy :class:`pandas.DataFrame` of scalars: one row per lattice that is done, flags by name.

    Columns are in the order of the schema, whatever order a store gives them.
    """
    place = {name: k for k, name in enumerate(dict.fromkeys((*GRID_DIMS, *VARIABLES)))}
    frame = results.to_dataframe().reset_index()
    frame = frame.drop(columns="lattice_id", errors="ignore")
    frame = frame[sorted(frame, key=lambda name: place.get(str(name), len(place)))]
    frame = frame[frame["status"] == STATUS["done"]].reset_index(drop=True)
    for name in ("status", "phase"):
        if name in results:
            names = str(results[name].attrs["flag_meanings"]).split()
            values = [int(value) for value in results[name].attrs["flag_values"]]
            frame[name] = frame[name].map(dict(zip(values, names, strict=True)))
    return whole_numbers(frame)


def write_table(results: xr.Dataset, path: str | os.PathLike[str]) -> int:
    """Write :func:`scalar_table` as CSV or Parquet, by the ending of ``path``; returns the number of rows.

    Raises
    ------
    SkylatticeError
        If the ending is neither .csv nor .parquet.
    MissingExtraError
        If Parquet is asked for without pyarrow.
    """
    frame = scalar_table(results)
    ending = Path(path).suffix
    if ending == ".csv":
        frame.to_csv(path, index=False)
    elif ending == ".parquet":
        try:
            frame.to_parquet(path, index=False)
        except ImportError:
            raise MissingExtraError("pyarrow", "table", f"writing {path}") from None
    else:
        raise SkylatticeError(f"{path}: expected a table ending in .csv or .parquet, found {ending!r}.")
    return len(frame)

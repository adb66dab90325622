"""Cached reads for the pages: what is in a store and its results. No widgets and no physics here."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
import xarray as xr
from stores import FRESH, Source, source

import skylattice.data
import skylattice.defects.table
from skylattice.errors import SkylatticeError, StoreError
from skylattice.io.ovf import ovf_bytes
from skylattice.io.results import match, open_results, results_path
from skylattice.io.store import open_ensemble
from skylattice.schema import GRID_DIMS, STATUS, VARIABLES
from skylattice.study.analysis import scalar_table

#: What reading a damaged zarr store raises.
_DAMAGE = (OSError, KeyError, ValueError, TypeError)
#: Lattices, each 0.5 MB at 200×200, and their analyses kept in memory.
_LATTICES = 64


@dataclass(frozen=True)
class Point:
    """One lattice of a store, by its coordinates."""

    D: float
    B: float
    realization: int = 0

    @property
    def indexers(self) -> dict[str, Any]:
        """For :meth:`xarray.Dataset.sel`, with lists: D, B and realization stay dims of length 1."""
        return {"D": [self.D], "B": [self.B], "realization": [self.realization]}

    def __str__(self) -> str:
        return f"D = {self.D:g}, B = {self.B:g}, realization {self.realization}"


@st.cache_resource(ttl=600, max_entries=8, show_spinner=False)
def _opened(source: Source, version: int) -> xr.Dataset:
    return open_ensemble(source.path or source.location, storage_options=dict(source.storage_options) or None)


def ensemble(key: str) -> xr.Dataset:
    """The store, lazy; the same object for all pages, so that nobody may change it."""
    chosen = source(key)
    with _reading(chosen, "the store"):
        return _opened(chosen, chosen.version)


@contextmanager
def _reading(chosen: Source, what: str) -> Iterator[None]:
    """Say what cannot be read, and what to do, where zarr raises whatever it meets first."""
    try:
        yield
    except SkylatticeError:
        raise
    except _DAMAGE as error:
        raise StoreError(
            f"{chosen.location}: {what} cannot be read, it is damaged or only half written ({type(error).__name__}: "
            f"{error}). Ask `skylattice doctor {chosen.location}` what is wrong."
        ) from error


@st.cache_data(max_entries=16, show_spinner=False)
def _status(_ds: xr.Dataset, source: Source, version: int, changed: int) -> xr.DataArray:
    return _ds["status"].compute(scheduler="synchronous")


@st.cache_data(ttl=1, show_spinner=False)  # for as long as a page is drawn: it asks a dozen times
def _last_change(source: Source) -> int:
    """Changes when a lattice's status is written: zarr renames a new file into the folder of the chunk."""
    if source.path is None:
        return int(time.monotonic() / FRESH)
    folders = (folder for folder, _, _ in os.walk(source.path / "status"))
    return max((os.stat(folder).st_mtime_ns for folder in folders), default=0)


def status(key: str) -> xr.DataArray:
    """State of every lattice, dims (D, B, realization)."""
    chosen = source(key)
    with _reading(chosen, "its status"):
        return _status(ensemble(key), chosen, chosen.version, _last_change(chosen))


def groups(key: str) -> list[str]:
    """Results that were computed: ``observables``, ``defects``, ``models/NAME``, and others."""
    path = source(key).path
    if path is None:
        return []
    folder = results_path(path)
    found = (*folder.glob("*/zarr.json"), *folder.glob("models/*/zarr.json"))
    return [meta.parent.relative_to(folder).as_posix() for meta in sorted(found) if meta.parent.name != "models"]


def versions(key: str, names: Sequence[str]) -> tuple[int, ...]:
    """Change when one of the named results is written anew."""
    folder = results_path(source(key).location)
    try:
        return tuple((folder / name / "zarr.json").stat().st_mtime_ns for name in names)
    except OSError:
        raise StoreError(f"{folder}: results are being written or were removed just now. Reload the page.") from None


@st.cache_data(max_entries=64, show_spinner=False)
def _scalars_of(location: str, group: str, version: int) -> xr.Dataset:
    results = open_results(location, group)
    names = [name for name, array in results.data_vars.items() if set(array.dims) == set(GRID_DIMS)]
    return results[names].drop_vars("T", errors="ignore").load(scheduler="synchronous")


@st.cache_data(max_entries=16, show_spinner=False)
def _merged(
    _ds: xr.Dataset, _status: xr.DataArray, source: Source, changed: int, versions: tuple[tuple[str, int], ...]
) -> xr.Dataset:
    merged = _status.to_dataset(name="status").drop_vars("T", errors="ignore")
    for group, version in versions:
        found = _on_grid(_scalars_of(source.location, group, version), _ds)
        merged = merged.assign({name: array for name, array in found.data_vars.items() if name not in merged})
    return merged


def _on_grid(found: xr.Dataset, ensemble: xr.Dataset) -> xr.Dataset:
    """Results of the very lattices of an ensemble, by their coordinates; NaN where there are none."""
    aligned, _ = match(found.drop_vars("status", errors="ignore"), ensemble)
    return aligned.drop_vars("lattice_id", errors="ignore")


def scalars(key: str) -> xr.Dataset:
    """Status and every scalar of the lattices computed so far, dims (D, B, realization)."""
    chosen = source(key)
    if chosen.path is None:
        return status(key).to_dataset(name="status")
    names = [name for name in groups(key) if name in ("observables", "defects")]
    known = tuple(zip(names, versions(key, names), strict=True))
    return _merged(ensemble(key), status(key), chosen, _last_change(chosen), known)


@st.cache_data(max_entries=16, show_spinner=False)
def _model_errors(_ds: xr.Dataset, source: Source, changed: int, versions: tuple[tuple[str, int], ...]) -> Any:
    parts = [_on_grid(_scalars_of(source.location, group, version), _ds) for group, version in versions]
    names = [group.removeprefix("models/") for group, _ in versions]
    return xr.concat(parts, pd.Index(names, dtype=object, name="model"), combine_attrs="override", join="override")


def model_errors(key: str) -> xr.Dataset:
    """Errors of the models that have encoded the ensemble, dims (model, D, B, realization); empty if there is none."""
    names = [name for name in groups(key) if name.startswith("models/")]
    if not names:
        return xr.Dataset()
    chosen = source(key)
    return _model_errors(
        ensemble(key), chosen, _last_change(chosen), tuple(zip(names, versions(key, names), strict=True))
    )


def model_names(errors: xr.Dataset) -> list[str]:
    """Models of :func:`model_errors`."""
    return [str(name) for name in errors.indexes["model"]] if "model" in errors.dims else []


@dataclass(frozen=True)
class Quantity:
    """A scalar of every lattice that pages can show: one of the lattice, or an error of a model on it."""

    name: str
    model: str = ""

    @property
    def key(self) -> str:
        """How a URL names it."""
        return f"{self.model}/{self.name}" if self.model else self.name

    @property
    def title(self) -> str:
        """What it is called, with its unit."""
        return title_of(self.name) + (f" · {self.model}" if self.model else "")

    @property
    def column(self) -> str:
        """Its column in :func:`table`."""
        return f"{self.name} of {self.model}" if self.model else self.name


def quantities(key: str) -> list[Quantity]:
    """Scalars that a phase diagram can show: those that are known of some lattice."""
    ds, errors = scalars(key), model_errors(key)
    of_models = [Quantity(str(name), model) for model in model_names(errors) for name in errors.data_vars]
    found = [Quantity(str(name)) for name in ds.data_vars if name != "status"] + of_models
    return [quantity for quantity in found if _is_known(values(key, quantity))]


def _is_known(array: xr.DataArray) -> bool:
    return array.dtype.kind != "f" or bool(np.isfinite(array).any())


def values(key: str, quantity: Quantity) -> xr.DataArray:
    """A scalar of every lattice, dims (D, B, realization)."""
    if quantity.model:
        return model_errors(key)[quantity.name].sel(model=quantity.model, drop=True)
    return scalars(key)[quantity.name]


@st.cache_data(ttl=FRESH, max_entries=8, show_spinner=False)
def _table(_ds: xr.Dataset, _errors: xr.Dataset, source: Source, names: tuple[str, ...]) -> pd.DataFrame:
    frame = scalar_table(_ds)
    at = {dim: xr.DataArray(frame[dim], dims="row") for dim in GRID_DIMS}
    for model in model_names(_errors):
        for name, array in _errors.sel(model=model).data_vars.items():
            frame[Quantity(str(name), model).column] = array.sel(at).values
    return frame


def table(key: str) -> pd.DataFrame:
    """One row per lattice that is done, with every scalar."""
    ds, errors = scalars(key), model_errors(key)
    names = (*map(str, ds.data_vars), *model_names(errors))
    return _table(ds, errors, source(key), names)


@st.cache_data(max_entries=_LATTICES, show_spinner=False)
def _lattice(_ds: xr.Dataset, source: Source, version: int, point: Point) -> xr.Dataset:
    return _ds.sel(point.indexers, method="nearest").load(scheduler="synchronous")


def lattice(key: str, point: Point) -> xr.Dataset:
    """One lattice, in memory, D, B and realization of length 1.

    Raises
    ------
    StoreError
        If it is not done, or its spins are missing although the store says that they are there.
    """
    chosen = source(key)
    with _reading(chosen, str(point)):
        ds = _lattice(ensemble(key), chosen, chosen.version, point)
    state = int(ds["status"].item())
    if state != STATUS["done"]:
        name = next(name for name, value in STATUS.items() if value == state)
        raise StoreError(f"{point}: there is no lattice here, the store says {name!r}. Choose another point.")
    _check_present(ds["spin"], chosen, point)
    return ds


def _check_present(spin: xr.DataArray, chosen: Source, point: Point) -> None:
    if np.isnan(spin.values).any():
        raise StoreError(
            f"{chosen.location}: {point} is marked as done, but spins are missing. The store was deleted or damaged "
            "while open, or only copied in part."
        )


@st.cache_data(max_entries=_LATTICES, show_spinner=False)
def _overview(_ds: xr.Dataset, source: Source, version: int, point: Point, realizations: tuple[int, ...]) -> Any:
    chosen = _ds["spin"].sel(D=point.D, B=point.B, method="nearest").sel(realization=list(realizations), component="z")
    return chosen.rename(realization="sample").load(scheduler="threads")


def overview(key: str, point: Point, realizations: Sequence[int]) -> xr.DataArray:
    """S_z of several realizations at a point, dims (sample, y, x), read in one go.

    Raises
    ------
    StoreError
        If spins are missing although the store says that they are there.
    """
    chosen = source(key)
    with _reading(chosen, str(point)):
        maps = _overview(ensemble(key), chosen, chosen.version, point, tuple(realizations))
    _check_present(maps, chosen, point)
    return maps


@st.cache_data(max_entries=_LATTICES, show_spinner=False)
def _map(_ds: xr.Dataset, source: Source, version: int, point: Point, name: str) -> xr.DataArray:
    is_component = name in ("m_x", "m_y", "m_z")
    values = _ds["spin"].sel(component=name[-1]) if is_component else getattr(_ds.sky, name)()
    return values.isel(dict.fromkeys(GRID_DIMS, 0), drop=True)


def lattice_map(key: str, point: Point, name: str) -> xr.DataArray:
    """A map (y, x) of one lattice: m_x, m_y, m_z, charge_density, cos_theta or energy_density."""
    chosen = source(key)
    return _map(lattice(key, point), chosen, chosen.version, point, name)


@st.cache_data(max_entries=_LATTICES, show_spinner=False)
def _analysis(_ds: xr.Dataset, source: Source, version: int, point: Point) -> xr.Dataset:
    parts = [_ds.sky.triangulation(), _ds.sky.defects(), _ds.sky.hexatic_order(), _ds.sky.grains()]
    return xr.merge(parts, compat="override", join="exact", combine_attrs="override")


def lattice_analysis(key: str, point: Point) -> xr.Dataset:
    """Skyrmions, mesh, defects, order and grains of one lattice, D, B and realization of length 1."""
    chosen = source(key)
    return _analysis(lattice(key, point), chosen, chosen.version, point)


def title_of(name: str) -> str:
    """What a variable is called, with its unit."""
    variable = VARIABLES.get(name)
    if variable is None:
        return name
    return variable.long_name + ("" if variable.units == "1" else f" ({variable.units})")


def lattice_numbers(key: str, point: Point) -> dict[str, float]:
    """Scalars of one lattice: those of the results, and what is not there from the lattice itself."""
    known = scalars(key).sel(point.indexers, method="nearest")
    found = {str(name): float(array.item()) for name, array in known.data_vars.items() if array.dtype.kind == "f"}
    if not np.isfinite(found.get("energy", np.nan)):
        computed = lattice(key, point).sky.observables()
        found |= {str(name): float(array.item()) for name, array in computed.data_vars.items()}
    if not np.isfinite(found.get("hexatic_order", np.nan)):
        analysed = lattice_analysis(key, point)
        found |= {str(name): float(analysed[name].item()) for name in analysed if analysed[name].dims == GRID_DIMS}
    return {name: value for name, value in found.items() if np.isfinite(value)}


def skyrmion_table(key: str, point: Point) -> pd.DataFrame:
    """One row per skyrmion of a lattice."""
    analysed = lattice_analysis(key, point).drop_dims(["triangle", "corner"])
    if not float(analysed["n_skyrmions"].item()):
        return pd.DataFrame()
    return skylattice.defects.table.to_table(analysed).drop(columns=list(GRID_DIMS))


def spin_file(key: str, point: Point, kind: str) -> bytes:
    """The spins of one lattice as the contents of an ``ovf`` or ``npz`` file."""
    ds = lattice(key, point)
    if kind == "ovf":
        return ovf_bytes(ds["spin"], title=f"{key}: {point}")
    buffer = io.BytesIO()
    spin = ds["spin"].values[0, 0, 0]
    np.savez_compressed(buffer, spin=spin, D=point.D, B=point.B, realization=point.realization, T=float(ds["T"]))
    return buffer.getvalue()

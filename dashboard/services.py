"""Cached reads for the pages: which stores may be opened, and what is in them. No widgets and no physics here.

A store is named by a key from :func:`sources`, never by a path: what a URL or a text box says is looked up, not opened.
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
import xarray as xr

import skylattice.data
import skylattice.defects.table
from skylattice.catalog import Entry, open_catalog, shipped_catalog
from skylattice.errors import SkylatticeError, StoreError
from skylattice.io.ovf import ovf_bytes
from skylattice.io.results import open_results, results_path
from skylattice.io.store import open_ensemble
from skylattice.schema import GRID_DIMS, STATUS, VARIABLES, unit_of
from skylattice.study.analysis import scalar_table

#: Seconds after which a listing or the state of a store that is being filled is read again.
FRESH = 15
#: How deep below a root stores are looked for.
_DEPTH = 3
#: What reading a damaged zarr store raises.
_DAMAGE = (OSError, KeyError, ValueError, TypeError)
#: Lattices, each 0.5 MB at 200×200, and their analyses kept in memory.
_LATTICES = 64


@dataclass(frozen=True)
class Source:
    """A store that may be opened.

    Attributes
    ----------
    key
        Its name in the URL.
    location
        Path or fsspec URL.
    description
        From the catalog.
    storage_options
        For URLs, as pairs.
    """

    key: str
    location: str
    description: str = ""
    storage_options: tuple[tuple[str, Any], ...] = field(default=(), hash=False)

    @property
    def path(self) -> Path | None:
        """Folder of a local store, None for a remote one."""
        return None if "://" in self.location else Path(self.location)

    @property
    def version(self) -> int:
        """Changes when the store is replaced or extended."""
        if self.path is None:
            return 0
        try:
            return (self.path / "zarr.json").stat().st_mtime_ns
        except OSError:
            raise StoreError(
                f"{self.location}: the store is gone or cannot be read any more. Put it back, or choose another one."
            ) from None


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


# What may be opened


def roots() -> list[Path]:
    """Folders whose stores may be opened: those given at the start, and what comes with skylattice."""
    return _resolved(os.environ.get("SKYLATTICE_DASHBOARD_ROOTS", ""))


@lru_cache
def _resolved(given: str) -> list[Path]:
    folders = [Path(text) for text in given.split(os.pathsep) if text]
    return [path.resolve() for path in (*folders, shipped_catalog().parent, skylattice.data.FOLDER)]


def is_allowed(path: Path) -> bool:
    """Whether a store lies under a root, its arrays and its results included, wherever symbolic links lead."""
    try:
        parts = [path, *path.iterdir()]
        results = results_path(path)
        parts += [results, *results.iterdir()] if results.exists() else []
        targets = [part.resolve() for part in parts]
    except OSError:
        return False
    return all(any(target.is_relative_to(root) for root in roots()) for target in targets)


@st.cache_data(ttl=FRESH, show_spinner=False)
def sources() -> dict[str, Source]:
    """Every store that may be opened, by key; the one that the dashboard was started with comes first."""
    found: dict[str, Source] = {}
    started_with = os.environ.get("SKYLATTICE_DASHBOARD_SOURCE", "")
    if started_with.endswith((".yaml", ".yml")):
        entries = list(open_catalog(started_with).values())
    else:
        entries = [Entry(Path(started_with).name.removesuffix(".zarr"), "zarr", started_with)] if started_with else []
    for entry in (*entries, *open_catalog().values()):
        _add(found, entry)
    _add(found, Entry("uppasd-200", "zarr", str(skylattice.data.example_path()), "A 200×200 lattice from UppASD"))
    for root in roots():
        for path in _stores_below(root, _DEPTH):
            name = path.relative_to(root).as_posix().removesuffix(".zarr")
            _add(found, Entry(name, "zarr", str(path)))
    return found


def source(key: str) -> Source:
    """The store of a key.

    Raises
    ------
    StoreError
        If there is none of that key under the roots.
    """
    listed = sources()
    if key not in listed:
        raise StoreError(
            f"{key!r}: there is no such store under the folders that this dashboard may open. Choose one of the list, "
            "or start the dashboard with --root FOLDER."
        )
    chosen = listed[key]
    if chosen.path is not None and chosen.path.exists() and not is_allowed(chosen.path):
        raise StoreError(f"{key!r}: it leads outside the folders that this dashboard may open.")
    return chosen


def _add(found: dict[str, Source], entry: Entry) -> None:
    """Add the store of an entry unless it is there already, is no ensemble or may not be opened."""
    path = entry.path
    if entry.driver != "zarr" or (path is not None and path.exists() and not is_allowed(path)):
        return
    location = entry.source if path is None else str(path.resolve())
    if any(known.location == location for known in found.values()):
        return
    key, n = entry.name, 2
    while key in found:
        key, n = f"{entry.name}-{n}", n + 1
    found[key] = Source(key, location, entry.description, tuple(entry.storage_options.items()))


def _stores_below(folder: Path, depth: int) -> Iterator[Path]:
    """Ensemble stores below a folder; does not look into stores."""
    try:
        children = sorted(child for child in folder.iterdir() if not child.name.startswith(".") and child.is_dir())
    except OSError:  # a folder that cannot be read holds no store that can
        return
    for child in children:
        if (child / "zarr.json").is_file():
            if (child / "spin" / "zarr.json").is_file():
                yield child
        elif depth > 1 and not child.is_symlink():
            yield from _stores_below(child, depth - 1)


# What is in a store


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
def _merged(_status: xr.DataArray, source: Source, changed: int, versions: tuple[tuple[str, int], ...]) -> xr.Dataset:
    merged = _status.to_dataset(name="status").drop_vars("T", errors="ignore")
    for group, version in versions:
        found = _scalars_of(source.location, group, version)
        found = found.drop_vars("status", errors="ignore").reindex(
            {dim: merged[dim] for dim in GRID_DIMS}, fill_value={"phase": np.int8(-1)}
        )
        if group.startswith("models/"):
            found = found.rename({name: f"{name} ({group.removeprefix('models/')})" for name in found.data_vars})
        merged = merged.assign({name: array for name, array in found.data_vars.items() if name not in merged})
    return merged


def scalars(key: str) -> xr.Dataset:
    """Status and every scalar computed so far, dims (D, B, realization); models' carry their name in brackets."""
    chosen = source(key)
    if chosen.path is None:
        return status(key).to_dataset(name="status")
    names = [name for name in groups(key) if name in ("observables", "defects") or name.startswith("models/")]
    known = tuple(zip(names, versions(key, names), strict=True))
    return _merged(status(key), chosen, _last_change(chosen), known)


def quantities(ds: xr.Dataset) -> dict[str, str]:
    """Scalars that a phase diagram can show: name to title with unit."""
    titles = {}
    for name, array in ds.data_vars.items():
        if name == "status" or (array.dtype.kind == "f" and not np.isfinite(array).any()):
            continue
        unit = unit_of(array)
        titles[str(name)] = str(array.attrs.get("long_name", name)) + ("" if unit == "1" else f" ({unit})")
        if " (" in str(name):
            titles[str(name)] += " · " + str(name).partition(" (")[2].rstrip(")")
    return titles


@st.cache_data(ttl=FRESH, max_entries=8, show_spinner=False)
def _table(_ds: xr.Dataset, source: Source, names: tuple[str, ...]) -> pd.DataFrame:
    return scalar_table(_ds)


def table(key: str) -> pd.DataFrame:
    """One row per lattice that is done, with every scalar."""
    ds = scalars(key)
    return _table(ds, source(key), tuple(map(str, ds.data_vars)))


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

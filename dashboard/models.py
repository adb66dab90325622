"""Cached reads for the pages about models: reconstructions, latent vectors, generated lattices."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import services
import streamlit as st
import xarray as xr

from skylattice.defects.detect import ample_capacity
from skylattice.errors import ModelError, StoreError
from skylattice.hamiltonian import Hamiltonian
from skylattice.io.results import open_results, write_results
from skylattice.io.store import Layout, create_store, open_ensemble, write_point
from skylattice.schema import GRID_DIMS, STATUS
from skylattice.study.analysis import analyse_store
from skylattice.study.evaluation import Record, evaluate_model, model_name, open_lattices
from skylattice.vae import shipped
from skylattice.vae.artifact import read_document
from skylattice.vae.spec import ModelSpec

if TYPE_CHECKING:
    from skylattice.latent.pca import PCA
    from skylattice.vae.model import VAE

#: Keras models are not safe to call from several threads.
_lock = threading.Lock()
#: How deep below a root saved models are looked for.
_DEPTH = 3


@st.cache_data(ttl=services.FRESH, show_spinner=False)
def available() -> dict[str, str]:
    """Models that may be applied: name to what :func:`skylattice.vae.load` takes."""
    found = {name: name for name, _ in shipped()}
    for root in services.roots():
        for depth in range(1, _DEPTH + 1):
            for document in sorted(root.glob("*/" * depth + "model.json")):
                folder = document.parent.resolve()
                if any(folder.is_relative_to(allowed) for allowed in services.roots()):
                    found.setdefault(folder.relative_to(root).as_posix(), str(folder))
    return found


@st.cache_data(ttl=services.FRESH, show_spinner=False)
def document(name: str) -> dict[str, Any]:
    """The parsed ``model.json`` of a model."""
    by_name = dict(shipped())
    return by_name[name] if name in by_name else read_document(Path(available()[name]))


def fitting(key: str) -> tuple[dict[str, str], dict[str, str]]:
    """Models that take the lattices of a store, and why the others do not: both by name."""
    ds = services.ensemble(key)
    size, dmi = (ds.sizes["y"], ds.sizes["x"]), ds.attrs.get("dmi", "unknown")
    fit, unfit = {}, {}
    for name, target in available().items():
        try:
            spec = ModelSpec.from_config(document(name)["spec"])
            spec.check_size(size)
            if spec.dmi != dmi:
                raise ModelError(f"it was trained on the {spec.dmi} DMI, these lattices have the {dmi} one")
        except ModelError as error:
            unfit[name] = str(error)
        else:
            fit[name] = target
    return fit, unfit


@st.cache_resource(max_entries=4, show_spinner="Loading the model …")
def model(name: str, target: str) -> VAE:
    """A loaded model."""
    from skylattice.vae import load

    return load(target)


@st.cache_data(max_entries=32, show_spinner="Reconstructing …")
def _reconstruction(_ds: xr.Dataset, key: str, version: int, point: services.Point, name: str) -> xr.Dataset:
    target = available()[name]
    output = _ds.sky.reconstruct(target)
    before, after = _ds.sky.cos_theta(), output.sky.cos_theta()
    errors = {
        "squared_error": ((output["spin"] - _ds["spin"]) ** 2).sum("component").astype(np.float64),
        "cos_theta_change": after - before,
    }
    numbers = {
        "mse": errors["squared_error"].mean(("y", "x")) / 3,
        "energy_difference": output.sky.energy()["energy"] - _ds.sky.energy()["energy"],
    }
    return output[["spin"]].assign(errors | numbers).isel(dict.fromkeys(GRID_DIMS, 0), drop=True)


def reconstruction(key: str, point: services.Point, name: str) -> xr.Dataset:
    """One lattice encoded and decoded: spins, squared error, change of cosθ (y, x), mse and energy difference."""
    return _reconstruction(services.lattice(key, point), key, services.source(key).version, point, name)


def group_of(name: str) -> str:
    """Group of a model's results, as reports name it."""
    return f"models/{model_name(available()[name])}"


def encode(location: Path, target: str) -> None:
    """Latent vectors and errors of every lattice into the results beside the store."""
    ds = open_ensemble(location)
    errors = ds.sky.reconstruction_error(target)[["mse", "energy_difference", "cos_theta_difference"]]
    write_results(location, f"models/{model_name(target)}", ds.sky.encode(target).assign(errors.data_vars))


def errors(key: str) -> dict[str, pd.DataFrame]:
    """Errors and defects of every encoded lattice, by model."""
    ds, frames = services.scalars(key), {}
    for label in (str(name) for name in ds.data_vars if str(name).startswith("mse (")):
        columns = {"mse": label, "energy_difference": label.replace("mse", "energy_difference", 1)}
        columns |= {"n_defects": "n_defects"} if "n_defects" in ds else {}
        frame = pd.DataFrame({column: ds[name].values.ravel() for column, name in columns.items()})
        frames[label[len("mse (") : -1]] = frame.dropna(subset="mse")
    return frames


def missing_evaluations(key: str, names: Sequence[str]) -> list[str]:
    """What the tables of these models need and the results beside the store do not have."""
    present = services.groups(key)
    needed = {"observables": "observables", "defects_thesis": "defects by the thesis' rule"}
    return [text for group, text in needed.items() if group not in present] + [
        f"reconstructions by {name}" for name in names if group_of(name) not in present
    ]


def evaluate(key: str, names: Sequence[str], advance: Any) -> None:
    """A job: everything that the tables of these models need, into the results beside the store."""
    location = services.source(key).location
    if "observables" not in services.groups(key):
        analyse_store(location, progress=False)
    lattices = open_lattices(location)
    for k, name in enumerate(names):
        advance(k, len(names))
        with _lock:
            evaluate_model(lattices, available()[name])
    advance(len(names), len(names))


@st.cache_resource(max_entries=4, show_spinner="Reading evaluations …")
def _records(key: str, names: tuple[str, ...], versions: tuple[int, ...]) -> list[Record]:
    lattices = open_lattices(services.source(key).location)
    with _lock:
        return [evaluate_model(lattices, available()[name]) for name in names]


def records(key: str, names: tuple[str, ...]) -> list[Record]:
    """Models on an ensemble, from the results beside it."""
    return _records(key, names, services.versions(key, ["observables", *(group_of(name) for name in names)]))


@st.cache_data(max_entries=32, show_spinner="Confidence intervals …")
def report_table(_make: Any, _records: list[Record], title: str, key: str, names: tuple[str, ...]) -> pd.DataFrame:
    """A table of :mod:`skylattice.study.tables`."""
    return _make(_records)


def generated_components(
    records: Sequence[Record], names: Sequence[str], n: int, advance: Any
) -> dict[str, pd.DataFrame]:
    """A job: lattices drawn by the thesis' method and their first component, by model, as table 3.6 wants them."""
    from skylattice.latent.generate import generate as draw
    from skylattice.latent.pca import torus_average

    frames: dict[str, pd.DataFrame] = {}
    for record, name in zip(records, names, strict=True):
        advance(len(frames), len(names))
        with _lock:
            network = model(name, available()[name])
            ds = draw(record.latent_set, network, n, method="thesis")
            mu = ds.sky.encode(network)["mu"].values
        averaged = torus_average(mu, record.spec, record.size)
        scalars = ds.sky.observables()
        frames[record.name] = pd.DataFrame(
            {
                "Q": scalars["topological_charge"],
                "m_z": scalars["m_z"],
                "n_defects": ds.sky.defects(max_skyrmions=ample_capacity(record.size))["n_defects"],
                "z0": record.pca().transform(mu)[:, 0],
                "averaged_z0": record.pca(averaged=True).transform(averaged)[:, 0],
            }
        )
    advance(len(names), len(names))
    return frames


@st.cache_data(max_entries=8, show_spinner="Reading latent vectors …")
def _latents(location: str, group: str, version: int) -> xr.Dataset:
    return open_results(location, group)[["mu", "log_var"]].load(scheduler="synchronous")


def latents(key: str, name: str) -> xr.Dataset:
    """Latent vectors of every lattice, dims (D, B, realization, latent).

    Raises
    ------
    StoreError
        If they were not computed yet.
    """
    group = group_of(name)
    if group not in services.groups(key):
        raise StoreError(f"Model {name!r} has not encoded this ensemble yet. Start it on the page Jobs.")
    location = services.source(key).location
    return _latents(location, group, *services.versions(key, [group]))


@st.cache_data(max_entries=8, show_spinner="Principal components …")
def _pca(_mu: np.ndarray, _along: np.ndarray | None, key: str, name: str, version: int) -> PCA:
    from skylattice.latent.pca import fit_pca

    return fit_pca(_mu, along=_along)


def components(key: str, name: str) -> tuple[PCA, np.ndarray, xr.Dataset]:
    """The PCA of an ensemble's latent vectors, the vectors (n, latent), and the lattices' scalars along ``sample``."""
    vectors = latents(key, name)
    state = services.scalars(key).stack(sample=GRID_DIMS)
    mu = vectors["mu"].stack(sample=GRID_DIMS).transpose("sample", "latent")
    usable = (state["status"].values == STATUS["done"]) & np.isfinite(mu.values).all(axis=1)
    state, mu = state.isel(sample=usable), mu.isel(sample=usable)
    along = state["topological_charge"].values if "topological_charge" in state else None
    version = hash((mu.shape, float(mu.sum())))
    return _pca(mu.values, along, key, name, version), mu.values, state


@st.cache_data(max_entries=64, show_spinner=False)
def _decoded(_z: np.ndarray, name: str, target: str, digest: bytes, D: float, B: float, size: tuple[int, int]) -> Any:
    from skylattice.latent.generate import decode

    with _lock:
        return decode(model(name, target), _z[None], np.array([[D, B]]), size)[0]


def decoded(name: str, z: np.ndarray, D: float, B: float, size: tuple[int, int]) -> xr.DataArray:
    """The lattice (y, x, component) that a model makes of a latent vector."""
    z = np.asarray(z, dtype=np.float32)
    spin = _decoded(z, name, available()[name], z.tobytes(), D, B, size)
    return xr.DataArray(spin, dims=("y", "x", "component"))


def generate(key: str, name: str, n: int, options: dict[str, Any], advance: Any = None) -> xr.Dataset:
    """``n`` new lattices one after the other, dims (sample, y, x, component), with their quality numbers.

    The seed of each is that of ``options`` plus its number, so that a batch is what its lattices are one by one.
    """
    from skylattice.latent.generate import generate as draw
    from skylattice.latent.generate import latent_set

    ds = services.ensemble(key)
    done = (services.status(key) == STATUS["done"]).stack(sample=GRID_DIMS)
    flat = ds[["spin"]].stack(sample=GRID_DIMS).isel(sample=done.values)
    vectors = latents(key, name).stack(sample=GRID_DIMS).isel(sample=done.values)
    counts = services.scalars(key).stack(sample=GRID_DIMS).isel(sample=done.values)
    known = {"mu": vectors["mu"], "log_var": vectors["log_var"]}
    if "n_defects" in counts:
        known["n_defects"] = counts["n_defects"]
    flat = flat.reset_index("sample").assign({k: v.reset_index("sample") for k, v in known.items()})
    flat.attrs = ds.attrs
    known_set = latent_set(flat, available()[name])
    size = (ds.sizes["y"], ds.sizes["x"])
    parts = []
    for k in range(n):
        with _lock:
            drawn = draw(
                known_set,
                model(name, available()[name]),
                1,
                hamiltonian=Hamiltonian.from_attrs(ds.attrs),
                T=float(ds["T"]),
                **{**options, "seed": int(options.get("seed", 0)) + k},
            )
        scalars = drawn.sky.observables().merge(
            _scalars(drawn.sky.defects(max_skyrmions=ample_capacity(size))), compat="override"
        )
        parts.append(drawn[["spin"]].assign(scalars.data_vars).assign_coords(sample=[k]))
        if advance is not None:
            advance(k + 1, n)
    return xr.concat(
        parts, dim="sample", combine_attrs="override", coords="minimal", compat="override", data_vars="all"
    )


def _scalars(ds: xr.Dataset) -> xr.Dataset:
    return ds[[name for name, array in ds.data_vars.items() if array.ndim == 1 and name != "status"]]


def save_generated(ds: xr.Dataset, name: str) -> Path:
    """Write generated lattices as a store of its own into the first root; points of equal D and B become realizations.

    Raises
    ------
    StoreError
        If the name is no plain file name, exists already, or nothing was given to write to.
    """
    if not os.environ.get("SKYLATTICE_DASHBOARD_ROOTS"):
        raise StoreError("There is no folder to write to. Start the dashboard with a store, or with --root FOLDER.")
    folder = services.roots()[0]
    if not name or Path(name).name != name or name.startswith("."):
        raise StoreError(f"{name!r}: expected a plain name without folders, like generated.zarr.")
    path = folder / (name if name.endswith(".zarr") else f"{name}.zarr")
    points = np.round(np.column_stack([ds["D"].values, ds["B"].values]), 6)
    unique, which = np.unique(points, axis=0, return_inverse=True)
    counts = np.bincount(which.ravel())
    layout = Layout((ds.sizes["y"], ds.sizes["x"]), float(ds["T"]), Hamiltonian.from_attrs(ds.attrs))
    origin = {key: ds.attrs[key] for key in ("generator", "generator_seed", "relaxed") if key in ds.attrs}
    create_store(path, D=unique[:, 0], B=unique[:, 1], realizations=int(counts.max()), layout=layout, attrs=origin)
    for k, (D, B) in enumerate(unique):
        write_point(path, D=D, B=B, spin=ds["spin"].values[which.ravel() == k])
    return path

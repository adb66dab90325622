"""Cached reads for the pages about models: reconstructions, latent vectors, generated lattices."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import services
import stores
import streamlit as st
import xarray as xr

from skylattice.errors import ModelError, StoreError
from skylattice.hamiltonian import Hamiltonian
from skylattice.io.results import open_results
from skylattice.latent.generate import decode, latent_set
from skylattice.latent.generate import generate as draw
from skylattice.latent.generate import save_generated as save_lattices
from skylattice.latent.particles import draw_like
from skylattice.latent.pca import PCA, fit_pca
from skylattice.latent.recipe import Recipe
from skylattice.schema import GRID_DIMS, STATUS
from skylattice.stacking import flat, per_lattice
from skylattice.study.analysis import analyse_store
from skylattice.study.evaluation import (
    Record,
    count_by_thesis_rule,
    evaluate_model,
    is_encoded,
    model_name,
    open_lattices,
)
from skylattice.study.generation import numbers_of, packing_of, thesis_experiment
from skylattice.study.shown import reconstruct_with_maps
from skylattice.vae import shipped
from skylattice.vae.artifact import read_document
from skylattice.vae.infer import refer
from skylattice.vae.spec import ModelSpec

if TYPE_CHECKING:
    from skylattice.vae.model import VAE

#: Keras models are not safe to call from several threads.
_lock = threading.Lock()
#: How deep below a root saved models are looked for.
_DEPTH = 3


@st.cache_data(ttl=stores.FRESH, show_spinner=False)
def available() -> dict[str, str]:
    """Models that may be applied: name to what :func:`skylattice.vae.load` takes."""
    found = {name: name for name, _ in shipped()}
    for root in stores.roots():
        for depth in range(1, _DEPTH + 1):
            for document in sorted(root.glob("*/" * depth + "model.json")):
                folder = document.parent.resolve()
                if stores.holds_all(folder) and folder.is_relative_to(root):
                    found.setdefault(folder.relative_to(root).as_posix(), str(folder))
    return found


@st.cache_data(ttl=stores.FRESH, show_spinner=False)
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
def _network(target: str, fingerprint: str) -> VAE:
    from skylattice.vae import load

    return load(target)


def network(name: str) -> VAE:
    """A loaded model; anew where another was saved in its place."""
    target = available()[name]
    return _network(target, refer(target).fingerprint)


@st.cache_data(max_entries=32, show_spinner="Reconstructing …")
def _reconstruction(
    _ds: xr.Dataset, key: str, version: int, point: services.Point, fingerprint: str, target: str
) -> Any:
    with _lock:
        return reconstruct_with_maps(_ds, target).isel(dict.fromkeys(GRID_DIMS, 0), drop=True)


def reconstruction(key: str, point: services.Point, name: str) -> xr.Dataset:
    """One lattice encoded and decoded: spins, squared error, change of cosθ (y, x), mse and energy difference."""
    target = available()[name]
    version = stores.source(key).version
    return _reconstruction(services.lattice(key, point), key, version, point, refer(target).fingerprint, target)


def group_of(name: str) -> str:
    """Group of a model's results, as reports name it."""
    return f"models/{model_name(available()[name])}"


@st.cache_data(ttl=stores.FRESH, show_spinner=False)
def _is_encoded(location: str, target: str, versions: tuple[int, ...]) -> bool:
    return is_encoded(location, target)


def has_encoded(key: str, name: str) -> bool:
    """Whether this very model, not another of its name, has encoded the ensemble."""
    group = group_of(name)
    if group not in services.groups(key):
        return False
    return _is_encoded(stores.source(key).location, available()[name], services.versions(key, [group]))


def errors(key: str) -> dict[str, pd.DataFrame]:
    """Errors and defects of every encoded lattice, by model."""
    ds, found, frames = services.scalars(key), services.model_errors(key), {}
    for model in services.model_names(found):
        one = found.sel(model=model)
        columns = {name: one[name].values.ravel() for name in ("mse", "energy_difference")}
        columns |= {"n_defects": ds["n_defects"].values.ravel()} if "n_defects" in ds else {}
        frames[model] = pd.DataFrame(columns).dropna(subset="mse")
    return frames


def missing_evaluations(key: str, names: Sequence[str]) -> list[str]:
    """What the tables of these models need and the results beside the store do not have."""
    present = services.groups(key)
    needed = {"observables": "observables", "defects_thesis": "defects by the thesis' rule"}
    return [text for group, text in needed.items() if group not in present] + [
        f"reconstructions by {name}" for name in names if not has_encoded(key, name)
    ]


def evaluate(key: str, names: Sequence[str], advance: Any) -> None:
    """A job: everything that the tables of these models need, into the results beside the store."""
    location = stores.source(key).location
    if "observables" not in services.groups(key):
        analyse_store(location, progress=False)
    lattices = count_by_thesis_rule(open_lattices(location))
    for k, name in enumerate(names):
        advance(k, len(names))
        with _lock:
            evaluate_model(lattices, available()[name])
    advance(len(names), len(names))


@st.cache_resource(max_entries=4, show_spinner="Reading evaluations …")
def _records(key: str, names: tuple[str, ...], versions: tuple[int, ...]) -> list[Record]:
    lattices = count_by_thesis_rule(open_lattices(stores.source(key).location))
    with _lock:
        return [evaluate_model(lattices, available()[name]) for name in names]


def _evaluation_versions(key: str, names: tuple[str, ...]) -> tuple[int, ...]:
    """Change when an evaluation that tables of these models are made of is written anew."""
    return services.versions(key, ["observables", "defects_thesis", *(group_of(name) for name in names)])


def records(key: str, names: tuple[str, ...]) -> list[Record]:
    """Models on an ensemble, from the results beside it."""
    return _records(key, names, _evaluation_versions(key, names))


@st.cache_data(max_entries=32, show_spinner="Confidence intervals …")
def _report_table(
    _make: Any, _records: list[Record], title: str, key: str, names: tuple[str, ...], versions: tuple[int, ...]
) -> pd.DataFrame:
    return _make(_records)


def report_table(make: Any, title: str, key: str, names: tuple[str, ...]) -> pd.DataFrame:
    """A table of :mod:`skylattice.study.tables` over the evaluations of models on an ensemble."""
    return _report_table(make, records(key, names), title, key, names, _evaluation_versions(key, names))


def generated_components(key: str, names: tuple[str, ...], n: int, advance: Any) -> dict[str, pd.DataFrame]:
    """A job: lattices drawn by the thesis' method, by model, as table 3.6 wants them."""
    ensemble, frames = open_lattices(stores.source(key).location), dict[str, pd.DataFrame]()
    for record, name in zip(records(key, names), names, strict=True):
        advance(len(frames), len(names))
        with _lock:
            frames[record.name] = thesis_experiment(ensemble, record, network(name), n)
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
    if not has_encoded(key, name):
        raise StoreError(f"Model {name!r} has not encoded this ensemble yet. Start it on the page Jobs.")
    location = stores.source(key).location
    return _latents(location, group, *services.versions(key, [group]))


@st.cache_data(max_entries=8, show_spinner="Principal components …")
def _pca(_mu: np.ndarray, _along: np.ndarray | None, key: str, name: str, version: int) -> PCA:
    return fit_pca(_mu, along=_along)


def components(key: str, name: str) -> tuple[PCA, np.ndarray, xr.Dataset]:
    """The PCA of an ensemble's latent vectors, the vectors (n, latent), and the lattices' scalars along ``sample``."""
    vectors = latents(key, name)
    state = services.scalars(key)
    mu = per_lattice(vectors["mu"], state["status"])
    usable = np.flatnonzero((per_lattice(state["status"], state["status"]) == STATUS["done"]) & np.isfinite(mu).all(1))
    state, mu = flat(state).isel(sample=usable), mu[usable]
    along = state["topological_charge"].values if "topological_charge" in state else None
    version = hash((mu.tobytes(), None if along is None else along.tobytes()))
    return _pca(mu, along, key, name, version), mu, state


@st.cache_data(max_entries=64, show_spinner=False)
def _decoded(
    _z: np.ndarray, _model: VAE, fingerprint: str, digest: bytes, D: float, B: float, size: tuple[int, int]
) -> Any:
    with _lock:
        return decode(_model, _z[None], np.array([[D, B]]), size)[0]


def decoded(name: str, z: np.ndarray, D: float, B: float, size: tuple[int, int]) -> xr.DataArray:
    """The lattice (y, x, component) that a model makes of a latent vector."""
    z = np.asarray(z, dtype=np.float32)
    fingerprint = refer(available()[name]).fingerprint
    spin = _decoded(z, network(name), fingerprint, z.tobytes(), D, B, size)
    return xr.DataArray(spin, dims=("y", "x", "component"))


def _drawing(key: str, name: str) -> Callable[[Recipe], xr.Dataset]:
    """One lattice by a recipe, from a model and the latent vectors of the ensemble."""
    ds, counts = services.ensemble(key), services.scalars(key)
    known = latents(key, name).assign({k: counts[k] for k in ("n_defects",) if k in counts})
    known_set = latent_set(ds.assign(known.data_vars), available()[name])
    hamiltonian, T = Hamiltonian.from_attrs(ds.attrs), float(ds["T"])

    def draw_one(recipe: Recipe) -> xr.Dataset:
        with _lock:
            return draw(known_set, network(name), 1, recipe, hamiltonian=hamiltonian, T=T)

    return draw_one


def _settling(key: str) -> Callable[[Recipe], xr.Dataset]:
    """One lattice of particles that settle like those of the ensemble."""
    ds, packing = services.ensemble(key), packing_of(stores.source(key).location)
    return partial(draw_like, ds, packing, 1)


def generate(key: str, name: str, n: int, recipe: Recipe, advance: Any = None) -> xr.Dataset:
    """``n`` new lattices one after the other, dims (sample, y, x, component), with their quality numbers.

    The seed of each is that of the recipe plus its number, so that a batch is what its lattices are one by one.
    """
    draw_one = _settling(key) if recipe.method == "particles" else _drawing(key, name)
    parts = []
    for k in range(n):
        drawn = draw_one(replace(recipe, seed=recipe.seed + k))
        parts.append(drawn[["spin"]].assign(numbers_of(drawn).data_vars).assign_coords(sample=[k]))
        if advance is not None:
            advance(k + 1, n)
    return xr.concat(
        parts, dim="sample", combine_attrs="override", coords="minimal", compat="override", data_vars="all"
    )


def save_generated(ds: xr.Dataset, name: str) -> Path:
    """Write generated lattices as a store of its own into the first root; points of equal D and B become realizations.

    Raises
    ------
    StoreError
        If the name is no plain file name, exists already, or nothing was given to write to.
    """
    if not os.environ.get("SKYLATTICE_DASHBOARD_ROOTS"):
        raise StoreError("There is no folder to write to. Start the dashboard with a store, or with --root FOLDER.")
    folder = stores.roots()[0]
    if not name or Path(name).name != name or name.startswith("."):
        raise StoreError(f"{name!r}: expected a plain name without folders, like generated.zarr.")
    path = folder / (name if name.endswith(".zarr") else f"{name}.zarr")
    save_lattices(ds, path)
    return path

"""Generated lattices for a report: the thesis' experiment, and how good each method is; kept in the result store."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from skylattice.arrays import lattices, spin_dataset
from skylattice.defects.classify import defects
from skylattice.defects.detect import ample_capacity
from skylattice.defects.of_spins import of_spins
from skylattice.io.results import cache_key, cached
from skylattice.io.store import open_ensemble
from skylattice.latent.calibration import calibrate
from skylattice.latent.correlations import Estimate
from skylattice.latent.generate import generate
from skylattice.latent.packing import Packing
from skylattice.latent.particles import draw_like
from skylattice.latent.pca import torus_average
from skylattice.latent.recipe import Generation, Recipe
from skylattice.latent.relax import quench, quench_schedule
from skylattice.observables.scalars import observables
from skylattice.schema import GRID_DIMS, SPIN_DIMS
from skylattice.simulation.engine import random_lattice
from skylattice.simulation.schedule import Schedule
from skylattice.study.evaluation import Ensemble, Record
from skylattice.study.faults import sound_ensemble
from skylattice.study.lattice import mesh_of_lattice
from skylattice.study.quality import Reference, measure

if TYPE_CHECKING:
    from skylattice.defects.triangulate import Mesh
    from skylattice.vae.model import VAE

#: Methods in the order of the quality table.
METHODS: tuple[Generation, ...] = ("learned", "neighbourhood", "low_defect", "conditional", "prior", "thesis")
#: The learned density once more, relaxed, further away from the lattices that it was learned from.
NOVELTIES = (0.5, 1.0)
#: Lattices of the data to compare with, at most, and lattices simulated to time the simulation.
_REFERENCE, _TIMED = 1200, 4
#: Raised when what is kept no longer means the same.
_VERSION = 2
#: The same for packings.
_PACKING_VERSION = 1


def thesis_experiment(ensemble: Ensemble, record: Record, model: VAE, n: int, *, seed: int = 0) -> pd.DataFrame:
    """Lattices generated as in the thesis: ``z0``, ``z1``, ``averaged_z0``, Q, m_z and n_defects of each."""

    def compute() -> xr.Dataset:
        ds = _generate(ensemble, record, model, n, Recipe("thesis", seed=seed))
        numbers = numbers_of(ds)[["topological_charge", "m_z", "n_defects"]]
        return numbers.assign(z=ds["z"]).drop_vars("component", errors="ignore")

    key = cache_key(_VERSION, _identity(ensemble, record), n, seed)
    known = cached(ensemble.store, f"generation/{record.name}-thesis-{n}", key, compute)
    z = known["z"].values
    scores = record.pca().transform(z)
    averaged = record.pca(averaged=True).transform(torus_average(z, record.spec, record.size))
    columns = {"Q": known["topological_charge"], "m_z": known["m_z"], "n_defects": known["n_defects"]}
    frame = pd.DataFrame({name: array.values for name, array in columns.items()})
    return frame.assign(z0=scores[:, 0], z1=scores[:, 1], averaged_z0=averaged[:, 0])


def quality(
    ensemble: Ensemble, record: Record, model: VAE, n: int, *, packing: Packing | None = None, seed: int = 0
) -> pd.DataFrame:
    """The quality table: one row for the data, one per method with and without a quench, one for a quench alone.

    With a ``packing``, from :func:`packing_of`, one for lattices of settled particles.

    Columns are those of :meth:`skylattice.study.quality.Reference.row`. Times are wall times per lattice under Dask's
    configuration of the moment, networks loaded and the prior fitted; the data's is that of their simulation from
    random spins.
    """

    def compute() -> xr.Dataset:
        return _to_dataset(dict(_rows(ensemble, record, model, n, seed, packing)))

    key = cache_key(_VERSION, _identity(ensemble, record), n, seed, packing)
    return _to_frame(cached(ensemble.store, f"generation/{record.name}-quality-{n}", key, compute))


def packing_of(store: str | os.PathLike[str]) -> Packing:
    """The packing of a store's skyrmion lattices, from the results beside it or calibrated and kept there."""
    ds = open_ensemble(store)
    lattice_ids = ds["lattice_id"] if "lattice_id" in ds else ds["status"]

    def compute() -> xr.Dataset:
        return xr.Dataset(attrs={"packing": calibrate(sound_ensemble(store)[0]).to_json()})

    key = cache_key(_PACKING_VERSION, lattice_ids.values.tolist(), *(ds[dim].values.tolist() for dim in GRID_DIMS))
    return Packing.from_json(cached(store, "generation/packing", key, compute).attrs["packing"])


def _identity(ensemble: Ensemble, record: Record) -> tuple[Any, ...]:
    """What generated lattices depend on: the model, the data, and which of them were encoded."""
    return record.fingerprint, ensemble.identity, np.flatnonzero(record.is_train).tolist()


@dataclass(frozen=True)
class Examples:
    """A few generated lattices to look at.

    Attributes
    ----------
    recipe
        How they were drawn.
    spin
        Shape (sample, y, x, 3).
    meshes
        Triangulations of their skyrmions; None for too few.
    n_skyrmions, n_defects
        Of each.
    """

    recipe: Recipe
    spin: np.ndarray
    meshes: list[Mesh | None]
    n_skyrmions: np.ndarray
    n_defects: np.ndarray


def examples(ensemble: Ensemble, record: Record, model: VAE, n: int, recipe: Recipe) -> Examples:
    """A few lattices drawn from a model, with what pictures show of them."""
    ds = _generate(ensemble, record, model, n, recipe)
    of = lattices(ds)
    counts = of_spins(defects, of.spin, of.B, max_skyrmions=ample_capacity(record.size)).compute()
    meshes = [mesh_of_lattice(of.spin[k], float(of.B[k])) for k in range(n)]
    return Examples(recipe, of.spin.values, meshes, counts["n_skyrmions"].values, counts["n_defects"].values)


def numbers_of(ds: xr.Dataset) -> xr.Dataset:
    """Scalars of generated lattices along ``sample``: observables, and those of skyrmions and defects; eager."""
    of = lattices(ds)
    found = of_spins(defects, of.spin, of.B, max_skyrmions=ample_capacity((ds.sizes["y"], ds.sizes["x"])))
    scalars = [name for name, array in found.data_vars.items() if array.dims == ("sample",) and name != "status"]
    return xr.merge([observables(*of), found[scalars]], compat="override").compute()


def _generate(ensemble: Ensemble, record: Record, model: VAE, n: int, recipe: Recipe) -> xr.Dataset:
    of = lattices(ensemble.ds)
    T = float(ensemble.ds["T"])
    return generate(record.latent_set, model, n, recipe, T=T, hamiltonian=of.hamiltonian)


def _rows(
    ensemble: Ensemble, record: Record, model: VAE, n: int, seed: int, packing: Packing | None
) -> Iterator[tuple[str, dict[str, Any]]]:
    chosen = np.random.default_rng(seed).permutation(len(ensemble))[:_REFERENCE]
    reference = Reference(measure(ensemble.ds.isel(sample=np.sort(chosen)).compute()), seed=seed)
    yield "data", reference.data_row(seconds=_simulation_seconds(ensemble, seed), n=n)
    methods = [method for method in METHODS if method != "conditional" or record.spec.condition]
    recipes = [Recipe(method, relax=relax, seed=seed) for method in methods for relax in (False, True)]
    recipes += [Recipe("learned", novelty=novelty, relax=True, seed=seed) for novelty in NOVELTIES]
    for recipe in recipes:
        _generate(ensemble, record, model, 1, recipe)  # load and compile
        start = time.perf_counter()
        drawn = _generate(ensemble, record, model, n, recipe)
        seconds = (time.perf_counter() - start) / n
        yield _label(recipe), reference.row(measure(drawn), seconds=seconds)
    if packing is not None:
        yield "particles", _particles(ensemble, reference, packing, n, seed)
    yield "random spins, relaxed", _quench_alone(ensemble, reference, n, seed)


def _label(recipe: Recipe) -> str:
    """Name of a row."""
    novelty = "" if recipe.novelty is None else f"novelty {recipe.novelty:g}"
    return ", ".join(part for part in (recipe.method, novelty, "relaxed" if recipe.relax else "") if part)


def _simulation_seconds(ensemble: Ensemble, seed: int) -> float:
    """Wall time of a lattice from random spins by the ensemble's own schedule; NaN for one not simulated here."""
    if "schedule" not in ensemble.ds.attrs:
        return np.nan
    schedule = Schedule.from_json(ensemble.ds.attrs["schedule"])
    _random(ensemble, 1, quench_schedule(0.01, steps=1, sweeps=1), seed)
    start = time.perf_counter()
    _random(ensemble, _TIMED, schedule, seed)
    return (time.perf_counter() - start) / _TIMED


def _particles(ensemble: Ensemble, reference: Reference, packing: Packing, n: int, seed: int) -> dict[str, Any]:
    settle(ensemble, packing, 1, seed)  # compile
    start = time.perf_counter()
    drawn = settle(ensemble, packing, n, seed)
    return reference.row(measure(drawn), seconds=(time.perf_counter() - start) / n)


def settle(ensemble: Ensemble, packing: Packing, n: int, seed: int = 0) -> xr.Dataset:
    """Lattices of settled particles like those of the ensemble: no network is asked."""
    return draw_like(ensemble.ds, packing, n, Recipe("particles", seed=seed))


def _quench_alone(ensemble: Ensemble, reference: Reference, n: int, seed: int) -> dict[str, Any]:
    """The default quench from random spins: what the networks must beat."""
    start = time.perf_counter()
    quenched = _random(ensemble, n, quench_schedule(float(ensemble.ds["T"])), seed)
    seconds = (time.perf_counter() - start) / n
    return reference.row(measure(quenched), seconds=seconds)


def _random(ensemble: Ensemble, n: int, schedule: Schedule, seed: int) -> xr.Dataset:
    """Random spins at the parameters of lattices of the ensemble, after a schedule."""
    at = np.random.default_rng(seed).integers(0, len(ensemble), n)
    D, B = (ensemble.frame[name].to_numpy()[at] for name in ("D", "B"))
    start = np.stack([random_lattice(ensemble.size, np.random.SeedSequence(seed, spawn_key=(k,))) for k in range(n)])
    hamiltonian = lattices(ensemble.ds).hamiltonian
    spin = quench(start, schedule, D=D, B=B, hamiltonian=hamiltonian, seed=seed)
    coords = {"D": ("sample", D), "B": ("sample", B), "T": float(ensemble.ds["T"])}
    return spin_dataset(("sample", *SPIN_DIMS), spin, coords, hamiltonian)


def _to_dataset(rows: dict[str, dict[str, Any]]) -> xr.Dataset:
    """Rows as variables along ``arm``; an estimate becomes four of them."""
    columns: dict[str, list[float]] = {}
    for row in rows.values():
        for name, cell in row.items():
            parts = (
                {f"{name}.{f.name}": getattr(cell, f.name) for f in fields(cell)}
                if isinstance(cell, Estimate)
                else {name: cell}
            )
            for label, value in parts.items():
                columns.setdefault(label, []).append(float(value))
    variables = {name: ("arm", values) for name, values in columns.items()}
    return xr.Dataset(variables, coords={"arm": list(rows)}, attrs={"columns": list(columns)})  # stores keep no order


def _to_frame(ds: xr.Dataset) -> pd.DataFrame:
    """The quality table of what :func:`_to_dataset` made."""
    frame = pd.DataFrame({"lattices": [str(name) for name in ds["arm"].values]})
    for name in ds.attrs["columns"]:
        stem, _, part = name.partition(".")
        if not part:
            frame[name] = ds[name].values
        elif part == "value":
            parts = (ds[f"{stem}.{f.name}"].values for f in fields(Estimate))
            estimates = [
                Estimate(float(value), float(low), float(high), int(n))
                for value, low, high, n in zip(*parts, strict=True)
            ]
            frame[stem] = pd.Series(estimates, dtype=object)
    simulated = frame["ms_per_lattice"].iloc[0]
    return frame.assign(times_faster=simulated / frame["ms_per_lattice"])

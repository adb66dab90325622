"""Generated lattices for a report: the thesis' experiment, and how good each method is; kept in the result store."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import fields
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
import xarray as xr

from skylattice.defects.detect import ample_capacity
from skylattice.latent.correlations import Estimate
from skylattice.latent.generate import Generation, generate
from skylattice.latent.pca import torus_average
from skylattice.latent.relax import quench, quench_schedule
from skylattice.simulation.engine import random_lattice
from skylattice.simulation.schedule import Schedule
from skylattice.study.evaluation import Ensemble, Record, cache_key, cached
from skylattice.study.quality import Reference, measure

if TYPE_CHECKING:
    from skylattice.vae.model import VAE

#: Methods in the order of the quality table.
METHODS = ("learned", "neighbourhood", "low_defect", "conditional", "prior", "thesis")
#: The learned density once more, relaxed, further away from the lattices that it was learned from.
NOVELTIES = (0.5, 1.0)
#: Lattices of the data to compare with, at most, and lattices simulated to time the simulation.
_REFERENCE, _TIMED = 1200, 4
#: Raised when what is kept no longer means the same.
_VERSION = 2


def thesis_experiment(ensemble: Ensemble, record: Record, model: VAE, n: int, *, seed: int = 0) -> pd.DataFrame:
    """Lattices generated as in the thesis: ``z0``, ``z1``, ``averaged_z0``, Q, m_z and n_defects of each."""

    def compute() -> xr.Dataset:
        lattices = _generate(ensemble, record, model, n, "thesis", relax=False, seed=seed)
        scalars = lattices.sky.observables()[["topological_charge", "m_z"]]
        counts = lattices.sky.defects(max_skyrmions=ample_capacity(record.size))["n_defects"]
        return scalars.assign(n_defects=counts, z=lattices["z"]).drop_vars("component", errors="ignore").compute()

    key = cache_key(_VERSION, _identity(ensemble, record), n, seed)
    known = cached(ensemble.store, f"generation/{record.name}-thesis", key, compute)
    z = known["z"].values
    scores = record.pca().transform(z)
    averaged = record.pca(averaged=True).transform(torus_average(z, record.spec, record.size))
    columns = {"Q": known["topological_charge"], "m_z": known["m_z"], "n_defects": known["n_defects"]}
    frame = pd.DataFrame({name: array.values for name, array in columns.items()})
    return frame.assign(z0=scores[:, 0], z1=scores[:, 1], averaged_z0=averaged[:, 0])


def quality(ensemble: Ensemble, record: Record, model: VAE, n: int, *, seed: int = 0) -> pd.DataFrame:
    """The quality table: one row for the data, one per method with and without a quench, one for a quench alone.

    Columns are those of :meth:`skylattice.study.quality.Reference.row`. Times are wall times per lattice under Dask's
    configuration of the moment, networks loaded and the prior fitted; the data's is that of their simulation from
    random spins.
    """

    def compute() -> xr.Dataset:
        return _to_dataset(dict(_rows(ensemble, record, model, n, seed)))

    key = cache_key(_VERSION, _identity(ensemble, record), n, seed)
    return _to_frame(cached(ensemble.store, f"generation/{record.name}-quality", key, compute))


def _identity(ensemble: Ensemble, record: Record) -> tuple[Any, ...]:
    """What generated lattices depend on: the model, the data, and which of them were encoded."""
    frame = ensemble.frame
    return record.fingerprint, frame["position"].tolist(), frame["Q"].tolist(), np.flatnonzero(record.is_train).tolist()


def _generate(ensemble: Ensemble, record: Record, model: VAE, n: int, method: str, **options: Any) -> xr.Dataset:
    return generate(
        record.latent_set,
        model,
        n,
        method=cast(Generation, method),
        T=float(ensemble.ds["T"]),
        hamiltonian=ensemble.ds.sky.hamiltonian,
        **options,
    )


def _rows(ensemble: Ensemble, record: Record, model: VAE, n: int, seed: int) -> Iterator[tuple[str, dict[str, Any]]]:
    chosen = np.random.default_rng(seed).permutation(len(ensemble))[:_REFERENCE]
    reference = Reference(measure(ensemble.ds.isel(sample=np.sort(chosen)).compute()), seed=seed)
    yield "data", reference.data_row(seconds=_simulation_seconds(ensemble, seed), n=n)
    arms: list[tuple[str, dict[str, Any]]] = []
    for method in METHODS:
        if method != "conditional" or record.spec.condition:
            arms += [(method, {"relax": False}), (method, {"relax": True})]
    arms += [("learned", {"relax": True, "novelty": novelty}) for novelty in NOVELTIES]
    for method, options in arms:
        _generate(ensemble, record, model, 1, method, **options, seed=seed)  # load and compile
        start = time.perf_counter()
        lattices = _generate(ensemble, record, model, n, method, **options, seed=seed)
        seconds = (time.perf_counter() - start) / n
        yield _label(method, **options), reference.row(measure(lattices), seconds=seconds)
    yield "random spins, relaxed", _quench_alone(ensemble, reference, n, seed)


def _label(method: str, *, relax: bool, novelty: float | None = None) -> str:
    """Name of a row."""
    parts = (method, "" if novelty is None else f"novelty {novelty:g}", "relaxed" if relax else "")
    return ", ".join(part for part in parts if part)


def _simulation_seconds(ensemble: Ensemble, seed: int) -> float:
    """Wall time of a lattice from random spins by the ensemble's own schedule; NaN for one not simulated here."""
    if "schedule" not in ensemble.ds.attrs:
        return np.nan
    schedule = Schedule.from_json(ensemble.ds.attrs["schedule"])
    _random(ensemble, 1, quench_schedule(0.01, steps=1, sweeps=1), seed)
    start = time.perf_counter()
    _random(ensemble, _TIMED, schedule, seed)
    return (time.perf_counter() - start) / _TIMED


def _quench_alone(ensemble: Ensemble, reference: Reference, n: int, seed: int) -> dict[str, Any]:
    """The default quench from random spins: what the networks must beat."""
    start = time.perf_counter()
    lattices = _random(ensemble, n, quench_schedule(float(ensemble.ds["T"])), seed)
    seconds = (time.perf_counter() - start) / n
    return reference.row(measure(lattices), seconds=seconds)


def _random(ensemble: Ensemble, n: int, schedule: Schedule, seed: int) -> xr.Dataset:
    """Random spins at the parameters of lattices of the ensemble, after a schedule."""
    at = np.random.default_rng(seed).integers(0, len(ensemble), n)
    D, B = (ensemble.frame[name].to_numpy()[at] for name in ("D", "B"))
    start = np.stack([random_lattice(ensemble.size, np.random.SeedSequence(seed, spawn_key=(k,))) for k in range(n)])
    spin = quench(start, schedule, D=D, B=B, hamiltonian=ensemble.ds.sky.hamiltonian, seed=seed)
    ds = ensemble.ds.isel(sample=np.zeros(n, dtype=int)).drop_vars(["D", "B", "realization"])
    return ds.assign(spin=(("sample", "y", "x", "component"), spin)).assign_coords(D=("sample", D), B=("sample", B))


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

"""The commands that are made to die, each with the folder that it starts from."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask
import numpy as np

from harness.crash import forked, value_of
from skylattice import Hamiltonian, open_ensemble, simulate_ensemble, testing
from skylattice.defects.of_spins import of_spins
from skylattice.defects.skyrmion_lattice import skyrmion_lattice
from skylattice.io.importing import import_datasets
from skylattice.io.layout import Layout
from skylattice.io.writing import create_store, write_point
from skylattice.latent import generate as generation
from skylattice.report.build import build_report
from skylattice.simulation.ensemble import simulate_lattice
from skylattice.simulation.schedule import Schedule
from skylattice.study import analysis
from skylattice.study.analysis import analyse_store, write_table
from skylattice.study.chapter import run_study
from skylattice.study.evaluation import encode_store
from skylattice.vae import artifact, blocks

SIZE = (40, 40)
MODEL = "periodic"
SCHEDULE = Schedule.geometric(1.0, 0.1, steps=2, sweeps=1)
_OPTIONS: dict[str, Any] = {"size": 16, "T": 0.1, "schedule": SCHEDULE, "progress": False}


@dataclass(frozen=True)
class Command:
    """A command on a folder.

    Attributes
    ----------
    prepare, run
        Make what it starts from, and run it.
    is_once
        It refuses to run again once its result is there.
    sample
        In how many crash points it dies in the long run; None is all.
    """

    prepare: Callable[[Path], Any]
    run: Callable[[Path], Any]
    is_once: bool = False
    sample: int | None = None


def nothing(folder: Path) -> None:
    """Start from an empty folder."""


def simulate(folder: Path, D: Any = (0.4, 0.5), B: Any = (0.1,), realizations: int = 2) -> None:
    """Four lattices, or others."""
    simulate_ensemble(D=list(D), B=list(B), realizations=realizations, store=folder / "e.zarr", **_OPTIONS)


def extend(folder: Path) -> None:
    """All three axes grow."""
    simulate(folder, (0.3, 0.4, 0.5), (0.05, 0.1, 0.15), 3)


def lattice(seed: int) -> np.ndarray:
    """25 skyrmions of a strained triangular lattice."""
    rng = np.random.default_rng(seed)
    centres = [
        (8 * i + 4 * (j % 2) + rng.normal(0, 0.4), 8 * j + rng.normal(0, 0.4)) for j in range(5) for i in range(5)
    ]
    return testing.planted_skyrmions(centres, radius=2.4, size=SIZE).spin.values[0, 0, 0].astype(np.float32)


def plant(folder: Path) -> None:
    """A store of skyrmion lattices."""
    layout = Layout(SIZE, 0.006, Hamiltonian())
    create_store(folder / "p.zarr", D=[0.4, 0.5], B=[0.1, 0.15], realizations=2, layout=layout)
    for k, (D, B) in enumerate(((0.4, 0.1), (0.4, 0.15), (0.5, 0.1), (0.5, 0.15))):
        write_point(folder / "p.zarr", D=D, B=B, spin=np.stack([lattice(2 * k), lattice(2 * k + 1)]))


def plant_and_analyse(folder: Path) -> None:
    """The same with results of an earlier state of the store: two lattices were others."""
    plant(folder)
    write_point(folder / "p.zarr", D=0.5, B=0.15, spin=np.stack([lattice(100), lattice(101)]))
    analyse(folder)
    write_point(folder / "p.zarr", D=0.5, B=0.15, spin=np.stack([lattice(6), lattice(7)]))


def plant_and_analyse_all(folder: Path) -> None:
    """The same with results of what is there."""
    plant(folder)
    analyse(folder)


def analyse(folder: Path, name: str = "p") -> None:
    """Results and a table."""
    write_table(analyse_store(folder / f"{name}.zarr", progress=False), folder / f"{name}.csv")


def import_lattices(folder: Path) -> None:
    """Three lattices of two points."""
    parts = [testing.dataset(lattice(k)[None], D=0.5, B=B) for k, B in enumerate((0.1, 0.15, 0.2))]
    import_datasets(parts, folder / "i.zarr", progress=False)


def generate(folder: Path) -> None:
    """Four new lattices."""
    ds = open_ensemble(folder / "p.zarr").sky.generate(MODEL, 4, method="thesis")
    generation.save_generated(ds, folder / "g.zarr")


def encode(folder: Path) -> None:
    """Latent vectors beside the store."""
    encode_store(folder / "p.zarr", MODEL)


def report(folder: Path) -> None:
    """A page with its tables, and what it keeps beside the store."""
    study = run_study(folder / "p.zarr", [MODEL], n_generated=6, n_quality=0, n_shown=2)
    build_report(study, folder / "report" / "index.html")


COMMANDS = {
    "simulate": Command(nothing, simulate),
    "extend": Command(simulate, extend, sample=160),
    "import": Command(nothing, import_lattices, sample=100),
    "analyse": Command(plant, analyse, sample=60),
    "re-analyse": Command(plant_and_analyse, analyse, sample=60),
    "generate": Command(plant, generate, is_once=True, sample=80),
    "encode": Command(plant, encode, sample=50),
    "report": Command(plant_and_analyse_all, report, sample=16),
}


class Network:
    """In place of a network, whose threads would not survive a fork: linear maps, the same in every process."""

    def __init__(self, spec: Any) -> None:
        self.spec, self.metadata = spec, {}

    def encode(self, spin: np.ndarray, parameters: Any, refine: Any = None) -> np.ndarray:
        n, latents = len(spin), self.spec.latents(spin.shape[1:3])
        flat = spin.reshape(n, -1)[:, : 3 * latents].astype(np.float32)
        return np.stack([flat[:, :latents], flat[:, latents : 2 * latents] - 3], axis=1)

    def decode(self, z: np.ndarray, parameters: Any, size: tuple[int, int]) -> np.ndarray:
        planted = np.stack([lattice(int(abs(vector.sum()) * 10) % 50) for vector in z])
        return _unit(planted + 1e-3 * np.abs(z[:, :1, None, None]))


class Generator(Network):
    """The same as a model, which returns μ and log σ² apart."""

    def encode(self, spin: np.ndarray, parameters: Any, refine: Any = None) -> Any:  # type: ignore[override]
        both = super().encode(spin, parameters)
        return both[:, 0], both[:, 1]


def _unit(spin: np.ndarray) -> np.ndarray:
    return (spin / np.linalg.norm(spin, axis=-1, keepdims=True)).astype(np.float32)


def warm_up(folder: Path) -> None:
    """Import, compile and replace all that children need, in one thread, without touching a store.

    Everything is run once in a child, which tells what it has imported.
    """
    dask.config.set(scheduler="synchronous")
    spec = blocks.refer(MODEL).spec
    blocks._runner = lambda reference: Network(spec)
    artifact.load = lambda *arguments: Generator(spec)
    for name in value_of(forked(_run_all, folder)):
        with suppress(Exception):  # parts of packages that cannot be imported by their names
            importlib.import_module(name)
    ds = testing.dataset(lattice(0)[None], D=0.5, B=0.1)
    analysis._scalars(ds)
    for rule in ("charge", "dusek2023"):
        of_spins(skyrmion_lattice, ds["spin"], ds["B"], rule=rule).compute()
    simulate_lattice(0.5, 0.1, 0, size=(16, 16), schedule=SCHEDULE, hamiltonian=Hamiltonian(), seed=0)
    if threading.active_count() > 1:
        raise RuntimeError(f"expected one thread to fork from, found {threading.enumerate()}")


def _run_all(folder: Path) -> list[str]:
    for name, command in COMMANDS.items():
        (folder / name).mkdir()
        command.prepare(folder / name)
        command.run(folder / name)
    return sorted(sys.modules)

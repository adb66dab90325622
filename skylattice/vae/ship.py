"""How the shipped models are made, from nothing: ``python -m skylattice.vae.ship [NAME]`` in the repository's root.

Runs the recipes of a model one after the other, simulating the data that each needs first, and writes the model to
``skylattice/vae/weights``. Everything resumes where it was stopped.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from skylattice.errors import ModelError
from skylattice.vae import artifact
from skylattice.vae.config import TrainConfig

RECIPES = Path(__file__).parent / "recipes"

_PERIODIC = ("periodic-100", "periodic-100-more", "periodic-200")
#: Training runs of each shipped model, in order.
STAGES = {
    "periodic": _PERIODIC,
    "periodic-0.0001": (*_PERIODIC, "periodic-0.0001"),
    "periodic-0.0002": (*_PERIODIC, "periodic-0.0002"),
    "periodic-1.25e-05": (*_PERIODIC, "periodic-1.25e-05"),
}

#: The ensembles: skyrmion lattices at T = 0.006 over D 0.35 … 0.6 and B 0.3 … 0.65 D².
ENSEMBLES: dict[str, dict[str, Any]] = {
    "work/train100.zarr": {
        "D": np.linspace(0.35, 0.6, 21),
        "B_step": 0.005,
        "realizations": 8,
        "size": 100,
        "seed": 100,
    },
    "work/train200.zarr": {
        "D": np.linspace(0.35, 0.6, 11),
        "B_step": 0.01,
        "realizations": 6,
        "size": 200,
        "seed": 200,
    },
}


def make(name: str, *, folder: str | Path = artifact.SHIPPED) -> Path:
    """Simulate, train and write one shipped model; returns its folder.

    The weights are stored in float16, and the metrics are those of the weights as stored.
    """
    from skylattice.vae.training import train

    if name not in STAGES:
        raise ModelError(f"{name!r}: expected a shipped model, one of {list(STAGES)}.")
    runs = [TrainConfig.from_yaml(RECIPES / f"{stage}.yaml") for stage in STAGES[name]]
    for run in runs:
        simulate(run.store)
        train(run, resume=True, on_epoch=print)
    return publish(runs[-1], name, folder)


def simulate(store: str) -> None:
    """Simulate an ensemble of :data:`ENSEMBLES`; the mixture of a YAML file is simulated when it is trained on."""
    from skylattice.simulation.ensemble import simulate_ensemble

    if store in ENSEMBLES:
        simulate_ensemble(B_limits=(0.3, 0.65), only_phase="skyrmion", store=store, **ENSEMBLES[store])


def publish(config: TrainConfig, name: str, folder: str | Path = artifact.SHIPPED) -> Path:
    """Write the model of a run into the package in half precision, with the metrics of the weights as stored."""
    from skylattice.vae.data import split_ensemble
    from skylattice.vae.surprise import calibrate
    from skylattice.vae.training import evaluate, open_data

    trained = artifact.load(Path(config.output) / "model")
    target = artifact.save(trained, Path(folder) / name, half=True)
    stored = artifact.load(target)
    stored.unroll(config.passes, config.step)
    ds = open_data(config.store)
    split = split_ensemble(
        ds, test=config.test, validation=config.validation, test_seeds=config.test_seeds, seed=config.seed
    )
    metrics = {**trained.metadata["metrics"], **evaluate(stored, ds, split)}
    known = {refine or "none": calibrate(stored, ds, split.train, refine) for refine in (None, "fast", "best")}
    metadata = {**trained.metadata, "metrics": metrics, "calibration": known}
    return artifact.save(stored, target, metadata=metadata, half=True)


if __name__ == "__main__":
    for model_name in sys.argv[1:] or list(STAGES):
        print(make(model_name))

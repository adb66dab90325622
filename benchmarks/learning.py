"""Learning curve and split of the latents: short trainings of the ``periodic`` preset, all of as many steps.

Run in the repository's root: ``python benchmarks/learning.py``. It simulates the training ensemble of
:mod:`skylattice.vae.ship` if need be, takes half an hour on two cores, goes on where it was stopped, and writes
``benchmarks/results/learning.json``, with a picture in ``work/learning/curve.html``.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from skylattice import open_ensemble
from skylattice.latent.correlations import linear_probe
from skylattice.latent.pca import torus_average
from skylattice.report.training_figures import learning_curve
from skylattice.study.analysis import analyse_store
from skylattice.study.evaluation import open_lattices
from skylattice.vae import TrainConfig, ship
from skylattice.vae.data import split_ensemble
from skylattice.vae.training import train

STORE, OUTPUT = "work/train100.zarr", Path("work/learning")
RESULTS = Path(__file__).parent / "results" / "learning.json"
STEPS, BATCH = 1270, 16
#: Training lattices (None for all) and numbers of the global part, out of 500 for 200 × 200 sites.
RUNS = [(None, 100), (None, 0), (None, 200), (1000, 100), (500, 100), (250, 100)]


def config(n_train, n_global, n_available):
    n = n_train or n_available
    return TrainConfig(
        STORE,
        str(OUTPUT / f"n{n}-g{n_global}"),
        model={"preset": "periodic", "latent": 500, "global_latent": n_global, "beta": 5e-5},
        epochs=round(STEPS / -(-n // BATCH)),
        batch_size=BATCH,
        learning_rate=1e-3,
        ramp=(0.1, 0.5),
        mixed_precision=True,
        n_train=n_train,
    )


def probes(model, ds, frame):
    """R² of what a linear map reads off the torus-averaged latents of unseen lattices, whole (D, B) points held out."""
    mu = ds.chunk(sample=BATCH).sky.encode(model)["mu"].values
    latents = torus_average(mu, model.spec, (ds.sizes["y"], ds.sizes["x"]))
    groups = frame.groupby(["D", "B"]).ngroup().to_numpy()
    return {name: linear_probe(latents, frame[name].to_numpy(), groups=groups).value for name in ("Q", "m_z", "D")}


def main():
    ship.simulate(STORE)
    analyse_store(STORE)
    ds = open_ensemble(STORE)
    split = split_ensemble(ds)
    lattices = open_lattices(STORE)
    is_unseen = np.isin(lattices.frame["position"], np.concatenate([split.test, split.validation]))
    unseen = lattices.ds.isel(sample=is_unseen), lattices.frame[is_unseen]
    rows = []
    for n_train, n_global in RUNS:
        run = config(n_train, n_global, len(split.train))
        model = train(run, ds=ds, resume=True, on_epoch=print)
        metrics = model.metadata["metrics"]
        rows.append(
            {
                "n_train": n_train or len(split.train),
                "global": n_global,
                **{name: metrics[name] for name in ("test_mse", "train_mse", "kl")},
                "test_loss": metrics["test_mse"] + model.spec.kl_weight(model.spec.size) * metrics["kl"],
                **{f"probe_{name}": value for name, value in probes(model, *unseen).items()},
            }
        )
        print(rows[-1], flush=True)
        curve = learning_curve(pd.DataFrame([row for row in rows if row["global"] == 100]))
        curve.write_html(OUTPUT / "curve.html")
        RESULTS.write_text(json.dumps({"steps": STEPS, "batch_size": BATCH, "runs": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()

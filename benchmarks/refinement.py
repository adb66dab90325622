"""Errors of models on lattices that no training has seen, by annealing and by how the codes are refined.

Run in the repository's root: ``python benchmarks/refinement.py [MODEL ...]`` (default: the shipped ones). It simulates
thirty (D, B) points with each of four schedules, takes the UppASD lattice of the package beside them, goes on where it
was stopped, writes ``benchmarks/results/refinement.json``, and adds the rows to the cards of the models.
"""

import json
import sys
from pathlib import Path

import dask
import numpy as np
import xarray as xr

import skylattice
from skylattice.schema import STATUS
from skylattice.simulation.schedule import Schedule
from skylattice.vae import artifact, infer, shipped
from skylattice.vae.refinement import nats

RESULTS = Path(__file__).parent / "results" / "refinement.json"
SIZE, SEED = 200, 9001
POINTS = [
    (D, round(b * D**2, 4)) for D in (0.367, 0.413, 0.459, 0.507, 0.553, 0.589) for b in (0.33, 0.41, 0.48, 0.55, 0.62)
]
#: Temperatures and sweeps at each: from the training ensembles' annealing to a quench.
SCHEDULES = {"60 × 20": (60, 20), "20 × 6": (20, 6), "12 × 5": (12, 5), "8 × 4": (8, 4)}
REFINES = (None, "fast", "best")
#: Lattices of each kind.
LATTICES = 15


def simulated(name):
    """Lattices of one schedule, spread over the points, along ``sample``."""
    steps, sweeps = SCHEDULES[name]
    ds = skylattice.simulate_ensemble(
        points=POINTS,
        store=f"work/fresh-{steps}x{sweeps}.zarr",
        realizations=1,
        size=SIZE,
        schedule=Schedule.geometric(1.0, 0.006, steps=steps, sweeps=sweeps),
        seed=SEED,
        only_phase="skyrmion",
    )
    flat = ds.sky.stack()
    flat = flat.isel(sample=np.flatnonzero(flat["status"] == STATUS["done"]))
    return flat.isel(sample=np.linspace(0, flat.sizes["sample"] - 1, LATTICES).round().astype(int)).load()


def measured(ds, model, refine):
    """One row: means over the lattices of a dataset along ``sample``."""
    lazy = ds.chunk(sample=ds.sizes["sample"])
    encoded, output = dask.compute(lazy.sky.encode(model, refine=refine), lazy.sky.reconstruct(model, refine=refine))
    mse = ((output.spin - ds.spin).astype("f8") ** 2).mean(("y", "x", "component"))
    counts, found = (lattices.sky.defects()["n_skyrmions"] for lattices in (ds, output))
    return {
        "n": ds.sizes["sample"],
        "n_defects": float(ds.sky.defects()["n_defects"].mean()),
        "mse": float(mse.mean()),
        "mse_median": float(mse.median()),
        "nats": float(nats(encoded.mu.values, encoded.log_var.values).mean()),
        "elbo": float(encoded.elbo.mean()) if "elbo" in encoded else None,
        "miscounted": float(abs(counts - found).mean()),
        "model_refine": encoded.attrs["model_refine"],
        "model_fingerprint": encoded.attrs["model_fingerprint"],
    }


def main(models):
    sets = {name: simulated(name) for name in SCHEDULES}
    sets["UppASD"] = skylattice.data.open_example("uppasd-200").sky.stack().load()
    rows = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for model in models:
        name, fingerprint = Path(model).name, infer.refer(model).fingerprint
        if rows.get(name, {}).get("fingerprint") != fingerprint:
            rows[name] = {"fingerprint": fingerprint, "rows": []}
        known = {(row["kind"], row["refine"]) for row in rows[name]["rows"]}
        for kind, ds in sets.items():
            for refine in REFINES:
                if (kind, refine) not in known:
                    row = {"kind": kind, "refine": refine, **measured(ds, model, refine)}
                    print(name, row, flush=True)
                    rows[name]["rows"].append(row)
                    RESULTS.write_text(json.dumps(rows, indent=1) + "\n")
        artifact.annotate(model, evaluation=rows[name]["rows"])


if __name__ == "__main__":
    xr.set_options(keep_attrs=True)
    main(sys.argv[1:] or [name for name, _ in shipped()])

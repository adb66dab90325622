"""Lattices of settled particles against simulated ones, at points that no parameter was tuned on.

Run in the repository's root: ``python benchmarks/particles.py [N]``, N lattices a side at each point (500 takes a
quarter of an hour on two cores). The simulated ones are kept in ``work/`` and go on where they were stopped. Writes
``benchmarks/results/particles.json``, and prints it. Numbers and seeds are fixed beforehand, nothing is discarded.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import ks_2samp
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_predict

import skylattice
from skylattice.latent.packing import Packing
from skylattice.study.quality import measure, nearest_distance

RESULTS = Path(__file__).parent / "results" / "particles.json"
#: D in J and b = B J / D²; none is a point of the calibration.
POINTS = [(0.365, 0.62), (0.41, 0.44), (0.46, 0.37), (0.53, 0.53), (0.585, 0.48)]
SEED_DATA, SEED_NEW = 880001, 880002
QUANTITIES = ("n_defects", "energy", "hexatic_order", "n_skyrmions")
#: Lattices whose distance to the nearest one is taken.
NEAREST = 120


def measured(ds):
    """One row per lattice, and the Fourier modes of the first ones."""
    frame, modes = [], []
    for k in range(0, ds.sizes["sample"], 50):
        part = ds.isel(sample=slice(k, k + 50)).compute()
        found = measure(part)
        order = part.sky.hexatic_order()["hexatic_order"].values
        names = ("n_defects", "energy", "n_skyrmions", "m_z", "cos_theta_min", "temperature")
        frame.append(pd.DataFrame({name: found[name].values for name in names} | {"hexatic_order": order}))
        if k < NEAREST:
            modes.append(found["modes"].values)
    return pd.concat(frame, ignore_index=True), np.concatenate(modes)[:NEAREST]


def holm(p):
    """p values corrected for their number, step by step (Holm)."""
    order = np.argsort(p)
    steps = np.maximum.accumulate(np.array(p)[order] * np.arange(len(p), 0, -1))
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(steps, 1)
    return corrected


def told_apart(data, new):
    """Held-out accuracy of boosted trees that tell new lattices by their numbers, and its 95 % interval."""
    both = pd.concat([data, new])[[*QUANTITIES]].to_numpy()
    label = np.repeat([0, 1], [len(data), len(new)])
    folds = StratifiedKFold(10, shuffle=True, random_state=0)
    hits = (
        cross_val_predict(HistGradientBoostingClassifier(max_iter=60, random_state=0), both, label, cv=folds) == label
    )
    share = hits.mean()
    half = 1.96 * np.sqrt(share * (1 - share) / len(hits))
    return [float(share), float(share - half), float(share + half)]


def distances(modes, others, *, exclude_self=False):
    """Mean distance to the nearest, modulo shifts."""
    all_others = np.broadcast_to(others, (len(modes), *others.shape))
    exclude = np.eye(len(modes), len(others), dtype=bool) if exclude_self else None
    return float(nearest_distance(modes, all_others, (200, 200), exclude=exclude).mean())


def point(D, b, n, packing):
    """All comparisons at one point."""
    B = round(b * D * D, 6)
    store = f"work/judge-{D}.zarr"
    start = time.process_time()
    simulated = skylattice.simulate_ensemble(D=[D], B=[B], realizations=n, size=200, seed=SEED_DATA, store=store)
    simulation = time.process_time() - start
    start = time.process_time()
    made = skylattice.generate(n, D=D, B=B, seed=SEED_NEW, packing=packing)
    generation = (time.process_time() - start) / n
    data, data_modes = measured(simulated.sky.stack().reset_index("sample"))
    new, new_modes = measured(made)
    row = {"D": D, "b": b, "n": n, "ms_per_lattice": 1e3 * generation, "ms_simulation": 1e3 * simulation / n}
    for name in (*QUANTITIES, "m_z"):
        test = ks_2samp(data[name], new[name])
        row[name] = {
            **{"data": [data[name].mean(), data[name].std()], "new": [new[name].mean(), new[name].std()]},
            **{"KS": float(test.statistic), "p": float(test.pvalue)},
        }
    row["accuracy"] = told_apart(data, new)
    row["nearest"] = {
        "data to data": distances(data_modes, data_modes, exclude_self=True),
        "new to data": distances(new_modes, data_modes),
        "new to new": distances(new_modes, new_modes, exclude_self=True),
    }
    return row


def main(n=500):
    packing = Packing.shipped()
    skylattice.generate(1, D=0.5, B=0.12, packing=packing)  # compile
    rows = [point(D, b, n, packing) for D, b in POINTS]
    corrected = iter(holm([row[name]["p"] for row in rows for name in QUANTITIES]))
    for row in rows:
        for name in QUANTITIES:
            row[name]["p_holm"] = float(next(corrected))
        print(json.dumps(row))
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

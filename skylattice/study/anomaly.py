"""Defects from errors: how well maps of what a model gets wrong point at the defects of the skyrmion lattice."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from skylattice.arrays import lattices
from skylattice.defects.of_spins import of_spins
from skylattice.defects.skyrmion_lattice import skyrmion_lattice
from skylattice.latent.correlations import Estimate, bootstrap
from skylattice.observables.energy import cos_theta
from skylattice.schema import COMPONENT, SITE_DIMS
from skylattice.study.evaluation import Ensemble, Record, in_batches

if TYPE_CHECKING:
    from skylattice.vae.refinement import Request

#: Width of the Gaussian that smooths the maps, in lattice constants: a defect disturbs its neighbours.
SMOOTHING = 0.5
#: Components of the PCA of spins that stands beside the networks, and lattices it is fitted to.
BASELINE_COMPONENTS, BASELINE_LATTICES = 100, 300


def anomaly_scores(spins: xr.Dataset, output: xr.DataArray, training: np.ndarray | None = None) -> pd.DataFrame:
    """Scores of every skyrmion, the larger the more likely a defect, and whether it is one.

    Parameters
    ----------
    spins
        Lattices along ``sample`` with ``spin``, D, B and the Hamiltonian.
    output
        Their reconstructions, of the shape of ``spins.spin``.
    training
        Lattices ``(n, y, x, 3)`` to fit the baseline's principal components to; without them it is left out.

    Returns
    -------
    One row per skyrmion: ``lattice``, ``is_defect`` (not six neighbours in the triangulation), and the scores.
    ``squared_error`` and ``cos_theta`` are the model's squared error and the square of the difference of cosθ, smoothed
    over half a lattice constant and read at the skyrmion; ``psi6`` is 1 - |ψ6|, from positions alone; ``pca`` the
    squared error of a PCA of the spins.
    """
    of = lattices(spins)
    found = of_spins(skyrmion_lattice, of.spin, of.B, of.sites).compute()
    spin = of.spin.transpose("sample", *SITE_DIMS, COMPONENT)
    residual = (cos_theta(output, *of[1:]) - cos_theta(*of)) ** 2
    maps = {
        "squared_error": ((output - spin) ** 2).sum(COMPONENT).transpose("sample", *SITE_DIMS).values,
        "cos_theta": residual.transpose("sample", *SITE_DIMS).values,
    }
    if training is not None and len(training) > 1:
        maps["pca"] = _pca_error(spin.values, training)
    tables = []
    for k in range(len(spin)):
        x, y, z = (found[name].values[k] for name in ("skyrmion_x", "skyrmion_y", "coordination"))
        seen = np.isfinite(x) & np.isfinite(z)
        if not seen.any():
            continue
        sites = spin.sizes["y"] * spin.sizes["x"]
        width = SMOOTHING * np.sqrt(2 / np.sqrt(3) * sites / seen.sum())
        scores = {name: _read(image[k], x[seen], y[seen], width) for name, image in maps.items()}
        tables.append(
            pd.DataFrame({"lattice": k, "is_defect": z[seen] != 6, **scores, "psi6": 1 - found["psi6"].values[k][seen]})
        )
    columns = ["lattice", "is_defect", *maps, "psi6"]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)


def score_test_lattices(
    ensemble: Ensemble, record: Record, model: str | os.PathLike[str], *, refine: Request | None = "default"
) -> pd.DataFrame:
    """:func:`anomaly_scores` of the test lattices of a model, its training lattices for the baseline."""
    from skylattice.vae.infer import reconstruct

    test = np.flatnonzero(record.is_test)
    train = np.flatnonzero(record.frame["part"].to_numpy() == "train")[:BASELINE_LATTICES]
    ds = ensemble.ds.isel(sample=test).compute()
    of = lattices(in_batches(ds))
    output = reconstruct(of.spin, model, of.hamiltonian, D=of.D, B=of.B, refine=refine).compute()
    return anomaly_scores(ds, output, ensemble.ds["spin"].isel(sample=train).values if len(train) else None)


def score_detectors(table: pd.DataFrame, *, resamples: int = 100, seed: int = 0) -> pd.DataFrame:
    """Area under the ROC curve and average precision of each score of :func:`anomaly_scores`.

    Intervals resample lattices, whose skyrmions are not independent. ``prevalence``, the share of defects, is the
    average precision of guessing.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score

    lattice = table["lattice"].to_numpy()
    members = np.split(np.arange(len(table)), np.flatnonzero(np.diff(lattice)) + 1)  # rows of a lattice are together
    truth = table["is_defect"].to_numpy(dtype=bool)
    rows = []
    for name in table.columns.drop(["lattice", "is_defect"]):
        row: dict[str, str | float | Estimate] = {"detector": name}
        for column, metric in (("roc_auc", roc_auc_score), ("average_precision", average_precision_score)):
            statistic = partial(_detection, members, truth, table[name].to_numpy(), metric)
            row[column] = bootstrap(statistic, np.arange(len(members)), resamples=resamples, seed=seed)
        rows.append({**row, "prevalence": float(table["is_defect"].mean()), "n_skyrmions": len(table)})
    return pd.DataFrame(rows)


def _detection(
    members: list[np.ndarray], truth: np.ndarray, score: np.ndarray, metric: Callable[..., float], chosen: np.ndarray
) -> float:
    """A metric of one score over the skyrmions of chosen lattices; NaN where all or none are defects."""
    rows = np.concatenate([members[k] for k in chosen])
    return float(metric(truth[rows], score[rows])) if 0 < truth[rows].sum() < len(rows) else np.nan


def _read(image: np.ndarray, x: np.ndarray, y: np.ndarray, width: float) -> np.ndarray:
    """Values of a smoothed periodic map at positions."""
    from scipy.ndimage import gaussian_filter, map_coordinates

    smooth = gaussian_filter(image.astype(np.float64), width, mode="wrap")
    return map_coordinates(smooth, [y, x], order=1, mode="grid-wrap")


def _pca_error(lattices: np.ndarray, training: np.ndarray) -> np.ndarray:
    """Squared error of each site when lattices are projected onto the principal components of others."""
    from sklearn.decomposition import PCA

    training = training[:BASELINE_LATTICES].reshape(min(len(training), BASELINE_LATTICES), -1)
    pca = PCA(min(BASELINE_COMPONENTS, len(training) - 1), svd_solver="full").fit(training)
    flat = lattices.reshape(len(lattices), -1)
    error = (pca.inverse_transform(pca.transform(flat)) - flat) ** 2
    return error.reshape(lattices.shape).sum(axis=-1)


def roc_curves(table: pd.DataFrame) -> pd.DataFrame:
    """Share of defects found against share of regular skyrmions flagged, for each score and every threshold.

    Parameters
    ----------
    table
        From :func:`anomaly_scores`; some rows are defects and some are not.

    Returns
    -------
    Columns ``detector``, ``false_positive_rate`` and ``true_positive_rate``, the rates rising within a detector.

    Examples
    --------
    >>> table = pd.DataFrame({"lattice": 0, "is_defect": [True, False, False], "psi6": [0.9, 0.2, 0.1]})
    >>> roc_curves(table)["true_positive_rate"].tolist()
    [0.0, 1.0, 1.0]
    """
    from sklearn.metrics import roc_curve

    truth = table["is_defect"].to_numpy(dtype=bool)
    curves = []
    for name in table.columns.drop(["lattice", "is_defect"]):
        false, true, _ = roc_curve(truth, table[name])
        curves.append(pd.DataFrame({"detector": name, "false_positive_rate": false, "true_positive_rate": true}))
    return pd.concat(curves, ignore_index=True)

"""The thesis' tables as data frames, with its numbers beside ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from skylattice.latent.correlations import Estimate, correlation, linear_probe
from skylattice.study import thesis
from skylattice.study.evaluation import Record

#: Quantities of tables 3.4, 3.5 and of the probes.
QUANTITIES = ("Q", "m_z", "D", "B", "n_defects")


def reconstruction_table(records: Sequence[Record]) -> pd.DataFrame:
    """Tables 3.1 and 3.2: models, their β, and the reconstruction loss on the test lattices."""
    rows = []
    for record in records:
        test, spec = record.test, record.spec
        rows.append(
            {
                "model": record.name,
                "preset": spec.preset,
                "C_KL": f"{spec.beta:g}",
                "latents": record.mu.shape[1],
                "n_test": len(test),
                "test MSE": test["mse"].mean(),
                "median MSE": test["mse"].median(),
                "thesis MSE": thesis.published(thesis.TEST_MSE, spec.beta),
                "mean energy difference": test["energy_difference"].mean(),
                "largest |energy difference|": test["energy_difference"].abs().max(),
                "mean cosθ difference": test["cos_theta_difference"].mean(),
            }
        )
    return pd.DataFrame(rows)


def defect_error_table(records: Sequence[Record]) -> pd.DataFrame:
    """Table 3.3 as in the thesis, and what it hides: averages correlate where single lattices may not.

    "mean per count" is the correlation of the number of defects with the mean MSE of all lattices that have so many,
    once with our count and once with the thesis' rule; Pearson and Spearman are over single lattices.
    """
    rows = []
    for record in records:
        test = record.test
        row: dict[str, Any] = {"model": record.name, "C_KL": f"{record.spec.beta:g}"}
        row["mean per count, thesis"] = thesis.published(thesis.DEFECT_ERROR, record.spec.beta)
        for label, name in (("thesis' rule", "n_defects_thesis"), ("periodic", "n_defects")):
            means = mean_by(test, name, "mse")
            row[f"mean per count, {label}"] = correlation(means[name].to_numpy(), means["mse"].to_numpy()).value
        for method in ("pearson", "spearman"):
            row[f"per lattice, {method}"] = correlation(
                test["n_defects"].to_numpy(), test["mse"].to_numpy(), method=method
            )
        rows.append(row)
    return pd.DataFrame(rows)


def mean_by(frame: pd.DataFrame, by: str, value: str) -> pd.DataFrame:
    """Mean of a column over lattices that share the value of another, with their number ``n``."""
    grouped = frame.dropna(subset=[by, value]).groupby(by)[value]
    return grouped.agg(["mean", "size"]).set_axis([value, "n"], axis=1).reset_index()


def component_table(records: Sequence[Record]) -> pd.DataFrame:
    """Tables 3.4 and 3.5: correlation of quantities of the test lattices with Ẑ0.

    For each quantity: the flat latents as in the thesis, the same given D, and the torus-averaged latents. Signs follow
    ours, Ẑ0 growing with Q; the thesis' are open, so compare moduli.
    """
    rows = []
    for record in records:
        test, chosen = record.test, record.is_test
        flat, averaged = record.scores[chosen, 0], record.averaged_scores[chosen, 0]
        D = test["D"].to_numpy()
        for name in QUANTITIES:
            values = test[name].to_numpy(dtype=float)
            rows.append(
                {
                    "model": record.name,
                    "quantity": name,
                    "ρ with Ẑ0": correlation(values, flat),
                    "thesis": thesis.published(thesis.COMPONENT[name], record.spec.beta),
                    "Spearman": correlation(values, flat, method="spearman"),
                    "given D": correlation(values, flat, given=D) if name != "D" else None,
                    "torus-averaged": correlation(values, averaged),
                    "torus-averaged given D": correlation(values, averaged, given=D) if name != "D" else None,
                }
            )
    return pd.DataFrame(rows)


def ensemble_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Correlations among D, Q, M_z over lattices (thesis 3.7)."""
    rows = []
    for (first, second), published in thesis.ENSEMBLE.items():
        x, y = (frame[name].to_numpy(dtype=float) for name in (first, second))
        rows.append(
            {
                "pair": f"{first}, {second}",
                "ρ": correlation(x, y),
                "thesis": published,
                "Spearman": correlation(x, y, method="spearman"),
                "given D": correlation(x, y, given=frame["D"].to_numpy()) if "D" not in (first, second) else None,
            }
        )
    return pd.DataFrame(rows)


def variance_table(records: Sequence[Record]) -> pd.DataFrame:
    """How many components explain the variance of the latents (Picture 3.14 in numbers)."""
    rows = []
    for record in records:
        for part in ("train", "test"):
            pca = record.pca(part)
            rows.append(
                {
                    "model": record.name,
                    "lattices": part,
                    "n": int((record.is_train if part == "train" else record.is_test).sum()),
                    "share of Ẑ0": pca.explained_variance_ratio[0],
                    "components for 0.9": pca.components_for(0.9),
                    "components for 0.999": pca.components_for(0.999),
                    "thesis 0.999": thesis.COMPONENTS_999[part] if record.spec.beta == 5e-5 else None,
                }
            )
    return pd.DataFrame(rows)


def probe_table(records: Sequence[Record], *, seed: int = 0) -> pd.DataFrame:
    """Cross-validated R² of linear maps from the latents; whole (D, B) points are held out."""
    rows = []
    for record in records:
        chosen = np.isfinite(record.mu[:, 0])
        frame = record.frame[chosen]
        groups = frame.groupby(["D", "B"]).ngroup().to_numpy()
        for name in QUANTITIES:
            row: dict[str, Any] = {"model": record.name, "quantity": name}
            for label, averaged in (("R², flat latents", False), ("R², torus-averaged", True)):
                row[label] = linear_probe(
                    record.vectors(averaged)[chosen], frame[name].to_numpy(dtype=float), groups=groups, seed=seed
                )
            rows.append(row)
    return pd.DataFrame(rows)


def generated_table(records: Sequence[Record], generated: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Table 3.6: correlations with Ẑ0 over generated lattices.

    Parameters
    ----------
    records
        Of the models.
    generated
        By name of the model: columns Q, m_z, n_defects and ``z0``, one row per lattice.
    """
    rows = []
    for record in records:
        if record.name not in generated:
            continue
        frame = generated[record.name]
        for name, numbers in thesis.GENERATED_COMPONENT.items():
            values, z0 = frame[name].to_numpy(), frame["z0"].to_numpy()
            rows.append(
                {
                    "model": record.name,
                    "quantity": name,
                    "n": len(frame),
                    "ρ with Ẑ0": correlation(values, z0),
                    "thesis": thesis.published(numbers, record.spec.beta),
                    "torus-averaged": correlation(values, frame["averaged_z0"].to_numpy()),
                    "mean": float(np.nanmean(values)),
                    "lowest": float(np.nanmin(values)),
                    "highest": float(np.nanmax(values)),
                }
            )
    return pd.DataFrame(rows)


def as_text(frame: pd.DataFrame) -> pd.DataFrame:
    """The same with estimates written as ``value [low, high]``."""
    return frame.map(lambda cell: "" if cell is None else str(cell) if isinstance(cell, Estimate) else cell)


def as_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    """The same for files: an estimate becomes four columns, its value, ``low``, ``high`` and ``n``."""
    columns: dict[str, list[Any]] = {}
    for name in frame:
        cells = list(frame[name])
        if any(isinstance(cell, Estimate) for cell in cells):
            for field in ("value", "low", "high", "n"):
                label = str(name) if field == "value" else f"{name} {field}"
                columns[label] = [getattr(cell, field, None) for cell in cells]
        else:
            columns[str(name)] = cells
    return pd.DataFrame(columns)

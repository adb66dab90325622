"""What a saved model is, what it has seen and how well it does, as tables: its card. No Keras here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from skylattice.vae import artifact, calibration
from skylattice.vae.refinement import Refinement, requested
from skylattice.vae.spec import REFERENCE_SIZE, ModelSpec

#: A table: names of the columns, and rows of texts.
Table = tuple[list[str], list[list[str]]]

_PARTS = {
    "test_mse": "unseen (D, B)",
    "test_seeds_mse": "unseen seeds",
    "validation_mse": "validation",
    "train_mse": "training",
}


def model_card(model: str | os.PathLike[str]) -> dict[str, Table]:
    """The card of a saved model, from its ``model.json`` alone.

    Parameters
    ----------
    model
        Folder of a model, or the name of a shipped one.

    Returns
    -------
    Tables by title: ``model``, ``data``, ``errors``, and, where the model states them, ``fresh lattices``, its errors
    on lattices of several annealings that no training has seen, and ``surprise``, what these are compared with.

    Raises
    ------
    ModelError
        If there is no such model, or it is damaged.

    Examples
    --------
    >>> columns, rows = model_card("periodic-1.25e-05")["model"]
    >>> dict(rows)["latents of 200×200 sites"]
    '400 local (4 per cell of 20×20), 100 global'
    """
    folder = artifact.find(model)
    document = artifact.read_document(folder)
    metadata = document["metadata"]
    tables = {
        "model": _model(folder, ModelSpec.from_config(document["spec"]), metadata),
        "data": _data(metadata.get("data", {})),
        "errors": _errors(metadata.get("metrics", {})),
        "fresh lattices": _fresh(metadata.get("evaluation", [])),
        "surprise": _surprise(metadata),
    }
    return {title: table for title, table in tables.items() if table[1]}


def _model(folder: Path, spec: ModelSpec, metadata: Mapping[str, Any]) -> Table:
    size = sum(file.stat().st_size for file in folder.iterdir())
    reference = (REFERENCE_SIZE, REFERENCE_SIZE)
    local = spec.local_latents(reference) if spec.cell_latents else 0
    latents = f"{local} local ({spec.cell_latents} per cell of 20×20), {spec.global_latents} global"
    refinement = Refinement.from_metadata(metadata)
    epochs, config = len(metadata.get("history", [])), metadata.get("config", {})
    rows = {
        "architecture": f"{spec.preset}, widths {spec.widths}, blocks {spec.blocks}",
        f"latents of {REFERENCE_SIZE}×{REFERENCE_SIZE} sites": latents if spec.cell_latents else str(spec.latent),
        "C_KL": f"{spec.beta:g}",
        "interaction": f"{spec.dmi}, handedness {spec.handedness:+d}, fields along +z; others by symmetry",
        "refinement by default": refinement.describe(requested("default", metadata)),
        "refinement on request": refinement.describe("best"),
        "last training": f"{epochs} epochs from {config.get('initial') or 'nothing'}",
        "seconds of the last training": f"{sum(row.get('seconds', 0) for row in metadata.get('history', [])):.0f}",
        "size": f"{size / 1e6:.1f} MB",
        "made with": ", ".join(f"{name} {version}" for name, version in metadata.get("versions", {}).items()),
    }
    return ["", "value"], [[name, text] for name, text in rows.items()]


def _data(data: Mapping[str, Any]) -> Table:
    """What the model has seen, the last training first."""
    rows = []
    for seen in (data, *data.get("earlier", [])) if data else ():
        recipe = ", ".join(f"{n} {name}" for name, n in seen.get("recipe", {}).items())
        temperature = "several" if seen.get("T") is None else f"{seen['T']:g}"
        size = "×".join(map(str, seen.get("size", [])))
        split = seen.get("split", {})
        rows.append([str(seen.get("store")), size, temperature, str(split.get("n_train")), recipe])
    return ["ensemble", "sites", "T (J/k_B)", "training lattices", "recipe"], rows


def _errors(metrics: Mapping[str, Any]) -> Table:
    rows = [[text, f"{metrics[name]:.5f}"] for name, text in _PARTS.items() if metrics.get(name) is not None]
    return ["MSE on lattices of", "value"], [*rows, *([name, f"{metrics[name]:.1f}"] for name in _nats(metrics))]


def _nats(metrics: Mapping[str, Any]) -> list[str]:
    """Names of the numbers that say what is encoded where, in nats."""
    return [name for name in metrics if name == "kl" or name.startswith("nats_")]


def _fresh(rows: list[Mapping[str, Any]]) -> Table:
    columns = ["lattices", "refine", "defects", "MSE", "median", "nats", "miscounted"]
    return columns, [
        [
            f"{row['n']} of {row['kind']}",
            str(row["refine"] or "none"),
            f"{row['n_defects']:.0f}",
            f"{row['mse']:.4f}",
            f"{row['mse_median']:.4f}",
            f"{row['nats']:.0f}",
            f"{row['miscounted']:.2f}",
        ]
        for row in rows
    ]


def _surprise(metadata: Mapping[str, Any]) -> Table:
    rows = []
    for refine in (None, "fast", "best"):
        known = calibration.of_model(metadata, refine)
        if known is not None:
            limits = [f"{low:.3g} to {high:.3g}" for low, high in (known.b, known.disorder)]
            rows.append([refine or "none", str(known.n), *limits, str(len(known.live))])
    return ["refine", "lattices compared with", "B/D² (J)", "share of defects", "features of the code"], rows

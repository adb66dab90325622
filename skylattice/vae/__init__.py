"""Variational autoencoders of skyrmion lattices: build, train, save, load.

Inference over whole ensembles is on the accessor: ``ds.sky.encode(model)``, ``ds.sky.reconstruct(model)``,
``ds.sky.reconstruction_error(model)``. Keras is imported by the first call that needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skylattice.vae.config import TrainConfig
from skylattice.vae.spec import CELL, PRESETS, REFERENCE_SIZE, THESIS_BETAS, ModelSpec

if TYPE_CHECKING:
    from skylattice.vae.artifact import load, save, shipped
    from skylattice.vae.data import Split, split_ensemble
    from skylattice.vae.model import VAE, build
    from skylattice.vae.training import evaluate, train

__all__ = [
    "CELL",
    "PRESETS",
    "REFERENCE_SIZE",
    "THESIS_BETAS",
    "VAE",
    "ModelSpec",
    "Split",
    "TrainConfig",
    "build",
    "evaluate",
    "load",
    "save",
    "shipped",
    "split_ensemble",
    "train",
]

_LAZY = {
    "load": "artifact",
    "save": "artifact",
    "shipped": "artifact",
    "Split": "data",
    "split_ensemble": "data",
    "VAE": "model",
    "build": "model",
    "evaluate": "training",
    "train": "training",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _LAZY:
        return getattr(import_module(f"skylattice.vae.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'skylattice.vae' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

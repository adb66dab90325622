"""The one place that imports Keras: quietly, with a clear error where it is missing.

Every module of :mod:`skylattice.vae` that needs Keras takes it from here, so ``KERAS_BACKEND`` alone decides between
TensorFlow (the default) and JAX.
"""

from __future__ import annotations

import os

from skylattice.errors import MissingExtraError

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow greets every import otherwise

try:
    import keras
except ModuleNotFoundError as error:
    missing = {"keras": "keras", "tensorflow": "tensorflow", "jax": "jax"}.get(error.name or "")
    if missing is None:
        raise
    raise MissingExtraError(missing, "gpu" if missing == "jax" else "vae", "skylattice.vae") from None

__all__ = ["jit_compile", "keras"]


def jit_compile() -> bool | str:
    """XLA on TensorFlow's CPU leaves out oneDNN's convolutions and is several times slower; JAX has nothing else."""
    return "auto" if keras.backend.backend() == "jax" else False

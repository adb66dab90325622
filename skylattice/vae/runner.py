"""A trained model compiled for inference on batches in memory: what each process keeps."""

from __future__ import annotations

from typing import Any

import numpy as np

from skylattice.vae._keras import jit_compile, keras
from skylattice.vae.model import VAE


class _Encoding(keras.Model):
    """The encoder alone, compiled apart: encoding must not pay for the decoder."""

    def __init__(self, encoder: Any) -> None:
        super().__init__(name="encoding", autocast=False)
        self.encoder = encoder

    def call(self, inputs: dict[str, Any], training: bool = False) -> Any:
        """μ and log σ² along axis 1."""
        return keras.ops.stack(self.encoder(inputs["spin"], inputs["parameters"], training=False), axis=1)


class Runner:
    """Inference with ε = 0; one call at a time.

    Parameters
    ----------
    model
        The model; it is compiled for inference and must not be trained afterwards.
    """

    def __init__(self, model: VAE) -> None:
        self.model = model
        self.encoding = _Encoding(model.encoder)
        for part in (self.model, self.encoding):
            part.compile(jit_compile=jit_compile())

    def encode(self, spin: np.ndarray, parameters: np.ndarray) -> np.ndarray:
        """μ and log σ² of a batch, shape ``(batch, 2, latents)``."""
        return self.encoding.predict_on_batch({"spin": spin, "parameters": parameters})

    def reconstruct(self, spin: np.ndarray, parameters: np.ndarray) -> np.ndarray:
        """Unit spins of the shape of ``spin``."""
        return self.model.predict_on_batch({"spin": spin, "parameters": parameters})["output"]

"""A trained model compiled for inference on batches in memory: what each process keeps."""

from __future__ import annotations

from typing import Any

import numpy as np

from skylattice.vae._keras import compiled_gradient, jit_compile, keras
from skylattice.vae.model import VAE
from skylattice.vae.refinement import Refine, Refinement, within_nats

ops = keras.ops

#: Decay of Adam's two averages, and what keeps its quotient finite.
_DECAY, _EPSILON = (0.9, 0.99), 1e-12
#: A code is kept within so many deviations of the prior: beyond, the passes may run away from a far lattice.
_FARTHEST = 20.0
#: Of a latent that says nothing the posterior is the prior: its variance is 1 and its gradient is noise.
_LIVE_VARIANCE = 0.95


class _Encoding(keras.Model):
    """The encoder alone, compiled apart: encoding must not pay for the decoder."""

    def __init__(self, encoder: Any) -> None:
        super().__init__(name="encoding", autocast=False)
        self.encoder = encoder

    def call(self, inputs: dict[str, Any], training: bool = False) -> Any:
        """μ and log σ² along axis 1."""
        return ops.stack(self.encoder(inputs["spin"], inputs["parameters"], training=False), axis=1)


class _Decoding(keras.Model):
    """The decoder alone, for lattices of one size, which its input does not tell."""

    def __init__(self, decoder: Any, size: tuple[int, int]) -> None:
        super().__init__(name="decoding", autocast=False)
        self.decoder, self.size = decoder, size

    def call(self, inputs: dict[str, Any], training: bool = False) -> Any:
        """Unit spins."""
        return self.decoder(inputs["z"], inputs["parameters"], size=self.size, training=False)


class Runner:
    """Inference with ε = 0; one call at a time.

    Parameters
    ----------
    model
        The model; it is compiled for inference and must not be trained afterwards.
    """

    def __init__(self, model: VAE) -> None:
        self.model = model
        self.refinement = Refinement.from_metadata(model.metadata)
        self._encoding = _compiled(_Encoding(model.encoder))
        self._decodings: dict[tuple[int, int], Any] = {}
        self._gradients: dict[tuple[int, int], Any] = {}

    def encode(self, spin: np.ndarray, parameters: np.ndarray, refine: Refine | None = None) -> np.ndarray:
        """μ and log σ² of a batch, shape ``(batch, 2, latents)``; a refined μ keeps the plain code's log σ²."""
        code = self._encoding.predict_on_batch({"spin": spin, "parameters": parameters})
        if refine is None:
            return code
        plain, log_var = code[:, 0], code[:, 1]
        z = self._passes(plain, spin, parameters)
        if refine == "best":
            z = self._descend(z, log_var, spin, parameters)
            z = within_nats(z, plain, log_var, self.refinement.most_nats)
        return np.stack([z, log_var], axis=1)

    def decode(self, z: np.ndarray, parameters: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Unit spins of shape ``(batch, *size, 3)``."""
        if size not in self._decodings:
            self._decodings[size] = _compiled(_Decoding(self.model.decoder, size))
        return self._decodings[size].predict_on_batch({"z": z, "parameters": parameters})

    def _passes(self, plain: np.ndarray, spin: np.ndarray, parameters: np.ndarray) -> np.ndarray:
        """The code moved until the reconstruction is encoded as the lattice is."""
        z = plain
        for _ in range(self.refinement.passes):
            output = self.decode(z, parameters, spin.shape[1:3])
            again = self._encoding.predict_on_batch({"spin": output, "parameters": parameters})[:, 0]
            z = np.clip(z + np.float32(self.refinement.step) * (plain - again), -_FARTHEST, _FARTHEST)
        return z

    def _descend(self, z: np.ndarray, log_var: np.ndarray, spin: np.ndarray, parameters: np.ndarray) -> np.ndarray:
        """Adam on the live latents of each lattice; nothing in it mixes the lattices of a batch."""
        gradient = self._gradient(spin.shape[1:3])
        weight = self.refinement.pull * self.model.spec.kl_weight(spin.shape[1:3])
        constant = [
            ops.convert_to_tensor(array) for array in (spin, parameters, z, np.float32(weight) * np.exp(-log_var))
        ]
        is_live = np.exp(log_var) < _LIVE_VARIANCE
        mean, square = np.zeros_like(z), np.zeros_like(z)
        for step in range(1, self.refinement.steps + 1):
            slope = np.asarray(ops.convert_to_numpy(gradient(ops.convert_to_tensor(z), *constant)))
            mean = _DECAY[0] * mean + (1 - _DECAY[0]) * slope
            square = _DECAY[1] * square + (1 - _DECAY[1]) * slope**2
            scaled = np.sqrt(square / (1 - _DECAY[1] ** step)) + _EPSILON
            z = z - is_live * np.float32(self.refinement.rate) * mean / (1 - _DECAY[0] ** step) / scaled
        return z

    def _gradient(self, size: tuple[int, int]) -> Any:
        """Of the MSE at ε = 0 and of the pull to where the code came from, summed over the batch, along the code."""
        if size not in self._gradients:
            decoder = self.model.decoder

            def objective(z: Any, spin: Any, parameters: Any, start: Any, stiffness: Any) -> Any:
                output = decoder(z, parameters, size=size, training=False)
                error = ops.sum(ops.mean(ops.square(output - spin), axis=(1, 2, 3)))
                return error + 0.5 * ops.sum(stiffness * ops.square(z - start))

            self._gradients[size] = compiled_gradient(objective)
        return self._gradients[size]


def _compiled(part: Any) -> Any:
    part.compile(jit_compile=jit_compile())
    return part

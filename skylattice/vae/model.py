"""The variational autoencoder: encoder, sampling and decoder behind one API for both presets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import numpy as np

from skylattice.errors import ModelError
from skylattice.vae import losses
from skylattice.vae._keras import keras
from skylattice.vae.layers import Sampling, register
from skylattice.vae.networks import NETWORKS
from skylattice.vae.spec import ModelSpec, make_spec

ops = keras.ops


@register
class VAE(keras.Model):
    """A variational autoencoder of skyrmion lattices.

    A batch is a mapping with ``spin`` (``(batch, y, x, 3)``, float32 unit spins of the Hamiltonian family
    :attr:`spec` names) and ``parameters`` (``(batch, 2)``: D and B in J). The latent vector of a lattice is flat; see
    :meth:`skylattice.vae.ModelSpec.split` for its layout.

    Parameters
    ----------
    spec
        Everything that decides architecture and loss.

    Examples
    --------
    >>> import numpy as np
    >>> from skylattice.vae import build
    >>> model = build("periodic", size=40, widths=(4, 4, 8), blocks=(1, 1, 1))
    >>> spin = np.zeros((1, 40, 40, 3), dtype="float32"); spin[..., 2] = 1
    >>> mu, log_var = model.encode(spin, [[0.5, 0.12]])
    >>> mu.shape, model.decode(mu, [[0.5, 0.12]], size=40).shape
    ((1, 116), (1, 40, 40, 3))
    """

    def __init__(self, spec: ModelSpec, **kwargs: Any) -> None:
        super().__init__(name="vae", autocast=False, **kwargs)
        self.spec = spec
        encoder, decoder = NETWORKS[spec.preset]
        self.encoder = encoder(spec, dtype=self.dtype_policy, name="encoder")
        self.decoder = decoder(spec, dtype=self.dtype_policy, name="decoder")
        self.sampling = Sampling(spec.seed, dtype="float32", name="sampling")
        self.kl_ramp = self.add_weight(name="kl_ramp", shape=(), initializer="ones", trainable=False, dtype="float32")
        terms = ("mse", "kl", "misalignment") if spec.physics else ("mse", "kl")
        self.trackers = {name: keras.metrics.Mean(name=name) for name in terms}
        self.passes, self.step = 0, 0.0
        self._metadata: Mapping[str, Any] = MappingProxyType({})

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Provenance of a trained model: data fingerprint and split, training config, metrics, versions. Read only."""
        return self._metadata

    def set_metadata(self, metadata: Mapping[str, Any]) -> None:
        """Attach provenance; :func:`skylattice.vae.save` writes it."""
        self._metadata = MappingProxyType(dict(metadata))

    def unroll(self, passes: int, step: float) -> None:
        """Look ``passes`` times more at what the decoder makes of the code, in training and in :meth:`call`.

        The steps are those of :class:`skylattice.vae.refinement.Refinement`. Call it before the model is compiled.
        """
        self.passes, self.step = passes, step

    def call(self, inputs: Mapping[str, Any], training: bool = False) -> dict[str, Any]:
        """Encode, sample (ε = 0 unless training) and decode: ``output``, ``mu``, ``log_var``.

        An unrolled model in training adds ``on_the_way``, the reconstructions of the codes before the last, at ε = 0.
        """
        spin, parameters = inputs["spin"], inputs["parameters"]
        size = ops.shape(spin)[1:3]  # a compiled model that has seen two sizes knows them at run time only
        mu, log_var = self.encoder(spin, parameters, training=training)
        first, on_the_way = mu, []
        for _ in range(self.passes):
            on_the_way.append(self.decoder(mu, parameters, size=size, training=training))
            again, _ = self.encoder(on_the_way[-1], parameters, training=training)
            mu = mu + self.step * (first - again)
        z = self.sampling(mu, log_var, training=training)
        result = {"output": self.decoder(z, parameters, size=size, training=training), "mu": mu, "log_var": log_var}
        return {**result, "on_the_way": on_the_way} if training and on_the_way else result

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """L = MSE + ramp · β · (area factor) · KL + physics · mean(1 - cosθ); the terms go to the metrics as well.

        An unrolled model adds the mean MSE of the codes on the way, so that fewer passes are good ones too.
        """
        spin = x["spin"]
        mse = losses.mean_squared_error(spin, y_pred["output"])
        kl = losses.kl_divergence(y_pred["mu"], y_pred["log_var"])
        total = mse + self.kl_ramp * self.spec.kl_weight((spin.shape[1], spin.shape[2])) * kl
        if "on_the_way" in y_pred:
            errors = [losses.mean_squared_error(spin, output) for output in y_pred["on_the_way"]]
            total = total + sum(errors) / len(errors)
        self.trackers["mse"].update_state(mse)
        self.trackers["kl"].update_state(kl)
        if self.spec.physics:
            directions = self.spec.hamiltonian.dmi_directions
            cosine = losses.cos_theta(y_pred["output"], x["parameters"], directions)
            misalignment = ops.mean(1.0 - cosine)
            self.trackers["misalignment"].update_state(misalignment)
            total = total + self.spec.physics * misalignment
        return total

    def encode(self, spin: Any, parameters: Any) -> tuple[np.ndarray, np.ndarray]:
        """μ and log σ², each ``(batch, latents)``, of lattices in memory.

        Parameters
        ----------
        spin
            Unit spins ``(batch, y, x, 3)``.
        parameters
            D and B of each lattice, ``(batch, 2)``, in J; without effect unless the model is conditioned on them.

        Raises
        ------
        ModelError
            If the shape or size does not fit, or a spin is NaN.
        """
        spin = np.asarray(spin, dtype=np.float32)
        if spin.ndim != 4 or spin.shape[-1] != 3:
            raise ModelError(f"spin: expected shape (batch, y, x, 3), found {spin.shape}.")
        self.spec.check_size(spin.shape[1:3])
        if np.isnan(spin).any():
            lattice = int(np.argwhere(np.isnan(spin).any(axis=(1, 2, 3)))[0, 0])
            raise ModelError(f"spin: lattice {lattice} of the batch has NaN spins. Leave it out, or mask it as a hole.")
        mu, log_var = self.encoder(spin, self._check_parameters(parameters, len(spin)))
        return ops.convert_to_numpy(mu), ops.convert_to_numpy(log_var)

    def decode(self, z: Any, parameters: Any, *, size: int | Sequence[int]) -> np.ndarray:
        """Unit spins ``(batch, y, x, 3)`` of latent vectors ``(batch, latents)`` for lattices of the given size."""
        ny, nx = (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))
        self.spec.check_size((ny, nx))
        z = np.asarray(z, dtype=np.float32)
        if z.ndim != 2 or z.shape[1] != self.spec.latents((ny, nx)):
            raise ModelError(
                f"z: expected shape (batch, {self.spec.latents((ny, nx))}) for a lattice of {ny}×{nx} sites, found "
                f"{z.shape}. Check the size."
            )
        spin = self.decoder(z, self._check_parameters(parameters, len(z)), size=(ny, nx))
        return ops.convert_to_numpy(spin)

    def get_config(self) -> dict[str, Any]:
        """The spec, as JSON."""
        return {"spec": self.spec.to_config()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> VAE:
        """Rebuild from :meth:`get_config`, with new weights."""
        return build_from_spec(ModelSpec.from_config(config["spec"]))

    @staticmethod
    def _check_parameters(parameters: Any, n: int) -> np.ndarray:
        array = np.asarray(parameters, dtype=np.float32)
        if array.shape != (n, 2):
            raise ModelError(f"parameters: expected D and B of {n} lattices, shape ({n}, 2), found {array.shape}.")
        return array


def build(
    preset: str = "periodic",
    *,
    size: int | Sequence[int] | None = None,
    latent: int | None = None,
    beta: float | None = None,
    condition: bool | None = None,
    mixed_precision: bool = False,
    **options: Any,
) -> VAE:
    """An untrained model.

    Parameters
    ----------
    preset
        ``"periodic"``, ``"thesis"``, or one of the thesis' six by its KL weight, such as ``"thesis-5e-05"``.
    size
        N or (ny, nx). Fixes the size of a ``thesis`` model; a ``periodic`` model takes any size divisible by 20 later.
    latent, beta
        Number of latents and weight of the KL divergence, both for 200×200 lattices.
    condition
        Tell the networks (D, B).
    mixed_precision
        Compute in bfloat16 and keep the weights in float32: for training alone, saved models do not carry it.
    **options
        Further fields of :class:`skylattice.vae.ModelSpec`: ``global_latent``, ``physics``, ``widths``, ``blocks``,
        ``dmi``, ``handedness``, ``seed``.

    Raises
    ------
    ModelError
        For an unknown preset or option, or a size or number of latents that the preset cannot take.
    MissingExtraError
        If Keras or its backend is not installed.
    """
    spec = make_spec(preset, size=size, latent=latent, beta=beta, condition=condition, **options)
    return build_from_spec(spec, mixed_precision=mixed_precision)


def build_from_spec(spec: ModelSpec, *, mixed_precision: bool = False) -> VAE:
    """The model of a spec, with weights created from ``spec.seed``."""
    with _seeded(spec.seed):
        model = VAE(spec, dtype="mixed_bfloat16" if mixed_precision else "float32")
        ny, nx = spec.size
        model({"spin": np.zeros((1, ny, nx, 3), np.float32), "parameters": np.zeros((1, 2), np.float32)})
    return model


@contextmanager
def _seeded(seed: int) -> Any:
    """Draw initial weights from ``seed`` without touching the program's own random state.

    Initialisers take their seeds from Python's ``random`` when they are made without one.
    """
    import random

    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)

"""Encoders and decoders of the two presets.

An encoder maps spins ``(batch, y, x, 3)`` and parameters ``(batch, 2)`` to μ and log σ², each ``(batch, latents)``; a
decoder maps a latent vector and parameters back to unit spins. In a periodic latent vector the local map comes first,
row by row, then the global part.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from skylattice.vae._keras import keras
from skylattice.vae.layers import (
    PeriodicConv,
    PeriodicResidual,
    PixelShuffle,
    PixelUnshuffle,
    ResidualBatchNorm,
    register,
    unit,
)
from skylattice.vae.spec import CELL, ModelSpec

ops = keras.ops

#: Typical (D, B) of skyrmion lattices and their spread, by which a conditioned network normalises its parameters.
_PARAMETER_CENTRE = np.array([0.5, 0.12], dtype=np.float32)
_PARAMETER_SCALE = np.array([0.1, 0.06], dtype=np.float32)
#: log σ² is kept in this range: exp() of an untrained head must not overflow.
_LOG_VAR_RANGE = (-20.0, 10.0)


def _normalised(parameters: Any) -> Any:
    return (ops.cast(parameters, "float32") - _PARAMETER_CENTRE) / _PARAMETER_SCALE


def _factors(levels: int) -> list[int]:
    """By how much each level of a periodic network folds the lattice: 2 each, and the first what is left of a cell."""
    return [CELL // 2 ** (levels - 1), *[2] * (levels - 1)]


class _Network(keras.layers.Layer):
    """A layer that is fully described by the model's spec."""

    def __init__(self, spec: ModelSpec, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)  # D and B must not be rounded to bfloat16 on the way in
        self.spec = spec

    def get_config(self) -> dict[str, Any]:
        """The spec, as JSON."""
        return {**super().get_config(), "spec": self.spec.to_config()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> _Network:
        """Rebuild from :meth:`get_config`."""
        return cls(ModelSpec.from_config(config.pop("spec")), **config)


@register
class PeriodicEncoder(_Network):
    """Residual pyramid on the torus: a local map at its end, and a global vector from means over each level.

    Every operation is either equivariant to shifts by one cell or a mean over the torus, so a shift by one cell moves
    the local map by one and leaves the global part.
    """

    def __init__(self, spec: ModelSpec, **kwargs: Any) -> None:
        super().__init__(spec, **kwargs)
        layers, policy = keras.layers, self.dtype_policy
        self.folds, self.entries, self.stages = [], [], []
        for level, (factor, width, blocks) in enumerate(
            zip(_factors(len(spec.widths)), spec.widths, spec.blocks, strict=True)
        ):
            self.folds.append(PixelUnshuffle(factor, dtype=policy, name=f"fold_{level}"))
            entry = PeriodicConv if level == 0 else _pointwise
            self.entries.append(entry(width, dtype=policy, name=f"entry_{level}"))
            self.stages.append(
                [PeriodicResidual(width, dtype=policy, name=f"residual_{level}_{b}") for b in range(blocks)]
            )
        # The heads stay in float32 under mixed precision: log σ² spans decades, and μ is the result.
        self.local_head = layers.Dense(2 * spec.cell_latents, dtype="float32", name="local_head")
        if spec.global_latent:
            self.pooled = layers.Dense(2 * spec.widths[-1], activation="silu", dtype="float32", name="pooled")
            self.global_head = layers.Dense(2 * spec.global_latent, dtype="float32", name="global_head")

    def call(self, spin: Any, parameters: Any, training: bool = False) -> tuple[Any, Any]:
        """μ and log σ², shape ``(batch, latents)``."""
        x, means = spin, []
        for fold, entry, stage in zip(self.folds, self.entries, self.stages, strict=True):
            x = entry(fold(x))
            for block in stage:
                x = block(x)
            means.append(ops.mean(ops.cast(ops.silu(x), "float32"), axis=(1, 2)))
        if self.spec.condition:
            means.append(_normalised(parameters))
        local_mu, local_log_var = ops.split(self.local_head(ops.silu(x)), 2, axis=-1)
        batch = (ops.shape(spin)[0], -1)
        parts = [[ops.reshape(local_mu, batch)], [ops.reshape(local_log_var, batch)]]
        if self.spec.global_latent:
            whole = self.global_head(self.pooled(ops.concatenate(means, axis=-1)))
            for part, values in zip(parts, ops.split(whole, 2, axis=-1), strict=True):
                part.append(values)
        mu, log_var = (ops.concatenate(part, axis=-1) for part in parts)
        return mu, ops.clip(log_var, *_LOG_VAR_RANGE)


@register
class PeriodicDecoder(_Network):
    """The pyramid upside down; the global part (and D, B) modulates every residual block."""

    def __init__(self, spec: ModelSpec, **kwargs: Any) -> None:
        super().__init__(spec, **kwargs)
        policy = self.dtype_policy
        factors, levels = _factors(len(spec.widths)), len(spec.widths)
        self.modulated = spec.global_latent > 0 or spec.condition
        if self.modulated:
            self.modulator = keras.layers.Dense(2 * spec.widths[-1], activation="silu", dtype=policy, name="modulator")
        self.entry = PeriodicConv(spec.widths[-1], dtype=policy, name="entry")
        self.stages, self.exits, self.unfolds = [], [], []
        for level in reversed(range(levels)):
            width, factor = spec.widths[level], factors[level]
            self.stages.append(
                [
                    PeriodicResidual(width, modulated=self.modulated, dtype=policy, name=f"residual_{level}_{b}")
                    for b in range(spec.blocks[level])
                ]
            )
            channels = factor**2 * (spec.widths[level - 1] if level else 3)
            leave = _pointwise if level else PeriodicConv
            self.exits.append(leave(channels, dtype=policy, name=f"exit_{level}"))
            self.unfolds.append(PixelShuffle(factor, dtype=policy, name=f"unfold_{level}"))

    def call(self, z: Any, parameters: Any, size: tuple[int, int], training: bool = False) -> Any:
        """Unit spins of shape ``(batch, *size, 3)``, float32."""
        local = self.spec.local_latents(size)
        x = self.entry(ops.reshape(z[:, :local], (-1, *self.spec.grid(size), self.spec.cell_latents)))
        modulator = None
        if self.modulated:
            whole = [z[:, local:], _normalised(parameters)] if self.spec.condition else [z[:, local:]]
            modulator = self.modulator(ops.concatenate(whole, axis=-1))
        for stage, leave, unfold in zip(self.stages, self.exits, self.unfolds, strict=True):
            for block in stage:
                x = block(x, modulator)
            x = unfold(leave(ops.silu(x)))
        return unit(x)


def _pointwise(filters: int, **kwargs: Any) -> Any:
    """A linear map of the channels of each site."""
    return keras.layers.Dense(filters, **kwargs)


def _thesis_stages(spec: ModelSpec, *, up: bool, policy: Any) -> list[Any]:
    """Blocks of one direction: in each stage one that changes the size, and the rest that do not."""
    blocks, levels = [], range(len(spec.widths))
    for level in reversed(levels) if up else levels:
        for b in range(spec.blocks[level]):
            name = f"residual_{level}_{b}"
            stride = 2 if b == 0 else 1
            blocks.append(ResidualBatchNorm(spec.widths[level], stride=stride, up=up, dtype=policy, name=name))
    return blocks


@register
class ThesisEncoder(_Network):
    """VAE 1 down to a dense μ and log σ² (Picture 3.3); parameters enter as constant channels."""

    def __init__(self, spec: ModelSpec, **kwargs: Any) -> None:
        super().__init__(spec, **kwargs)
        self.blocks = _thesis_stages(spec, up=False, policy=self.dtype_policy)
        self.head_mu = keras.layers.Dense(spec.latent, dtype="float32", name="mu")
        self.head_log_var = keras.layers.Dense(spec.latent, dtype="float32", name="log_var")

    def call(self, spin: Any, parameters: Any, training: bool = False) -> tuple[Any, Any]:
        """μ and log σ², shape ``(batch, latents)``."""
        x = spin
        if self.spec.condition:
            constant = _normalised(parameters)[:, None, None, :] * ops.ones_like(spin[..., :1])
            x = ops.concatenate([x, constant], axis=-1)
        for block in self.blocks:
            x = block(x, training=training)
        x = ops.reshape(x, (ops.shape(x)[0], math.prod(x.shape[1:])))
        return self.head_mu(x), ops.clip(self.head_log_var(x), *_LOG_VAR_RANGE)


@register
class ThesisDecoder(_Network):
    """VAE 1 up from a dense layer to the next multiple of 2^stages (32), cropped; tanh, then unit length."""

    def __init__(self, spec: ModelSpec, **kwargs: Any) -> None:
        super().__init__(spec, **kwargs)
        policy = self.dtype_policy
        scale = 2 ** len(spec.widths)
        self.start = (-(-spec.size[0] // scale), -(-spec.size[1] // scale), spec.widths[-1])
        self.entry = keras.layers.Dense(math.prod(self.start), activation="relu", dtype=policy, name="entry")
        self.blocks = _thesis_stages(spec, up=True, policy=policy)
        self.exit = keras.layers.Conv2D(3, 3, padding="same", activation="tanh", dtype=policy, name="exit")

    def call(self, z: Any, parameters: Any, size: tuple[int, int], training: bool = False) -> Any:
        """Unit spins of shape ``(batch, *size, 3)``, float32."""
        if self.spec.condition:
            z = ops.concatenate([z, ops.cast(_normalised(parameters), z.dtype)], axis=-1)
        x = ops.reshape(self.entry(z), (-1, *self.start))
        for block in self.blocks:
            x = block(x, training=training)
        return unit(self.exit(x)[:, : size[0], : size[1]])


NETWORKS: dict[str, tuple[type[_Network], type[_Network]]] = {
    "periodic": (PeriodicEncoder, PeriodicDecoder),
    "thesis": (ThesisEncoder, ThesisDecoder),
}

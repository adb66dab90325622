"""Keras layers for lattices on the torus, and the blocks of the thesis' VAE 1.

Tensors are channels-last, ``(batch, y, x, channel)``. The periodic layers know no border: shifting their input along
y or x by one of their cells shifts their output by one cell, and any lattice size is accepted at every call.
"""

from __future__ import annotations

from typing import Any

from skylattice.vae._keras import keras

ops = keras.ops
register = keras.saving.register_keras_serializable(package="skylattice")


def periodic_pad(x: Any, width: int) -> Any:
    """``x`` extended by ``width`` sites on all four sides, as the torus goes on."""
    x = ops.concatenate([x[:, -width:], x, x[:, :width]], axis=1)
    return ops.concatenate([x[:, :, -width:], x, x[:, :, :width]], axis=2)


@register
class PeriodicConv(keras.layers.Layer):
    """Convolution 3×3 on the torus.

    Parameters
    ----------
    filters
        Number of output channels.
    zero
        Start from a kernel of zeros: a residual block that ends in such a layer starts as the identity.
    """

    def __init__(self, filters: int, *, zero: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters, self.zero = filters, zero
        initializer = "zeros" if zero else "glorot_uniform"
        self.conv = keras.layers.Conv2D(
            filters, 3, padding="valid", kernel_initializer=initializer, dtype=self.dtype_policy, name="conv"
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the kernel."""
        self.conv.build((None, None, None, input_shape[-1]))

    def call(self, x: Any) -> Any:
        """Same shape as ``x`` but for the channels."""
        return self.conv(periodic_pad(x, 1))

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "filters": self.filters, "zero": self.zero}


@register
class PixelUnshuffle(keras.layers.Layer):
    """Fold cells of ``factor`` × ``factor`` sites into channels: ``(y, x, c)`` to ``(y/f, x/f, f·f·c)``."""

    def __init__(self, factor: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, x: Any) -> Any:
        """The folded tensor; y and x must be divisible by the factor."""
        _, ny, nx, channels = ops.shape(x)
        f = self.factor
        x = ops.reshape(x, (-1, ny // f, f, nx // f, f, channels))
        x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
        return ops.reshape(x, (-1, ny // f, nx // f, f * f * channels))

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "factor": self.factor}


@register
class PixelShuffle(keras.layers.Layer):
    """Unfold channels into cells of ``factor`` × ``factor`` sites, the inverse of :class:`PixelUnshuffle`."""

    def __init__(self, factor: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, x: Any) -> Any:
        """The unfolded tensor; the channels must be divisible by the factor squared."""
        _, ny, nx, channels = ops.shape(x)
        f = self.factor
        x = ops.reshape(x, (-1, ny, nx, f, f, channels // (f * f)))
        x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
        return ops.reshape(x, (-1, ny * f, nx * f, channels // (f * f)))

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "factor": self.factor}


@register
class PeriodicResidual(keras.layers.Layer):
    """Pre-activated residual block on the torus, optionally modulated by a global vector.

    With a modulator (shape ``(batch, features)``) the inner features are scaled and shifted, channel by channel, by
    linear functions of it: the way in which the global part of the latent vector reaches every site alike.
    """

    def __init__(self, filters: int, *, modulated: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters, self.modulated = filters, modulated
        self.first = PeriodicConv(filters, dtype=self.dtype_policy, name="first")
        self.second = PeriodicConv(filters, zero=True, dtype=self.dtype_policy, name="second")
        if modulated:
            self.modulation = keras.layers.Dense(2 * filters, dtype=self.dtype_policy, name="modulation")

    def build(self, x_shape: Any, modulator_shape: Any = None) -> None:
        """Create the kernels."""
        self.first.build(x_shape)
        self.second.build((*x_shape[:-1], self.filters))
        if self.modulated:
            self.modulation.build(modulator_shape)

    def call(self, x: Any, modulator: Any = None) -> Any:
        """Same shape as ``x``."""
        y = self.first(ops.silu(x))
        if self.modulated:
            scale, shift = ops.split(self.modulation(modulator)[:, None, None, :], 2, axis=-1)
            y = y * (1 + scale) + shift
        return x + self.second(ops.silu(y))

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "filters": self.filters, "modulated": self.modulated}


@register
class ResidualBatchNorm(keras.layers.Layer):
    """Residual block of the thesis (Picture 2.9): down by a strided convolution, or up by a transposed one.

    Parameters
    ----------
    filters
        Number of output channels.
    stride
        Factor by which y and x shrink (or grow); with 1 and unchanged channels the shortcut is the identity.
    up
        Use transposed convolutions where the size changes.
    """

    def __init__(self, filters: int, *, stride: int = 1, up: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters, self.stride, self.up = filters, stride, up
        layers, policy = keras.layers, self.dtype_policy
        resize = layers.Conv2DTranspose if up else layers.Conv2D
        options = {"padding": "same", "use_bias": False, "dtype": policy}  # batch normalisation brings the bias
        self.first = resize(filters, 3, strides=stride, name="first", **options)
        self.norm_first = layers.BatchNormalization(dtype=policy, name="norm_first")
        self.second = layers.Conv2D(filters, 3, name="second", **options)
        self.norm_second = layers.BatchNormalization(dtype=policy, name="norm_second")
        self.shortcut = resize(filters, 3, strides=stride, name="shortcut", **options)
        self.has_shortcut = stride > 1

    def build(self, input_shape: Any) -> None:
        """Create the kernels; a change of channels needs the linear shortcut as well."""
        self.has_shortcut = self.stride > 1 or input_shape[-1] != self.filters
        inner = self.first.compute_output_shape(input_shape)
        for layer, shape in ((self.first, input_shape), (self.norm_first, inner), (self.second, inner)):
            layer.build(shape)
        self.norm_second.build(inner)
        if self.has_shortcut:
            self.shortcut.build(input_shape)

    def call(self, x: Any, training: bool = False) -> Any:
        """Shape ``(batch, y / stride, x / stride, filters)``, rounded up; or times ``stride`` where it goes up."""
        y = ops.relu(self.norm_first(self.first(x), training=training))
        y = self.norm_second(self.second(y), training=training)
        return ops.relu(y + (self.shortcut(x) if self.has_shortcut else x))

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "filters": self.filters, "stride": self.stride, "up": self.up}


@register
class Sampling(keras.layers.Layer):
    """The reparameterisation trick (2.20): z = μ + σ·ε, with ε = 0 unless training.

    Parameters
    ----------
    seed
        Of the noise: two models of the same seed draw the same sequence.
    """

    def __init__(self, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, mu: Any, log_var: Any, training: bool = False) -> Any:
        """A latent vector of the shape of ``mu``."""
        if not training:
            return mu
        noise = keras.random.normal(ops.shape(mu), seed=self.generator, dtype=mu.dtype)
        return mu + ops.exp(0.5 * log_var) * noise

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "seed": self.seed}


def unit(x: Any) -> Any:
    """``x`` in float32, rescaled to length 1 along the last axis."""
    x = ops.cast(x, "float32")
    return x * ops.rsqrt(ops.sum(ops.square(x), axis=-1, keepdims=True) + 1e-12)

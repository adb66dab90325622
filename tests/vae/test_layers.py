import numpy as np
import pytest

from skylattice.vae._keras import keras
from skylattice.vae.layers import (
    PeriodicConv,
    PeriodicResidual,
    PixelShuffle,
    PixelUnshuffle,
    ResidualBatchNorm,
    Sampling,
    periodic_pad,
    unit,
)

ops = keras.ops


def features(shape=(2, 6, 8, 4), seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_periodic_pad__goes_on_around_the_torus():
    x = features()
    np.testing.assert_array_equal(periodic_pad(x, 1), np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="wrap"))


def test_periodic_conv__equals_a_sum_over_rolled_inputs():
    x, layer = features(), PeriodicConv(5)
    output = layer(x)
    kernel, bias = (np.asarray(w) for w in layer.weights)
    expected = bias + sum(np.roll(x, (1 - j, 1 - i), axis=(1, 2)) @ kernel[j, i] for j in range(3) for i in range(3))
    np.testing.assert_allclose(output, expected, atol=1e-5)


@pytest.mark.parametrize("factor", [2, 3])
def test_pixel_shuffle__inverts_unshuffle(factor):
    x = features((2, 6, 12, 4))
    folded = PixelUnshuffle(factor)(x)
    assert folded.shape == (2, 6 // factor, 12 // factor, 4 * factor**2)
    np.testing.assert_array_equal(PixelShuffle(factor)(folded), x)


def test_pixel_unshuffle__keeps_each_cell_in_one_place():
    x = np.zeros((1, 6, 6, 1), np.float32)
    x[0, 2:4, 4:6] = 1
    folded = np.asarray(PixelUnshuffle(2)(x))
    assert folded[0, 1, 2].all()
    assert folded.sum() == 4


@pytest.mark.parametrize("modulated", [False, True])
def test_periodic_residual__starts_as_the_identity(modulated):
    x = features()
    block = PeriodicResidual(4, modulated=modulated)
    output = block(x, features((2, 3), 1)) if modulated else block(x)
    np.testing.assert_allclose(output, x, atol=1e-6)


def test_periodic_residual__modulator_reaches_every_site_alike():
    block = PeriodicResidual(4, modulated=True)
    x = np.tile(features((1, 1, 1, 4)), (1, 6, 8, 1))
    block(x, features((1, 3)))
    for weight in block.weights:
        weight.assign(features(weight.shape, 3))
    output = np.asarray(block(x, features((1, 3), 1)))
    np.testing.assert_allclose(output, np.broadcast_to(output[:, :1, :1], output.shape), atol=1e-4)
    assert np.abs(output - np.asarray(block(x, features((1, 3), 2)))).max() > 0.1


@pytest.mark.parametrize(
    ("stride", "up", "shape"), [(1, False, (2, 7, 8, 6)), (2, False, (2, 4, 4, 6)), (2, True, (2, 14, 16, 6))]
)
def test_residual_batch_norm__changes_size_by_its_stride(stride, up, shape):
    layer = ResidualBatchNorm(6, stride=stride, up=up)
    assert layer(features((2, 7, 8, 4))).shape == shape
    has_linear_shortcut = any("shortcut" in weight.path for weight in layer.weights)
    assert has_linear_shortcut


def test_residual_batch_norm__has_an_identity_shortcut_where_nothing_changes():
    layer = ResidualBatchNorm(4)
    x = features()
    layer(x)
    assert not any("shortcut" in weight.path for weight in layer.weights)
    layer.norm_second.gamma.assign(np.zeros(4))
    np.testing.assert_allclose(layer(x), np.maximum(x, 0), atol=1e-6)


def test_residual_batch_norm__normalises_by_the_batch_when_training_alone():
    layer = ResidualBatchNorm(4)
    x = features()
    layer(x)
    before = np.asarray(layer.norm_first.moving_mean)
    layer(x, training=False)
    np.testing.assert_array_equal(layer.norm_first.moving_mean, before)
    layer(x, training=True)
    assert np.abs(np.asarray(layer.norm_first.moving_mean) - before).max() > 0


def test_sampling__is_the_mean_unless_training():
    mu = features((3, 5))
    np.testing.assert_array_equal(Sampling()(mu, mu), mu)


def test_sampling__has_the_stated_mean_and_variance():
    mu, log_var = np.full((1, 40000), 0.3, np.float32), np.full((1, 40000), -1.0, np.float32)
    z = np.asarray(Sampling(seed=1)(mu, log_var, training=True))
    assert z.mean() == pytest.approx(0.3, abs=4 * np.exp(-0.5) / 200)
    assert z.var() == pytest.approx(np.exp(-1.0), rel=0.03)


def test_sampling__of_one_seed_repeats_itself():
    mu = features((3, 5))
    first, second = (np.asarray(Sampling(seed=4)(mu, mu, training=True)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_unit__has_length_one_even_at_zero():
    np.testing.assert_allclose(np.linalg.norm(unit(features()), axis=-1), 1, atol=1e-6)
    assert np.isfinite(np.asarray(unit(np.zeros((1, 3))))).all()


@pytest.mark.parametrize(
    "layer",
    [
        PeriodicConv(3, zero=True),
        PixelUnshuffle(2),
        PixelShuffle(2),
        PeriodicResidual(4, modulated=True),
        ResidualBatchNorm(4, stride=2, up=True),
        Sampling(seed=3),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_layer__is_rebuilt_from_its_config(layer):
    config = keras.saving.serialize_keras_object(layer)
    assert config["registered_name"].startswith("skylattice>")
    assert keras.saving.deserialize_keras_object(config).get_config() == layer.get_config()

import numpy as np
import pytest

from skylattice import Hamiltonian, testing
from skylattice.vae import losses
from skylattice.vae._keras import keras


def value(x):
    return float(keras.ops.convert_to_numpy(x))


def test_mean_squared_error__of_a_uniform_output_is_that_of_the_thesis_collapsed_models():
    ds = testing.planted_skyrmions([(16, 16), (40, 44)], size=64, radius=6)
    spin = ds.spin.values[0, 0].astype(np.float32)
    uniform = np.zeros_like(spin)
    uniform[..., 2] = 1
    assert value(losses.mean_squared_error(spin, uniform)) == pytest.approx(2 / 3 * (1 - spin[..., 2].mean()), abs=1e-5)


def test_kl_divergence__is_summed_over_latents_and_averaged_over_the_batch():
    mu = np.array([[1.0, 0.0, 2.0], [0.0, 0.0, 0.0]], np.float32)
    log_var = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, 0.0]], np.float32)
    first = 0.5 * (1 + 4) + 0.5 * (np.exp(-1) - 1 + 1)
    assert value(losses.kl_divergence(mu, log_var)) == pytest.approx(first / 2, rel=1e-6)


def test_kl_divergence__equals_the_mean_log_ratio_of_samples():
    rng = np.random.default_rng(0)
    mu, log_var = rng.normal(size=(1, 4)).astype(np.float32), rng.normal(size=(1, 4)).astype(np.float32)
    z = mu + np.exp(0.5 * log_var) * rng.normal(size=(200_000, 4))
    ratio = 0.5 * (z**2 - (z - mu) ** 2 / np.exp(log_var) - log_var).sum(axis=1)
    assert value(losses.kl_divergence(mu, log_var)) == pytest.approx(ratio.mean(), abs=5 * ratio.std() / 450)


@pytest.mark.parametrize("dmi", ["neel", "bloch", "antiskyrmion"])
@pytest.mark.parametrize("handedness", [1, -1])
def test_effective_field__equals_the_kernel(dmi, handedness):
    hamiltonian = Hamiltonian(dmi, handedness)
    ds = testing.random((6, 9), realizations=2, D=0.7, B=0.3, hamiltonian=hamiltonian)
    spin = ds.spin.values[0, 0].astype(np.float32)
    parameters = np.array([[0.7, 0.3]] * 2, np.float32)
    arguments = (spin, parameters, hamiltonian.dmi_directions.astype(np.float32))
    np.testing.assert_allclose(losses.effective_field(*arguments), ds.sky.effective_field()[0, 0], atol=1e-5)
    np.testing.assert_allclose(losses.cos_theta(*arguments), ds.sky.cos_theta()[0, 0], atol=1e-5)


def test_cos_theta__gives_each_lattice_its_own_parameters():
    spin = testing.random((6, 9), realizations=2).spin.values[0, 0].astype(np.float32)
    directions = Hamiltonian().dmi_directions.astype(np.float32)
    both = np.asarray(losses.cos_theta(spin, np.array([[0.2, 0.1], [0.9, 0.4]], np.float32), directions))
    second = np.asarray(losses.cos_theta(spin[1:], np.array([[0.9, 0.4]], np.float32), directions))
    np.testing.assert_allclose(both[1], second[0], atol=1e-6)
    other = np.asarray(losses.cos_theta(spin[1:], np.array([[0.2, 0.1]], np.float32), directions))
    assert np.abs(both[1] - other[0]).max() > 0.05

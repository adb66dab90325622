from dataclasses import replace

import numpy as np
import pytest
from tiny_generation import SPEC, planted_latents

from skylattice.errors import ModelError
from skylattice.latent.prior import fit_prior
from skylattice.vae.spec import make_spec


@pytest.fixture(scope="module")
def latents():
    return planted_latents()


@pytest.fixture(scope="module")
def prior(latents):
    return fit_prior(latents)


def draw(prior, latents, novelty, n=3000, seed=0):
    rng = np.random.default_rng(seed)
    at = rng.integers(0, len(latents), n)
    return prior.sample(latents.D[at], latents.B[at], novelty=novelty, rng=rng)


def shift_averaged_covariance(z, size):
    """Covariance of the latents over lattices and all shifts by cells."""
    local, whole = SPEC.split(np.asarray(z, dtype=float), size)
    rows, columns = local.shape[1:3]
    shifted = [
        np.concatenate([np.roll(local, (i, j), axis=(1, 2)).reshape(len(z), -1), whole], axis=1)
        for i in range(rows)
        for j in range(columns)
    ]
    return np.cov(np.concatenate(shifted).T)


@pytest.mark.parametrize("novelty", [0.0, 0.5, 1.0])
def test_prior__has_the_covariance_of_the_data(prior, latents, novelty):
    expected = shift_averaged_covariance(latents.mu, latents.size)
    found = shift_averaged_covariance(draw(prior, latents, novelty), latents.size)
    np.testing.assert_allclose(found, expected, atol=0.12 * expected.max())


@pytest.mark.parametrize("novelty", [0.0, 0.5, 1.0])
def test_prior__mean_follows_D(prior, latents, novelty):
    n = 2000
    rng = np.random.default_rng(1)
    for D in (0.4, 0.6):
        z = prior.sample(np.full(n, D), np.full(n, 0.1), novelty=novelty, rng=rng)
        local, _ = SPEC.split(z, latents.size)
        assert local[..., 0].mean() == pytest.approx(10 * (D - 0.5), abs=0.15)


def test_prior__without_novelty_gives_shifted_training_vectors_at_their_D(prior, latents):
    z = prior.sample(np.array([0.5]), np.array([0.1]), novelty=0.0, rng=np.random.default_rng(2))
    local, whole = SPEC.split(z, latents.size)
    known, known_whole = SPEC.split(latents.mu, latents.size)
    shifts = [np.roll(local[0], s, axis=(0, 1)) for s in np.ndindex(local.shape[1:3])]
    distance = min(abs(known - shifted).max(axis=(1, 2, 3)).min() for shifted in shifts)
    assert distance < 1e-4
    assert abs(known_whole - whole).max(axis=1).min() < 1e-4


def test_prior__with_novelty_does_not(prior, latents):
    z = prior.sample(np.array([0.5]), np.array([0.1]), novelty=0.5, rng=np.random.default_rng(2))
    _, whole = SPEC.split(z, latents.size)
    assert abs(SPEC.split(latents.mu, latents.size)[1] - whole).max(axis=1).min() > 0.05


def test_prior__works_without_a_map(latents):
    flat = replace(latents, spec=make_spec("thesis", size=latents.size, latent=latents.mu.shape[1]))
    z = fit_prior(flat).sample(flat.D, flat.B, novelty=1.0, rng=np.random.default_rng(0))
    assert z.shape == latents.mu.shape
    np.testing.assert_allclose(z.mean(axis=0), latents.mu.mean(axis=0), atol=0.4)
    np.testing.assert_allclose(np.cov(z.T).trace(), np.cov(latents.mu.T).trace(), rtol=0.1)


def test_nearest__keeps_all_lattices_of_a_point(latents):
    near = latents.nearest(0.5, 0.1, k=5)
    np.testing.assert_array_equal(near, np.flatnonzero((latents.D == 0.5) & (latents.B == 0.1)))


def test_prior__says_how_many_vectors_it_needs_and_what_novelty_is(prior):
    with pytest.raises(ModelError, match="at least 8"):
        fit_prior(planted_latents(n=5))
    with pytest.raises(ModelError, match="share"):
        prior.sample(np.array([0.5]), np.array([0.1]), novelty=1.5, rng=np.random.default_rng(0))

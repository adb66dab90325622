"""Generation: lattices per second with and without a quench, against their simulation; and the report's statistics."""

import numpy as np
import pytest

from skylattice import testing
from skylattice.latent.correlations import correlation
from skylattice.latent.generate import generate
from skylattice.latent.prior import LatentSet, fit_prior
from skylattice.latent.recipe import Recipe
from skylattice.latent.relax import quench, quench_schedule
from skylattice.simulation.schedule import Schedule
from skylattice.study.quality import nearest_distance

pytest.importorskip("keras")
SIZE, N = 100, 16


@pytest.fixture(scope="module")
def model():
    from skylattice.vae import build

    return build("periodic", size=SIZE)


@pytest.fixture(scope="module")
def latents(model):
    """As many latent vectors as an ensemble has: what they hold does not change the time."""
    rng = np.random.default_rng(0)
    mu = rng.normal(size=(2000, model.spec.latents((SIZE, SIZE)))).astype(np.float32)
    D, B = rng.choice([0.4, 0.5, 0.6], 2000), rng.choice([0.1, 0.15], 2000)
    return LatentSet(mu, np.zeros_like(mu), D, B, np.zeros(2000), model.spec, (SIZE, SIZE))


@pytest.mark.parametrize("relax", [False, True], ids=["raw", "relaxed"])
def test_generate(benchmark, latents, model, relax):
    ds = benchmark.pedantic(generate, (latents, model, N, Recipe(relax=relax)), rounds=3, iterations=1, warmup_rounds=1)
    benchmark.extra_info["lattices_per_call"] = N
    np.testing.assert_allclose(np.linalg.norm(ds.spin, axis=-1), 1, atol=1e-3)


@pytest.mark.parametrize("schedule", [quench_schedule(0.006), Schedule.geometric()], ids=["quench", "simulation"])
def test_quench(benchmark, schedule):
    spin = testing.random_spins((2, SIZE, SIZE), dtype="float32")
    D, B = np.full(2, 0.5), np.full(2, 0.12)
    quench(spin, quench_schedule(0.1, steps=1, sweeps=1), D=D, B=B)
    cold = benchmark.pedantic(quench, (spin, schedule), {"D": D, "B": B}, rounds=3, iterations=1)
    benchmark.extra_info["lattices_per_call"] = 2
    assert cold[..., 2].mean() > 0.1


def test_fit_prior(benchmark, latents):
    prior = benchmark.pedantic(fit_prior, (latents,), rounds=3, iterations=1, warmup_rounds=1)
    assert np.isfinite(prior.uniform).all()


def test_nearest_distance(benchmark):
    modes = np.random.default_rng(0).normal(size=(4, 3, 25, 25)).astype(np.complex64)
    others = np.broadcast_to(modes, (4, *modes.shape))
    distance = benchmark(nearest_distance, modes, others, (SIZE, SIZE))
    np.testing.assert_allclose(distance, 0, atol=1e-2)


def test_correlation(benchmark):
    x, y = np.random.default_rng(0).normal(size=(2, 286))
    estimate = benchmark.pedantic(correlation, (x, y), rounds=3, iterations=1)
    assert estimate.low < 0 < estimate.high

"""A tiny ensemble with latent vectors planted beside it: generation needs no trained model to be tested."""

import numpy as np

from skylattice.latent.prior import LatentSet
from skylattice.vae.spec import ModelSpec

SPEC = ModelSpec(latent=300, global_latent=100)


def planted_latents(n=600, size=(60, 80), seed=0):
    """A stationary map with a preferred wave vector, coupled to the global part, both shifted by D."""
    rng = np.random.default_rng(seed)
    rows, columns = SPEC.grid(size)
    x = np.arange(columns) * 2 * np.pi / columns
    phase = rng.uniform(0, 2 * np.pi, (n, 1, 1))
    D, B = rng.choice([0.4, 0.5, 0.6], n), rng.choice([0.05, 0.1, 0.15], n)
    wave = np.cos(x + phase) + 0.1 * rng.normal(size=(n, rows, columns))
    level = rng.normal(size=n)
    local = np.stack([wave + 10 * (D - 0.5)[:, None, None], 0.5 * wave + level[:, None, None]], axis=-1)
    whole = np.concatenate([level[:, None], 0.1 * rng.normal(size=(n, 99))], axis=1)
    mu = np.concatenate([local.reshape(n, -1), whole], axis=1).astype(np.float32)
    log_var = np.full_like(mu, np.log(0.01))
    return LatentSet(mu, log_var, D, B, rng.poisson(5, n).astype(float), SPEC, size)

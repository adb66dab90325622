import os
import subprocess
import sys

import dask
import numpy as np
import pytest
import xarray as xr
from tiny_vae import arrangement, make_ensemble

from skylattice import testing
from skylattice.errors import ModelError
from skylattice.testing import raise_if_computes
from skylattice.vae import load, save
from skylattice.vae._keras import keras
from skylattice.vae.refinement import Refinement, nats, requested, within_nats

MODEL = "periodic-1.25e-05"
TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}


@pytest.fixture(scope="module")
def lattices():
    """Three lattices of 40×40 for the shipped models."""
    rng = np.random.default_rng(3)
    spin = np.stack([arrangement(rng, D=0.5, B=0.1, size=40) for _ in range(3)])
    return testing.dataset(spin.astype(np.float32), D=0.5, B=0.1)


def reduced(ds, refine):
    return ds.sky.encode(MODEL, refine=refine).isel(D=0, B=0)


def test_refine__every_way_beats_the_one_before(lattices):
    plain = lattices.sky.reconstruction_error(MODEL, refine=None).mse.isel(D=0, B=0)
    fast, best = reduced(lattices, "fast"), reduced(lattices, "best")
    assert (fast.mse < plain).all()
    assert (best.mse < fast.mse).all()


def test_refine__fast_goes_where_the_reconstruction_has_the_lattice_code(lattices):
    target = reduced(lattices, None).mu
    distances = []
    for refine in (None, "fast"):
        again = lattices.sky.reconstruct(MODEL, refine=refine)
        distances.append(float(((again.sky.encode(MODEL, refine=None).isel(D=0, B=0).mu - target) ** 2).mean()))
    assert distances[1] < 0.5 * distances[0]


def test_refine__best_keeps_within_the_nats_of_the_plain_code(lattices):
    plain = reduced(lattices, None)
    cost = nats(plain.mu.values, plain.log_var.values)
    assert (reduced(lattices, "best").nats <= 1.15 * cost + 1e-3).all()


def test_refine__measures_are_those_of_the_code(lattices):
    encoded = reduced(lattices, "fast")
    error = lattices.sky.reconstruction_error(MODEL, refine="fast").mse.isel(D=0, B=0)
    np.testing.assert_allclose(encoded.mse, error, rtol=1e-5)
    np.testing.assert_allclose(encoded.nats, nats(encoded.mu.values, encoded.log_var.values), rtol=1e-6)


def test_refine__elbo_is_near_its_average_over_the_noise(lattices):
    encoded, model, rng = reduced(lattices, "fast"), load(MODEL), np.random.default_rng(1)
    mu, deviation = encoded.mu.values, np.exp(0.5 * encoded.log_var.values)
    errors = []
    for _ in range(20):
        z = mu + deviation * rng.normal(size=mu.shape).astype(np.float32)
        output = model.decode(z, np.zeros((3, 2)), size=40)
        errors.append(((output - lattices.spin.values[0, 0]) ** 2).mean(axis=(1, 2, 3)))
    expected = np.mean(errors, axis=0) + model.spec.kl_weight((40, 40)) * encoded.nats
    np.testing.assert_allclose(-encoded.elbo, expected, rtol=0.1)


def test_refine__keeps_log_var_and_says_what_was_done(lattices):
    plain, fast = reduced(lattices, None), reduced(lattices, "fast")
    np.testing.assert_array_equal(plain.log_var, fast.log_var)
    assert plain.attrs["model_refine"] == "none"
    assert fast.attrs["model_refine"] == Refinement().describe("fast")
    assert "elbo" not in plain


@pytest.mark.parametrize("refine", ["fast", "best"])
def test_refine__is_the_same_for_any_chunking(lattices, refine):
    with raise_if_computes():
        lazy = lattices.chunk(realization=2).sky.encode(MODEL, refine=refine)
    (lazy,) = dask.compute(lazy, scheduler="threads")
    xr.testing.assert_allclose(lazy, lattices.sky.encode(MODEL, refine=refine), **TOLERANCE)


def test_refine__of_holes_is_nan(tiny_model):
    ds = make_ensemble()
    encoded = ds.sky.encode(tiny_model, refine="best")
    for name in ("mu", "mse", "nats", "elbo"):
        is_nan = np.isnan(encoded[name]).any("latent") if name == "mu" else np.isnan(encoded[name])
        np.testing.assert_array_equal(is_nan, ds.status == 0)


def test_refine__by_default_is_what_the_model_was_made_for(tiny_model, tmp_path):
    assert requested("default", {}) is None
    assert requested("default", {"refinement": {}}) == "fast"
    made_for = save(tiny_model, tmp_path / "mine", metadata={"refinement": {"passes": 1}})
    ds = testing.random(20)
    encoded = ds.sky.encode(made_for)
    assert encoded.attrs["model_refine"] == "fast: 1 pass of 0.6"
    assert encoded.attrs["model_fingerprint"] != ds.sky.encode(tiny_model).attrs["model_fingerprint"]


def test_refine__rejects_another_word(lattices):
    with pytest.raises(ModelError, match="expected 'fast', 'best', 'default' or None, found 'quick'"):
        lattices.sky.encode(MODEL, refine="quick")


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ({"passes": 0}, "passes: expected a whole number from 1"),
        ({"rate": float("nan")}, "rate: expected a number > 0"),
        ({"looks": 2}, r"unknown options \['looks'\]"),
        ([2], "expected options as 'name: value'"),
    ],
)
def test_refinement__of_a_saved_model_is_checked(tiny_model, tmp_path, stated, message):
    with pytest.raises(ModelError, match=message):
        load(save(tiny_model, tmp_path / "bad", metadata={"refinement": stated}))


def test_within_nats__stops_on_the_way_and_not_before():
    rng = np.random.default_rng(0)
    plain, log_var = rng.normal(size=(4, 30)), rng.normal(-2, 1, size=(4, 30))
    step = rng.normal(size=(4, 30)) * np.array([0.0, 1e-3, 1.0, 30.0])[:, None]
    kept = within_nats(plain + step, plain, log_var, 1.15)
    limit = 1.15 * nats(plain, log_var)
    np.testing.assert_allclose(kept[:2], (plain + step)[:2], rtol=1e-6)
    np.testing.assert_allclose(nats(kept, log_var)[3], limit[3], rtol=1e-5)
    assert (nats(kept, log_var) <= limit * (1 + 1e-6)).all()


def test_nats__of_the_prior_are_zero_and_of_a_narrow_posterior_its_logarithm():
    zero, narrow = np.zeros((1, 5)), np.full((1, 5), -20.0)
    assert nats(zero, zero) == 0
    np.testing.assert_allclose(nats(zero, narrow), 5 * 9.5, rtol=1e-6)


OTHER_BACKEND = """
import sys, numpy as np
from skylattice.vae import load
from skylattice.vae.runner import Runner
code = Runner(load(sys.argv[1])).encode(np.load(sys.argv[2]), np.zeros((1, 2), np.float32), "best")
np.save(sys.argv[3], code)
"""


def test_refine__gives_the_same_codes_on_the_other_backend(lattices, tmp_path):
    from skylattice.vae.runner import Runner

    backend = {"tensorflow": "jax", "jax": "tensorflow"}[keras.backend.backend()]
    pytest.importorskip(backend)
    spin = lattices.spin.values[0, 0, :1]
    np.save(tmp_path / "spin.npy", spin)
    files = [str(tmp_path / name) for name in ("spin.npy", "code.npy")]
    subprocess.run(
        [sys.executable, "-c", OTHER_BACKEND, MODEL, *files],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        check=True,
    )
    ours = Runner(load(MODEL)).encode(spin, np.zeros((1, 2), np.float32), "best")
    np.testing.assert_allclose(np.load(files[1]), ours, **TOLERANCE)

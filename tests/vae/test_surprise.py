import numpy as np
import pytest
import xarray as xr
from tiny_vae import make_ensemble

from skylattice import testing
from skylattice.errors import ModelError
from skylattice.vae import load, save
from skylattice.vae.calibration import fit, of_model
from skylattice.vae.refinement import Refinement
from skylattice.vae.surprise import calibrate

SIZE = (20, 20)


@pytest.fixture(scope="module")
def errors():
    """b, disorder and MSE of lattices whose error grows with both, by a lognormal factor."""
    rng = np.random.default_rng(0)
    b, disorder = rng.uniform(0.3, 0.7, 4000), rng.uniform(0, 0.5, 4000)
    return b, disorder, np.exp(-5 + 2 * disorder - 3 * b + 0.3 * rng.normal(size=4000))


@pytest.fixture(scope="module")
def known(errors, tiny_model):
    b, disorder, mse = errors
    mu = np.random.default_rng(1).normal(size=(len(b), tiny_model.spec.latents(SIZE)))
    return fit(mse, b, disorder, mu, tiny_model.spec, SIZE)


def test_percentile__is_uniform_over_the_training_lattices_wherever_they_are(known, errors):
    b, disorder, mse = errors
    percentile = known.percentile(mse, b, disorder)
    for chosen in (b < 0.4, b > 0.6, disorder < 0.1, disorder > 0.4):
        np.testing.assert_allclose(np.percentile(percentile[chosen], [10, 50, 90]), [10, 50, 90], atol=5)


def test_percentile__of_far_lattices_is_that_of_the_edge_and_of_holes_nan(known):
    one = np.ones(1)
    edge = known.percentile(0.01 * one, 0.7 * one, 0.5 * one)
    np.testing.assert_allclose(known.percentile(0.01 * one, 1e9 * one, np.inf * one), edge, atol=0.1)
    np.testing.assert_allclose(known.percentile(0.01 * one, 0.7 * one, np.nan * one), edge, atol=0.1)
    assert known.percentile(10 * one, 0.5 * one, 0.1 * one) == 100
    assert known.percentile(0 * one, 0.5 * one, 0.1 * one) == 0
    assert np.isnan(known.percentile(np.nan * one, 0.5 * one, 0.1 * one))


def test_distance__of_training_codes_is_that_of_a_normal_distribution_and_bounded(known, tiny_model):
    mu = np.random.default_rng(2).normal(size=(500, tiny_model.spec.latents(SIZE)))
    squared = known.distance(mu, tiny_model.spec, SIZE) ** 2
    assert squared.mean() == pytest.approx(len(known.live), rel=0.1)
    far = known.distance(np.float32(1e30) * np.ones_like(mu[:1]), tiny_model.spec, SIZE)
    assert far == 1000
    assert np.isnan(known.distance(np.full_like(mu[:1], np.nan), tiny_model.spec, SIZE))


def test_calibration__survives_json(known, tiny_model):
    import json

    again = of_model({"calibration": json.loads(json.dumps({"fast": known.to_config()}))}, "fast")
    np.testing.assert_allclose(again.residuals, known.residuals, rtol=1e-5)
    np.testing.assert_allclose(again.whitening, known.whitening, rtol=1e-5)
    assert of_model({"calibration": {"fast": known.to_config()}}, "best") is None
    assert of_model({}, None) is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"b": [0.5]}, "b: expected 2 numbers"),
        ({"mean": [float("nan")]}, "mean: expected finite numbers"),
        ({"residuals": "low"}, "residuals: expected a list"),
        ({"live": [0, "x"]}, "mean: expected 2 numbers|live: expected positions"),
        ({"whitening": [[1.0]]}, "whitening: expected a matrix"),
        ({"more": 1}, r"unknown options \['more'\]"),
    ],
)
def test_calibration__of_a_saved_model_is_checked(known, tiny_model, tmp_path, changes, message):
    config = {**known.to_config(), **changes}
    with pytest.raises(ModelError, match=message):
        load(save(tiny_model, tmp_path / "bad", metadata={"calibration": {"none": config}}))


def test_fit__needs_lattices(tiny_model):
    few = np.ones(5)
    with pytest.raises(ModelError, match="expected at least 40 lattices, found 5"):
        fit(few, few, few, np.ones((5, tiny_model.spec.latents(SIZE))), tiny_model.spec, SIZE)


@pytest.fixture(scope="module")
def calibrated(tiny_model, tmp_path_factory):
    """A saved model that knows its errors on lattices of 40×40, and these lattices."""
    ds = make_ensemble(size=40, D=(0.45, 0.55), b=(0.4, 0.5), realizations=11)
    metadata = {"refinement": Refinement(1, 0.1).to_config()}
    folder = tmp_path_factory.mktemp("models") / "calibrated"
    model = load(save(tiny_model, folder, metadata=metadata))
    positions = np.flatnonzero(ds.status.values.ravel() == 1)
    known = {name: calibrate(model, ds, positions, refine) for name, refine in (("none", None), ("fast", "fast"))}
    return save(model, folder, metadata={**metadata, "calibration": known}), ds


def test_surprise__is_spread_over_the_training_lattices_and_nan_for_holes(calibrated):
    folder, ds = calibrated
    for refine in (None, "fast"):
        encoded = ds.sky.encode(folder, refine=refine)
        np.testing.assert_array_equal(np.isnan(encoded.surprise), ds.status == 0)
        np.testing.assert_array_equal(np.isnan(encoded.code_distance), ds.status == 0)
        assert 35 < encoded.surprise.mean() < 65
    assert encoded.surprise.attrs["units"] == "1"


def test_surprise__lazy_equals_eager(calibrated):
    folder, ds = calibrated
    with testing.raise_if_computes():
        lazy = ds.chunk(D=1, B=1, realization=4).sky.encode(folder)
    xr.testing.assert_allclose(lazy.compute(scheduler="threads"), ds.sky.encode(folder), rtol=1e-4, atol=1e-3)


def test_surprise__of_noise_warns_and_is_a_number(calibrated):
    folder, _ = calibrated
    noise = testing.random(40, D=0.1, B=0.9)
    with pytest.warns(UserWarning, match="1 lattices are far from what the model was trained on"):
        encoded = noise.sky.encode(folder)
    for name in ("surprise", "code_distance", "mse", "nats", "elbo"):
        assert np.isfinite(encoded[name]).all()
    assert (abs(encoded.mu) <= 20).all()


def test_surprise__is_left_out_where_the_field_is_not_known(calibrated):
    folder, ds = calibrated
    assert "surprise" not in ds.isel(B=0, drop=True).sky.encode(folder)


def test_surprise__is_the_same_in_the_opposite_field_and_handedness(calibrated):
    folder, ds = calibrated
    point = ds.isel(D=[0], B=[0])
    expected = point.sky.encode(folder)
    opposite = point.assign(spin=-point.spin).assign_coords(B=-point.B)
    for other in (opposite, point.sky.to_handedness(-1), opposite.sky.to_handedness(-1)):
        encoded = other.sky.encode(folder)
        for name in ("mu", "mse", "surprise", "code_distance"):
            np.testing.assert_allclose(encoded[name].values, expected[name].values, rtol=1e-4, atol=1e-3, err_msg=name)
        output = other.sky.reconstruct(folder).spin
        np.testing.assert_allclose(((output - other.spin) ** 2).mean(("y", "x", "component")), expected.mse, rtol=1e-4)


def test_opposite_field__a_model_of_01_that_was_trained_there_gets_the_spins_as_they_are(tiny_model, tmp_path):
    data = {"split": {"test_points": [[0.5, -0.1]], "validation_points": []}}
    old = save(tiny_model, tmp_path / "old", metadata={"data": data})
    new = save(tiny_model, tmp_path / "new", metadata={"data": {**data, "reversed_below_zero": True}})
    ds = testing.random(20, B=-0.1)
    plain, _ = tiny_model.encode(ds.spin.values[0, 0], np.zeros((1, 2)))
    np.testing.assert_allclose(ds.sky.encode(old).mu[0, 0], plain, rtol=1e-5, atol=1e-5)
    reversed_, _ = tiny_model.encode(-ds.spin.values[0, 0], np.zeros((1, 2)))
    np.testing.assert_allclose(ds.sky.encode(new).mu[0, 0], reversed_, rtol=1e-5, atol=1e-5)

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from skylattice.errors import SchemaError
from skylattice.latent import correlations
from skylattice.latent.correlations import bootstrap, correlation, kolmogorov_smirnov, linear_probe


def planted(rho, n, rng):
    x, noise = rng.normal(size=(2, n))
    return x, rho * x + np.sqrt(1 - rho**2) * noise


@pytest.mark.parametrize("method", ["pearson", "spearman"])
def test_correlation__equals_scipys(method):
    x, y = planted(0.6, 40, np.random.default_rng(0))
    y = np.round(y, 1)  # ties
    reference = {"pearson": stats.pearsonr, "spearman": stats.spearmanr}[method](x, y).statistic
    assert correlation(x, y, method=method, resamples=10).value == pytest.approx(reference, abs=1e-12)


@given(st.floats(0.01, 100), st.floats(-100, 100), st.booleans())
def test_correlation__does_not_depend_on_units(scale, offset, flip):
    x, y = planted(0.5, 30, np.random.default_rng(1))
    sign = -1 if flip else 1
    changed = correlation(sign * scale * x + offset, y, resamples=2).value
    assert changed == pytest.approx(sign * correlation(x, y, resamples=2).value, abs=1e-9)


def test_correlation__of_a_common_cause_vanishes_given_it():
    rng = np.random.default_rng(2)
    D = rng.normal(size=4000)
    x, y = D + 0.3 * rng.normal(size=4000), -D + 0.3 * rng.normal(size=4000)
    assert correlation(x, y, resamples=10).value < -0.85
    assert abs(correlation(x, y, given=D, resamples=10).value) < 0.05


def test_correlation__given_two_quantities_is_that_of_the_residuals():
    rng = np.random.default_rng(3)
    held = rng.normal(size=(60, 2))
    x, y = held @ rng.normal(size=(2, 2)).T @ rng.normal(size=(2, 2)) + rng.normal(size=(60, 2)), rng.normal(size=60)
    x = x[:, 0]
    design = np.c_[np.ones(60), held]
    residual = [v - design @ np.linalg.lstsq(design, v, rcond=None)[0] for v in (x, y)]
    expected = np.corrcoef(*residual)[0, 1]
    assert correlation(x, y, given=held, resamples=2).value == pytest.approx(expected, abs=1e-12)


def test_correlation__interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(4)
    covered = 0
    for trial in range(200):
        estimate = correlation(*planted(0.5, 80, rng), confidence=0.9, resamples=200, seed=trial)
        covered += estimate.low <= 0.5 <= estimate.high
    assert 0.83 <= covered / 200 <= 0.96


def test_correlation__is_nan_where_nothing_varies_and_leaves_out_nan():
    x, y = planted(0.5, 20, np.random.default_rng(5))
    assert np.isnan(correlation(x, np.ones(20)).value)
    assert np.isnan(correlation(x[:3], y[:3]).value)
    holed = np.where(np.arange(20) < 5, np.nan, x)
    assert correlation(holed, y, resamples=5).value == correlation(x[5:], y[5:], resamples=5).value
    assert correlation(holed, y, resamples=5).n == 15


def test_correlation__names_what_is_wrong():
    with pytest.raises(SchemaError, match="one length"):
        correlation(np.zeros(4), np.zeros(5))
    with pytest.raises(SchemaError, match="kendall"):
        correlation(np.zeros(4), np.zeros(4), method="kendall")


def test_correlation__same_seed_same_interval():
    pair = planted(0.3, 50, np.random.default_rng(6))
    assert correlation(*pair, resamples=50, seed=1) == correlation(*pair, resamples=50, seed=1)
    assert correlation(*pair, resamples=50, seed=1).low != correlation(*pair, resamples=50, seed=2).low


def test_kolmogorov_smirnov__equals_scipys():
    rng = np.random.default_rng(7)
    x, y = rng.poisson(4, 70), rng.poisson(5, 50)
    assert kolmogorov_smirnov(x, y, resamples=5).value == pytest.approx(stats.ks_2samp(x, y).statistic, abs=1e-12)


def test_probe__finds_a_planted_direction_and_nothing_in_noise():
    rng = np.random.default_rng(8)
    latents = rng.normal(size=(300, 20))
    target = latents @ rng.normal(size=20)
    found = linear_probe(latents, target + 0.5 * target.std() * rng.normal(size=300), resamples=100)
    assert found.low < 0.8 < found.high  # the noise leaves 1 / 1.25
    assert linear_probe(latents, rng.normal(size=300), resamples=10).value < 0.05


def test_probe__cannot_learn_groups_by_heart():
    rng = np.random.default_rng(9)
    groups = np.repeat(np.arange(30), 10)
    latents = np.eye(30)[groups] + 0.01 * rng.normal(size=(300, 30))  # says which group, not what it has
    target = rng.normal(size=30)[groups]
    assert linear_probe(latents, target, resamples=5).value > 0.9
    assert linear_probe(latents, target, groups=groups, resamples=5).value < 0.1


def test_probe__is_nan_for_a_constant():
    assert np.isnan(linear_probe(np.random.default_rng(0).normal(size=(20, 3)), np.ones(20)).value)


def test_bootstrap__interval_is_that_of_a_plain_loop():
    rng = np.random.default_rng(10)
    x, y = rng.normal(size=30), rng.normal(0.5, 1, size=50)

    def difference(first, second):
        return second.mean() - first.mean()

    found = bootstrap(difference, x, y, resamples=4000, confidence=0.9)
    draws = [difference(rng.choice(x, 30), rng.choice(y, 50)) for _ in range(4000)]
    np.testing.assert_allclose([found.low, found.high], np.percentile(draws, [5, 95]), atol=0.03)
    assert found.value == difference(x, y)
    assert found.n == 30


def test_bootstrap__leaves_out_resamples_that_say_nothing():
    def mean_of_ones(sample):
        return sample[sample > 0].mean() if 0 < (sample > 0).sum() < len(sample) else np.nan

    found = bootstrap(mean_of_ones, np.array([0.0, 1.0, 1.0]), resamples=50)
    assert (found.low, found.high) == (1, 1)
    never = bootstrap(lambda sample: sample.mean() if sample.min() != sample.max() else np.nan, np.ones(5))
    assert np.isnan([never.value, never.low, never.high]).all()


def test_bootstrap__of_one_row_has_no_interval_and_one_resample_is_refused():
    found = bootstrap(np.mean, np.array([2.0]))
    assert found.value == 2
    assert np.isnan([found.low, found.high]).all()
    with pytest.raises(SchemaError, match="resamples: expected at least 2, found 1"):
        bootstrap(np.mean, np.arange(5), resamples=1)


def test_bootstrap__does_not_depend_on_how_many_fit_in_memory(monkeypatch):
    x = np.random.default_rng(11).normal(size=40)
    whole = bootstrap(np.mean, x, resamples=100)
    monkeypatch.setattr(correlations, "_ROWS_AT_ONCE", 7 * 40)
    assert bootstrap(np.mean, x, resamples=100) == whole

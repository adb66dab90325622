import numpy as np
import pytest

from skylattice import testing
from skylattice.study.anomaly import anomaly_scores, roc_curves, score_detectors


@pytest.fixture(scope="module")
def scores():
    """Three lattices with planted defects, and reconstructions that are wrong near the defects alone."""
    ds = testing.hexagonal_ensemble(columns=10, rows=10, spacing=10).isel(D=0, B=0).rename(realization="sample")
    ds = ds.isel(sample=[1, 2, 3]).drop_vars("planted")
    found = ds.sky.defects()
    output = ds.spin.copy(deep=True)
    y, x = np.mgrid[: ds.sizes["y"], : ds.sizes["x"]]
    for k in range(3):
        z = found.coordination.values[k]
        for j in np.flatnonzero(np.isfinite(z) & (z != 6)):
            near = np.hypot(x - found.skyrmion_x.values[k, j], y - found.skyrmion_y.values[k, j]) < 4
            output.values[k][near] = [1.0, 0.0, 0.0]
    return anomaly_scores(ds, output, ds.spin.values[:1])


def test_scores__find_defects_where_the_errors_are(scores):
    table = score_detectors(scores, resamples=20).set_index("detector")
    assert table.loc["squared_error", "roc_auc"].value > 0.95
    assert table.loc["cos_theta", "roc_auc"].value > 0.95
    assert table.loc["psi6", "roc_auc"].value > 0.9


def test_scores__equal_scikit_learns_on_all_skyrmions(scores):
    from sklearn.metrics import average_precision_score

    table = score_detectors(scores, resamples=2).set_index("detector")
    expected = average_precision_score(scores["is_defect"], scores["psi6"])
    assert table.loc["psi6", "average_precision"].value == pytest.approx(expected)
    assert table.loc["psi6", "prevalence"] == pytest.approx(scores["is_defect"].mean())


def test_scores__say_nothing_when_they_are_noise(scores):
    noise = scores[["lattice", "is_defect"]].assign(noise=np.random.default_rng(0).normal(size=len(scores)))
    estimate = score_detectors(noise, resamples=50)["roc_auc"][0]
    assert abs(estimate.value - 0.5) < 0.2


def test_scores__leave_out_the_baseline_without_training_lattices():
    ds = testing.hexagonal_ensemble(columns=4, rows=4, spacing=10).isel(D=0, B=0).rename(realization="sample")
    table = anomaly_scores(ds, ds.spin)
    assert "pca" not in table
    assert (table["squared_error"] == 0).all()


def test_roc_curves__enclose_the_area_of_the_score(scores):
    curves = roc_curves(scores).set_index("detector")
    areas = score_detectors(scores, resamples=2).set_index("detector")["roc_auc"]
    for name, area in areas.items():
        rates = curves.loc[name]
        trapezium = np.trapezoid(rates["true_positive_rate"], rates["false_positive_rate"])
        assert trapezium == pytest.approx(area.value)

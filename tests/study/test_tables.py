import numpy as np
import pandas as pd
import pytest

from skylattice.errors import SchemaError
from skylattice.latent.correlations import Estimate
from skylattice.latent.pca import fit_pca
from skylattice.report import evaluation_figures, latent_figures
from skylattice.study import tables, thesis
from skylattice.study.evaluation import Record
from skylattice.vae.spec import make_spec

pytest.importorskip("plotly")


def record(n=200, seed=0):
    """A model whose first latent is Q and whose error grows with the number of defects, under much scatter."""
    rng = np.random.default_rng(seed)
    D = rng.choice([0.4, 0.5, 0.6], n)
    frame = pd.DataFrame(
        {
            "D": D,
            "B": rng.choice([0.1, 0.15, 0.2], n),
            "Q": np.round(-200 * D**2 + rng.normal(size=n)),
            "m_z": rng.normal(size=n),
            "n_defects": rng.poisson(6, n).astype(float),
            "energy_difference": rng.normal(size=n),
            "cos_theta_difference": rng.normal(size=n),
            "part": np.where(np.arange(n) < n // 2, "train", "test"),
        }
    )
    frame["n_defects_thesis"] = frame["n_defects"] + 40
    frame["mse"] = 0.01 + 0.001 * frame["n_defects"] + 0.004 * rng.normal(size=n)
    mu = 0.1 * rng.normal(size=(n, 12))
    mu[:, 0] = -frame["Q"]
    spec = make_spec("thesis", size=32, latent=12)
    return Record("planted", spec, {}, frame, mu, np.zeros_like(mu), (32, 32), "0")


def test_record__first_component_grows_with_charge():
    planted = record()
    assert np.corrcoef(planted.scores[:, 0], planted.frame["Q"])[0, 1] > 0.999


def test_reconstruction_table__is_of_the_test_lattices_beside_the_thesis_number():
    planted = record()
    row = tables.reconstruction_table([planted]).iloc[0]
    assert row["test MSE"] == pytest.approx(planted.frame["mse"][100:].mean())
    assert row["n_test"] == 100
    assert row["thesis MSE"] == thesis.TEST_MSE[5e-5] == 0.0318


def test_defect_error_table__averages_correlate_more_than_lattices():
    row = tables.defect_error_table([record(2000)]).iloc[0]
    single = row["per lattice, pearson"]
    assert 0.3 < single.value < 0.7
    assert single.low < single.value < single.high
    assert row["mean per count, periodic"] > single.value + 0.1
    assert row["mean per count, thesis' rule"] == pytest.approx(row["mean per count, periodic"])


def test_mean_by__counts_and_averages():
    frame = pd.DataFrame({"k": [1, 1, 2, np.nan], "v": [1.0, 3.0, 5.0, 7.0]})
    means = tables.mean_by(frame, "k", "v").set_index("k")
    assert means["v"].to_dict() == {1: 2.0, 2: 5.0}
    assert means["n"].to_dict() == {1: 2, 2: 1}


def test_component_table__holds_D_fixed():
    table = tables.component_table([record()]).set_index("quantity")
    assert table.loc["D", "ρ with Ẑ0"].value < -0.9
    assert table.loc["D", "given D"] is None
    assert table.loc["Q", "given D"].value > 0.9
    assert table.loc["Q", "thesis"] == 0.85


def test_probe_table__reads_off_what_was_planted():
    table = tables.probe_table([record()]).set_index("quantity")
    assert table.loc["Q", "R², flat latents"].value > 0.95
    assert table.loc["m_z", "R², flat latents"].value < 0.2


def test_tables__write_intervals_as_text_and_as_columns():
    frame = pd.DataFrame({"a": [Estimate(0.5, 0.25, 0.75, 9), None], "b": [1, 2]})
    assert tables.as_text(frame)["a"].tolist() == ["0.50 [0.25, 0.75]", ""]
    numbers = tables.as_numbers(frame)
    assert list(numbers) == ["a", "a low", "a high", "a n", "b"]
    assert numbers.iloc[0].tolist() == [0.5, 0.25, 0.75, 9, 1]


def test_explained_variance__shows_ratio_and_sum():
    pca = fit_pca(record().mu)
    figure = latent_figures.explained_variance({"test": pca})
    np.testing.assert_allclose(figure.data[0].y, pca.explained_variance_ratio)
    assert figure.data[1].y[-1] == pytest.approx(1)


def test_component_by_charge__fits_the_means():
    frame = pd.DataFrame({"Q": [-2, -2, -1, -1], "z0": [1.0, 3.0, 4.0, 6.0]})
    points, line = latent_figures.component_by_charge({"m": frame}).data
    assert list(points.y) == [2, 5]
    np.testing.assert_allclose(line.y, [2, 5])
    (single,) = latent_figures.component_by_charge({"m": frame}, averaged=False).data
    assert list(single.y) == [1, 3, 4, 6]


def test_component_scatter__names_a_missing_column():
    with pytest.raises(SchemaError, match="m_z"):
        latent_figures.component_scatter(pd.DataFrame({"z0": [0], "z1": [0]}), ["m_z"])


def test_histograms__count_every_lattice():
    frame = record().test
    bars = evaluation_figures.error_histograms({"m": frame}).data
    assert [sum(bar.y) for bar in bars] == [100, 100]


def test_error_by_defects__line_runs_through_the_means():
    frame = pd.DataFrame({"n_defects": [0, 0, 2], "mse": [0.1, 0.3, 0.4]})
    single, means, line = sorted(
        evaluation_figures.error_by_defects({"m": frame}).data,
        key=lambda trace: (trace.mode != "markers", -len(trace.x)),
    )
    assert list(single.y) == [0.1, 0.3, 0.4]
    np.testing.assert_allclose(means.y, [0.2, 0.4])
    np.testing.assert_allclose(line.y, [0.2, 0.4])

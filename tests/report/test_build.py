"""The whole report on lattices so few and models so untrained that its numbers mean nothing, but all of it is made."""

import sys

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from skylattice import open_ensemble, testing
from skylattice.cli import main as cli
from skylattice.errors import StoreError
from skylattice.io.importing import import_datasets
from skylattice.io.results import open_results
from skylattice.report.build import build_report
from skylattice.study import evaluation
from skylattice.study.analysis import analyse_store
from skylattice.study.chapter import run_study
from skylattice.study.evaluation import evaluate_model, open_lattices

pytest.importorskip("keras")
pytest.importorskip("plotly")

QUICK = {"n_generated": 5, "n_quality": 5, "n_shown": 3}


def planted(D, B, seed):
    """4×4 skyrmions on a 60×60 lattice, off their places, as one lattice at (D, B)."""
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(np.arange(4) * 15, np.arange(4) * 15)
    centres = np.c_[(x + 7.5 * (np.arange(4) % 2)[:, None]).ravel(), y.ravel()] + rng.normal(0, 2.5, (16, 2))
    return testing.planted_skyrmions(centres, radius=3.4 - 4 * (B - 0.12), size=60, D=D, B=B)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "planted.zarr"
    grid = [(D, B) for D in (0.45, 0.5, 0.55) for B in (0.12, 0.14, 0.16)]
    import_datasets([planted(D, B, k) for k, (D, B) in enumerate(grid)], path, progress=False)
    analyse_store(path, progress=False)
    return path


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    from skylattice.vae import build, save

    folder = tmp_path_factory.mktemp("models")
    return [
        save(build("periodic", size=60, latent=200, beta=beta, widths=(4, 4, 8), blocks=(1, 1, 1)), folder / name)
        for name, beta in (("first", 5e-5), ("second", 1e-4))
    ]


@pytest.fixture(scope="module")
def study(store, models):
    return run_study(store, models, **QUICK)


@pytest.fixture(scope="module")
def page(study, tmp_path_factory):
    return build_report(study, tmp_path_factory.mktemp("page") / "index.html")


def test_report__has_every_section_and_needs_no_network(page):
    text = page.read_text()
    for title in ("Reconstruction", "Latent space", "Generating lattices", "How good generated lattices are"):
        assert f"<h2>{title}</h2>" in text
    assert "Left out" not in text
    assert 'src="http' not in text
    assert "Nothing." in text


def test_report__tables_lie_beside_it_with_the_thesis_numbers(page):
    table = pd.read_csv(page.parent / "tables" / "reconstruction.csv").set_index("model")
    assert table["thesis MSE"].to_dict() == {"first": 0.0318, "second": 0.0361}
    quality = pd.read_csv(page.parent / "tables" / "generation_quality.csv").set_index("lattices")
    assert {"data", "learned, relaxed", "thesis", "random spins, relaxed"} <= set(quality.index)
    assert (quality["n"].drop("data") == 5).all()


def test_report__only_shows(study, store, page, tmp_path, monkeypatch):
    """Drawing computes no correlation, component, fit, network or lattice, and writes no store."""

    def refuse(*args, **options):
        raise AssertionError("computed while a report is drawn")

    for name, module in list(sys.modules.items()):
        if name.startswith(("skylattice.latent", "skylattice.study", "skylattice.vae", "skylattice.observables")):
            for function in ("correlation", "linear_probe", "fit_pca", "encode", "generate", "observables", "cached"):
                if hasattr(module, function):
                    monkeypatch.setattr(module, function, refuse)
    before = sorted(str(path) for path in store.parent.rglob("*"))
    with testing.raise_if_computes():
        again = build_report(study, tmp_path / "again.html")
    assert sorted(str(path) for path in store.parent.rglob("*")) == before
    for table in (page.parent / "tables").iterdir():
        assert (again.parent / "tables" / table.name).read_bytes() == table.read_bytes()


def test_report__again_computes_nothing_anew(store, models, page, tmp_path, monkeypatch):
    def refuse(*args, **options):
        raise AssertionError("computed again")

    monkeypatch.setattr(evaluation, "_encode_into_results", refuse)
    monkeypatch.setattr(evaluation, "_thesis_count", refuse)
    monkeypatch.setattr("skylattice.study.generation._rows", refuse)
    again = build_report(run_study(store, models, **QUICK), tmp_path / "again.html")
    for name in ("generation_quality", "components"):
        first, second = (pd.read_csv(p.parent / "tables" / f"{name}.csv") for p in (page, again))
        pd.testing.assert_frame_equal(first, second)


def test_experiment__of_another_number_of_lattices_leaves_the_first(store, models, monkeypatch):
    """A quick look with a few lattices must not replace the hundreds that a report has kept."""
    from skylattice.study import generation
    from skylattice.vae import load

    ensemble = open_lattices(store)
    record, network = evaluate_model(ensemble, models[0]), load(models[0])
    kept = generation.thesis_experiment(ensemble, record, network, 4)
    generation.thesis_experiment(ensemble, record, network, 2)
    monkeypatch.setattr(generation, "_generate", lambda *args: pytest.fail("drawn again"))
    pd.testing.assert_frame_equal(generation.thesis_experiment(ensemble, record, network, 4), kept)


def test_report__names_a_model_that_is_not_there(store, tmp_path):
    text = build_report(run_study(store, [tmp_path / "gone"], **QUICK), tmp_path / "r.html").read_text()
    assert "Model gone" in text
    assert "no model could be used" in text


def test_evaluation__errors_are_the_accessors(store, models):
    ensemble = open_lattices(store)
    record = evaluate_model(ensemble, models[0])
    expected = ensemble.ds.sky.reconstruction_error(models[0]).mse.compute()
    np.testing.assert_allclose(record.frame["mse"], expected, rtol=1e-5)
    assert (record.frame["part"] == "both").all()
    assert open_results(store, "models/first")["mu"].dims == ("D", "B", "realization", "latent")


def test_evaluation__of_another_model_by_the_same_name_is_made_anew(store, models, tmp_path):
    from skylattice.vae import build, save

    ensemble = open_lattices(store)
    before = evaluate_model(ensemble, models[1])
    options = {"size": 60, "latent": 200, "widths": (4, 4, 8), "blocks": (1, 1, 1)}
    other = save(build("periodic", seed=5, **options), tmp_path / "second")
    assert abs(evaluate_model(ensemble, other).mu - before.mu).max() > 1e-3


def test_evaluation__knows_the_lattices_that_an_earlier_training_saw(store):
    from skylattice.vae.data import data_fingerprint, split_ensemble

    ensemble, grid = open_lattices(store), open_ensemble(store)
    data = {"fingerprint": data_fingerprint(grid), "split": split_ensemble(grid, test=0.4).describe(grid)}
    first = evaluation._parts(grid, ensemble, {"data": data}, data["fingerprint"])
    assert set(first) > {"train", "test"}
    tuned = {"data": {"fingerprint": "another", "split": {}, "earlier": [data]}}
    assert (evaluation._parts(grid, ensemble, tuned, data["fingerprint"]) == first).all()
    assert (evaluation._parts(grid, ensemble, tuned, "a third") == "both").all()


def test_report__of_too_few_lattices_says_so(tmp_path):
    import_datasets([planted(0.5, B, 0) for B in (0.12, 0.14)], tmp_path / "few.zarr", progress=False)
    analyse_store(tmp_path / "few.zarr", progress=False)
    text = build_report(run_study(tmp_path / "few.zarr", ["periodic"], **QUICK), tmp_path / "r.html").read_text()
    assert "expected at least 4 test lattices of periodic, found 2" in text


def test_lattices__of_a_store_that_was_not_analysed_say_so(tmp_path):
    import_datasets([planted(0.5, 0.12, 0)], tmp_path / "raw.zarr", progress=False)
    with pytest.raises(StoreError, match="skylattice analyse"):
        open_lattices(tmp_path / "raw.zarr")


def test_command__names_a_lattice_that_it_cannot_read(store):
    result = CliRunner().invoke(cli.app, ["report", str(store), "--lattice", "0.5;0.1"])
    assert result.exit_code == 2
    assert "--lattice" in result.output

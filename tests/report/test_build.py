"""The whole report on lattices so few and models so untrained that its numbers mean nothing, but all of it is made."""

import sys

import pandas as pd
import pytest
from planted_ensemble import planted
from typer.testing import CliRunner

from skylattice import testing
from skylattice.cli import main as cli
from skylattice.io.importing import import_datasets
from skylattice.report.build import build_report
from skylattice.study import evaluation
from skylattice.study.analysis import analyse_store
from skylattice.study.chapter import run_study

pytest.importorskip("keras")
pytest.importorskip("plotly")

QUICK = {"n_generated": 5, "n_quality": 5, "n_shown": 3}


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
    missing = text.split("What is missing")[1].split("<h2>")[0]
    assert missing.count("<p>") == 1  # planted lattices of 16 skyrmions are like no packing
    assert "expected packings like" in missing


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


def test_report__names_a_model_that_is_not_there(store, tmp_path):
    text = build_report(run_study(store, [tmp_path / "gone"], **QUICK), tmp_path / "r.html").read_text()
    assert "Model gone" in text
    assert "no model could be used" in text


def test_report__of_too_few_lattices_says_so(tmp_path):
    import_datasets([planted(0.5, B, 0) for B in (0.12, 0.14)], tmp_path / "few.zarr", progress=False)
    analyse_store(tmp_path / "few.zarr", progress=False)
    text = build_report(run_study(tmp_path / "few.zarr", ["periodic"], **QUICK), tmp_path / "r.html").read_text()
    assert "expected at least 4 test lattices of periodic, found 2" in text


def test_command__names_a_lattice_that_it_cannot_read(store):
    result = CliRunner().invoke(cli.app, ["report", str(store), "--lattice", "0.5;0.1"])
    assert result.exit_code == 2
    assert "--lattice" in result.output

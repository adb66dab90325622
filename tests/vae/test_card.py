import json

import pytest
from typer.testing import CliRunner

from skylattice.cli.main import app
from skylattice.errors import ModelError
from skylattice.vae import artifact, save, shipped
from skylattice.vae.card import model_card

ROW = {
    "kind": "12 × 5",
    "refine": "best",
    "n": 15,
    "n_defects": 71.4,
    "mse": 0.004,
    "mse_median": 0.0034,
    "nats": 560.0,
    "miscounted": 0.2,
}


@pytest.mark.parametrize("name", [name for name, _ in shipped()])
def test_card__of_a_shipped_model_says_what_it_is_and_has_seen(name):
    card = model_card(name)
    assert {"model", "data", "errors"} <= set(card)
    for columns, rows in card.values():
        assert all(len(row) == len(columns) and all(isinstance(text, str) for text in row) for row in rows)
    document = dict(shipped())[name]
    assert dict(card["model"][1])["C_KL"] == f"{document['spec']['beta']:g}"
    assert card["data"][1][0][0] == "train200.zarr"
    assert dict(card["errors"][1])["unseen (D, B)"] == f"{document['metadata']['metrics']['test_mse']:.5f}"


def test_annotate__adds_to_the_document_and_leaves_the_weights(tiny_model, tmp_path):
    folder = save(tiny_model, tmp_path / "mine", metadata={"metrics": {"kl": 3.0, "nats_global": 1.0}})
    weights = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.npz")}
    artifact.annotate(folder, evaluation=[ROW])
    assert {path.name: path.stat().st_mtime_ns for path in folder.glob("*.npz")} == weights
    assert artifact.load(folder).metadata["metrics"]["kl"] == 3.0
    card = model_card(folder)
    assert card["fresh lattices"][1] == [["15 of 12 × 5", "best", "71", "0.0040", "0.0034", "560", "0.20"]]
    assert dict(card["errors"][1]) == {"kl": "3.0", "nats_global": "1.0"}
    assert "data" not in card


def test_annotate__refuses_what_would_not_be_read_and_keeps_the_model(tiny_model, tmp_path):
    folder = save(tiny_model, tmp_path / "mine")
    before = (folder / "model.json").read_bytes()
    with pytest.raises(ModelError, match="evaluation: expected rows of"):
        artifact.annotate(folder, evaluation=[{**ROW, "mse": "small"}])
    assert (folder / "model.json").read_bytes() == before


def test_annotate__brings_a_model_of_version_1_to_the_present_one(tiny_model, tmp_path):
    folder = save(tiny_model, tmp_path / "old")
    document = json.loads((folder / "model.json").read_text())
    del document["document_sha256"]
    document["format_version"] = 1
    (folder / "model.json").write_text(json.dumps(document))
    next(folder.glob("*.npz")).rename(folder / "weights.npz")
    artifact.annotate(folder, evaluation=[ROW])
    assert artifact.load(folder).metadata["evaluation"] == [ROW]
    assert "document_sha256" in artifact.read_document(folder)


def test_models__lists_all_or_shows_one_with_its_curves(tmp_path):
    run = CliRunner().invoke
    listed = run(app, ["models"])
    assert "(default)" in listed.output
    shown = run(app, ["models", "periodic-1.25e-05", "--curves", str(tmp_path / "curves.html")])
    assert shown.exit_code == 0
    assert "400 local" in shown.output
    assert "plotly" in (tmp_path / "curves.html").read_text()
    assert run(app, ["models", "--curves", "x.html"]).exit_code == 2

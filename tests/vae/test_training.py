import csv

import numpy as np
import pytest
from tiny_vae import TINY, make_ensemble

from skylattice import vae
from skylattice.errors import ModelError
from skylattice.vae import TrainConfig, artifact, build, training
from skylattice.vae._keras import jit_compile, keras
from skylattice.vae.data import LatticeBatches, Split

QUICK = {"store": "memory", "model": {**TINY, "beta": 1e-7}, "epochs": 3, "batch_size": 4, "warmup": 2, "test": 0.2}


def config(output, **changes):
    return TrainConfig(**{**QUICK, "output": str(output), **changes})


@pytest.fixture(scope="module")
def trained(ensemble, tmp_path_factory):
    """Output folder, model, and the rows that were reported."""
    folder, rows = tmp_path_factory.mktemp("run"), []
    return folder, vae.train(config(folder), ds=ensemble, on_epoch=rows.append), rows


@pytest.mark.parametrize(
    ("preset", "options", "steps"),
    [("periodic", TINY, 300), ("thesis", {"latent": 16, "widths": (16, 16), "blocks": (1, 1)}, 200)],
)
def test_train__overfits_one_batch(ensemble, preset, options, steps):
    model = build(preset, size=20, beta=0.0, **options)
    (batch,) = LatticeBatches(ensemble, np.arange(4), batch_size=4)[0]
    model.compile(optimizer=keras.optimizers.Adam(3e-3), jit_compile=jit_compile())
    first = model.train_on_batch(batch, return_dict=True)["mse"]
    for _ in range(steps):
        model.train_on_batch(batch)
    model.reset_metrics()
    last = model.train_on_batch(batch, return_dict=True)["mse"]
    assert last < 0.05 * first


def test_train__beats_the_mean_lattice_on_lattices_it_never_saw(tmp_path):
    ds = make_ensemble(D=(0.45, 0.55), b=(0.3, 0.5), realizations=40)
    options = {"widths": (16, 16, 32), "blocks": (1, 1, 1), "beta": 1e-7}
    run = config(
        tmp_path, model=options, epochs=30, batch_size=8, learning_rate=3e-3, test=0.0, validation=0.0, test_seeds=0.2
    )
    model = vae.train(run, ds=ds)
    mean = ds.spin.mean(("D", "B", "realization"))
    baseline = float(((ds.spin - mean / np.sqrt((mean**2).sum("component"))) ** 2).mean())
    assert model.metadata["metrics"]["test_seeds_mse"] < 0.6 * baseline


def test_train__saves_a_model_with_its_provenance(trained, ensemble):
    folder, model, rows = trained
    loaded = vae.load(folder / "model")
    for name, array in artifact.model_arrays(model).items():
        np.testing.assert_array_equal(array, artifact.model_arrays(loaded)[name])
    metadata = loaded.metadata
    assert metadata["config"]["epochs"] == 3
    assert metadata["data"]["fingerprint"] == training.data_fingerprint(ensemble)
    assert metadata["data"]["hamiltonian"] == {"dmi": "neel", "handedness": 1, "J": 1.0}
    assert metadata["data"]["split"]["n_train"] > 0
    assert metadata["history"] == rows
    assert loaded.spec.size == (20, 20)


def test_train__metrics_are_those_of_the_saved_model(trained, ensemble):
    _, model, _ = trained
    split = training.split_ensemble(ensemble, test=0.2)
    errors = ensemble.sky.reconstruction_error(model).mse.values.ravel()
    for name in ("test", "validation", "test_seeds"):
        positions, reported = getattr(split, name), model.metadata["metrics"][f"{name}_mse"]
        if len(positions):
            assert reported == pytest.approx(errors[positions].mean(), rel=1e-5)
        else:
            assert reported is None


def test_train__writes_a_history_row_per_epoch(trained):
    folder, _, rows = trained
    with (folder / "history.csv").open() as file:
        written = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in written] == [1, 2, 3]
    assert [float(row["loss"]) for row in written] == [row["loss"] for row in rows]
    assert rows[-1]["loss"] < rows[0]["loss"]


def test_resume__gives_what_an_uninterrupted_run_gives(trained, ensemble, tmp_path):
    class Killed(Exception):
        pass

    def kill(row):
        if row["epoch"] == 2:
            raise Killed

    with pytest.raises(Killed):
        vae.train(config(tmp_path), ds=ensemble, on_epoch=kill)
    rows = []
    model = vae.train(config(tmp_path), ds=ensemble, resume=True, on_epoch=rows.append)
    assert [row["epoch"] for row in rows] == [3]  # at most one epoch is done again
    for name, array in artifact.model_arrays(trained[1]).items():
        np.testing.assert_array_equal(artifact.model_arrays(model)[name], array)


def test_resume__of_a_finished_run_changes_nothing(trained, ensemble):
    folder, model, _ = trained
    again = vae.train(config(folder), ds=ensemble, resume=True, on_epoch=pytest.fail)
    for name, array in artifact.model_arrays(model).items():
        np.testing.assert_array_equal(artifact.model_arrays(again)[name], array)


def test_resume__refuses_another_configuration(trained, ensemble):
    with pytest.raises(ModelError, match="belongs to a run with another config"):
        vae.train(config(trained[0], learning_rate=0.5), ds=ensemble, resume=True)


def test_train__stops_at_a_loss_that_is_no_number(ensemble, tmp_path, monkeypatch):
    monkeypatch.setattr(training.keras.optimizers, "Adam", lambda rate, **_: keras.optimizers.SGD(1e30))
    with pytest.raises(ModelError, match=r"the loss is (nan|inf) in epoch 1, step \d.*Lower the learning rate"):
        vae.train(config(tmp_path), ds=ensemble)


def test_train__reports_a_collapsed_posterior(ensemble, tmp_path):
    strong = config(tmp_path, model={**TINY, "beta": 10.0}, epochs=12, learning_rate=1e-2, ramp=(0, 0))
    with pytest.warns(UserWarning, match="posterior has collapsed"):
        model = vae.train(strong, ds=ensemble)
    assert model.metadata["metrics"]["is_collapsed"]
    assert model.metadata["metrics"]["kl"] < training.COLLAPSE_NATS


def test_train__stops_early_and_keeps_the_best_epoch(ensemble, tmp_path, monkeypatch):
    row = training._Run._row
    scripted = {1: 0.9, 2: 0.5, 3: 0.7, 4: 0.6, 5: 0.1}
    monkeypatch.setattr(
        training._Run, "_row", lambda self, e, logs: {**row(self, e, logs), "val_loss": scripted[e + 1]}
    )
    rows = []
    run = config(tmp_path, epochs=5, ramp=(0, 0), patience=2)
    vae.train(
        run, ds=ensemble, on_epoch=lambda row: rows.append((row["epoch"], (tmp_path / "best.npz").stat().st_mtime_ns))
    )
    assert [epoch for epoch, _ in rows] == [1, 2, 3, 4]
    written = [time for _, time in rows]
    assert written[0] < written[1] == written[2] == written[3]
    again = vae.train(run, ds=ensemble, resume=True, on_epoch=pytest.fail)
    for name, array in artifact.read_arrays(tmp_path / "best.npz").items():
        np.testing.assert_array_equal(artifact.model_arrays(again)[name], array)


def test_train__validation_loss_is_at_full_beta_throughout(trained):
    _, model, rows = trained
    weight = model.spec.kl_weight((20, 20))
    with_validation = [row for row in rows if "val_loss" in row]
    for row in with_validation:
        assert row["val_loss"] == pytest.approx(row["val_mse"] + weight * row["val_kl"], rel=1e-4)
    assert len(with_validation) == 3


def test_train__fine_tunes_a_saved_model(trained, ensemble, tmp_path):
    folder, model, _ = trained
    bigger = make_ensemble(size=40, D=(0.5,), b=(0.3, 0.6), realizations=4)
    tuned = vae.train(
        config(tmp_path, model={"beta": 1e-7}, initial=str(folder / "model"), epochs=1, learning_rate=1e-9, test=0.0),
        ds=bigger,
    )
    assert (tuned.spec.size, tuned.spec.beta) == ((40, 40), 1e-7)
    (earlier,) = tuned.metadata["data"]["earlier"]
    assert earlier["fingerprint"] == model.metadata["data"]["fingerprint"] != tuned.metadata["data"]["fingerprint"]
    assert earlier["split"] == model.metadata["data"]["split"]
    for name, array in artifact.model_arrays(model).items():
        np.testing.assert_allclose(artifact.model_arrays(tuned)[name], array, atol=1e-6)
    with pytest.raises(ModelError, match="is a model of Hamiltonian"):
        vae.train(
            config(tmp_path / "b", model={}, initial=str(folder / "model")), ds=ensemble.assign_attrs(dmi="bloch")
        )


def test_train__mixed_precision_learns_and_saves_float32(ensemble, tmp_path):
    model = vae.train(config(tmp_path, mixed_precision=True), ds=ensemble)
    rows = model.metadata["history"]
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert {array.dtype for array in artifact.model_arrays(model).values()} == {np.dtype("float32")}


def test_train__physics_term_and_condition_reach_the_history(ensemble, tmp_path):
    options = {**TINY, "physics": 0.1, "condition": True}
    model = vae.train(config(tmp_path, model=options, epochs=1), ds=ensemble)
    assert model.metadata["history"][0]["misalignment"] > 0
    assert model.spec.condition


def test_train__takes_the_named_models_of_the_thesis(ensemble, tmp_path):
    options = {"preset": "thesis-1.25e-05", "latent": 8, "widths": (8, 8), "blocks": (1, 1)}
    run = config(tmp_path, model=options).spec(size=(20, 20), dmi="neel", handedness=1)
    assert (run.preset, run.beta, run.latent) == ("thesis", 1.25e-5, 8)


def test_evaluate__of_an_empty_part_is_none(ensemble, tiny_model):
    nothing = np.empty(0, dtype=int)
    metrics = training.evaluate(tiny_model, ensemble, Split(np.arange(3), nothing, nothing, nothing))
    assert metrics["test_mse"] is None
    assert metrics["train_mse"] > 0

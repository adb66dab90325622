import numpy as np
import pytest
from tiny_vae import TINY, awaken

from skylattice import vae
from skylattice.errors import ModelError
from skylattice.vae import TrainConfig, artifact, build
from skylattice.vae.data import LatticeBatches
from skylattice.vae.refinement import Refinement
from skylattice.vae.runner import Runner

QUICK = {"store": "memory", "model": {**TINY, "beta": 1e-7}, "batch_size": 4, "warmup": 2, "test": 0.2}


@pytest.fixture
def batch(ensemble):
    (batch,) = LatticeBatches(ensemble, np.arange(4), batch_size=4)[0]
    return batch


def unrolled(passes, step=0.6):
    model = awaken(build("periodic", size=20, beta=0.0, **TINY))
    model.unroll(passes, step)
    return model


def test_unrolled__call_is_what_fast_does(batch):
    model = unrolled(2)
    model.set_metadata({"refinement": Refinement(2, 0.6).to_config()})
    code = Runner(model).encode(batch["spin"], batch["parameters"], "fast")
    np.testing.assert_allclose(model(batch)["mu"], code[:, 0], rtol=1e-5, atol=1e-5)


def test_unrolled__loss_takes_the_codes_on_the_way_and_the_last_together(batch):
    model = unrolled(2)
    result = model(batch, training=True)
    assert len(result["on_the_way"]) == 2
    errors = [np.square(np.asarray(output) - batch["spin"]).mean() for output in result["on_the_way"]]
    expected = np.square(np.asarray(result["output"]) - batch["spin"]).mean() + np.mean(errors)
    assert float(model.compute_loss(x=batch, y_pred=result)) == pytest.approx(expected, rel=1e-5)
    assert "on_the_way" not in model(batch)


def test_unrolled__zero_passes_change_nothing(batch):
    plain = awaken(build("periodic", size=20, beta=0.0, **TINY))
    np.testing.assert_array_equal(unrolled(0)(batch)["mu"], plain(batch)["mu"])


@pytest.fixture(scope="module")
def trained(ensemble, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unrolled")
    run = TrainConfig(output=str(folder), epochs=2, passes=1, step=0.5, average=0.9, **QUICK)
    return run, vae.train(run, ds=ensemble)


def test_train__states_what_the_model_was_made_for(trained, ensemble):
    _, model = trained
    assert Refinement.from_metadata(model.metadata) == Refinement(1, 0.5)
    errors = ensemble.sky.reconstruction_error(model)
    assert errors.attrs["model_refine"] == "fast: 1 pass of 0.5"
    seen = vae.split_ensemble(ensemble, test=0.2)
    reported = model.metadata["metrics"]["test_mse"]
    assert reported == pytest.approx(errors.mse.values.ravel()[seen.test].mean(), rel=1e-5)


def test_train__resumes_averages_as_if_it_had_not_stopped(trained, ensemble, tmp_path):
    run, model = trained

    def interrupt(row):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        vae.train(run.with_output(str(tmp_path)), ds=ensemble, on_epoch=interrupt)
    again = vae.train(run.with_output(str(tmp_path)), ds=ensemble, resume=True)
    for name, array in artifact.model_arrays(model).items():
        np.testing.assert_allclose(artifact.model_arrays(again)[name], array, rtol=1e-5, atol=1e-6, err_msg=name)


def test_train__average_is_behind_the_weights(ensemble, tmp_path):
    runs = {
        average: vae.train(
            TrainConfig(output=str(tmp_path / str(average)), epochs=2, average=average, **QUICK), ds=ensemble
        )
        for average in (None, 0.0, 0.9)
    }
    arrays = {average: artifact.model_arrays(model)["vae/decoder/entry/conv/kernel"] for average, model in runs.items()}
    np.testing.assert_allclose(
        arrays[0.0], arrays[None], rtol=1e-5, atol=1e-6
    )  # one that forgets at once is no average
    assert abs(arrays[0.9] - arrays[None]).max() > 1e-5


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_train__leaves_the_frozen_part(ensemble, tmp_path, part):
    run = TrainConfig(output=str(tmp_path), epochs=1, freeze=part, **QUICK)
    before = artifact.model_arrays(build("periodic", size=20, **TINY))
    after = artifact.model_arrays(vae.train(run, ds=ensemble))
    moved = {name.split("/")[1] for name in after if abs(after[name] - before[name]).max() > 0}
    assert moved == {"encoder", "decoder"} - {part}


def test_config__rejects_another_part_to_freeze():
    with pytest.raises(ModelError, match="freeze: expected 'encoder' or 'decoder', found 'head'"):
        TrainConfig("a", "b", freeze="head")

from pathlib import Path

import pytest

import skylattice.vae
from skylattice.errors import ModelError
from skylattice.vae import TrainConfig

RECIPES = sorted((Path(skylattice.vae.__file__).parent / "recipes").glob("*.yaml"))


def test_config__file_and_overrides_are_merged(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("store: a.zarr\noutput: out\nepochs: 7\nlearning_rate: 1e-3\nmodel: {beta: 5.0e-5, latent: 500}\n")
    config = TrainConfig.from_yaml(path, epochs=9, batch_size=None, model={"beta": 1e-4})
    assert (config.epochs, config.batch_size, config.learning_rate) == (9, 16, 1e-3)
    assert config.model == {"beta": 1e-4, "latent": 500}


def test_config__survives_a_dict():
    config = TrainConfig(store="a", output="b", ramp=(0.1, 0.2), patience=3)
    assert TrainConfig.from_dict(config.to_dict()) == config


def test_config__ramp_goes_from_zero_to_one():
    config = TrainConfig(store="a", output="b", epochs=20, ramp=(0.1, 0.5))
    ramp = [config.kl_ramp(epoch) for epoch in range(20)]
    assert ramp[:3] == [0, 0, 0]
    assert ramp[6] == pytest.approx(0.5)
    assert ramp[10:] == [1] * 10
    assert TrainConfig(store="a", output="b", ramp=(0, 0)).kl_ramp(0) == 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epoch": 3}, r"unknown options \['epoch'\]"),
        ({"store": ""}, r"missing \['store'\]"),
        ({"epochs": 0}, "epochs: expected at least 1"),
        ({"learning_rate": 0}, "learning_rate: expected a rate > 0"),
        ({"learning_rate": "fast"}, "learning_rate: cannot read 'fast'"),
        ({"ramp": [0.5, 0.1]}, "ramp: expected two growing fractions"),
        ({"test": 1.5}, "test: expected a fraction"),
        ({"initial": "m", "model": {"latent": 3}}, "fine-tuning keeps the architecture"),
    ],
)
def test_config__explains_what_is_wrong(values, message):
    with pytest.raises(ModelError, match=message):
        TrainConfig.from_dict({"store": "a", "output": "b", **values})


@pytest.mark.parametrize("text", ["- a\n- b\n", "store: [", "\udcff"])
def test_config__rejects_a_file_that_is_no_mapping(tmp_path, text):
    path = tmp_path / "run.yaml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ModelError, match=r"run\.yaml"):
        TrainConfig.from_yaml(path)


def test_config__missing_file_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"nowhere\.yaml: cannot read"):
        TrainConfig.from_yaml(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipe__can_be_read(path):
    config = TrainConfig.from_yaml(path)
    assert config.epochs >= 1
    assert (config.model.get("beta") or 0) > 0

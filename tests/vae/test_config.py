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
        ({"epochs": 0}, "epochs: expected a whole number from 1 to 100000, found 0"),
        ({"epochs": 10**9}, "epochs: expected a whole number"),
        ({"epochs": 2.5}, "epochs: expected a whole number"),
        ({"epochs": True}, "epochs: expected a whole number"),
        ({"epochs": "9" * 20000}, "epochs: expected a whole number"),
        ({"batch_size": 10**6}, "batch_size: expected a whole number from 1 to 4096, found 1000000"),
        ({"batch_size": [4]}, r"batch_size: expected a whole number .*, found \[4\]"),
        ({"warmup": -1}, "warmup: expected a whole number"),
        ({"seed": -1}, "seed: expected a whole number from 0 to 2147483647, found -1"),
        ({"learning_rate": 0}, "learning_rate: expected a number > 0 and <= 10, found 0"),
        ({"learning_rate": "inf"}, "learning_rate: expected a number > 0 and <= 10, found inf"),
        ({"learning_rate": float("nan")}, "learning_rate: expected a number"),
        ({"learning_rate": "fast"}, "learning_rate: expected a number > 0 and <= 10, found 'fast'"),
        ({"ramp": [0.5, 0.1]}, "ramp: expected two growing fractions"),
        ({"ramp": [0.5]}, "ramp: expected two growing fractions"),
        ({"ramp": [0, float("nan")]}, "ramp: expected a number from 0 to 1, found nan"),
        ({"ramp": 0.5}, "ramp: expected two growing fractions"),
        ({"test": 1.5}, "test: expected a number from 0 to 0.99, found 1.5"),
        ({"mixed_precision": "no"}, "mixed_precision: expected true or false, found 'no'"),
        ({"store": 3}, "store: expected a path as text"),
        ({"model": [1]}, "model: expected options"),
        ({"model": {"wings": 2}}, r"unknown \['wings'\]"),
        ({"model": {"size": 40}}, "come from the ensemble"),
        ({"model": {"preset": [1]}}, "preset: expected one of"),
        ({"model": {"latent": 10**9 + 100}}, "latent: expected a whole number from 1 to 100000"),
        ({"model": {"beta": "inf"}}, "beta: expected a number from 0 to 1000, found inf"),
        ({"model": {"widths": [10**9], "blocks": [1]}}, "widths: expected a whole number from 1 to 8192"),
        (
            {"model": {"widths": [8] * 4, "blocks": [1] * 4}},
            "number of resolutions: expected a whole number from 1 to 3",
        ),
        ({"model": {"widths": [8192] * 3, "blocks": [1] * 3}}, r"at most 5\.4e\+08 weights, found 7\.3e\+09"),
        ({"model": {"widths": [64] * 3, "blocks": [1, 1, 10**5]}}, "blocks: expected a whole number from 1 to 64"),
        ({"model": {"preset": "thesis", "latent": 10**5}}, "weights, found"),
        ({"initial": "m", "model": {"beta": float("inf")}}, "beta: expected a number"),
        ({"initial": "m", "model": {"latent": 3}}, "fine-tuning keeps the architecture"),
    ],
)
def test_config__explains_what_is_wrong(values, message):
    with pytest.raises(ModelError, match=message):
        TrainConfig.from_dict({"store": "a", "output": "b", **values})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("store: &a [x]\nmodel: {beta: *a}\n", r"run\.yaml:2: expected a training config of plain values"),
        ("[" * 100, "more than 32 levels"),
        ("epochs: " + "9" * 16000, "does not parse"),
        ("store: !!python/object/apply:os.system [ls]", "does not parse"),
        ("# x\n" * 300_000, "at most 1048576 bytes"),
    ],
    ids=["reference", "depth", "number", "object", "size"],
)
def test_config__of_a_hostile_file_is_refused(tmp_path, text, message):
    (tmp_path / "run.yaml").write_text(text)
    with pytest.raises(ModelError, match=message):
        TrainConfig.from_yaml(tmp_path / "run.yaml")


def test_config__reads_numbers_as_yaml_leaves_them():
    config = TrainConfig.from_dict(
        {
            "store": "a",
            "output": "b",
            "learning_rate": "1e-3",
            "epochs": "40",
            "model": {"beta": "1e-4", "latent": "500"},
        }
    )
    assert (config.learning_rate, config.epochs) == (1e-3, 40)
    assert config.model == {"beta": 1e-4, "latent": 500}


@pytest.mark.parametrize("text", ["- a\n- b\n", "store: [", "\udcff"])
def test_config__rejects_a_file_that_is_no_mapping(tmp_path, text):
    path = tmp_path / "run.yaml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ModelError, match=r"run\.yaml"):
        TrainConfig.from_yaml(path)


def test_config__missing_file_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"expected a training config .*nowhere\.yaml, found none"):
        TrainConfig.from_yaml(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipe__can_be_read(path):
    config = TrainConfig.from_yaml(path)
    assert config.epochs >= 1
    assert (config.model.get("beta") or 0) > 0

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from tiny_vae import TINY

from skylattice.errors import ModelError
from skylattice.vae import artifact, build, load, save
from skylattice.vae._keras import keras

SPIN = np.random.default_rng(0).normal(size=(1, 20, 20, 3)).astype(np.float32)
PARAMETERS = [[0.5, 0.12]]


@pytest.fixture(scope="module")
def saved(tiny_model, tmp_path_factory):
    return save(tiny_model, tmp_path_factory.mktemp("m") / "tiny", metadata={"metrics": {"test_mse": 0.25}})


@pytest.fixture
def copy(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "copy")


def edit(folder, **changes):
    document = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**document, **changes}))


def test_load__gives_back_model_and_metadata(saved, tiny_model):
    model = load(saved)
    assert model.spec == tiny_model.spec
    assert model.metadata["metrics"]["test_mse"] == 0.25
    assert {"skylattice", "keras", "backend"} <= set(model.metadata["versions"])
    for a, b in zip(model.encode(SPIN, PARAMETERS), tiny_model.encode(SPIN, PARAMETERS), strict=True):
        np.testing.assert_array_equal(a, b)


def test_load__keeps_batch_statistics():
    model = build("thesis", size=20, latent=3, widths=(4, 4), blocks=(1, 1))
    statistics = [name for name in artifact.model_arrays(model) if name.endswith("moving_variance")]
    assert len(statistics) == 8


def test_save__half_precision_halves_the_file(tiny_model, saved, tmp_path):
    half = save(tiny_model, tmp_path / "half", half=True)
    sizes = [(folder / "weights.npz").stat().st_size for folder in (half, saved)]
    assert sizes[0] < 0.7 * sizes[1]
    expected, _ = tiny_model.encode(SPIN, PARAMETERS)
    np.testing.assert_allclose(load(half).encode(SPIN, PARAMETERS)[0], expected, atol=1e-2)


def test_save__replaces_a_model_as_a_whole(tiny_model, copy):
    (copy / "old").write_text("left over")
    save(tiny_model, copy, metadata={"metrics": {"test_mse": 0.5}})
    assert sorted(path.name for path in copy.iterdir()) == ["model.json", "weights.npz"]
    assert load(copy).metadata["metrics"]["test_mse"] == 0.5
    assert [path.name for path in copy.parent.iterdir()] == ["copy"]


def test_save__does_not_replace_what_is_no_model(tiny_model, tmp_path):
    (tmp_path / "letters").mkdir()
    with pytest.raises(ModelError, match="expected a new path or a model to replace"):
        save(tiny_model, tmp_path / "letters")


def test_metadata__is_read_only(saved):
    with pytest.raises(TypeError):
        load(saved).metadata["metrics"] = {}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "weights.npz").unlink(), "weights are missing"),
        (lambda f: (f / "weights.npz").write_bytes(b"PK nonsense"), "checksum differs"),
        (lambda f: (f / "model.json").write_text("{"), "not JSON"),
        (lambda f: (f / "model.json").write_bytes(b"\xff\xfe\x00"), "not JSON"),
        (lambda f: (f / "model.json").write_text('{"format": "other"}'), "expected a model of skylattice"),
        (lambda f: edit(f, format_version=99), "expected format version 1, found 99"),
        (lambda f: edit(f, spec={"preset": "periodic"}), "missing"),
        (lambda f: edit(f, spec=None), "expected spec"),
        (lambda f: edit(f, metadata=[]), "expected spec, weights_sha256 and metadata"),
    ],
)
def test_load__explains_a_damaged_model(copy, damage, message):
    damage(copy)
    with pytest.raises(ModelError, match=message):
        load(copy)


def rewrite(folder, arrays):
    with (folder / "weights.npz").open("wb") as file:
        np.savez(file, **arrays)
    edit(folder, weights_sha256=artifact._digest(folder / "weights.npz"))


def test_load__rejects_weights_of_another_model(copy):
    other = build("periodic", size=20, **{**TINY, "widths": (8, 8)})
    rewrite(copy, artifact.model_arrays(other))
    with pytest.raises(ModelError, match="expected finite floats of shape"):
        load(copy)
    rewrite(copy, {"a": np.zeros(3)})
    with pytest.raises(ModelError, match="the weights do not belong to this model"):
        load(copy)


def test_load__rejects_weights_that_are_not_finite(copy, tiny_model):
    arrays = artifact.model_arrays(tiny_model)
    arrays["vae/encoder/local_head/bias"][0] = np.nan
    rewrite(copy, arrays)
    with pytest.raises(ModelError, match="local_head/bias: expected finite floats"):
        load(copy)


def test_load__never_runs_pickled_code(copy, tmp_path):
    canary = tmp_path / "executed"

    class Attack:
        def __reduce__(self):
            return open, (str(canary), "w")

    rewrite(copy, {"vae/encoder/local_head/bias": np.array([Attack()], dtype=object)})
    with pytest.raises(ModelError, match="not an archive of plain arrays"):
        load(copy)
    assert not canary.exists()


def test_find__lists_what_is_shipped():
    with pytest.raises(ModelError, match="Shipped models are"):
        load("no-such-model")


BACKENDS = """
import sys, numpy as np
from skylattice.vae import load
from skylattice.vae._keras import keras
model = load(sys.argv[1])
mu, log_var = model.encode(np.load(sys.argv[2]), [[0.5, 0.12]])
np.savez(sys.argv[3], mu=mu, output=model.decode(mu, [[0.5, 0.12]], size=20))
print(keras.backend.backend())
"""


def test_load__gives_the_same_results_on_the_other_backend(saved, tiny_model, tmp_path):
    backend = {"tensorflow": "jax", "jax": "tensorflow"}[keras.backend.backend()]
    pytest.importorskip(backend)
    np.save(tmp_path / "spin.npy", SPIN)
    done = subprocess.run(
        [sys.executable, "-c", BACKENDS, str(saved), str(tmp_path / "spin.npy"), str(tmp_path / "result.npz")],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split()[-1] == backend
    result = np.load(tmp_path / "result.npz")
    mu, _ = tiny_model.encode(SPIN, PARAMETERS)
    np.testing.assert_allclose(result["mu"], mu, atol=1e-5)
    # The last step divides by a length, which multiplies the backends' different rounding where it is small.
    np.testing.assert_allclose(result["output"], tiny_model.decode(mu, PARAMETERS, size=20), atol=1e-4)

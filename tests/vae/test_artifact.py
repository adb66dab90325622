import contextlib
import errno
import io
import json
import os
import resource
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from tiny_vae import TINY

from skylattice.errors import ModelError, StoreError
from skylattice.io.bounded import file_digest
from skylattice.vae import artifact, build, load, save
from skylattice.vae._keras import keras
from skylattice.vae.document import fingerprint
from skylattice.vae.spec import ModelSpec

SPIN = np.random.default_rng(0).normal(size=(1, 20, 20, 3)).astype(np.float32)
PARAMETERS = [[0.5, 0.12]]


@pytest.fixture(scope="module")
def saved(tiny_model, tmp_path_factory):
    return save(tiny_model, tmp_path_factory.mktemp("m") / "tiny", metadata={"metrics": {"test_mse": 0.25}})


@pytest.fixture
def copy(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "copy")


def weights(folder):
    """The one file of weights."""
    (path,) = folder.glob("weights*.npz")
    return path


def edit(folder, **changes):
    """Change the document, and its fingerprint with it."""
    document = {**json.loads((folder / "model.json").read_text()), **changes}
    document["document_sha256"] = fingerprint(document)
    (folder / "model.json").write_text(json.dumps(document))


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
    sizes = [weights(folder).stat().st_size for folder in (half, saved)]
    assert sizes[0] < 0.7 * sizes[1]
    expected, _ = tiny_model.encode(SPIN, PARAMETERS)
    np.testing.assert_allclose(load(half).encode(SPIN, PARAMETERS)[0], expected, atol=1e-2)


def test_save__replaces_a_model_as_a_whole(tiny_model, copy):
    (copy / "old").write_text("left over")
    save(tiny_model, copy, metadata={"metrics": {"test_mse": 0.5}})
    assert sorted(path.name for path in copy.iterdir()) == ["model.json", weights(copy).name]
    assert load(copy).metadata["metrics"]["test_mse"] == 0.5
    assert sorted(path.name for path in copy.parent.iterdir()) == [".skylattice-locks", "copy"]


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
        (lambda f: weights(f).unlink(), "weights are missing"),
        (lambda f: weights(f).write_bytes(b"PK nonsense"), "checksum differs"),
        (lambda f: (f / "model.json").write_text("{"), "not JSON"),
        (lambda f: (f / "model.json").write_bytes(b"\xff\xfe\x00"), "not JSON"),
        (lambda f: (f / "model.json").write_text('{"format": "other"}'), "expected a model of skylattice"),
        (lambda f: edit(f, format_version=99), "expected format version 1 to 2, found 99"),
        (lambda f: edit(f, spec={"preset": "periodic"}), "missing"),
        (lambda f: edit(f, spec=None), "expected spec"),
        (lambda f: edit(f, metadata=[]), "expected spec, weights_sha256 and metadata"),
    ],
)
def test_load__explains_a_damaged_model(copy, damage, message):
    damage(copy)
    with pytest.raises(ModelError, match=message):
        load(copy)


def rewrite(folder, arrays, save=np.savez):
    weights(folder).unlink()
    with (folder / "weights.npz").open("wb") as file:
        save(file, **arrays)
    edit(folder, weights_sha256=file_digest(folder / "weights.npz"))


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


def test_load__refuses_a_file_that_unpacks_to_more_than_it_holds(copy):
    rewrite(copy, {"vae/encoder/local_head/bias": np.zeros(1 << 24, np.float32)}, np.savez_compressed)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelError, match="unpacks to more than it holds"):
        load(copy)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 << 10


def test_load__refuses_a_header_that_lies_of_its_array(copy):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (1 << 40,)})
    weights(copy).unlink()
    with zipfile.ZipFile(copy / "weights.npz", "w") as archive:
        archive.writestr("vae/encoder/local_head/bias.npy", header.getvalue() + bytes(400))
    edit(copy, weights_sha256=file_digest(copy / "weights.npz"))
    with pytest.raises(ModelError, match=r"its header says \(1099511627776,\) of float32, its size another"):
        load(copy)


def test_load__of_weights_that_are_a_pipe_does_not_wait(copy):
    path = weights(copy)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ModelError, match="found a pipe"):
        load(copy)


# The document


def leaves(values, path=()):
    """Where each value of nested mappings and lists stands."""
    yield path
    items = values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ()
    for key, value in items:
        yield from leaves(value, (*path, key))


def damaged(document):
    """The document with each of its values replaced or removed in turn."""
    for path in list(leaves(document))[1:]:
        for new in (None, "x", -1, 1e308, True, [], {}, "removed"):
            changed = json.loads(json.dumps(document))
            parent = changed
            for key in path[:-1]:
                parent = parent[key]
            if new == "removed":
                del parent[path[-1]]
            else:
                parent[path[-1]] = new
            if changed != document:
                yield changed


def accepted(folder, texts):
    """Those documents that are read, though they are not what was written."""
    path, original = folder / "model.json", json.loads((folder / "model.json").read_text())
    found = []
    for number, text in enumerate(texts):
        path.write_bytes(text)
        os.utime(path, ns=(number, number))
        with contextlib.suppress(ModelError):
            if artifact.read_document(folder) != original:
                found.append(text)
    return found


def test_read_document__refuses_every_damaged_value(copy):
    document = json.loads((copy / "model.json").read_text())
    texts = [json.dumps(changed).encode() for changed in damaged(document)]
    assert len(texts) > 200
    assert accepted(copy, texts) == []


def test_read_document__refuses_every_flipped_byte(copy):
    text, rng = (copy / "model.json").read_bytes(), np.random.default_rng(0)
    flipped = []
    for _ in range(500):
        place, bit = rng.integers(len(text)), rng.integers(8)
        flipped.append(text[:place] + bytes([text[place] ^ (1 << bit)]) + text[place + 1 :])
    assert accepted(copy, flipped + [text[:n] for n in range(0, len(text) - 2, 7)]) == []


def test_read_document__of_version_1_has_no_fingerprint_but_ranges(copy):
    document = json.loads((copy / "model.json").read_text())
    del document["document_sha256"]
    document["format_version"] = 1
    (copy / "model.json").write_text(json.dumps(document))
    assert load(copy).spec == ModelSpec.from_config(document["spec"])
    wrong = [changed for changed in damaged(document) if changed.get("spec") != document["spec"]]
    kept = accepted(copy, [json.dumps(changed).encode() for changed in wrong])
    assert all(ModelSpec.from_config(json.loads(text)["spec"]) for text in kept)  # another model, but a possible one
    assert len(kept) < len(wrong) / 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"format": "skylattice-model", "format": "skylattice-model"}', "stands twice"),
        ("[" * 100_000, "not JSON"),
        ('{"format": ' + "9" * 16000 + "}", "not JSON"),
        (" " * (17 << 20), "at most 16777216 bytes"),
    ],
    ids=["twice", "depth", "number", "size"],
)
def test_read_document__refuses_hostile_json(copy, text, message):
    (copy / "model.json").write_text(text)
    with pytest.raises(ModelError, match=message):
        artifact.read_document(copy)


WRITER = """
import sys, time
from skylattice.vae import artifact
document, arrays = artifact._read(artifact.find(sys.argv[1]))
spec, end, n = artifact.ModelSpec.from_config(document["spec"]), time.time() + float(sys.argv[2]), 0
artifact.model_arrays, artifact.versions = lambda model: {k: v + model.n for k, v in arrays.items()}, lambda: {}
while time.time() < end:
    model = type("Model", (), {"spec": spec, "n": n % 7, "metadata": {"metrics": {"n": n % 7}}})
    artifact.save(model, sys.argv[1])
    n += 1
print(n)
"""


def test_read__while_the_model_is_saved_anew_is_the_old_or_the_new_one(copy):
    """The first saving replaces a model of version 1."""
    name = "vae/encoder/local_head/bias"
    document, arrays = artifact._read(copy)
    weights(copy).rename(copy / "weights.npz")
    first = arrays[name][0]
    command = [sys.executable, "-c", WRITER, str(copy), "4"]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    reads, seen = 0, set()
    while writer.poll() is None:
        document, arrays = artifact._read(artifact.find(copy))
        n = document["metadata"]["metrics"].get("n", 0)
        assert arrays[name][0] == np.float32(first + n)
        seen.add(n)
        reads += 1
    writes = int(writer.communicate()[0])
    assert writes > 20
    assert reads > 20
    assert len(seen) == 7


def test_save__that_is_interrupted_leaves_the_old_model(copy, tiny_model, monkeypatch):
    before, document = weights(copy), artifact.read_document(copy)

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="The disk is full"):
        save(tiny_model, copy, metadata={"metrics": {"test_mse": 0.5}})
    assert (weights(copy), artifact.read_document(copy)) == (before, document)
    assert len(list(copy.iterdir())) == 2


def test_find__lists_what_is_shipped():
    with pytest.raises(ModelError, match="Shipped models are"):
        load("no-such-model")


BACKENDS = """
import sys, numpy as np
from skylattice.vae import load
from skylattice.vae._keras import keras
from skylattice.vae.document import fingerprint
from skylattice.vae.spec import ModelSpec
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

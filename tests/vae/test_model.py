import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_vae import TINY, awaken

from skylattice import testing
from skylattice.errors import ModelError
from skylattice.vae import PRESETS, THESIS_BETAS, ModelSpec, build
from skylattice.vae._keras import keras
from skylattice.vae.artifact import model_arrays
from skylattice.vae.spec import make_spec

PARAMETERS = np.array([[0.5, 0.12]], np.float32)
TINY_THESIS = {"latent": 6, "widths": (4, 4, 6, 6, 8), "blocks": (1, 1, 2, 1, 1)}


def lattices(size=(40, 60), n=1, seed=0):
    return testing.random(size, realizations=n, seed=seed).spin.values[0, 0].astype(np.float32)


def parts(model, spin):
    mu, log_var = model.encode(spin, np.repeat(PARAMETERS, len(spin), axis=0))
    split = [model.spec.split(z, spin.shape[1:3]) for z in (mu, log_var)]
    return [p[0] for p in split], [p[1] for p in split]


@settings(max_examples=10)
@given(rows=st.integers(-2, 2), columns=st.integers(-3, 3), seed=st.integers(0, 100))
def test_periodic__shift_by_cells_moves_the_local_map_and_leaves_the_global_part(tiny_model, rows, columns, seed):
    spin = lattices(seed=seed)
    local, whole = parts(tiny_model, spin)
    shifted_local, shifted_whole = parts(tiny_model, np.roll(spin, (20 * rows, 20 * columns), axis=(1, 2)))
    for before, after in zip(local, shifted_local, strict=True):
        np.testing.assert_allclose(after, np.roll(before, (rows, columns), axis=(1, 2)), atol=1e-5)
    for before, after in zip(whole, shifted_whole, strict=True):
        np.testing.assert_allclose(after, before, atol=1e-5)


def test_periodic__local_map_and_global_part_do_depend_on_the_lattice(tiny_model):
    first, second = (parts(tiny_model, lattices(seed=seed)) for seed in (0, 1))
    for a, b in zip(first, second, strict=True):
        assert np.abs(a[0] - b[0]).max() > 1e-3


def test_periodic__a_shift_by_less_than_a_cell_is_no_symmetry_of_the_map(tiny_model):
    spin = lattices()
    assert np.abs(parts(tiny_model, np.roll(spin, 1, axis=2))[0][0] - parts(tiny_model, spin)[0][0]).max() > 1e-3


def test_periodic__decoder_is_equivariant_to_cells(tiny_model):
    rng = np.random.default_rng(0)
    local, whole = rng.normal(size=(1, 2, 3, 4)), rng.normal(size=(1, 100))

    def decode(cells):
        return tiny_model.decode(np.concatenate([cells.reshape(1, -1), whole], axis=1), PARAMETERS, size=(40, 60))

    shifted = decode(np.roll(local, (1, -1), axis=(1, 2)))
    np.testing.assert_allclose(shifted, np.roll(decode(local), (20, -20), axis=(1, 2)), atol=1e-5)


@pytest.mark.parametrize("condition", [False, True])
def test_periodic__works_without_a_global_part(condition):
    model = awaken(build("periodic", size=20, global_latent=0, condition=condition, **TINY))
    mu, _ = model.encode(lattices((20, 40)), PARAMETERS)
    assert mu.shape == (1, 10)
    assert model.spec.split(mu, (20, 40))[1].shape == (1, 0)
    assert model.decode(mu, PARAMETERS, size=(20, 40)).shape == (1, 20, 40, 3)


def test_periodic__global_part_modulates_the_decoder(tiny_model):
    z = np.zeros((2, tiny_model.spec.latents((20, 20))), np.float32)
    z[1, -100:] = 1
    output = tiny_model.decode(z, np.repeat(PARAMETERS, 2, axis=0), size=20)
    assert np.abs(output[1] - output[0]).max() > 1e-2


@pytest.mark.parametrize("size", [(20, 20), (40, 60), (200, 200)])
def test_periodic__number_of_latents_grows_with_the_area(size):
    spec = make_spec("periodic")
    assert spec.latents(size) == size[0] * size[1] // 400 * 4 + 100
    assert spec.latents((200, 200)) == 500


def test_periodic__one_model_serves_several_sizes(tiny_model):
    for size in ((20, 20), (40, 20), (60, 60)):
        mu, _ = tiny_model.encode(lattices(size), PARAMETERS)
        assert mu.shape == (1, tiny_model.spec.latents(size))
        assert tiny_model.decode(mu, PARAMETERS, size=size).shape == (1, *size, 3)


def test_kl_weight__makes_kl_per_site_weigh_the_same_at_any_size():
    spec = make_spec("periodic", beta=5e-5)
    assert spec.kl_weight((200, 200)) == pytest.approx(5e-5)
    assert spec.kl_weight((100, 100)) * 100**2 == pytest.approx(spec.kl_weight((200, 200)) * 200**2)


def test_presets__name_the_six_models_of_the_thesis():
    names = ["thesis-1.25e-05", "thesis-5e-05", "thesis-0.0001", "thesis-0.0002", "thesis-0.0008", "thesis-0.0032"]
    assert [name for name in PRESETS if name.startswith("thesis-")] == names
    assert [PRESETS[name].beta for name in names] == list(THESIS_BETAS)
    spec = PRESETS["thesis-5e-05"]
    assert (spec.preset, spec.size, spec.latent) == ("thesis", (200, 200), 500)
    assert 2 * sum(spec.blocks) >= 20  # "tens of blocks"


@pytest.mark.parametrize("size", [(32, 32), (40, 50)])
def test_thesis__encodes_and_decodes_its_own_size(size):
    model = awaken(build("thesis", size=size, **TINY_THESIS))
    mu, log_var = model.encode(lattices(size, n=2), np.repeat(PARAMETERS, 2, axis=0))
    assert mu.shape == log_var.shape == (2, 6)
    output = model.decode(mu, np.repeat(PARAMETERS, 2, axis=0), size=size)
    assert output.shape == (2, *size, 3)
    np.testing.assert_allclose(np.linalg.norm(output, axis=-1), 1, atol=1e-5)
    assert model.decoder.start == (-(-size[0] // 32), -(-size[1] // 32), 8)


def test_thesis__goes_down_by_32_and_up_to_the_next_multiple_of_32():
    model = build("thesis", size=200, latent=2, widths=(2, 2, 2, 2, 2), blocks=(1, 1, 1, 1, 1))
    shapes = {w.path: tuple(w.shape) for w in model.weights}
    assert shapes["vae/encoder/mu/kernel"] == (7 * 7 * 2, 2)
    assert shapes["vae/decoder/entry/kernel"] == (2, 7 * 7 * 2)


def test_thesis__initial_kernels_are_glorot_uniform():
    model = build("thesis", size=32, **TINY_THESIS)
    kernels = [(w.path, np.asarray(w)) for w in model.trainable_variables if w.path.endswith("kernel")]
    for path, kernel in kernels:
        receptive = int(np.prod(kernel.shape[:-2]))
        limit = np.sqrt(6 / (receptive * (kernel.shape[-1] + kernel.shape[-2])))
        assert np.abs(kernel).max() <= limit, path
        assert kernel.std() == pytest.approx(limit / np.sqrt(3), rel=0.3), path


@pytest.mark.parametrize("preset", ["periodic", "thesis"])
def test_condition__changes_encoder_and_decoder(preset):
    options = TINY if preset == "periodic" else TINY_THESIS
    spin, other = lattices((40, 40)), np.array([[0.6, 0.2]], np.float32)
    for condition in (True, False):
        model = awaken(build(preset, size=40, condition=condition, **options))
        z = np.zeros((1, model.spec.latents((40, 40))))
        codes = [model.encode(spin, p)[0] for p in (PARAMETERS, other)]
        outputs = [model.decode(z, p, size=40) for p in (PARAMETERS, other)]
        assert (np.abs(codes[0] - codes[1]).max() > 1e-4) == condition
        assert (np.abs(outputs[0] - outputs[1]).max() > 1e-4) == condition


def loss_of(model, spin, parameters):
    inputs = {"spin": spin, "parameters": parameters}
    model.compile(optimizer="sgd", jit_compile=False if keras.backend.backend() == "tensorflow" else "auto")
    model.reset_metrics()
    return model.test_on_batch(inputs, return_dict=True)


def test_loss__is_mse_plus_weighted_kl(tiny_model):
    spin = lattices((40, 40), n=2)
    parameters = np.repeat(PARAMETERS, 2, axis=0)
    logs = loss_of(tiny_model, spin, parameters)
    mu, log_var = tiny_model.encode(spin, parameters)
    mse = np.square(tiny_model.decode(mu, parameters, size=40) - spin).mean()
    kl = 0.5 * (mu**2 + np.exp(log_var) - 1 - log_var).sum(axis=1).mean()
    assert logs["mse"] == pytest.approx(mse, rel=1e-4)
    assert logs["kl"] == pytest.approx(kl, rel=1e-4)
    assert logs["loss"] == pytest.approx(mse + 5e-5 * 25 * kl, rel=1e-4)


def test_loss__physics_term_is_the_misalignment_of_the_output():
    spin, parameters = lattices((40, 40)), np.array([[0.6, 0.2]], np.float32)
    plain, physical = (awaken(build("periodic", size=40, physics=physics, **TINY)) for physics in (0.0, 0.7))
    assert "misalignment" not in loss_of(plain, spin, parameters)
    logs = loss_of(physical, spin, parameters)
    output = physical.decode(physical.encode(spin, parameters)[0], parameters, size=40)
    ds = testing.dataset(output, D=0.6, B=0.2)
    assert logs["misalignment"] == pytest.approx(1 - ds.sky.cos_theta().mean().item(), rel=1e-4)
    plain_loss = loss_of(plain, spin, parameters)["loss"]
    assert logs["loss"] - plain_loss == pytest.approx(0.7 * logs["misalignment"], rel=1e-3)


def test_build__of_one_seed_repeats_itself_and_leaves_the_programs_randomness_alone():
    import random

    random.seed(5)
    expected = random.random()
    random.seed(5)
    first, second, other = (build("periodic", size=20, seed=seed, **TINY) for seed in (1, 1, 2))
    assert random.random() == expected
    for name, array in model_arrays(first).items():
        np.testing.assert_array_equal(array, model_arrays(second)[name])
    assert any(np.abs(array - model_arrays(other)[name]).max() > 0 for name, array in model_arrays(first).items())


def test_build__weights_have_unique_names():
    for preset, options in (("periodic", TINY), ("thesis", TINY_THESIS)):
        model = build(preset, size=40, condition=True, **options)
        assert len(model_arrays(model)) == len(model.weights) - 1


def test_mixed_precision__keeps_weights_and_results_in_float32():
    model = awaken(build("periodic", size=20, mixed_precision=True, **TINY))
    exact = build("periodic", size=20, **TINY)
    for variable, value in zip(exact.weights, model.weights, strict=True):
        variable.assign(value)
        assert value.dtype == "float32"
    spin = lattices((20, 20))
    mu, _ = model.encode(spin, PARAMETERS)
    assert mu.dtype == np.float32
    difference = np.abs(mu - exact.encode(spin, PARAMETERS)[0]).max()
    assert 0 < difference < 0.05 * np.abs(mu).max()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preset": "resnet"}, r"expected one of \['periodic', 'thesis', .*found 'resnet'"),
        ({"size": 50}, "sides divisible by 20, found 50×50"),
        ({"latent": 450}, "multiple of 100 local latents"),
        ({"latent": 100}, "multiple of 100 local latents"),
        ({"widths": (8, 8)}, "one entry of each per resolution"),
        ({"beta": -1.0}, "beta: expected a number from 0 to 1000"),
        ({"physics": float("nan")}, "physics: expected a number from 0 to 1000"),
        ({"wings": 2}, r"unknown \['wings'\]"),
    ],
)
def test_build__explains_what_is_wrong(options, message):
    with pytest.raises(ModelError, match=message):
        build(**options)


def test_encode__rejects_nan_wrong_shapes_and_sizes(tiny_model):
    spin = lattices((20, 20), n=2)
    spin[1, 3, 3] = np.nan
    two = np.repeat(PARAMETERS, 2, axis=0)
    with pytest.raises(ModelError, match="lattice 1 of the batch has NaN"):
        tiny_model.encode(spin, two)
    with pytest.raises(ModelError, match=r"expected shape \(batch, y, x, 3\)"):
        tiny_model.encode(spin[0], two)
    with pytest.raises(ModelError, match="divisible by 20"):
        tiny_model.encode(lattices((24, 20)), PARAMETERS)
    with pytest.raises(ModelError, match=r"shape \(1, 2\), found \(2, 2\)"):
        tiny_model.encode(spin[:1], two)
    with pytest.raises(ModelError, match=r"expected shape \(batch, 104\)"):
        tiny_model.decode(np.zeros((1, 100)), PARAMETERS, size=20)
    with pytest.raises(ModelError, match="takes lattices of 40×40 sites, found 20×20"):
        build("thesis", size=40, **TINY_THESIS).encode(spin[:1], PARAMETERS)


def test_spec__survives_json():
    for spec in PRESETS.values():
        assert ModelSpec.from_config(spec.to_config()) == spec


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"beta": "much"}, "beta: expected a number from 0 to 1000, found 'much'"),
        ({"beta": True}, "beta: expected a number"),
        ({"condition": "no"}, "condition: expected True or False, found 'no'"),
        ({"latent": 500.0}, "latent: expected a whole number from 1 to 100000, found 500.0"),
        ({"widths": "888"}, "widths: expected a tuple"),
        ({"size": [200]}, "size: expected"),
        ({"handedness": 0}, "handedness"),
        ({"dmi": "odd"}, "dmi"),
        ({"extra": 1}, r"unknown options \['extra'\]"),
    ],
)
def test_spec__rejects_a_foreign_config(change, message):
    with pytest.raises(ModelError, match=message):
        ModelSpec.from_config({**PRESETS["periodic"].to_config(), **change})


@pytest.mark.parametrize("preset", ["periodic", "thesis"])
def test_spec__bounds_the_weights_from_below(preset):
    model = build(preset, size=40, widths=(16, 32), blocks=(1, 2), **({"latent": 12} if preset == "thesis" else {}))
    actual = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    assert 0.4 * actual < model.spec.weights_at_least <= actual


def test_first_use__of_a_network_writes_nothing_to_the_terminal():
    """Libraries greet from their native code, which no setting of Python's loggers silences."""
    code = (
        "import skylattice; from skylattice import testing\n"
        "for size in (20, 40, (20, 40), (40, 20), (20, 60), (60, 20)):\n"
        "    testing.random(size).sky.reconstruction_error('periodic').mse.compute()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ""

import numpy as np
import pytest
import xarray as xr
from tiny_generation import planted_latents

from skylattice import testing
from skylattice.errors import ModelError, SchemaError
from skylattice.latent.generate import generate, latent_set
from skylattice.latent.recipe import Recipe
from skylattice.latent.relax import quench, quench_schedule

pytest.importorskip("keras")
TINY = {"latent": 300, "widths": (4, 4, 8), "blocks": (1, 1, 1)}


@pytest.fixture(scope="module")
def latents():
    return planted_latents(n=60, size=(40, 40))


@pytest.fixture(scope="module")
def model():
    from skylattice.vae import build

    return build("periodic", size=40, **TINY)


@pytest.mark.parametrize("method", ["thesis", "prior", "neighbourhood", "low_defect", "learned"])
def test_generate__follows_the_schema_and_the_seed(latents, model, method):
    first, again, other = (generate(latents, model, 3, Recipe(method, seed=seed)) for seed in (1, 1, 2))
    assert first.spin.dims == ("sample", "y", "x", "component")
    assert first.spin.shape == (3, 40, 40, 3)
    np.testing.assert_allclose(np.linalg.norm(first.spin, axis=-1), 1, atol=1e-3)
    xr.testing.assert_identical(first, again)
    assert not np.array_equal(first.z, other.z)
    assert np.isfinite(first.sky.observables().energy).all()


def test_generate__normalises_what_the_network_leaves_short(latents, model, monkeypatch):
    recipe = Recipe()
    expected, whole = generate(latents, model, 2, recipe), model.decode
    monkeypatch.setattr(model, "decode", lambda *arguments, **options: np.float32(0.9) * whole(*arguments, **options))
    np.testing.assert_allclose(generate(latents, model, 2, recipe).spin, expected.spin, atol=1e-6)


def test_generate__thesis_is_equation_2_20(latents, model):
    z = generate(latents, model, 400, Recipe("thesis")).z.values
    np.testing.assert_allclose(z.mean(axis=0), latents.mu.mean(axis=0), atol=0.03)
    np.testing.assert_allclose(z.std(axis=0), np.exp(latents.log_var / 2).mean(axis=0), rtol=0.2)


def test_generate__around_a_lattice_stays_within_its_posterior(latents, model):
    ds = generate(latents, model, 50, Recipe("neighbourhood", around=7))
    assert abs((ds.z - latents.mu[7]) / 0.1).max() < 6
    np.testing.assert_array_equal(ds.D, latents.D[7])
    np.testing.assert_array_equal(
        generate(latents, model, 1, Recipe("neighbourhood", around=7, novelty=0)).z[0], latents.mu[7]
    )


def test_generate__low_defect_draws_around_the_lattices_with_the_fewest(latents, model):
    z = generate(latents, model, 20, Recipe("low_defect", novelty=0)).z.values
    fewest = np.sort(latents.n_defects)[5]
    for vector in z:
        assert latents.n_defects[abs(latents.mu - vector).max(axis=1).argmin()] <= fewest


def test_generate__takes_the_wanted_parameters(latents, model):
    ds = generate(latents, model, 2, Recipe(D=0.45, B=0.08))
    np.testing.assert_array_equal(ds.D, 0.45)
    np.testing.assert_array_equal(ds.B, 0.08)


def test_generate__conditional_decodes_under_the_wanted_parameters(latents):
    from skylattice.vae import build

    told = build("periodic", size=40, condition=True, **TINY)
    ds = generate(latents, told, 2, Recipe("conditional", D=0.45, B=0.08))
    expected = told.decode(ds.z.values, [[0.45, 0.08]] * 2, size=40)
    np.testing.assert_allclose(ds.spin, expected, atol=1e-3)  # short outputs are normalised


def test_generate__relaxed_lattices_have_the_temperature_asked_for(latents, model):
    ds = generate(latents, model, 3, Recipe("prior", relax=True), T=0.01)
    assert ds.sky.temperature().mean().item() == pytest.approx(0.01, rel=0.05)


def test_generate__turns_spins_to_the_other_handedness(latents, model):
    from skylattice import Hamiltonian

    one, other = (generate(latents, model, 2, Recipe("prior"), hamiltonian=Hamiltonian("neel", h)) for h in (1, -1))
    np.testing.assert_allclose(other.sky.energy().energy, one.sky.energy().energy, atol=1e-6)
    np.testing.assert_array_equal(other.spin, one.spin * [-1, -1, 1])


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"method": "magic"}, SchemaError, "magic"),
        ({"D": 0.5}, SchemaError, "both D and B"),
        ({"n": 0}, SchemaError, "at least one"),
        ({"method": "conditional"}, ModelError, "condition=True"),
        ({"method": "neighbourhood", "around": 60}, ModelError, "one of 60"),
        ({"method": "neighbourhood", "novelty": -1.0}, ModelError, "factor"),
    ],
)
def test_generate__names_what_is_wrong(latents, model, options, error, match):
    with pytest.raises(error, match=match):
        generate(latents, model, options.pop("n", 2), Recipe(**options))


def test_latent_set__leaves_out_holes_and_keeps_what_is_known(model):
    ds = testing.planted_skyrmions([(10, 10), (30, 25)], radius=5, size=40)
    ds = testing.dataset(np.repeat(ds.spin.values[0, 0], 3, axis=0))
    ds["spin"][0, 0, 1] = np.nan
    made = latent_set(ds, model)
    assert made.mu.shape[0] == 2
    known = ds.assign(n_defects=(("D", "B", "realization"), [[[3.0, np.nan, 5.0]]]))
    np.testing.assert_array_equal(latent_set(known, model).n_defects, [3, 5])


def test_quench__depends_on_seed_and_position_alone():
    spin = testing.random_spins((3, 16, 16), dtype="float32")
    schedule = quench_schedule(0.05, steps=2, sweeps=2)
    D, B = np.full(3, 0.5), np.full(3, 0.1)
    whole = quench(spin, schedule, D=D, B=B, seed=3)
    np.testing.assert_array_equal(quench(spin[:2], schedule, D=D[:2], B=B[:2], seed=3), whole[:2])
    assert np.isnan(quench(np.where(np.arange(3)[:, None, None, None] == 1, np.nan, spin), schedule, D=D, B=B)[1]).all()


def test_accessor__refuses_before_it_encodes(monkeypatch):
    from skylattice.latent import generate as module

    monkeypatch.setattr(module, "latent_set", lambda *args, **options: pytest.fail("encoded in vain"))
    ds = testing.random(20)
    with pytest.raises(SchemaError, match="found 'nonsense'"):
        ds.sky.generate(method="nonsense")

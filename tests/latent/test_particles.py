"""Lattices from skyrmion positions: kernels, packings, decoding, calibration, and what comes out."""

from dataclasses import replace

import dask
import numpy as np
import pytest
import xarray as xr

import skylattice
from skylattice import Hamiltonian, testing
from skylattice.defects.classify import find_defects
from skylattice.defects.triangulate import triangulate
from skylattice.errors import ModelError, SchemaError
from skylattice.kernels import particles as kernels
from skylattice.latent import packing as packing_module
from skylattice.latent.calibration import calibrate
from skylattice.latent.packing import Packing, pack, spacing_of
from skylattice.latent.particles import decode_positions, draw_like, generate
from skylattice.latent.recipe import Recipe

D, B = 0.5, 0.12
SHIPPED = Packing.shipped()


def random_positions(n, size, seed=0, steps=30):
    return pack(n, steps, size, np.random.default_rng(seed))


# Kernels


def apart(places, box):
    d = places[:, None] - places
    return d - box * np.rint(d / box)


@pytest.mark.parametrize("n", [7, 60, 400])
def test_pairs__are_all_within_reach_each_once(n):
    """Cells, for many particles, find what comparing all with all finds."""
    box = np.sqrt(n) * np.array([1.3, 0.7])
    places = np.random.default_rng(n).random((n, 2)) * box
    r = np.linalg.norm(apart(places, box), axis=-1)
    expected = {(i, j) for i in range(n) for j in range(i + 1, n) if r[i, j] < kernels.CUTOFF + kernels.SKIN}
    found = [tuple(sorted(pair)) for pair in kernels._pairs(places, box).tolist()]
    assert len(found) == len(set(found))
    assert set(found) == expected


def reference_dynamics(places, box, kappa, noise, temperatures, frictions, dt):
    """As the kernel, over all pairs with the exponential itself."""
    places, velocity = places.copy(), np.zeros_like(places)
    for step, friction in enumerate(frictions):
        d = apart(places, box)
        r = np.linalg.norm(d, axis=-1)
        np.fill_diagonal(r, np.inf)
        push = np.where(r < kernels.CUTOFF, kappa * np.exp(-kappa * (r - 1)) / r, 0)
        keep = np.exp(-friction * dt)
        velocity = keep * velocity + (push[..., None] * d).sum(axis=1) * dt
        if step < len(temperatures):
            velocity += np.sqrt(temperatures[step] * (1 - keep**2)) * noise[step]
        velocity = velocity.clip(-0.2 / dt, 0.2 / dt)
        places = places + velocity * dt
    return places % box


def test_settle__is_the_dynamics_over_all_pairs():
    n, box = 80, np.array([10.0, 8.0])
    rng = np.random.default_rng(1)
    start = kernels.scatter(rng.random((20 * n, 2)), n, box)
    noise, temperatures, frictions = rng.standard_normal((5, n, 2)), np.geomspace(0.3, 0.01, 5), np.full(25, 1.5)
    places = start.copy()
    kernels.settle(places, box, 6.0, noise, temperatures, frictions, 0.1)
    expected = reference_dynamics(start, box, 6.0, noise, temperatures, frictions, 0.1)
    difference = places - expected
    assert abs(difference - box * np.rint(difference / box)).max() < 1e-3  # forces come from a table


def test_scatter__keeps_particles_apart_and_places_all_even_where_they_do_not_fit():
    box = np.array([10.0, 12.0])
    r = np.linalg.norm(apart(kernels.scatter(np.random.default_rng(0).random((2000, 2)), 100, box), box), axis=-1)
    assert r[~np.eye(100, dtype=bool)].min() >= 0.7
    crowded = kernels.scatter(np.random.default_rng(0).random((2000, 2)), 500, box)
    assert len(np.unique(crowded, axis=0)) == 500


def reference_decode(positions, size, radius, decay):
    """The sum over all skyrmions and their nearest images, with the exponential itself."""
    ny, nx = size
    y, x = np.mgrid[:ny, :nx].astype(float)
    u = np.zeros((ny, nx), complex)
    for cx, cy in positions:
        dx, dy = (x - cx + nx / 2) % nx - nx / 2, (y - cy + ny / 2) % ny - ny / 2
        r = np.maximum(np.hypot(dx, dy), 0.02)
        u -= radius / r * np.exp((radius - r) / decay) * (dx + 1j * dy) / r
    s = 2 / (1 + abs(u) ** 2)
    return np.stack([s * u.real, s * u.imag, s - 1], axis=-1)


def test_decode__is_the_sum_over_skyrmions():
    size, positions = (60, 70), random_positions(24, (60, 70))
    spin = np.empty((*size, 3), np.float32)
    kernels.decode(positions[:, 0].copy(), positions[:, 1].copy(), 3.1, 3.6, spin)
    expected = reference_decode(positions, size, 3.1, 3.6)
    assert np.abs(spin - expected).max() < 0.05  # the profile comes from a table, steepest in the cores
    assert np.abs(spin - expected).mean() < 1e-3


# Packings


def test_pack__is_the_more_ordered_the_longer_it_settles():
    size = (150, 150)

    def share(steps):
        meshes = [triangulate(random_positions(120, size, seed, steps), size) for seed in range(12)]
        return np.mean([find_defects(mesh).is_defect.mean() for mesh in meshes])

    shares = [share(steps) for steps in (2, 40, 300)]
    assert shares[0] > 1.3 * shares[1] > 1.3 * shares[2]


def test_pack__knows_no_origin_scale_or_order_of_axes():
    """Twice the sites are the same packing, twice as large."""
    np.testing.assert_allclose(random_positions(50, (80, 60), 3), random_positions(50, (160, 120), 3) / 2)


def test_pack__of_no_particle_is_an_error():
    with pytest.raises(SchemaError, match="at least one"):
        pack(0, 10, (20, 20), np.random.default_rng(0))


# Decoding


@pytest.mark.parametrize("dmi", ["neel", "bloch", "antiskyrmion"])
@pytest.mark.parametrize("handedness", [1, -1])
@pytest.mark.parametrize("sign", [1, -1])
def test_decoded_lattice__has_the_charge_and_energy_of_its_interaction(dmi, handedness, sign):
    """One skyrmion each, in every symmetry; the energy is that of the Néel lattice."""
    size, positions = (64, 72), random_positions(30, (64, 72))
    hamiltonian = Hamiltonian(dmi, handedness)
    ds = skylattice.from_positions(positions, size=size, D=D, B=sign * B, hamiltonian=hamiltonian)
    reference = skylattice.from_positions(positions, size=size, D=D, B=B)
    assert ds.sky.topological_charge().item() == pytest.approx(30 * sign * hamiltonian.skyrmion_charge, abs=1e-6)
    assert ds.sky.energy().energy.item() == pytest.approx(reference.sky.energy().energy.item(), rel=1e-6)


def test_decoded_lattice__gives_its_positions_back():
    size, positions = (90, 90), random_positions(40, (90, 90), steps=100)
    found = skylattice.from_positions(positions, size=size, D=D, B=B).sky.skyrmions()
    there = np.stack([found.skyrmion_x.values, found.skyrmion_y.values], axis=-1)
    there = there[np.isfinite(there[:, 0])]
    assert len(there) == 40
    d = positions[:, None] - there
    d -= 90 * np.rint(d / 90)
    assert np.linalg.norm(d, axis=-1).min(axis=1).max() < 0.6


def test_decoded_lattice__moves_with_its_positions():
    size, positions = (50, 60), random_positions(18, (50, 60))
    moved = decode_positions(positions + np.array([7, -4]), size, D=D, B=B, packing=SHIPPED)
    original = decode_positions(positions, size, D=D, B=B, packing=SHIPPED)
    np.testing.assert_allclose(moved, np.roll(original, (-4, 7), axis=(0, 1)), atol=2e-3)


@pytest.mark.parametrize("positions", [np.zeros((0, 2)), np.zeros((3, 3)), np.array([[1.0, np.nan]])])
def test_decoding__names_positions_that_are_none(positions):
    with pytest.raises(SchemaError, match="positions"):
        skylattice.from_positions(positions, size=40, D=D, B=B)


# Generation


def test_generate__depends_on_seed_and_number_alone():
    four = generate(4, D=D, B=B, size=60, seed=3)
    with dask.config.set(scheduler="synchronous"):
        two = generate(2, D=D, B=B, size=60, seed=3)
    np.testing.assert_array_equal(two.spin, four.spin[:2])
    assert not np.allclose(generate(1, D=D, B=B, size=60, seed=4).spin, four.spin[:1])
    assert four.spin.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(four.spin, axis=-1), 1, atol=1e-6)


def test_generate__has_temperature_charge_and_energy_of_a_simulation():
    """At one point, against the engine's own annealing: number, energy and temperature agree within their spread."""
    new = generate(12, D=D, B=B, size=100, seed=1)
    found = new.sky.observables()
    assert found.temperature.mean().item() == pytest.approx(0.006, rel=0.02)
    assert (found.topological_charge.round() == found.topological_charge.round(6)).all()
    reference = xr.concat([simulated(seed) for seed in range(6)], "sample", combine_attrs="override").sky.observables()
    for name, spread in (("energy", 6e-4), ("m_z", 8e-3), ("topological_charge", 3.0)):
        assert abs(found[name].mean() - reference[name].mean()).item() < spread


def simulated(seed):
    from skylattice.simulation.engine import anneal, random_lattice
    from skylattice.simulation.schedule import Schedule

    start = random_lattice((100, 100), np.random.SeedSequence(seed))
    spin = anneal(start, Schedule.geometric(1.0, 0.006), D=D, B=B, seed=seed)
    return skylattice.from_arrays(spin, D=D, B=B, T=0.006, hamiltonian=Hamiltonian()).squeeze(drop=False)


def test_generate__in_the_other_field_is_the_mirror_image_at_first():
    up, down = (generate(1, D=D, B=sign * B, size=60, seed=2) for sign in (1, -1))
    assert down.sky.topological_charge().item() == pytest.approx(-up.sky.topological_charge().item())


def test_generate__has_as_many_defects_as_asked_for():
    counts = [
        generate(32, D=D, B=B, seed=5, defects=wanted).sky.defects().n_defects.mean().values for wanted in (12, 28)
    ]
    assert counts[0] == pytest.approx(12, abs=4)  # a lattice has 12 ± 8
    assert counts[1] == pytest.approx(28, abs=4)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"D": 5.0, "B": 10.0}, ModelError, "expected D from"),
        ({"D": 0.5, "B": 0.3}, ModelError, "J / D²"),
        ({"D": 0.5, "B": 0.0}, SchemaError, "B other than 0"),
        ({"D": [0.5, 0.4], "B": 0.1}, SchemaError, "one for each of 3"),
        ({"D": D, "B": B, "defects": 90}, ModelError, "packings"),
        ({"D": D, "B": B, "defects": "few"}, SchemaError, "mean number"),
        ({"D": D, "B": B, "defects": -1}, SchemaError, "mean number"),
        ({"D": D, "B": B, "size": "16"}, SchemaError, "size"),
        ({"D": D, "B": B, "T": -1.0}, SchemaError, "T"),
        ({"D": D, "B": B, "T": 0.4}, ModelError, "T up to"),
        ({"D": D, "B": B, "hamiltonian": Hamiltonian(J=2.0)}, ModelError, "J = 1"),
        ({"D": D, "B": B, "n": 0}, SchemaError, "n: expected"),
        ({"D": D, "B": B, "n": 2.5}, SchemaError, "n: expected"),
    ],
)
def test_generate__checks_its_arguments(options, error, words):
    with pytest.raises(error, match=words):
        generate(**{"n": 3, "size": 60, **options})


# Calibration


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory):
    path = tmp_path_factory.mktemp("particles") / "ensemble.zarr"
    points = [(d, round(b * d * d, 6)) for d in (0.5, 0.6) for b in (0.4, 0.5)]
    return skylattice.simulate_ensemble(points=points, realizations=3, size=80, seed=4, store=path, progress=False)


def test_packing__of_an_ensemble_gives_its_numbers(ensemble):
    packing = calibrate(ensemble)
    n = ensemble.sky.defects().n_skyrmions.mean("realization").compute()
    for d, b in [(0.5, 0.1), (0.6, 0.144)]:
        expected = n.sel(D=d, B=b).item()
        assert packing.mean_number(np.array([d]), np.array([b]), 6400)[0] == pytest.approx(expected, rel=0.05)
    radius, decay = packing.profile(0.5, 0.1)
    assert (radius, decay) == pytest.approx(SHIPPED.profile(0.5, 0.1), abs=0.03)
    assert Packing.from_json(packing.to_json()) == packing


def test_packing__of_turned_lattices_is_the_same(ensemble):
    flat = ensemble.sky.stack().isel(sample=slice(0, 4)).load()
    turned = flat.sky.to_handedness(-1)
    one, other = calibrate(flat), calibrate(turned)
    assert one.density == other.density
    np.testing.assert_allclose(one.radius, other.radius, rtol=1e-2, atol=1e-3)


def test_packing__of_lattices_without_skyrmions_is_an_error():
    with pytest.raises(ModelError, match="skyrmion phase"):
        calibrate(testing.ferromagnet(32, D=0.5, B=0.2))


def test_accessor__takes_the_thesis_temperature_where_none_is_known_and_refuses_edges(ensemble):
    unknown = ensemble.assign_coords(T=np.nan)
    assert unknown.sky.generate(n=1, method="particles", D=0.55, B=0.13)["T"].item() == 0.006
    with pytest.raises(SchemaError, match="periodic lattices"):
        ensemble.sky.with_boundary("open").sky.generate(n=1, method="particles")
    with pytest.raises(ModelError, match="J = 1"):
        calibrate(ensemble.assign_attrs(J=2.0))


def test_accessor__generates_like_the_dataset_it_has(ensemble):
    new = ensemble.sky.generate(n=3, method="particles", seed=1)
    assert new.sizes["sample"] == 3
    assert new.sizes["y"] == 80
    assert set(np.round(new.D.values, 6)) <= {0.5, 0.6}
    np.testing.assert_array_equal(new.spin, ensemble.sky.generate(n=3, method="particles", seed=1).spin)
    at = ensemble.sky.generate(n=2, method="particles", D=0.55, B=0.13)
    assert at.D.values.tolist() == [0.55, 0.55]


def test_drawing__leaves_out_points_that_particles_are_not_like_with_a_word():
    """The shipped ensemble reaches to the stripes."""
    ds = generate(1, D=D, B=B, size=100, seed=1)
    with pytest.warns(UserWarning, match="next to stripes"):
        new = draw_like(ds, SHIPPED, 6, Recipe("particles", seed=3))
    assert SHIPPED.reaches(new.D.values, new.B.values, (100, 100)).all()
    few = replace(SHIPPED, points=tuple(p for p in SHIPPED.points if p[1] < 0.28 * p[0] ** 2))
    with pytest.raises(ModelError, match="stretched"):
        draw_like(ds, few, 1, Recipe("particles"))


def test_recipe__refuses_what_particles_do_not_know():
    for options in ({"relax": True}, {"novelty": 0.5}, {"around": 1}):
        with pytest.raises(SchemaError, match="particles"):
            Recipe("particles", **options)
    with pytest.raises(SchemaError, match="defects"):
        Recipe("learned", defects=10)


def test_command__writes_a_store_and_keeps_the_calibration(ensemble, tmp_path, monkeypatch):
    from typer.testing import CliRunner

    from skylattice.cli.main import app
    from skylattice.study import generation

    arguments = ["generate", ensemble.attrs["store"], "--method", "particles", "-n", "2", "--D", "0.55", "--B", "0.13"]
    first = CliRunner().invoke(app, [arguments[0], arguments[1], str(tmp_path / "a.zarr"), *arguments[2:]])
    assert first.exit_code == 0, first.output
    monkeypatch.setattr(generation, "calibrate", lambda ds: pytest.fail("calibrated again"))
    again = CliRunner().invoke(app, [arguments[0], arguments[1], str(tmp_path / "b.zarr"), *arguments[2:]])
    assert again.exit_code == 0, again.output
    one, two = (skylattice.open_ensemble(tmp_path / name) for name in ("a.zarr", "b.zarr"))
    np.testing.assert_array_equal(one.spin, two.spin)
    assert one.attrs["generator"] == "particles"
    assert one.sizes["realization"] == 2


def test_constants__are_what_the_shipped_packing_was_made_with():
    """A change of the dynamics needs a new calibration."""
    constants = [getattr(packing_module, name) for name in ("KAPPA", "TIME_STEP", "QUENCH_STEPS", "SETTLING_FRICTION")]
    assert constants == [6.0, 0.1, 15, 3.0]
    assert spacing_of(100, (100, 100)) == pytest.approx(10 * np.sqrt(2 / np.sqrt(3)))

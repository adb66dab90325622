"""Monte Carlo against what is known exactly: conservation laws, closed forms, transfer matrix, thermometer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import energy, field, ring_energy, thermometer

from skylattice import Hamiltonian, testing
from skylattice.errors import SchemaError, SimulationError
from skylattice.kernels import checkerboard, raster
from skylattice.simulation.engine import anneal, random_lattice, spin_frame
from skylattice.simulation.schedule import Schedule, Stage

HAMILTONIANS = [Hamiltonian(dmi, h) for dmi in ("neel", "bloch", "antiskyrmion") for h in (1, -1)]
SEED = np.arange(4, dtype=np.uint32)


def coupling(D, B, dtype=np.float64, *, y_bonds=1.0):
    return np.array([1.0, y_bonds, D, D * y_bonds, B], dtype=dtype)


def langevin(x):
    return 1 / np.tanh(x) - 1 / x


def samples(size, T, D, B, *, n, equilibrate=200, every=5, method="heat_bath", over_relaxation=1, seed=0, **options):
    """Lattices along one Markov chain at fixed T, ``every`` sweeps apart."""
    found = []
    stages = [Stage(T, equilibrate, over_relaxation, method), *[Stage(T, every, over_relaxation, method)] * n]
    start = random_lattice(size, np.random.SeedSequence(seed + 1))
    keep = lambda stage, spin: found.append(spin)  # noqa: E731
    anneal(start, Schedule(tuple(stages)), D=D, B=B, seed=seed, after_stage=keep, **options)
    return found[1:]


def mean_and_error(values, blocks=10):
    """Mean, and its standard error from block means, which sees through correlations along the chain."""
    means = np.array([block.mean() for block in np.array_split(np.asarray(values, dtype=float), blocks)])
    return means.mean(), means.std(ddof=1) / np.sqrt(blocks)


@pytest.mark.parametrize("hamiltonian", HAMILTONIANS, ids=lambda h: f"{h.dmi}{h.handedness:+d}")
def test_spin_frame__turns_every_interaction_into_that_of_the_kernels(hamiltonian):
    spin = testing.random_spins((6, 8), seed=3)
    frame = spin_frame(hamiltonian)
    np.testing.assert_allclose(frame @ frame.T, np.eye(3))
    turned = field(spin @ frame.T, 0.7, 0.3, Hamiltonian("neel", 1))
    np.testing.assert_allclose(turned, field(spin, 0.7, 0.3, hamiltonian) @ frame.T, atol=1e-14)


def test_raster_over_relaxation__keeps_the_energy_on_odd_sizes():
    spin = testing.random_spins((7, 5), seed=1)
    before = energy(spin, 0.6, 0.2)
    raster.sweep_raster(spin, coupling(0.6, 0.2), 1.0, 0, SEED, raster.OVER_RELAXATION)
    assert energy(spin, 0.6, 0.2) == pytest.approx(before, abs=1e-13)


@given(seed=st.integers(0, 2**16), D=st.floats(0, 1), B=st.floats(-1, 1))
def test_metropolis__changes_the_energy_by_the_field_along_the_change(seed, D, B):
    """ΔH of one spin is -h·ΔS: the field that decides on acceptance is that of the recomputed energy."""
    spin = testing.random_spins((4, 6), seed)
    changed = spin.copy()
    changed[1, 2] = testing.random_spins((1,), seed + 1)[0]
    difference = (energy(changed, D, B) - energy(spin, D, B)) * spin[..., 0].size
    h = raster._field(spin, 1, 2, coupling(D, B))
    assert difference == pytest.approx(-np.dot(h, changed[1, 2] - spin[1, 2]), abs=1e-12)
    np.testing.assert_allclose(h, field(spin, D, B)[1, 2], atol=1e-13)


@pytest.mark.parametrize(
    ("method", "T", "B"),
    [
        ("heat_bath", 0.5, 0.7),
        ("heat_bath", 2.0, -1.0),
        ("heat_bath", 0.02, 0.3),
        ("metropolis", 0.5, 0.7),
        ("metropolis", 2.0, -1.0),
    ],
)
def test_single_spin__follows_the_langevin_function(method, T, B):
    chain = samples((1, 1), T, 0.9, B, n=3000, every=2, method=method)
    mean, error = mean_and_error([s[0, 0, 2] for s in chain])
    assert mean == pytest.approx(langevin(B / T), abs=4 * error)


@pytest.mark.parametrize("size", [(1, 2), (2, 1)])
def test_two_spins__follow_the_closed_form(size):
    """Two bonds join the pair around the ring: DMI cancels and <S1·S2> is the Langevin function of 2J/T."""
    chain = samples(size, 0.8, 0.9, 0.0, n=4000, every=2)
    mean, error = mean_and_error([np.sum(s.reshape(2, 3).prod(axis=0)) for s in chain])
    assert mean == pytest.approx(langevin(2 / 0.8), abs=4 * error)


@pytest.mark.parametrize("size", [(1, 12), (1, 7)])
def test_ring__has_the_energy_of_its_transfer_matrix(size):
    T, D, B = 0.5, 0.8, 0.3
    chain = samples(size, T, D, B, n=4000, every=3)
    mean, error = mean_and_error([energy(s, D, B) for s in chain])
    assert mean == pytest.approx(ring_energy(size[1], T, D, B), abs=4 * error)
    assert error < 0.01


def test_planes__of_uncoupled_rows_have_the_energy_of_the_transfer_matrix():
    """Without bonds along y the vectorised kernel holds independent rings, whose energy is known exactly."""
    T, D, B = 0.5, 0.8, 0.3
    planes = checkerboard.to_planes(testing.random_spins((64, 8), seed=4))
    rings = coupling(D, B, np.float32, y_bonds=0.0)
    sweep = checkerboard.run_planes(planes, rings, np.float32(1 / T), 0, 200, 1, SEED)
    energies = []
    for _ in range(100):
        sweep = checkerboard.run_planes(planes, rings, np.float32(1 / T), sweep, 3, 1, SEED)
        energies.append(np.mean([energy(row[None], D, B) for row in checkerboard.from_planes(planes)]))
    mean, error = mean_and_error(energies)
    assert mean == pytest.approx(ring_energy(8, T, D, B), abs=4 * error)
    assert error < 0.004


@pytest.mark.slow
@pytest.mark.parametrize("T", [0.3, 1.0])
def test_heat_bath_and_metropolis__agree(T):
    D, B = 0.5, 0.125
    fast = [energy(s, D, B) for s in samples((32, 32), T, D, B, n=400, equilibrate=500, over_relaxation=2)]
    plain = samples((32, 32), T, D, B, n=400, equilibrate=1500, every=20, method="metropolis", over_relaxation=0)
    (a, da), (b, db) = mean_and_error(fast), mean_and_error([energy(s, D, B) for s in plain])
    assert a == pytest.approx(b, abs=4 * np.hypot(da, db))
    assert np.hypot(da, db) < 0.01


@pytest.mark.parametrize("T", [0.006, 0.1, 0.5])
def test_thermometer__reads_the_temperature(T):
    D, B = 0.5, 0.125
    readings = [thermometer(s, D, B) / T for s in samples((64, 64), T, D, B, n=60, equilibrate=300, every=10)]
    assert np.mean(readings) == pytest.approx(1.0, abs=0.01)


def test_thermometer__reads_the_temperature_on_odd_sizes():
    readings = [thermometer(s, 0.5, 0.2) / 0.1 for s in samples((31, 45), 0.1, 0.5, 0.2, n=60, equilibrate=300)]
    assert np.mean(readings) == pytest.approx(1.0, abs=0.02)


def test_zero_temperature__aligns_every_spin_with_its_field():
    schedule = Schedule((*Schedule.geometric(1.0, 0.01, steps=10), Stage(0.0, 500, 0)))
    spin = anneal(random_lattice((16, 16), np.random.SeedSequence(5)), schedule, D=0.5, B=0.6)
    h = field(spin, 0.5, 0.6)
    cos_theta = (spin * h).sum(-1) / np.linalg.norm(h, axis=-1)
    np.testing.assert_allclose(cos_theta, 1.0, atol=1e-5)


@pytest.mark.parametrize("size", [(16, 18), (9, 14)])
def test_anneal__depends_on_the_seed_only(size):
    start = random_lattice(size, np.random.SeedSequence(0))
    schedule = Schedule.geometric(1.0, 0.1, steps=5)
    first, again, other = (anneal(start, schedule, D=0.5, B=0.1, seed=seed) for seed in (7, 7, 8))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.1
    np.testing.assert_allclose(np.linalg.norm(first, axis=-1), 1.0, atol=1e-6)


def test_anneal__gives_the_same_lattice_in_the_frame_of_each_interaction():
    start = random_lattice((12, 12), np.random.SeedSequence(0))
    schedule = Schedule.geometric(1.0, 0.1, steps=5)
    plain = anneal(start, schedule, D=0.5, B=0.1, seed=1)
    for hamiltonian in HAMILTONIANS:
        frame = spin_frame(hamiltonian)
        turned = anneal(start @ frame, schedule, D=0.5, B=0.1, seed=1, hamiltonian=hamiltonian)
        np.testing.assert_array_equal(turned, plain @ frame.astype(np.float32))


@pytest.mark.parametrize("hamiltonian", HAMILTONIANS, ids=lambda h: f"{h.dmi}{h.handedness:+d}")
def test_annealed_lattice__has_only_skyrmions_of_the_favoured_charge(hamiltonian):
    """Degree of the map, counted independently: triangles of the mesh whose spherical image holds the south pole."""
    size = (64, 64)
    schedule = Schedule.geometric(steps=30, sweeps=15)
    spin = anneal(random_lattice(size, np.random.SeedSequence(1)), schedule, D=0.5, B=0.125, hamiltonian=hamiltonian)
    signs = preimages_of_south_pole(spin.astype(np.float64))
    assert len(signs) > 10
    assert set(signs) == {hamiltonian.skyrmion_charge}


def test_annealed_lattice__of_the_thesis_size_has_only_skyrmions_of_charge_minus_one():
    start = random_lattice((200, 200), np.random.SeedSequence(2))
    signs = preimages_of_south_pole(anneal(start, Schedule.geometric(), D=0.5, B=0.125).astype(np.float64))
    assert set(signs) == {-1}
    assert 170 < len(signs) < 210  # about 190 at D = 0.5 in mid-phase


def preimages_of_south_pole(spin):
    """Orientation of each mesh triangle whose spherical triangle contains a point near -z."""
    pole = np.array([1e-4, 2e-4, -1.0])
    right, up = np.roll(spin, -1, 1), np.roll(spin, -1, 0)
    corner = np.roll(right, -1, 0)
    signs = []
    for a, b, c in ((spin, right, corner), (spin, corner, up)):
        sides = np.stack([np.cross(p, q) @ pole for p, q in ((a, b), (b, c), (c, a))])
        inside = (sides > 0).all(0) | (sides < 0).all(0)
        inside &= (a + b + c) @ pole > 0
        signs += np.sign(sides[0][inside]).astype(int).tolist()
    return signs


@pytest.mark.parametrize(
    ("spin", "options", "error", "message"),
    [
        (np.zeros((4, 4)), {}, SimulationError, r"shape \(ny, nx, 3\), found \(4, 4\)"),
        (np.zeros((4, 4, 3)), {}, SchemaError, "unit spins"),
        (testing.random_spins((4, 4)), {"D": -0.5}, SchemaError, "handedness=-1"),
        (testing.random_spins((4, 4)), {"B": np.nan}, SchemaError, "finite"),
    ],
)
def test_anneal__names_what_is_wrong(spin, options, error, message):
    with pytest.raises(error, match=message):
        anneal(spin, Schedule.geometric(), **{"D": 0.5, "B": 0.1, **options})

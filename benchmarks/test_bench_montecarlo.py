"""Spin updates per second of one thread, beside the plain loop and the bandwidth they could use; what a stage costs."""

import time

import numpy as np
import pytest
from timing import median_rate

from skylattice import testing
from skylattice.kernels import checkerboard, raster

SIZE = 200
COUPLING = np.array([1.0, 1.0, 0.5, 0.5, 0.125])
BETA = 10.0
SEED = np.arange(4, dtype=np.uint32)
#: Bytes that one over-relaxation update moves: own spin and four neighbours read, own spin written, float32.
BYTES_PER_UPDATE = (5 + 1) * 3 * 4


def lattice(size=SIZE):
    return testing.random_spins((size, size), seed=0)


def planes(size=SIZE):
    return checkerboard.to_planes(lattice(size))


def vectorised(state, sweeps, over_relaxation):
    return lambda: checkerboard.run_planes(
        state, COUPLING.astype(np.float32), np.float32(BETA), 0, sweeps, over_relaxation, SEED
    )


def plain(state, sweeps, over_relaxation):
    return lambda: raster.run_raster(state, COUPLING, BETA, 0, sweeps, over_relaxation, SEED, raster.HEAT_BATH)


def copy_bandwidth():
    """Bytes read and written per second by numpy's copy of an array as large as the lattice."""
    source = np.zeros((3, SIZE * SIZE), dtype=np.float32)
    target = np.empty_like(source)

    def copy():
        for _ in range(100):
            np.copyto(target, source)

    return median_rate(copy, 100 * 2 * source.nbytes)


def cpu_seconds(f):
    start = time.process_time()
    f()
    return time.process_time() - start


def test_over_relaxation(benchmark, rate):
    state, sweeps = planes(), 50
    coupling = COUPLING.astype(np.float32)
    updates = rate(
        lambda: checkerboard.over_relaxation_sweeps(state, coupling, sweeps, 0),
        operations=sweeps * SIZE**2,
        unit="spin updates/s",
    )
    benchmark.extra_info["share_of_copy_bandwidth"] = updates * BYTES_PER_UPDATE / copy_bandwidth()
    np.testing.assert_allclose(np.linalg.norm(checkerboard.from_planes(state), axis=-1), 1, atol=1e-4)


def test_heat_bath(rate):
    rate(vectorised(planes(), 20, 0), operations=20 * SIZE**2, unit="spin updates/s")


@pytest.mark.parametrize(("size", "sweeps"), [(64, 100), (200, 10), (1000, 4), (2000, 1)])
def test_mix_of_one_heat_bath_and_four_over_relaxations(benchmark, rate, size, sweeps):
    fast, slow = planes(size), lattice(size)
    rate(vectorised(fast, sweeps, 4), operations=5 * sweeps * size**2, unit="spin updates/s", rounds=9)
    pairs = [(cpu_seconds(plain(slow, 1, 4)), cpu_seconds(vectorised(fast, sweeps, 4)) / sweeps) for _ in range(3)]
    benchmark.extra_info["baseline"] = "scalar numba loop over sites"
    benchmark.extra_info["baseline_rate"] = 5 * size**2 / np.median([loop for loop, _ in pairs])
    benchmark.extra_info["ratio"] = np.median([loop / vector for loop, vector in pairs])


def test_mix__has_the_mean_of_the_plain_loop():
    fast, slow = planes(), lattice()
    vectorised(fast, 60, 4)()
    plain(slow, 60, 4)()
    assert checkerboard.from_planes(fast)[..., 2].mean() == pytest.approx(slow[..., 2].mean(), abs=0.05)


def test_annealing_of_one_lattice(benchmark):
    """The default schedule: 60 temperatures, 6000 updates of each spin."""
    from skylattice.simulation.engine import anneal, random_lattice
    from skylattice.simulation.schedule import Schedule

    start = random_lattice((SIZE, SIZE), np.random.SeedSequence(0))
    spin = benchmark.pedantic(
        anneal, args=(start, Schedule.geometric()), kwargs={"D": 0.5, "B": 0.125}, rounds=3, warmup_rounds=1
    )
    assert spin.shape == (SIZE, SIZE, 3)
    if benchmark.stats is not None:
        benchmark.extra_info["rate"] = 1 / benchmark.stats.stats.median
        benchmark.extra_info["unit"] = "lattices/s"


def test_quench_of_one_sweep_per_stage(benchmark):
    """What ``anneal`` adds to its kernel where each of 60 stages is one heat bath and four over-relaxations."""
    from skylattice.simulation.engine import anneal, random_lattice
    from skylattice.simulation.schedule import Schedule

    start, schedule = random_lattice((SIZE, SIZE), np.random.SeedSequence(0)), Schedule.geometric(sweeps=1)
    state, coupling = planes(), COUPLING.astype(np.float32)

    def whole():
        return anneal(start, schedule, D=0.5, B=0.125)

    def kernel():
        for sweep, stage in enumerate(schedule):
            checkerboard.run_planes(state, coupling, np.float32(1 / stage.T), sweep, 1, 4, SEED)

    assert whole().shape == (SIZE, SIZE, 3)
    benchmark.pedantic(whole, rounds=9, warmup_rounds=1)
    kernel()
    overheads = [cpu_seconds(whole) / cpu_seconds(kernel) - 1 for _ in range(15)]
    benchmark.extra_info["overhead"] = np.median(overheads)

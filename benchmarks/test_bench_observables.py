"""Lattices of 200 × 200 float32 spins that one thread analyses per second, beside plain numpy and the machine's limits.

The spins are rough (independent): no shortcut for smooth textures is taken.
"""

import numpy as np
import oracles
import pytest
from scipy import fft
from timing import median_rate

from skylattice import Hamiltonian, testing
from skylattice.boundary import TORUS
from skylattice.kernels import energy, magnetization, scalars, structure, topology
from skylattice.observables.scalars import SCALARS
from skylattice.observables.structure import _power, _wave_numbers

N, LATTICES = 200, 8
D, B, HAMILTONIAN = 0.5, 0.125, Hamiltonian("neel", -1)
INTERACTION = (D, B, HAMILTONIAN.dmi_directions, HAMILTONIAN.J)
SPINS = testing.random_spins((LATTICES, N, N), seed=0, dtype="float32")


def read_limit():
    """Lattices per second that numpy can copy: each spin read once, and as much written."""
    target = np.empty_like(SPINS)
    return median_rate(lambda: np.copyto(target, SPINS), LATTICES)


def arctangent_limit():
    """Lattices per second if two arctangents per site were all there is to do, with numpy's vectorised arctan2."""
    y, x = np.random.default_rng(0).normal(size=(2, 2, N, N))
    return median_rate(lambda: np.arctan2(y, x), 1)


def fourier_limit():
    """Lattices per second that scipy transforms."""
    spin = SPINS[0].astype(np.float64)
    return median_rate(lambda: fft.fft2(spin, axes=(0, 1)), 1)


@pytest.fixture
def compare(benchmark, rate):
    """Time a kernel on all lattices and a numpy function on one, check that they agree, and keep rates and ratios."""

    def measure(kernel, naive, *, limit, limit_name, atol=1e-11):
        fast = rate(lambda: kernel(SPINS), operations=LATTICES, unit="lattices/s")
        benchmark.extra_info["sites_per_s"] = fast * N * N
        slow = median_rate(lambda: naive(SPINS[0]), 1, rounds=3)
        benchmark.extra_info |= {"baseline": "numpy", "baseline_rate": slow, "ratio": fast / slow}
        benchmark.extra_info |= {"limit": limit_name, "share_of_limit": fast / limit()}
        for k in (0, LATTICES - 1):
            np.testing.assert_allclose(kernel(SPINS)[k], naive(SPINS[k]), rtol=1e-9, atol=atol)

    return measure


def local_energy(spin):
    """-S·(h - B ẑ) / 2 - B S_z."""
    spin, h = oracles.unit(spin), oracles.field(spin, D, B, HAMILTONIAN)
    return -0.5 * np.sum(spin * h, axis=-1) - 0.5 * B * spin[..., 2]


def all_scalars(spin):
    """:data:`SCALARS` by plain numpy."""
    cosine = oracles.cos_theta(spin, D, B, HAMILTONIAN)
    terms = oracles.energies(spin, D, B, HAMILTONIAN)
    return [
        oracles.charge_density(spin, "main").sum(),
        oracles.charge_density(spin, "alt").sum(),
        *oracles.unit(spin).mean(axis=(0, 1)),
        *terms,
        *(cosine.mean(), cosine.min()),
        oracles.temperature(spin, D, B, HAMILTONIAN),
        abs(np.linalg.norm(spin.astype(float), axis=-1) - 1).max(),
        terms[0] - local_energy(spin).mean(),
        0.0,
    ]


def test_all_scalars_in_one_pass(compare):
    slots = np.zeros(len(SCALARS))
    compare(
        lambda spins: scalars.lattice_scalars(spins, *INTERACTION, slots, TORUS.flags),
        all_scalars,
        limit=read_limit,
        limit_name="copying the spins",
    )


def test_topological_charge(compare):
    compare(
        lambda spins: topology.topological_charge(spins, False, TORUS.flags),
        lambda spin: oracles.charge_density(spin).sum(),
        limit=arctangent_limit,
        limit_name="two arctangents per site",
    )


def test_charge_density(compare):
    compare(
        lambda spins: topology.charge_density(spins, False, TORUS.flags),
        oracles.charge_density,
        limit=arctangent_limit,
        limit_name="two arctangents per site",
    )


def test_gradient_charge_density(compare):
    compare(
        lambda spins: topology.gradient_density(spins, TORUS.flags),
        oracles.gradient_density,
        limit=read_limit,
        limit_name="copying the spins",
    )


def test_magnetization(compare):
    compare(
        lambda spins: magnetization.magnetization(spins, TORUS.flags),
        lambda spin: oracles.unit(spin).mean(axis=(0, 1)),
        limit=read_limit,
        limit_name="copying the spins",
    )


@pytest.mark.parametrize(
    ("kernel", "naive"),
    [
        (energy.energy_density, local_energy),
        (energy.effective_field, lambda spin: oracles.field(spin, D, B, HAMILTONIAN)),
        (energy.cos_theta, lambda spin: oracles.cos_theta(spin, D, B, HAMILTONIAN)),
    ],
    ids=["energy_density", "effective_field", "cos_theta"],
)
def test_energy(compare, kernel, naive):
    compare(
        lambda spins: kernel(spins, *INTERACTION, TORUS.flags), naive, limit=read_limit, limit_name="copying the spins"
    )


def test_structure_factor(compare):
    def naive(spin):
        amplitude = np.fft.fft2(spin.astype(np.float64), axes=(0, 1))
        return np.fft.fftshift(np.sum(np.abs(amplitude) ** 2, axis=-1) / (N * N))

    compare(_power, naive, limit=fourier_limit, limit_name="scipy's transform alone", atol=1e-9)


def test_peak_wave_number(compare):
    q = _wave_numbers(N)
    power = {spin.tobytes(): _power(spin) for spin in SPINS}

    def naive(spin):
        """Strongest ring by bincount, then the mean of a window that follows itself."""
        norm = np.hypot(q[:, None], q)
        weight = np.where(norm == 0, 0, power[spin.tobytes()])
        ring = np.rint(norm / (2 * np.pi / N)).astype(int)
        sums, modes = np.bincount(ring.flat, weight.flat), np.bincount(ring.flat)
        strongest = ring == np.argmax(sums / modes)
        peak = (weight * norm)[strongest].sum() / weight[strongest].sum()
        for _ in range(structure.STEPS):
            inside = np.abs(norm - peak) <= structure.WINDOW * peak
            peak = (weight * norm)[inside].sum() / weight[inside].sum()
        return peak

    stacked = np.stack([power[spin.tobytes()] for spin in SPINS])
    compare(
        lambda spins: structure.peak_wave_number(stacked, q, q),
        naive,
        limit=fourier_limit,
        limit_name="scipy's transform alone",
    )

"""The sum of angles as a product of complex numbers."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from skylattice.kernels.winding import _turn

#: Arguments exactly on the axes and diagonals, the branch cut included, where floating point has no say.
EXACT = np.array([1, 1 + 1j, 1j, -1 + 1j, -1, -1 - 1j, -1j, 1 - 1j])


def total(factors):
    """Sum of the arguments of the factors, by the kernel."""
    real, imag, turns = np.ones(1), np.zeros(1), np.zeros(1)
    for factor in factors:
        _turn(real, imag, turns, np.array([factor.real]), np.array([factor.imag]))
    return 2 * np.pi * turns[0] + np.arctan2(imag[0], real[0])


@given(st.lists(st.sampled_from(EXACT), max_size=40))
def test_turn__sums_angles_on_the_branch_cut(factors):
    np.testing.assert_allclose(total(factors), np.angle(factors).sum(), rtol=0, atol=1e-13)


@given(st.integers(0, 2**32), st.sampled_from([1e-9, 1e-3, 1.0]))
def test_turn__sums_angles_close_to_the_branch_cut(seed, spread):
    rng = np.random.default_rng(seed)
    angles = rng.choice([-np.pi, -np.pi / 2, 0, np.pi / 2, np.pi], 50) + spread * rng.normal(size=50)
    factors = rng.lognormal(sigma=5, size=50) * np.exp(1j * angles)
    np.testing.assert_allclose(total(factors), np.angle(factors).sum(), rtol=0, atol=1e-11)


def test_turn__counts_zero_as_one():
    assert total([1j, 0j, 1j]) == np.pi


def test_turn__neither_overflows_nor_underflows():
    assert total([1e-30j] * 100) == 50 * np.pi
    assert total([1e30j] * 100) == 50 * np.pi

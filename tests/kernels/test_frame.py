"""Spins as the observables' kernels read them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skylattice import testing
from skylattice.boundary import TORUS
from skylattice.kernels.frame import row, unit_frame


@given(
    size=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    seed=st.integers(0, 2**32),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_frame__holds_unit_spins_and_repeats_the_opposite_edges(size, seed, dtype):
    ny = size[0]
    spin = (2.5 * testing.random_spins(size, seed)).astype(dtype)
    unit, norm_error, n_sites = unit_frame(spin, TORUS.flags)
    assert n_sites == size[0] * size[1]
    expected = spin.astype(np.float64)
    length = np.linalg.norm(expected, axis=-1, keepdims=True)
    np.testing.assert_allclose(unit[:, 1:-1, 1:-1], np.moveaxis(expected / length, -1, 0), rtol=0, atol=1e-15)
    assert norm_error == pytest.approx(abs(length - 1).max(), abs=1e-15)
    for y in range(-1, ny + 1):
        for x in (-1, 0, 1):
            shifted = np.roll(unit[:, 1:-1, 1:-1], -x, axis=2)[:, y % ny]
            np.testing.assert_array_equal(np.stack(row(unit, y, x)), shifted)


def test_frame__reads_any_strides():
    spin = testing.random_spins((4, 6), 0)
    strided = np.asfortranarray(spin)[::-1, ::2]
    np.testing.assert_array_equal(unit_frame(strided, TORUS.flags)[0], unit_frame(strided.copy(), TORUS.flags)[0])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 0.0], ids=str)
@pytest.mark.parametrize("site", [(0, 0), (2, 3), (3, 5)], ids=str)
def test_frame__reports_a_bad_spin_without_a_warning(bad, site):
    spin = testing.random_spins((4, 6), 0)
    spin[site] = bad
    assert np.isnan(unit_frame(spin, TORUS.flags)[1])

"""Quarter turns of spins and lattices."""

import numpy as np
import pytest

from skylattice import testing
from skylattice.kernels.rotation import rotate_lattices, turn_spins


@pytest.mark.parametrize("quarters", [-5, -1, 0, 1, 2, 3, 4, 7])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_turn__is_the_rotation_matrix(quarters, dtype):
    spin = testing.random_spins((3, 4), 0, dtype)
    angle = quarters * np.pi / 2
    matrix = [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    turned = turn_spins(spin, quarters)
    assert turned.dtype == dtype
    np.testing.assert_allclose(turned, spin @ np.array(matrix).T, atol=1e-6)


@pytest.mark.parametrize("sign", [1, -1])
def test_rotate__moves_each_spin_to_its_site(sign):
    spin = testing.random_spins((2, 3, 5))
    rotated = rotate_lattices(spin, 1, sign)
    assert rotated.shape == (2, 5, 3, 3)
    for y in range(3):
        for x in range(5):
            np.testing.assert_array_equal(rotated[:, x, 3 - 1 - y], turn_spins(spin, sign)[:, y, x])


def test_rotate__four_times_is_nothing():
    spin = testing.random_spins((3, 5))
    for k in range(4):
        np.testing.assert_array_equal(rotate_lattices(rotate_lattices(spin, k, 1), -k, 1), spin)

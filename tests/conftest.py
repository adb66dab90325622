"""Shared by all tests. Numba's disk cache misses changes in helpers of other files, so it is off."""

import os

os.environ.setdefault("SKYLATTICE_NUMBA_CACHE", "0")

import hypothesis
import pytest

from skylattice import testing

hypothesis.settings.register_profile("skylattice", deadline=None, max_examples=25, derandomize=True)
hypothesis.settings.load_profile("skylattice")


@pytest.fixture
def random_ensemble():
    """Three rough lattices of 16 (y) × 20 (x): no symmetry hides a mistake."""
    return testing.random((16, 20), realizations=3)


@pytest.fixture
def one_skyrmion():
    """Two copies of one Néel skyrmion off the lattice's centre."""
    import numpy as np

    ds = testing.planted_skyrmions([(20.3, 31.7)], radius=6, size=(48, 64))
    return testing.dataset(np.repeat(ds.spin.values[0, 0], 2, axis=0))

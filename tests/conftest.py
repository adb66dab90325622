"""Shared by all tests.

Numba's disk cache notices a changed file, but not a changed helper in another file. Here it lies in a folder named
after the contents of all kernels, so that it is never stale and worker processes need not compile again.
"""

import hashlib
import os
import tempfile
from pathlib import Path

KERNELS = sorted((Path(__file__).parents[1] / "skylattice/kernels").glob("*.py"))
DIGEST = hashlib.sha256(b"".join(path.read_bytes() for path in KERNELS)).hexdigest()[:16]
os.environ["NUMBA_CACHE_DIR"] = str(Path(tempfile.gettempdir()) / f"skylattice-kernels-{DIGEST}")

import hypothesis
import numpy as np
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
    ds = testing.planted_skyrmions([(20.3, 31.7)], radius=6, size=(48, 64))
    return testing.dataset(np.repeat(ds.spin.values[0, 0], 2, axis=0))


@pytest.fixture(scope="session")
def tiny_model():
    """An untrained periodic model whose output depends on all of its latents."""
    from tiny_vae import TINY, awaken

    from skylattice.vae import build

    return awaken(build("periodic", size=20, **TINY))

import pytest
from tiny_vae import TINY, awaken, make_ensemble


@pytest.fixture(scope="session")
def ensemble():
    """3 × 2 points, 3 realizations of 20×20, one hole."""
    return make_ensemble()


@pytest.fixture(scope="session")
def tiny_model():
    """An untrained periodic model whose output depends on all of its latents."""
    from skylattice.vae import build

    return awaken(build("periodic", size=20, **TINY))

import pytest
from tiny_vae import make_ensemble


@pytest.fixture(scope="session")
def ensemble():
    """3 × 2 points, 3 realizations of 20×20, one hole."""
    return make_ensemble()

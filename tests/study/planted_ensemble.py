"""A small ensemble of planted skyrmions and untrained models: numbers that mean nothing, made the whole way."""

from pathlib import Path

import numpy as np
import pytest

from skylattice import testing
from skylattice.io.importing import import_datasets
from skylattice.study.analysis import analyse_store

GRID = [(D, B) for D in (0.45, 0.5, 0.55) for B in (0.12, 0.14, 0.16)]
NETWORK = {"size": 60, "latent": 200, "widths": (4, 4, 8), "blocks": (1, 1, 1)}


def planted(D, B, seed):
    """4×4 skyrmions on a 60×60 lattice, off their places, as one lattice at (D, B)."""
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(np.arange(4) * 15, np.arange(4) * 15)
    centres = np.c_[(x + 7.5 * (np.arange(4) % 2)[:, None]).ravel(), y.ravel()] + rng.normal(0, 2.5, (16, 2))
    return testing.planted_skyrmions(centres, radius=3.4 - 4 * (B - 0.12), size=60, D=D, B=B)


def make_store(path: Path) -> Path:
    """An analysed store of nine lattices."""
    import_datasets([planted(D, B, k) for k, (D, B) in enumerate(GRID)], path, progress=False)
    analyse_store(path, progress=False)
    return path


def make_models(folder: Path) -> list[Path]:
    """Two untrained models, ``first`` and ``second``."""
    from skylattice.vae import build, save

    return [
        save(build("periodic", beta=beta, **NETWORK), folder / name)
        for name, beta in (("first", 5e-5), ("second", 1e-4))
    ]


@pytest.fixture(scope="module", name="store")
def store_fixture(tmp_path_factory):
    return make_store(tmp_path_factory.mktemp("planted") / "planted.zarr")


@pytest.fixture(scope="module", name="models")
def models_fixture(tmp_path_factory):
    return make_models(tmp_path_factory.mktemp("models"))

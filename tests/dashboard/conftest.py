"""Stores in every state, and the dashboard's own folder on the path, as Streamlit puts it there."""

import sys
from pathlib import Path

import numpy as np
import pytest

DASHBOARD = Path(__file__).parents[2] / "dashboard"
sys.path.insert(0, str(DASHBOARD))

import model_services  # noqa: E402
import streamlit as st  # noqa: E402

from skylattice import Hamiltonian, testing  # noqa: E402
from skylattice.analysis import analyse_store  # noqa: E402
from skylattice.io.store import Layout, create_store, write_point  # noqa: E402

SIZE = (40, 40)
LAYOUT = Layout(SIZE, 0.006, Hamiltonian())


def lattice(seed=0):
    """25 skyrmions of a strained triangular lattice."""
    rng = np.random.default_rng(seed)
    centres = [
        (8 * i + 4 * (j % 2) + rng.normal(0, 0.4), 8 * j + rng.normal(0, 0.4)) for j in range(5) for i in range(5)
    ]
    return testing.planted_skyrmions(centres, radius=2.4, size=SIZE).spin.values[0, 0, 0].astype(np.float32)


def make_store(path, *, write=True):
    """2 × 2 points of two realizations; one point is a hole and one lattice failed."""
    create_store(path, D=[0.4, 0.5], B=[0.1, 0.15], realizations=2, layout=LAYOUT)
    if write:
        write_point(path, D=0.4, B=0.1, spin=np.stack([lattice(0), lattice(1)]))
        write_point(path, D=0.5, B=0.1, spin=np.stack([lattice(2), lattice(3)]))
        hole = np.full((*SIZE, 3), np.nan, dtype=np.float32)
        write_point(path, D=0.5, B=0.15, spin=np.stack([lattice(4), hole]), status=[1, 3])
    return path


@pytest.fixture(scope="session")
def analysed(tmp_path_factory):
    """Root folder with a store ``full``, a model ``tiny`` and the results of both; read only."""
    from skylattice.vae import build, save

    root = tmp_path_factory.mktemp("root")
    save(build("periodic", size=20, widths=(8, 8, 16), blocks=(1, 1, 1)), root / "tiny")
    analyse_store(make_store(root / "full.zarr"), progress=False)
    model_services.encode(root / "full.zarr", str(root / "tiny"))
    return root


@pytest.fixture(autouse=True)
def no_shipped_models(monkeypatch):
    """The shipped models take seconds to load: a tiny one does here."""
    monkeypatch.setattr(model_services, "shipped", lambda: iter(()))


@pytest.fixture
def root(tmp_path, monkeypatch):
    """The folder that the dashboard may open, empty at first."""
    folder = tmp_path / "root"
    folder.mkdir()
    monkeypatch.setenv("SKYLATTICE_DASHBOARD_ROOTS", str(folder))
    monkeypatch.delenv("SKYLATTICE_DASHBOARD_SOURCE", raising=False)
    return folder


@pytest.fixture
def full(analysed, monkeypatch):
    """The analysed store as what the dashboard was started with."""
    monkeypatch.setenv("SKYLATTICE_DASHBOARD_ROOTS", str(analysed))
    monkeypatch.setenv("SKYLATTICE_DASHBOARD_SOURCE", str(analysed / "full.zarr"))
    return analysed / "full.zarr"


@pytest.fixture(autouse=True)
def fresh_caches():
    """Caches outlive a test, and keys of stores return."""
    st.cache_data.clear()
    st.cache_resource.clear()

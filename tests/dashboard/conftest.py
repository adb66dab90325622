"""The dashboard's own folder on the path, as Streamlit puts it there, and fixtures of stores."""

import sys

import pytest
from small_stores import DASHBOARD, make_store

sys.path.insert(0, str(DASHBOARD))

import models
import streamlit as st

from skylattice.study.analysis import analyse_store
from skylattice.study.evaluation import encode_store


@pytest.fixture(scope="session")
def analysed(tmp_path_factory):
    """Root folder with a store ``full``, a model ``tiny`` and the results of both; read only."""
    from skylattice.vae import build, save

    root = tmp_path_factory.mktemp("root")
    save(build("periodic", size=20, widths=(8, 8, 16), blocks=(1, 1, 1)), root / "tiny")
    analyse_store(make_store(root / "full.zarr"), progress=False)
    encode_store(root / "full.zarr", str(root / "tiny"))
    return root


@pytest.fixture(autouse=True)
def no_shipped_models(monkeypatch):
    """The shipped models take seconds to load: a tiny one does here."""
    monkeypatch.setattr(models, "shipped", lambda: iter(()))


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

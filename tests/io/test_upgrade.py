"""Stores of format version 1: read as they are, extended only once they are of the present version."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from skylattice import open_ensemble, simulate_ensemble
from skylattice.errors import StoreError
from skylattice.io.results import match, open_results
from skylattice.io.seals import read_document
from skylattice.io.upgrade import upgrade_store
from skylattice.io.writing import append_grid, write_point
from skylattice.simulation.schedule import Schedule
from skylattice.study.evaluation import open_lattices

OLD = Path(__file__).parents[1] / "data" / "store-1"
SCHEDULE = Schedule.geometric(1.0, 0.01, steps=8, sweeps=4)


@pytest.fixture
def store(tmp_path):
    shutil.copytree(OLD, tmp_path, dirs_exist_ok=True)
    return tmp_path / "small.zarr"


def test_version_1__is_read_with_its_results(store):
    ds = open_ensemble(store)
    assert ds.attrs["format_version"] == 1
    assert ds.status.values.tolist() == [[[0, 0], [0, 0], [2, 2]], [[1, 1], [1, 1], [0, 0]]]
    aligned, n_stale = match(open_results(store, "observables").load(), ds)
    assert n_stale == 0
    charge = ds.isel(D=[1], B=[0, 1]).sky.topological_charge()
    np.testing.assert_allclose(aligned.topological_charge.isel(D=[1], B=[0, 1]), charge, atol=1e-9)
    assert len(open_lattices(store).frame) == 4
    assert open_results(store, "defects").attrs["format_version"] == 1


def test_version_1__is_not_extended(store):
    for attempt in (
        lambda: append_grid(store, D=[0.9]),
        lambda: write_point(store, D=0.6, B=0.15, spin=np.zeros((2, 24, 24, 3))),
        lambda: simulate_ensemble(D=[0.6], B=[0.15], store=store, size=24, T=0.01, schedule=SCHEDULE, progress=False),
    ):
        with pytest.raises(StoreError, match=r"format_version is 1, .*skylattice upgrade"):
            attempt()


def test_upgrade__keeps_the_bytes_of_the_spins_and_all_that_is_known(store):
    before = open_ensemble(store).load()
    shards = sorted(file.read_bytes() for file in store.glob("spin/c/**/*") if file.is_file())
    assert upgrade_store(store)
    after = open_ensemble(store).load()
    xr.testing.assert_equal(after, before)
    assert sorted(file.read_bytes() for file in store.glob("spin/c.*")) == shards
    ignored = ("format_version", "store")
    assert {k: v for k, v in after.attrs.items() if k not in ignored} == {
        k: v for k, v in before.attrs.items() if k not in ignored
    }
    read_document(store)
    assert not upgrade_store(store)
    assert len(open_lattices(store).frame) == 4


def test_upgrade__makes_room_for_more_of_the_same_bits(store):
    upgrade_store(store)
    options = {"size": 24, "T": 0.01, "schedule": SCHEDULE, "progress": False, "realizations": 2}
    before = open_ensemble(store).spin.sel(D=0.6, B=[0.15, 0.2]).load()
    ds = simulate_ensemble(D=[0.6], B=[0.15, 0.2, 0.25], store=store, **options)
    np.testing.assert_array_equal(ds.spin.sel(D=0.6, B=[0.15, 0.2]), before)
    assert (ds.status.sel(D=0.6, B=0.25) == 1).all()


def test_upgrade__gives_identities_to_lattices_without(store):
    expected = open_ensemble(store).lattice_id.load()
    shutil.rmtree(store / "lattice_id")
    upgrade_store(store)
    xr.testing.assert_equal(open_ensemble(store).lattice_id.load(), expected)


def test_upgrade__of_a_damaged_store_changes_nothing(store):
    shutil.rmtree(store / "lattice_id")
    shard = store / "spin/c/0/1/0/0/0/0"
    data = bytearray(shard.read_bytes())
    data[100] ^= 1
    shard.write_bytes(data)
    names = sorted(store.rglob("*"))
    with pytest.raises(StoreError, match="array 'spin' is damaged"):
        upgrade_store(store)
    assert sorted(store.rglob("*")) == names

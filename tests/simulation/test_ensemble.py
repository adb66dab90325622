"""Ensembles: the same bits from every scheduler and grid, resumed after an interrupt, failures kept apart."""

import shutil
import signal
import subprocess
import sys
import time

import dask
import numpy as np
import pytest
import xarray as xr

import skylattice
from skylattice.errors import SchemaError, SimulationError, StoreError
from skylattice.io.seals import read_document, write_document
from skylattice.simulation import ensemble
from skylattice.simulation.schedule import Schedule

SMALL = {"size": 16, "T": 0.1, "schedule": Schedule.geometric(1.0, 0.1, steps=4, sweeps=3), "progress": False}
GRID = {"D": [0.4, 0.5], "B": [0.05, 0.1, 0.15]}


def spins(store):
    return skylattice.open_ensemble(store)["spin"].load()


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """The grid simulated on one thread."""
    store = tmp_path_factory.mktemp("reference") / "one.zarr"
    with dask.config.set(scheduler="synchronous"):
        skylattice.simulate_ensemble(**GRID, realizations=3, store=store, **SMALL)
    return store


def test_ensemble__is_complete_and_cold(reference):
    ds = skylattice.open_ensemble(reference)
    assert (ds.status == 1).all()
    assert np.isfinite(ds.spin).all()
    assert ds.attrs["schedule"] == SMALL["schedule"].to_json()
    assert len(np.unique(ds.seed)) == ds.seed.size
    flat = ds.spin.values.reshape(18, -1)
    assert len(np.unique(flat, axis=0)) == 18


def test_ensemble__is_bit_identical_on_two_threads(reference, tmp_path):
    with dask.config.set(scheduler="threads", num_workers=2):
        skylattice.simulate_ensemble(**GRID, realizations=3, store=tmp_path / "two.zarr", **SMALL)
    xr.testing.assert_identical(spins(tmp_path / "two.zarr"), spins(reference))


def test_ensemble__is_bit_identical_on_a_cluster_of_two_processes(reference, tmp_path):
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster,
        Client(cluster),
    ):
        skylattice.simulate_ensemble(**GRID, realizations=3, store=tmp_path / "cluster.zarr", **SMALL)
    xr.testing.assert_identical(spins(tmp_path / "cluster.zarr"), spins(reference))


def test_ensemble__does_not_depend_on_the_rest_of_the_grid(reference, tmp_path):
    store = tmp_path / "grown.zarr"
    skylattice.simulate_ensemble(D=[0.5], B=[0.15, 0.05], realizations=1, store=store, **SMALL)
    before = spins(store)
    skylattice.simulate_ensemble(**GRID, realizations=3, store=store, **SMALL)
    xr.testing.assert_identical(spins(store), spins(reference))
    xr.testing.assert_identical(spins(store).sel(before.indexes), before)


def test_ensemble__run_again_simulates_nothing(reference, monkeypatch):
    monkeypatch.setattr(ensemble, "simulate_lattice", lambda *a, **k: pytest.fail("simulated again"))
    skylattice.simulate_ensemble(**GRID, realizations=3, store=reference, **SMALL)


def test_ensemble__interrupted_resumes_to_the_same_bits(tmp_path):
    """A real Ctrl-C to a real command, after the first of twelve points."""
    store, grid = tmp_path / "interrupted.zarr", "--D 0.4,0.5 --B 0.05:0.3:0.05 -n 2 --size 64 --threads 1"
    command = [sys.executable, "-c", "from skylattice.cli.main import main; main()", "simulate"]
    process = subprocess.Popen(
        [*command, store, *grid.split()],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # a background job ignores it
    )
    while len(list(store.glob("spin/c.*"))) < 2 and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, message = process.communicate()
    assert process.returncode == 130, message
    assert "run the same command again" in message
    assert "Traceback" not in message
    kept = skylattice.open_ensemble(store).load()
    assert 2 <= int((kept.status == 1).sum()) < 24

    subprocess.run([*command, store, *grid.split()], check=True, capture_output=True)
    subprocess.run([*command, tmp_path / "whole.zarr", *grid.split()], check=True, capture_output=True)
    xr.testing.assert_identical(spins(store), spins(tmp_path / "whole.zarr"))
    done = kept.status == 1
    xr.testing.assert_equal(kept.spin.where(done), spins(store).where(done))


def test_only_phase__leaves_the_others_out_as_skipped(tmp_path):
    """At D = 0.5 the field 0.5 is above saturation: every lattice there is a ferromagnet, none a skyrmion lattice."""
    options = SMALL | {"size": 32, "T": 0.006, "schedule": Schedule.geometric(1.0, 0.006, steps=20, sweeps=10)}
    ds = skylattice.simulate_ensemble(
        D=[0.5], B=[0.125, 0.5], realizations=2, store=tmp_path / "phase.zarr", only_phase="skyrmion", **options
    )
    assert ds.status.values.tolist() == [[[1, 1], [2, 2]]]
    assert np.isfinite(ds.spin.isel(B=0)).all()
    assert np.isnan(ds.spin.isel(B=1)).all()
    assert not list((tmp_path / "phase.zarr").glob("spin/c.0.1.*"))


def test_failing_lattice__has_status_failed_and_is_tried_again(reference, tmp_path, monkeypatch):
    store = tmp_path / "failing.zarr"
    simulate = ensemble.simulate_lattice

    def fails_once(D, B, realization, **options):
        if (D, B, realization) == (0.4, 0.1, 1):
            raise FloatingPointError("went astray")
        return simulate(D, B, realization, **options)

    monkeypatch.setattr(ensemble, "simulate_lattice", fails_once)
    with pytest.warns(UserWarning, match=r"1 lattices failed .* D=0.4, B=0.1, realization 1: .* went astray"):
        ds = skylattice.simulate_ensemble(**GRID, realizations=3, store=store, **SMALL)
    assert int((ds.status == 3).sum()) == 1
    assert int((ds.status == 1).sum()) == 17
    monkeypatch.undo()
    skylattice.simulate_ensemble(**GRID, realizations=3, store=store, **SMALL)
    xr.testing.assert_identical(spins(store), spins(reference))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"seed": 1}, StoreError, "seed 0, asked for is 1"),
        ({"schedule": Schedule.geometric(1.0, 0.1, steps=5)}, StoreError, "schedule"),
        ({"size": 18}, StoreError, r"size: the store has \(16, 16\), the new lattices \(18, 18\)"),
        ({"hamiltonian": skylattice.Hamiltonian("bloch")}, StoreError, "bloch"),
        ({"T": 0.2, "schedule": None}, StoreError, "T: the store has 0.1"),
        ({"T": 0.2}, SimulationError, "end at T = 0.2, found 0.1"),
        ({"T": -0.2, "schedule": None}, SchemaError, "T: expected values >= 0"),
        ({"T": "0.2", "schedule": None}, SchemaError, "T: expected numbers"),
        ({"realizations": "2"}, SchemaError, "realizations: expected a whole number >= 1, found '2'"),
        ({"realizations": 1.5}, SchemaError, "realizations: expected a whole number"),
        ({"realizations": True}, SchemaError, "realizations: expected a whole number"),
        ({"seed": -1}, SchemaError, "seed: expected a whole number >= 0, found -1"),
        ({"seed": "1"}, SchemaError, "seed: expected a whole number"),
        ({"keep_bits": 9.5}, SchemaError, "keep_bits: expected a whole number from 1 to 23"),
        ({"size": "16"}, SchemaError, "size: expected N or"),
        ({"hamiltonian": "neel"}, SimulationError, "hamiltonian: expected a Hamiltonian, found 'neel'"),
        ({"schedule": "fast"}, SimulationError, "schedule: expected a Schedule, found 'fast'"),
        ({"B": None, "B_limits": (0.3,), "B_step": 0.01}, SimulationError, "expected B_limits"),
        ({"B": None, "B_limits": (0.3, 0.6), "B_step": "x"}, SimulationError, "expected B_limits"),
        ({"only_phase": "liquid"}, SimulationError, "liquid"),
        ({"D": [-0.4]}, SchemaError, "handedness=-1"),
    ],
)
def test_ensemble__refuses_what_does_not_fit_and_keeps_what_is_there(reference, change, error, message):
    before = spins(reference)
    with pytest.raises(error, match=message):
        skylattice.simulate_ensemble(**{**GRID, "realizations": 3, "store": reference, **SMALL, **change})
    xr.testing.assert_identical(spins(reference), before)


def test_ensemble__at_zero_temperature_lies_along_its_fields(tmp_path):
    schedule = Schedule.geometric(1.0, 0, steps=6, sweeps=60)
    kinds = {"realizations": np.int64(1), "size": 16.0, "seed": np.int64(1), "progress": False}
    ds = skylattice.simulate_ensemble(D=0, B=0.5, T=0, schedule=schedule, store=tmp_path / "z.zarr", **kinds)
    assert float(ds["T"]) == 0
    assert float(ds.sky.cos_theta().min()) > 1 - 1e-4


@pytest.mark.parametrize("version", [None, ensemble.ENGINE_VERSION + 1])
def test_ensemble__of_another_engine_version_is_not_extended_but_read(reference, tmp_path, version):
    store = shutil.copytree(reference, tmp_path / "other.zarr")
    document = read_document(store)
    assert document["attributes"].pop("engine_version") == ensemble.ENGINE_VERSION
    if version is not None:  # None is as version 1 wrote it
        document["attributes"]["engine_version"] = version
    write_document(store, document)
    message = (
        f"engine_version {version or 1} .*this is engine_version {ensemble.ENGINE_VERSION}.*write to another store"
    )
    with pytest.raises(StoreError, match=message):
        skylattice.simulate_ensemble(**GRID, realizations=4, store=store, **SMALL)
    xr.testing.assert_identical(spins(store), spins(reference))


def test_seed__depends_on_the_values_only():
    words = lambda *key: ensemble.lattice_seed(*key).generate_state(2).tolist()  # noqa: E731
    assert words(0, 0.5, 0.1, 2) == np.random.SeedSequence(0, spawn_key=(500000, 100000, 2)).generate_state(2).tolist()
    assert words(0, 0.5, 0.1, 2) == words(0, 0.5 + 1e-12, 0.1 - 1e-12, 2)
    assert len({tuple(words(0, 0.5, B, 0)) for B in (0.1, -0.1, 0.100001)}) == 3

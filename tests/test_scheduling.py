"""Where Dask computes: threads here, or a cluster whose workers run in another folder."""

import os
import socket
import subprocess
import sys
import threading
import time

import dask
import numpy as np
import pytest
from distributed import LocalCluster

import skylattice
from skylattice import progress
from skylattice.errors import SkylatticeError
from skylattice.scheduling import computing
from skylattice.study.analysis import analyse_store


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A scheduler and one worker process; both keep their own working folder."""
    folder = tmp_path_factory.mktemp("workers")
    before = os.getcwd()
    os.chdir(folder)
    try:
        with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as running:
            yield running
    finally:
        os.chdir(before)


def test_computing__on_threads_takes_the_number_given():
    with computing(threads=3):
        assert dask.config.get("num_workers") == 3


def test_computing__on_a_cluster_runs_elsewhere(cluster):
    with computing(scheduler=cluster.scheduler_address):
        assert dask.delayed(os.getpid)().compute() != os.getpid()
    assert dask.delayed(os.getpid)().compute(scheduler="threads") == os.getpid()


@pytest.fixture
def listener():
    """Something that listens and says nothing."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(1)
        yield f"tcp://127.0.0.1:{silent.getsockname()[1]}"


@pytest.mark.parametrize("address", ["nobody", "silent", "worker", "nonsense", "ftp://x:1"])
def test_computing__names_an_address_where_no_scheduler_answers(address, listener, cluster):
    worker = next(iter(cluster.workers.values())).worker_address
    address = {"nobody": "tcp://127.0.0.1:9", "silent": listener, "worker": worker}.get(address, address)
    # a client of distributed would wait for ever for the one that is silent
    with pytest.raises(SkylatticeError, match=r"no dask\.distributed scheduler answers there"):
        computing(scheduler=address).__enter__()


def test_command__with_a_dead_scheduler_says_so_in_one_line(tmp_path):
    command = [sys.executable, "-m", "skylattice"]
    done = subprocess.run(
        [*command, "simulate", tmp_path / "a.zarr", "--D", "0.5", "--B", "0.1", "--scheduler", "tcp://127.0.0.1:9"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert len((done.stdout + done.stderr).strip().splitlines()) == 1
    assert not (tmp_path / "a.zarr").exists()


def test_cluster__in_another_folder_fills_and_reads_a_store_given_by_a_relative_path(cluster, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = {"D": [0.5], "B": [0.1, 0.2], "realizations": 2, "size": 16, "T": 0.1, "progress": False}
    with computing(scheduler=cluster.scheduler_address):
        ds = skylattice.simulate_ensemble(store="far.zarr", **options)
        charge = ds.sky.topological_charge().compute()
        results = analyse_store("far.zarr", progress=False)
    near = skylattice.simulate_ensemble(store="near.zarr", **options)
    np.testing.assert_array_equal(ds.spin, near.spin)
    np.testing.assert_array_equal(charge, near.sky.topological_charge())
    np.testing.assert_array_equal(results.topological_charge, charge)


@pytest.mark.parametrize("lost", ["workers", "scheduler"])
def test_cluster__that_is_lost_ends_the_wait_in_one_sentence(lost, monkeypatch):
    """A client alone waits for ever for workers that do not come back."""
    monkeypatch.setattr(progress, "NO_WORKERS", 1.0)
    with LocalCluster(n_workers=0, dashboard_address=":0") as cluster:  # as if all of them had been killed
        if lost == "scheduler":
            threading.Timer(0.5, cluster.close).start()
        message = "no worker is left for 1 seconds" if lost == "workers" else "the scheduler is lost"
        start = time.monotonic()
        with pytest.raises(SkylatticeError, match=message), computing(scheduler=cluster.scheduler_address):
            progress.run_tasks([dask.delayed(os.getpid)()], description="Waiting", show=False)
    assert time.monotonic() - start < 30

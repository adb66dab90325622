"""Jobs run in the background, tell how far they are, and end with a message when they fail."""

import threading
import time

import background
import pytest
from small_stores import make_store

from skylattice.errors import SkylatticeError, StoreError
from skylattice.io.results import open_results
from skylattice.progress import run_tasks, watched
from skylattice.study.analysis import analyse_store


def finish(job, seconds=60):
    end = time.monotonic() + seconds
    while job.state == "running":
        assert time.monotonic() < end, "the job does not end"
        time.sleep(0.02)
    return job


def test_job__runs_apart_and_reports_progress():
    release, seen = threading.Event(), threading.Event()

    def work(advance):
        advance(1, 2)
        seen.set()
        release.wait(10)
        return "result"

    job = background.start("a", work)
    assert seen.wait(10)
    assert (job.state, job.done, job.total) == ("running", 1, 2)
    assert background.start("a", work) is job, "one at a time"
    release.set()
    assert finish(job).result == "result"
    assert job.state == "done"


@pytest.mark.parametrize("error", [StoreError("what to do"), KeyError("what to do")])
def test_job__that_fails_keeps_its_message(error):
    def work(advance):
        raise error

    job = finish(background.start("a", work))
    assert job.state == "failed"
    assert "what to do" in job.message


def test_analysis_job__writes_the_results(tmp_path):
    path = make_store(tmp_path / "e.zarr")
    job = finish(background.start("analysis", lambda advance: analyse_store(path, progress=False)))
    assert job.state == "done", job.message
    assert (job.done, job.total) == (3, 3), "one task per point with lattices"
    assert "hexatic_order" in open_results(path, "observables")


def test_analysis_job__runs_on_a_scheduler_given_by_address(tmp_path):
    from distributed import LocalCluster

    path = make_store(tmp_path / "e.zarr")
    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0", protocol="tcp", host="127.0.0.1"
    ) as cluster:
        address = cluster.scheduler_address
        job = background.start("analysis", lambda advance: analyse_store(path, progress=False), scheduler=address)
        assert finish(job).state == "done", job.message
        assert (job.done, job.total) == (3, 3)
        assert len(cluster.scheduler.transition_log) > 3, "the work went there"


def test_job__on_a_scheduler_that_is_not_there_says_so(monkeypatch):
    import distributed

    def refuse(*args, **kwargs):
        raise OSError("Timed out")

    monkeypatch.setattr(distributed, "Client", refuse)
    job = finish(background.start("a", lambda advance: None, scheduler="tcp://127.0.0.1:1"))
    assert job.state == "failed"
    assert "dask scheduler" in job.message


@pytest.mark.parametrize(
    "address", ["tcp://127.0.0.1:8786", " tls://localhost:1 ", "tcp://[::1]:8786", "tcp://given:99"]
)
def test_address__of_this_machine_or_the_given_one_is_taken(address):
    assert background.check_address(address, "tcp://given:99") == address.strip()


@pytest.mark.parametrize(
    "address",
    [
        "tcp://other:8786",
        "http://127.0.0.1:8786",
        "127.0.0.1:8786",
        "tcp://127.0.0.1",
        "inproc://1",
        "tcp://localhost.evil:1",
    ],
)
def test_address__of_any_other_machine_or_kind_is_refused(address):
    with pytest.raises(SkylatticeError):
        background.check_address(address, "tcp://given:99")


def test_watched__counts_tasks_of_its_own_block_only():
    from dask.delayed import delayed

    seen = []
    tasks = [delayed(pow)(2, k) for k in range(3)]
    with watched(lambda done, total: seen.append((done, total))):
        assert run_tasks(tasks, description="", show=False) == [1, 2, 4]
    assert seen == [(0, 3), (1, 3), (2, 3), (3, 3)]
    run_tasks(tasks, description="", show=False)
    assert len(seen) == 4

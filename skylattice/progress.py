"""Run many Dask tasks under a progress bar, on whichever scheduler is in charge."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from skylattice.errors import SkylatticeError

#: Seconds that a cluster may be without any worker, and between two looks at it.
NO_WORKERS, _GLANCE = 30.0, 1.0

_watcher: ContextVar[Callable[[int, int], None] | None] = ContextVar("watcher", default=None)


@contextmanager
def watched(callback: Callable[[int, int], None]) -> Iterator[None]:
    """Within the block, :func:`run_tasks` of this thread also calls ``callback(done, total)``, at first with 0."""
    token = _watcher.set(callback)
    try:
        yield
    finally:
        _watcher.reset(token)


def run_tasks(tasks: Iterable[Any], *, description: str, show: bool = True) -> list[Any]:
    """Compute delayed tasks and return their results in order.

    A ``dask.distributed`` client, if there is one, runs them; else the scheduler of Dask's configuration, which is
    threads unless set otherwise. An interrupt leaves the tasks that are done done.

    Parameters
    ----------
    tasks
        :class:`dask.delayed.Delayed` objects.
    description
        Shown beside the bar.
    show
        Draw the bar; it appears on standard error.

    Raises
    ------
    SkylatticeError
        If the cluster loses its scheduler, or all of its workers for :data:`NO_WORKERS` seconds.
    """
    import dask

    tasks = list(tasks)
    client = _client()
    with _bar(description, len(tasks), show) as advance:
        if client is not None:
            return _run_distributed(client, tasks, advance)
        keys = {task.key for task in tasks}
        from dask.callbacks import Callback

        def count(key: Any, *_: Any) -> None:
            if key in keys:
                advance()

        with Callback(posttask=count):
            return list(dask.compute(*tasks, optimize_graph=False))


def _client() -> Any:
    """The current ``dask.distributed`` client, or None; does not import distributed to find out."""
    if "distributed" not in sys.modules:
        return None
    from distributed import get_client

    try:
        return get_client()
    except ValueError:
        return None


def _run_distributed(client: Any, tasks: list[Any], advance: Any) -> list[Any]:
    from distributed import as_completed
    from distributed.client import FutureCancelledError, FuturesCancelledError
    from distributed.scheduler import KilledWorker

    futures = client.compute(tasks, optimize_graph=False)
    with _waiting_for_workers(client, futures) as lost:
        try:
            for future in as_completed(futures):
                future.result()
                advance()
            return client.gather(futures)
        except KilledWorker as error:
            reason = f"workers died of one task again and again ({error.task}), perhaps of a lack of memory."
        except (FutureCancelledError, FuturesCancelledError):
            reason = lost[0] if lost else "the scheduler is lost."
        except BaseException:
            client.cancel(futures)
            raise
    raise SkylatticeError(
        f"{client.scheduler.addr if client.scheduler else 'cluster'}: {reason} What was finished is kept: see that a "
        "scheduler and workers run (`dask scheduler`, `dask worker ADDRESS`), and run the same command again."
    )


@contextmanager
def _waiting_for_workers(client: Any, futures: list[Any]) -> Iterator[list[str]]:
    """Within the block, futures are given up when the cluster has no worker for :data:`NO_WORKERS` seconds.

    A client alone would wait for ever. What it yields then has one sentence.
    """
    lost: list[str] = []
    is_over = threading.Event()

    def watch() -> None:
        seen = time.monotonic()
        while not is_over.wait(_GLANCE):
            try:
                seen = time.monotonic() if client.status != "running" or client.nthreads() else seen
            except OSError:  # the scheduler is lost: the futures know
                return
            if time.monotonic() - seen > NO_WORKERS:
                lost.append(f"no worker is left for {NO_WORKERS:g} seconds.")
                client.cancel(futures)
                return

    watcher = threading.Thread(target=watch, name="skylattice-watch", daemon=True)
    watcher.start()
    try:
        yield lost
    finally:
        is_over.set()
        watcher.join()


@contextmanager
def _bar(description: str, total: int, show: bool) -> Iterator[Callable[[], None]]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not show,
    )
    with progress:
        task = progress.add_task(description, total=total)
        watcher, done = _watcher.get(), 0

        def advance() -> None:
            nonlocal done
            done += 1
            progress.advance(task)
            if watcher is not None:
                watcher(done, total)

        if watcher is not None:
            watcher(0, total)
        yield advance

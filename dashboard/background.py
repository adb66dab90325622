"""Computations in the background: one thread per job, which pages ask how far it is."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from skylattice.errors import SkylatticeError
from skylattice.progress import watched

_ADDRESS = re.compile(r"^(tcp|tls|ws|wss)://(?P<host>[A-Za-z0-9_.\-]+|\[[0-9a-fA-F:]+\]):\d{1,5}$")
_LOOPBACK = {"localhost", "127.0.0.1", "[::1]"}


@dataclass
class Job:
    """One computation.

    Attributes
    ----------
    name
        What it computes.
    done, total
        Tasks; total is 0 until it is known.
    state
        ``"running"``, ``"done"`` or ``"failed"``.
    message
        Why it failed.
    result
        What the work returned.
    """

    name: str
    done: int = 0
    total: int = 0
    state: str = "running"
    message: str = ""
    started: float = field(default_factory=time.monotonic)
    ended: float | None = None
    result: Any = None

    @property
    def elapsed(self) -> float:
        """Seconds that it has taken so far, or took."""
        return (time.monotonic() if self.ended is None else self.ended) - self.started

    def advance(self, done: int, total: int) -> None:
        """Note how far it is."""
        self.done, self.total = done, total


@st.cache_resource(show_spinner=False)
def registry() -> dict[str, Job]:
    """All jobs of this server by name; the latest of a name."""
    return {}


def start(name: str, work: Callable[[Callable[[int, int], None]], Any], *, scheduler: str = "") -> Job:
    """Run ``work(advance)`` in a thread of its own, unless a job of that name is running already.

    Parameters
    ----------
    scheduler
        Address of a ``dask.distributed`` scheduler to compute on; default: threads of this process.
    """
    jobs = registry()
    if name in jobs and jobs[name].state == "running":
        return jobs[name]
    job = jobs[name] = Job(name)
    threading.Thread(target=_run, args=(job, work, scheduler), name=name, daemon=True).start()
    return job


def _run(job: Job, work: Callable[[Callable[[int, int], None]], Any], scheduler: str) -> None:
    try:
        with ExitStack() as stack:
            if scheduler:
                stack.enter_context(_connected(scheduler))
            stack.enter_context(watched(job.advance))
            job.result = work(job.advance)
        state, message = "done", ""
    except SkylatticeError as error:
        state, message = "failed", str(error)
    except Exception as error:  # a thread has no page to fail on: what went wrong must reach one
        state, message = "failed", f"{type(error).__name__}: {error}"
    job.ended, job.message = time.monotonic(), message
    job.state = state  # last: who sees it may read the rest


@contextmanager
def _connected(address: str) -> Iterator[None]:
    """Compute on a running scheduler; refuses to wait long for one that does not answer."""
    from distributed import Client

    try:
        client = Client(address, timeout="10s", set_as_default=False)
    except OSError as error:
        raise SkylatticeError(
            f"{address}: no dask.distributed scheduler answers there ({error}). Start one with `dask scheduler`, and "
            "workers with `dask worker ADDRESS`."
        ) from None
    with client, client.as_current():
        yield


def check_address(address: str, allowed: str) -> str:
    """The address of a scheduler that may be joined: on this machine, or the one given at the start.

    Whoever runs a scheduler can make those who join it run code, so that an address from a text box is not enough.

    Raises
    ------
    SkylatticeError
        For any other address.
    """
    address = address.strip()
    match = _ADDRESS.match(address)
    if match is None:
        raise SkylatticeError(f"{address!r}: expected an address like tcp://127.0.0.1:8786.")
    if address != allowed and match["host"] not in _LOOPBACK:
        raise SkylatticeError(
            f"{address}: this dashboard joins schedulers on its own machine, or the one that it was started with: "
            "skylattice dashboard --scheduler ADDRESS."
        )
    return address

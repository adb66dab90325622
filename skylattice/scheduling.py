"""The one way to a scheduler: threads of this process, or a running ``dask.distributed`` cluster."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from skylattice.errors import SkylatticeError

#: Seconds that a scheduler has to answer.
PATIENCE = 4.0


@contextmanager
def computing(*, threads: int | None = None, scheduler: str | None = None) -> Iterator[None]:
    """Within the block, Dask computes on threads of this process or on a cluster; nothing else changes.

    Parameters
    ----------
    threads
        Threads of this process; default: one per core.
    scheduler
        Address of a ``dask.distributed`` scheduler instead. Its workers must see stores under the same absolute paths.

    Raises
    ------
    SkylatticeError
        Within seconds, if no scheduler answers at the address.

    Examples
    --------
    >>> import skylattice.testing
    >>> with computing(threads=1):
    ...     skylattice.testing.ferromagnet().chunk().sky.m_z().compute().item()
    1.0
    """
    import dask

    if not scheduler:
        with dask.config.set(scheduler="threads", num_workers=threads or os.cpu_count()):
            yield
        return
    from distributed import Client

    _check_answers(scheduler)
    with Client(scheduler, timeout=PATIENCE, set_as_default=False) as client, client.as_current():
        yield


def _check_answers(address: str) -> None:
    """Ask a scheduler who it is. A client would wait for ever for something else that listens there."""
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    try:
        with ThreadPoolExecutor(1) as thread:  # a notebook's own thread has an event loop already
            identity = thread.submit(asyncio.run, asyncio.wait_for(_identity(address), PATIENCE)).result()
        reason = f"a {identity.get('type', 'program')} does" if identity.get("type") != "Scheduler" else ""
    except (TimeoutError, OSError, ValueError) as error:
        reason = str(error) or "it was silent"
    if reason:
        raise SkylatticeError(
            f"{address}: no dask.distributed scheduler answers there ({reason}). Start one with `dask scheduler`, and "
            "workers with `dask worker ADDRESS`."
        )


async def _identity(address: str) -> dict[str, Any]:
    from distributed.comm import connect
    from distributed.security import Security

    comm = await connect(address, timeout=PATIENCE, **Security().get_connection_args("client"))
    try:
        await comm.write({"op": "identity", "reply": True})
        return await comm.read()
    finally:
        comm.abort()

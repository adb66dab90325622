"""What all commands share: one console, options that several take, and where they compute."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console

from skylattice.scheduling import computing

console = Console()
#: For messages beside the output.
stderr = Console(stderr=True)

Threads = Annotated[
    int | None,
    typer.Option("--threads", min=1, help="Threads to compute with; default: one per core.", show_default=False),
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        "--scheduler", metavar="ADDRESS", help="Run on this dask.distributed scheduler, e.g. tcp://host:8786."
    ),
]


@contextmanager
def computing_on(threads: int | None, scheduler: str | None, *, again: str = "the same command") -> Iterator[None]:
    """Compute on so many threads, or on a distributed scheduler; an interrupt says how to go on."""
    try:
        with computing(threads=threads, scheduler=scheduler):
            yield
    except KeyboardInterrupt:
        stderr.print(f"Interrupted. What was finished is kept: run {again} again to go on.")
        raise typer.Exit(130) from None

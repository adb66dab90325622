"""What all commands share: one console, options that several take, and where they compute."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from skylattice.scheduling import computing

if TYPE_CHECKING:
    from skylattice.study.faults import Fault

#: Exit codes: nothing was done; some was done, and what failed is listed. Typer's own are 0, and 2 for a wrong command.
NOTHING_DONE, PARTLY_DONE = 1, 3

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
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # a lost cluster is told once, by the error
    try:
        with computing(threads=threads, scheduler=scheduler):
            yield
    except KeyboardInterrupt:
        stderr.print(f"Interrupted. What was finished is kept: run {again} again to go on.")
        raise typer.Exit(130) from None


def list_faults(faults: Sequence[Fault], *, n_done: int) -> None:
    """Say which lattices were left out and why, and exit with the code that tells so; without any, do nothing."""
    if not faults:
        return
    from skylattice.study.faults import listed

    stderr.print(f"[yellow]{len(faults)} lattices were left out[/yellow]:", highlight=False)
    for line in listed(faults):
        stderr.print(f"  {line}", highlight=False, soft_wrap=True, markup=False)
    raise typer.Exit(PARTLY_DONE if n_done else NOTHING_DONE)

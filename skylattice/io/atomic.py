"""Whole folders in one step: what is written beside takes its place at once, so that nobody reads half of it."""

from __future__ import annotations

import ctypes
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from skylattice.io.guard import sync_folder

#: ``RENAME_EXCHANGE`` of Linux' renameat2, and its "relative to the working folder".
_EXCHANGE, _AT_FDCWD = 2, -100


@contextmanager
def new_folder(target: Path, *, beside: Path | None = None) -> Iterator[Path]:
    """A folder to fill, which takes the place of ``target`` when the block ends, or vanishes if it fails.

    It lies beside the target, or ``beside`` another folder of the same disk where readers would find it there, under a
    name that starts with a dot. Whoever reads the target sees what was there before
    or what is there after. A process that dies leaves at most the hidden folder, which the next one here removes.

    Examples
    --------
    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "data"
    >>> with new_folder(target) as folder:
    ...     _ = (folder / "a").write_text("1")
    ...     target.exists()
    False
    >>> (target / "a").read_text()
    '1'
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    near = beside or target
    for abandoned in near.parent.glob(f".{near.name}.new-*"):
        shutil.rmtree(abandoned, ignore_errors=True)
    folder = near.with_name(f".{near.name}.new-{uuid.uuid4().hex[:12]}")
    folder.mkdir()
    try:
        yield folder
        _put_in_place(folder, target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # what it was exchanged for, or what failed


def _put_in_place(folder: Path, target: Path) -> None:
    if not target.exists():
        os.rename(folder, target)
    elif not _exchanged(folder, target):  # a system without exchange: for a moment there is neither
        aside = folder.with_name(f"{folder.name}-old")
        os.rename(target, aside)
        os.rename(folder, target)
        shutil.rmtree(aside, ignore_errors=True)
    sync_folder(target.parent)  # the names themselves survive a loss of power


def _exchanged(one: Path, other: Path) -> bool:
    """Exchange two folders in one step, where the system can."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):
        return False
    return renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _EXCHANGE) == 0

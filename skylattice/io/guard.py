"""What every writer needs: a local path, one writer per region, and refusals of the operating system explained."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from skylattice.errors import StoreError


def local_path(path: str | os.PathLike[str]) -> Path:
    """Absolute path of a local store, fit to travel to workers that run in another folder.

    Raises
    ------
    StoreError
        For an fsspec URL: it can be read, not written.
    """
    text = os.fspath(path)
    if "://" in text:
        raise StoreError(f"{text}: stores are written to local folders, found a URL. Write to a folder, then copy it.")
    return Path(text).absolute()


@contextmanager
def explained(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn what the operating system refuses into a :class:`StoreError` that says what to do."""
    remedies = {
        errno.ENOSPC: "The disk is full. Free some space and run the same command again",
        errno.EDQUOT: "The disk quota is used up. Free some space and run the same command again",
        errno.EFBIG: "A file grew beyond the limit set for this process. Raise it and run the same command again",
        errno.EROFS: "The file system is read-only. Choose a path that can be written",
        errno.EACCES: "Permission is denied. Choose a path that can be written, or change its permissions",
        errno.EPERM: "The operation is not permitted. Choose a path that can be written",
    }
    try:
        yield
    except OSError as error:
        if isinstance(error, StoreError) or error.errno not in remedies:
            raise
        raise StoreError(f"{path}: {remedies[error.errno]}; lattices already written are kept. ({error})") from error


@contextmanager
def locked(path: str | os.PathLike[str], region: str, timeout: float = 0) -> Iterator[None]:
    """Hold the lock of one region of a local store; the operating system frees it when a process dies."""
    from filelock import FileLock, Timeout

    folder = Path(path).with_name(".skylattice-locks")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / f"{Path(path).name}.{region}.lock", timeout=timeout, thread_local=False):
            yield
    except Timeout:
        raise StoreError(
            f"{path}: another writer is at region {region!r}. Let it finish, or give each writer points of its own."
        ) from None

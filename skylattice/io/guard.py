"""What every writer needs: a local path, one writer per region, and refusals of the operating system explained."""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

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


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raise :class:`StoreError` unless something can be written at ``path``: a check before long work.

    The folder nearest to it that exists must be one that this user may write to, and so must what is there already.
    """
    path = Path(path).absolute()
    folder = next(parent for parent in path.parents if os.path.lexists(parent))
    refusal = ""
    if not folder.is_dir():
        refusal = f"{folder} is no folder"
    elif not os.access(folder, os.W_OK | os.X_OK):
        refusal = f"this user may not write to {folder}"
    elif path.exists() and not os.access(path, os.W_OK):
        refusal = "this user may not replace it"
    if refusal:
        raise StoreError(f"{path}: cannot be written: {refusal}. Choose another path, or change its permissions.")


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
    """Hold the lock of one region of a local store; the operating system frees it when a process dies.

    A store has one lock whatever links lead to it.
    """
    from filelock import FileLock, Timeout

    target = Path(path).resolve()
    folder = target.with_name(".skylattice-locks")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / f"{target.name}.{region}.lock", timeout=timeout, thread_local=False):
            yield
    except Timeout:
        raise StoreError(
            f"{path}: another writer is at region {region!r}. Let it finish, or give each writer points of its own."
        ) from None


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file to write, which takes the place of ``path`` when it is whole and on disk, or not at all.

    A reader, a full disk or a lost power supply meet the old file or the new one. A symbolic link stays one: the file
    that it leads to is replaced.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(f"{folder}/note") as file:
    ...         _ = file.write(b"whole")
    ...     os.listdir(folder)
    ['note']
    """
    target = Path(path).resolve()
    partial = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.partial")
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            partial.chmod(target.stat().st_mode & 0o7777)
        partial.replace(target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Bring a rename to disk, where the system can."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

"""Where compiled kernels are kept: the first folder that can be written, or nowhere.

Numba looks beside the source and in the user's own cache, and gives up if it may write to neither: an installation of
the system, used by an account without a home. Then a folder for temporary files does, one that nobody else can write
to: what lies in a cache is run.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from contextlib import AbstractContextManager

from filelock import FileLock
from numba.misc.appdirs import AppDirs


def cache_folder() -> str | None:
    """Folder for numba's cache and its lock; None, with a warning, if there is none."""
    candidates = [
        os.environ.get("NUMBA_CACHE_DIR", ""),
        os.path.join(os.path.dirname(__file__), "__pycache__"),
        AppDirs(appname="numba", appauthor=False).user_cache_dir,
    ]
    for folder in filter(None, candidates):
        if _is_writable(folder):
            return folder
    folder = temporary_folder()
    if _is_writable(folder, mode=0o700) and _is_private(folder):
        return folder
    warnings.warn(
        f"compiled kernels cannot be kept: none of {[*filter(None, candidates), folder]} can be written. Every process "
        "compiles them anew, which takes a minute: set NUMBA_CACHE_DIR to a folder of yours.",
        stacklevel=2,
    )
    return None


def temporary_folder() -> str:
    """The last resort, which numba has to be told of."""
    user = os.getuid() if hasattr(os, "getuid") else "user"
    return os.path.join(tempfile.gettempdir(), f"skylattice-numba-{user}")


def _is_writable(folder: str, mode: int = 0o777) -> bool:
    """Whether files can be made in a folder, which is made if need be."""
    try:
        os.makedirs(folder, mode=mode, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _is_private(folder: str) -> bool:
    """Whether a folder is the user's own, and nobody else can put files there."""
    status = os.lstat(folder)
    return not hasattr(os, "getuid") or (status.st_uid == os.getuid() and status.st_mode & 0o170077 == 0o040000)


class KernelLock(AbstractContextManager[None]):
    """A lock of all processes that share a cache; a process made by ``fork`` has one of its own.

    A lock that was inherited is refused by filelock, and rightly: child and parent would hold it at once.
    """

    def __init__(self, folder: str) -> None:
        self.path = os.path.join(folder, "skylattice-kernels.lock")
        self._renew()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self._lock = FileLock(self.path)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *error: object) -> None:
        self._lock.release()

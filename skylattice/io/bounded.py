"""Files that others wrote, opened so that they cannot hurt: the one place where skylattice opens a file to read it.

A name may lead to a FIFO, which never answers, to ``/dev/zero``, which never ends, or to a folder; a file may be larger
than memory, or have holes that take no space on disk and gigabytes once read. All of that is refused before the first
byte is read. A reader says how many bytes it can make sense of, and never gets more, whatever size the system states.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from skylattice.io.problems import LocatedError

#: Bytes of an input, a table or a catalog: a hundred times what any of them needs.
TEXT_LIMIT = 1 << 20

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


@contextmanager
def open_bounded(
    path: Path, *, limit: int | None, is_text: bool = False, what: str = "a file", named_by: str = ""
) -> Iterator[BufferedReader]:
    """Open a regular file for reading bytes.

    Parameters
    ----------
    path
        The file.
    limit
        Largest size in bytes that is opened; None for callers that read a bounded part, or block by block.
    is_text
        Whether it can have no holes: text never does, and an incomplete copy of it may.
    what
        What it should be, for the error messages.
    named_by
        Where the file's name stands (``inpsd.dat:9``), for the error messages.

    Raises
    ------
    LocatedError
        If there is none, it cannot be read, is no regular file, is too large, or has holes.

    Examples
    --------
    >>> run = Path("tests/data/uppasd/N64_D0.50_B0.125_s12")
    >>> with open_bounded(run / "posfile", limit=TEXT_LIMIT) as file:
    ...     file.read(3)
    b'1 1'
    """
    where = named_by or path
    try:
        _require_regular(path, os.stat(path), what, where)  # first by name: opening a device may already do something
        file = os.fdopen(os.open(path, _FLAGS), "rb")
    except (FileNotFoundError, NotADirectoryError):
        raise LocatedError(
            where, f"expected {what} {path}, found none.", "Copy it there, or correct its name."
        ) from None
    except (OSError, ValueError) as error:  # ValueError: a name with a null character
        raise LocatedError(
            where, f"expected {what} {path} that can be read: {error}.", "Correct its name or rights."
        ) from None
    with file:
        status = os.fstat(file.fileno())
        _require_regular(path, status, what, where)
        if limit is not None and status.st_size > limit:
            raise _too_large(path, what, limit, f"{status.st_size} bytes")
        if is_text and (hole := _first_hole(file.fileno(), status.st_size)) < status.st_size:
            raise LocatedError(
                path,
                f"expected {what} of text, found a hole without data at byte {hole} of {status.st_size}.",
                "The copy is incomplete: copy the file again.",
            )
        yield file


def read_bounded(
    path: Path, *, limit: int = TEXT_LIMIT, is_text: bool = True, what: str = "a file", named_by: str = ""
) -> bytes:
    """All bytes of a file of at most ``limit``; parameters and errors as :func:`open_bounded`."""
    with open_bounded(path, limit=limit, is_text=is_text, what=what, named_by=named_by) as file:
        data = file.read(limit + 1)  # a file may grow meanwhile, and those of /proc state no size
    if len(data) > limit:
        raise _too_large(path, what, limit, "more")
    return data


def read_lines(path: Path, *, limit: int = TEXT_LIMIT, named_by: str = "") -> list[str]:
    """The lines of a text file, without line ends; bytes that are no text are replaced, never an error.

    Raises
    ------
    LocatedError
        As :func:`open_bounded`, and if the file is empty.
    """
    text = read_bounded(path, limit=limit, named_by=named_by).decode("utf-8", errors="replace")
    if not text.strip():
        raise LocatedError(path, "expected text, found an empty file.", "Copy the file again, or repeat the run.")
    return text.replace("\r\n", "\n").split("\n")


def file_digest(path: Path, *, limit: int | None = None, what: str = "a file") -> str:
    """SHA-256 of a file in hexadecimal digits, read block by block."""
    with open_bounded(path, limit=limit, what=what) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _require_regular(path: Path, status: os.stat_result, what: str, where: str | Path) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = next((name for is_kind, name in _KINDS if is_kind(status.st_mode)), "something else")
        raise LocatedError(where, f"expected {what} {path}, found {kind}.", "Give the file itself, or copy it there.")


def _first_hole(descriptor: int, size: int) -> int:
    """Where the first hole of a file begins; its size if it has none, or the file system does not tell."""
    if size == 0 or not hasattr(os, "SEEK_HOLE"):
        return size
    try:
        return os.lseek(descriptor, 0, os.SEEK_HOLE)
    except OSError:
        return size
    finally:
        os.lseek(descriptor, 0, os.SEEK_SET)


def _too_large(path: Path, what: str, limit: int, found: str) -> LocatedError:
    return LocatedError(
        path, f"expected {what} of at most {limit} bytes, found {found}.", "Check that it is the right file."
    )

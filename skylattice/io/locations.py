"""Where a store lies: a local folder, however it is written, or an address that fsspec opens."""

from __future__ import annotations

import re
from pathlib import Path

from skylattice.errors import FormatError

#: Schemes that lead to this machine's own files.
_LOCAL = ("file", "local")
#: Schemes that only keep a copy of what the next one of the chain reads.
_CACHES = ("simplecache", "filecache", "blockcache", "cached")
#: Schemes that lead to another machine, or to memory. Others may read files here in ways of their own (``reference``,
#: ``zip``, ``git``, ``dir``), and what they read could not be checked.
_REMOTE = frozenset(["http", "https", "s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "hf", "oss", "memory"])

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)(?:://|$)", re.IGNORECASE)


def is_url(location: str) -> bool:
    """Whether a location is an address, or a chain of them, and not a plain path.

    Examples
    --------
    >>> is_url("s3://bucket/a.zarr"), is_url("simplecache::file:///a"), is_url("a/b.zarr"), is_url("C:/a.zarr")
    (True, True, False, False)
    """
    return "::" in location or "://" in location


def local_folder(location: str) -> Path | None:
    """The local path that a location leads to; None for one on another machine.

    Raises
    ------
    FormatError
        For a scheme or a chain of which that cannot be told.

    Examples
    --------
    >>> local_folder("simplecache::file:///data/a.zarr").as_posix(), local_folder("s3://bucket/a.zarr")
    ('/data/a.zarr', None)
    """
    if not is_url(location):
        return Path(location)
    *caches, last = location.split("::")
    schemes = [match[1].lower() if (match := _SCHEME.match(part)) else "" for part in (*caches, last)]
    if all(scheme in _CACHES for scheme in schemes[:-1]) and all("/" not in part for part in caches):
        if schemes[-1] in _LOCAL:
            return Path(last.split("://", 1)[-1])
        if schemes[-1] in _REMOTE and "://" in last:
            return None
        if "://" not in last:  # a plain path behind a cache
            return Path(last)
    raise FormatError(
        f"{location}: expected a path, or an address of {', '.join(sorted(_REMOTE))}, found another kind. "
        "Copy the store to a folder."
    )

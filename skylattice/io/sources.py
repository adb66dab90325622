"""Where lattices lie in and below some folders: what an import reads, and what it leaves out and why."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from skylattice.io.bounded import TEXT_LIMIT, read_bounded
from skylattice.io.formats import Format, format_of
from skylattice.io.problems import LocatedError

_STORE_METADATA = "zarr.json"


class Source(NamedTuple):
    """A file or folder, and the format that it is of; None and a reason where it is not read.

    ``is_asked`` tells whether it was named itself, and not found in a folder: an import then fails for it.
    """

    path: Path
    format: Format | None
    reason: str = ""
    is_asked: bool = False


def find_sources(paths: Iterable[str | os.PathLike[str]]) -> Iterator[Source]:
    """Everything in and below some paths, sorted by name.

    A run folder of UppASD, a zarr group and a store are one source each; so is every other file, whether it can be read
    or not. Links to folders are not followed, and hidden files are left out.

    Parameters
    ----------
    paths
        Files and folders.

    Examples
    --------
    >>> [(source.path.name, source.format.name) for source in find_sources(["tests/data/ovf/skyrmion.omf"])]
    [('skyrmion.omf', 'ovf')]
    """
    for path in map(Path, paths):
        source = _source(path)._replace(is_asked=True)
        if source.format is not None or not path.is_dir():
            yield source
            continue
        found = list(_below(path))
        yield from found
        if not any(part.format for part in found):
            yield source._replace(reason="nothing below it that skylattice reads")


def _below(folder: Path) -> Iterator[Source]:
    for where, subfolders, names in os.walk(folder):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in list(subfolders):
            if (source := _source(Path(where, name))).format is not None:
                yield source
                subfolders.remove(name)
        yield from (_source(Path(where, name)) for name in sorted(names) if not name.startswith("."))


def _source(path: Path) -> Source:
    try:
        found = format_of(path)
    except LocatedError as error:
        return Source(path, None, str(error))
    return Source(path, found, "" if found else "not a format that skylattice reads")


def is_store(path: Path) -> bool:
    """Whether a folder is an ensemble store of skylattice, by its metadata; damaged ones are none.

    Examples
    --------
    >>> is_store(Path("tests"))
    False
    """
    try:
        metadata = json.loads(read_bounded(path / _STORE_METADATA, limit=TEXT_LIMIT, is_text=False))
        return "format_version" in metadata["attributes"] and (path / "status").is_dir()
    except (LocatedError, ValueError, KeyError, TypeError, RecursionError):
        return False

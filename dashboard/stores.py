"""Which stores may be opened: those below the folders that the dashboard was started with, and those that come along.

A store is named by a key from :func:`sources`, never by a path: what a URL or a text box says is looked up, not opened.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import streamlit as st

import skylattice.data
from skylattice.bundled import bundled
from skylattice.catalog import Entry, open_catalog
from skylattice.errors import FormatError, StoreError
from skylattice.io.results import results_path

#: Seconds after which a listing or the state of a store that is being filled is read again.
FRESH = 15
#: How deep below a root stores are looked for.
_DEPTH = 3
#: Files and folders of a store that are looked at for links; a store of more is not opened.
_MOST_FILES = 1_000_000


@dataclass(frozen=True)
class Source:
    """A store that may be opened.

    Attributes
    ----------
    key
        Its name in the URL.
    location
        Path or fsspec URL.
    description
        From the catalog.
    storage_options
        For URLs, as pairs.
    """

    key: str
    location: str
    description: str = ""
    storage_options: tuple[tuple[str, Any], ...] = field(default=(), hash=False)

    @property
    def path(self) -> Path | None:
        """Folder of a local store, None for a remote one."""
        return None if "://" in self.location else Path(self.location)

    @property
    def version(self) -> int:
        """Changes when the store is replaced or extended."""
        if self.path is None:
            return 0
        try:
            return (self.path / "zarr.json").stat().st_mtime_ns
        except OSError:
            raise StoreError(
                f"{self.location}: the store is gone or cannot be read any more. Put it back, or choose another one."
            ) from None


def roots() -> list[Path]:
    """Folders whose stores may be opened: those given at the start, and what comes with skylattice."""
    return _resolved(os.environ.get("SKYLATTICE_DASHBOARD_ROOTS", ""))


@lru_cache
def _resolved(given: str) -> list[Path]:
    folders = [Path(text) for text in given.split(os.pathsep) if text]
    return [path.resolve() for path in (*folders, bundled("catalogs"), skylattice.data.FOLDER)]


def is_allowed(path: Path) -> bool:
    """Whether a store lies under a root, with everything in it and in its results, wherever symbolic links lead.

    What is linked is looked at anew each time; what lies deep in the store, every :data:`FRESH` seconds.
    """
    allowed, parts = roots(), [path, results_path(path)]
    try:
        shallow = [*parts, *(child for part in parts if part.exists() for child in part.iterdir())]
        targets = [part.resolve() for part in shallow]
    except OSError:
        return False
    if not all(any(target.is_relative_to(root) for root in allowed) for target in targets):
        return False
    return all(_stays_inside(str(part.resolve()), tuple(map(str, allowed))) for part in parts if part.exists())


def holds_all(folder: Path) -> bool:
    """Whether a folder lies under a root, with everything in it, wherever symbolic links lead."""
    allowed, target = roots(), folder.resolve()
    return any(target.is_relative_to(root) for root in allowed) and _stays_inside(str(target), tuple(map(str, allowed)))


@st.cache_data(ttl=FRESH, show_spinner=False)
def _stays_inside(folder: str, allowed: tuple[str, ...]) -> bool:
    """Whether no symbolic link in or below a folder leads out of the roots, and all of it could be looked at."""
    folders, n_seen, seen = [folder], 0, {folder}
    try:
        while folders:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    n_seen += 1
                    if n_seen > _MOST_FILES:
                        return False
                    target = entry.path
                    if entry.is_symlink():
                        target = os.path.realpath(entry.path)
                        if not any(Path(target).is_relative_to(root) for root in allowed):
                            return False
                    if target not in seen and entry.is_dir():  # a link to a folder inside is walked like a folder
                        seen.add(target)
                        folders.append(target)
    except OSError:
        return False
    return True


@st.cache_data(ttl=FRESH, show_spinner=False)
def sources() -> dict[str, Source]:
    """Every store that may be opened, by key; the one that the dashboard was started with comes first."""
    found: dict[str, Source] = {}
    started_with = os.environ.get("SKYLATTICE_DASHBOARD_SOURCE", "")
    if started_with.endswith((".yaml", ".yml")):
        entries = list(open_catalog(started_with).values())
    else:
        entries = [Entry(Path(started_with).name.removesuffix(".zarr"), "zarr", started_with)] if started_with else []
    for entry in (*entries, *open_catalog().values()):
        _add(found, entry)
    _add(found, Entry("uppasd-200", "zarr", str(skylattice.data.example_path()), "A 200×200 lattice from UppASD"))
    for root in roots():
        for path in _stores_below(root, _DEPTH):
            name = path.relative_to(root).as_posix().removesuffix(".zarr")
            _add(found, Entry(name, "zarr", str(path)))
    return found


def source(key: str) -> Source:
    """The store of a key.

    Raises
    ------
    StoreError
        If there is none of that key under the roots.
    """
    listed = sources()
    if key not in listed:
        raise StoreError(
            f"{key!r}: there is no such store under the folders that this dashboard may open. Choose one of the list, "
            "or start the dashboard with --root FOLDER."
        )
    chosen = listed[key]
    if chosen.path is not None and chosen.path.exists() and not is_allowed(chosen.path):
        raise StoreError(f"{key!r}: it leads outside the folders that this dashboard may open.")
    return chosen


def _add(found: dict[str, Source], entry: Entry) -> None:
    """Add the store of an entry unless it is there already, is no ensemble or may not be opened."""
    try:
        path = entry.path
    except FormatError:  # an address that could lead anywhere
        return
    if entry.driver != "zarr" or (path is not None and path.exists() and not is_allowed(path)):
        return
    location = entry.source if path is None else str(path.resolve())
    if any(known.location == location for known in found.values()):
        return
    key, n = entry.name, 2
    while key in found:
        key, n = f"{entry.name}-{n}", n + 1
    options = tuple(entry.storage_options.items()) if path is None else ()
    found[key] = Source(key, location, entry.description, options)


def _stores_below(folder: Path, depth: int) -> Iterator[Path]:
    """Ensemble stores below a folder; does not look into stores."""
    try:
        children = sorted(child for child in folder.iterdir() if not child.name.startswith(".") and child.is_dir())
    except OSError:  # a folder that cannot be read holds no store that can
        return
    for child in children:
        if (child / "zarr.json").is_file():
            if (child / "spin" / "zarr.json").is_file():
                yield child
        elif depth > 1 and not child.is_symlink():
            yield from _stores_below(child, depth - 1)

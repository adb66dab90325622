"""Which files make a run of UppASD, and what they say about how it was made."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from skylattice.io.bounded import read_lines
from skylattice.io.problems import LocatedError
from skylattice.io.uppasd.deck import INPUT_NAME, Deck, read_deck
from skylattice.io.uppasd.spins import SPIN_FILE_NAME

DmiSign = Literal["-", "+"]

#: UppASD's DMI energy was +D·(S_i × S_j) before this day, and in every version up to this one.
_SIGN_CHANGE_DATE, _LAST_PLUS_VERSION = "2023-05-25", (6, 0, 1)


@dataclass(frozen=True)
class RunFiles:
    """The files of one run: a spin file, and the ``inpsd.dat`` beside it, if there is one."""

    spins: Path
    deck: Path | None

    @property
    def simid(self) -> str:
        """SIMID of ``restart.SIMID.out``."""
        match = SPIN_FILE_NAME.fullmatch(self.spins.name)
        return match[2].strip() if match else ""

    @property
    def coord(self) -> Path:
        """Where the coordinates of the atoms stand, if the run wrote them."""
        return self.spins.with_name(f"coord.{self.simid}.out")

    @cached_property
    def about(self) -> dict[str, str]:
        """``date``, ``git_revision`` and more from ``uppasd.SIMID.yaml``; empty if the run did not write it."""
        path = self.spins.with_name(f"uppasd.{self.simid}.yaml")
        lines = read_lines(path) if path.exists() else []
        return {key: value for key, _, value in (re.sub(r"\s+", "", line).partition(":") for line in lines) if value}

    @property
    def states_sign(self) -> bool:
        """Whether the run says by which version of UppASD it was made, and with it the sign of the DMI energy."""
        return bool({"date", "git_revision"} & set(self.about))

    def dmi_sign(self) -> DmiSign:
        """Sign of the DMI energy in the version of UppASD that made the run: ``"-"`` unless it is known to be old."""
        is_old = self.about.get("date", _SIGN_CHANGE_DATE) < _SIGN_CHANGE_DATE
        version = re.match(r"v?(\d{1,4})\.(\d{1,4})\.?(\d{0,4})(-\d+-g)?", self.about.get("git_revision", ""))
        if version:
            number = (int(version[1]), int(version[2]), int(version[3] or 0))
            is_old |= number < _LAST_PLUS_VERSION or (number == _LAST_PLUS_VERSION and not version[4])
        return "+" if is_old else "-"


def simid_of(deck: Deck) -> str:
    """The SIMID in the names of a deck's output files: its first eight characters."""
    return deck.word("simid", "_UppASD_")[:8]


def find_runs(paths: Iterable[str | os.PathLike[str]]) -> Iterator[Path]:
    """Everything that :func:`~skylattice.io.uppasd.read_run` may be called with, in and below some folders.

    Parameters
    ----------
    paths
        Folders to search, or spin files, which are taken as they are.

    Yields
    ------
    Each folder with an ``inpsd.dat`` once, even if its run has not finished: reading says so. In folders without one,
    each spin file. Sorted by name.
    """
    for path in map(Path, paths):
        if not path.is_dir():
            yield path
            continue
        for folder, subfolders, names in os.walk(path):
            subfolders.sort()
            if INPUT_NAME in names:
                yield Path(folder)
            else:
                yield from (Path(folder, name) for name in sorted(names) if SPIN_FILE_NAME.fullmatch(name))


def run_files(path: str | os.PathLike[str]) -> RunFiles:
    """The spin file and the input that a path stands for.

    Parameters
    ----------
    path
        A run folder, its ``inpsd.dat``, or a spin file.

    Raises
    ------
    LocatedError
        If there is no spin file, or several and none of them has the SIMID of ``inpsd.dat``.
    """
    path = Path(path)
    folder = path if path.is_dir() else path.parent
    deck = folder / INPUT_NAME if (folder / INPUT_NAME).exists() else None
    if not path.exists():
        raise LocatedError(path, "expected a run folder or a spin file, found nothing.", "Check the path.")
    if path != deck and not path.is_dir():
        return RunFiles(path, deck)
    names = sorted(name for name in os.listdir(folder) if SPIN_FILE_NAME.fullmatch(name))
    names = [name for name in names if name.startswith("restart")] or names
    if deck is not None and len(names) > 1:
        simid = simid_of(read_deck(deck))
        names = [name for name in names if name.split(".", 1)[1].replace(" ", "") == f"{simid}.out"] or names
    if not names:
        raise LocatedError(
            folder,
            "expected a spin file restart.SIMID.out, found none.",
            "Wait for the run to end, or look for its output elsewhere.",
        )
    if len(names) > 1:
        raise LocatedError(folder, f"expected one spin file, found {names}.", "Give the file instead of the folder.")
    return RunFiles(folder / names[0], deck)

"""Say what a file or folder is, and what is wrong with it: the logic of ``skylattice doctor``."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from skylattice.errors import SkylatticeError
from skylattice.io.bounded import open_bounded
from skylattice.io.formats import FORMATS, HEAD, format_of
from skylattice.io.problems import Diagnosis, LocatedError, shown
from skylattice.io.sources import find_sources, is_store
from skylattice.io.uppasd.examine import examine_part
from skylattice.io.verify import check_store

#: Damaged files of a store that are named one by one.
_MOST_DAMAGES = 20


def diagnose(path: str | os.PathLike[str]) -> Diagnosis:
    """Examine a file or folder. Never raises for its content: whatever is wrong becomes a finding.

    Parameters
    ----------
    path
        A file or folder of any of :data:`skylattice.io.formats.FORMATS`, a folder of such, an ensemble store, or
        anything else.

    Returns
    -------
    Kind, summary, and findings sorted by level.

    Examples
    --------
    >>> diagnosis = diagnose("tests/data/uppasd/N64_D0.50_B0.125_s12")
    >>> diagnosis.kind, diagnosis.ok
    ('UppASD run', True)
    """
    path = Path(path)
    try:
        diagnosis = _examiner(path)(path)
    except LocatedError as error:
        diagnosis = Diagnosis(path, "unreadable", findings=[error.finding()])
    except OSError as error:
        diagnosis = Diagnosis(path, "unreadable", str(error))
        diagnosis.add("error", f"{path}: cannot be read: {error}.", "Check the path and its rights.")
    unique = dict.fromkeys(diagnosis.findings)
    diagnosis.findings = sorted(unique, key=lambda finding: ("error", "warning", "info").index(finding.level))
    return diagnosis


def _examiner(path: Path) -> Callable[[Path], Diagnosis]:
    """Who knows about this kind of path."""
    if not path.exists():
        return _examine_missing
    if path.is_dir() and is_store(path):
        return _examine_store
    if known := format_of(path):
        return known.examine
    return _examine_folder if path.is_dir() else _examine_file


def _examine_missing(path: Path) -> Diagnosis:
    diagnosis = Diagnosis(path, "missing", "there is nothing here")
    diagnosis.add("error", f"{path}: expected a file or folder, found nothing.", "Check the path.")
    return diagnosis


def _examine_folder(path: Path) -> Diagnosis:
    """A folder that holds no lattices itself: some somewhere below it, or nothing of ours."""
    found = [(source.path, source.format) for source in find_sources([path]) if source.format is not None]
    if not found:
        diagnosis = Diagnosis(path, "unknown", "a folder without anything that skylattice reads")
        diagnosis.add("error", f"{path}: expected lattices of any format below it, found none.", "Check the path.")
        return diagnosis
    are_runs = {known.name for _, known in found} == {"uppasd"}
    diagnosis = Diagnosis(path, "folder of UppASD runs" if are_runs else "folder of lattices")
    examined = [known.examine(below) for below, known in found]
    n_good, noun = sum(one.ok for one in examined), "runs" if are_runs else "files and runs"
    diagnosis.summary = f"{n_good} of {len(found)} {noun} can be imported"
    diagnosis.findings = [finding for one in examined for finding in one.findings if finding.level != "info"]
    return diagnosis


def _examine_store(path: Path) -> Diagnosis:
    """A zarr group."""
    from skylattice.io.store import info

    diagnosis = Diagnosis(path, "zarr group")
    with diagnosis.recording():
        try:
            facts = info(path)
        except (AttributeError, KeyError, TypeError, ValueError) as error:  # zarr's, for metadata that makes no sense
            if isinstance(error, SkylatticeError):
                raise
            raise LocatedError(path, f"expected zarr metadata, found {error!r}.", "Restore it from a copy.") from None
        diagnosis.kind = "ensemble store"
        for damage in check_store(path)[:_MOST_DAMAGES]:
            diagnosis.add("error", f"{damage}.", f"Put it right: skylattice verify {path} --repair")
        lattices = ", ".join(f"{number} {status}" for status, number in facts["lattices"].items() if number)
        diagnosis.summary = (
            f"{len(facts['D'])} × {len(facts['B'])} points (D × B), {facts['realizations']} realizations of "
            f"{facts['size'][1]} × {facts['size'][0]} sites: {lattices}"
        )
        if facts["lattices"].get("failed"):
            diagnosis.add("warning", f"{path}: {facts['lattices']['failed']} lattices failed.", "Simulate them again.")
    return diagnosis


def _examine_file(path: Path) -> Diagnosis:
    """A file without spins, which may belong to a run."""
    with open_bounded(path, limit=None) as file:
        start = file.read(HEAD)
    if not start:
        diagnosis = Diagnosis(path, "unknown", "an empty file")
        diagnosis.add("error", f"{path}: the file is empty.", "Copy it again, or repeat what made it.")
        return diagnosis
    if part := examine_part(path):
        return part
    first = shown(start.split(b"\n")[0])
    diagnosis = Diagnosis(path, "unknown", f"starts with {first!r}")
    titles = ", ".join(known.title for known in FORMATS)
    diagnosis.add("error", f"{path}: not a file that skylattice reads.", f"It reads {titles}, and stores of its own.")
    return diagnosis

"""Say what a file or folder is, and what is wrong with it: the logic of ``skylattice doctor``."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from skylattice.errors import SchemaError, SkylatticeError
from skylattice.io.bounded import open_bounded
from skylattice.io.ovf.examine import examine
from skylattice.io.ovf.scan import is_ovf
from skylattice.io.problems import Finding, LocatedError, shown
from skylattice.io.uppasd.deck import INPUT_NAME, Deck, read_deck
from skylattice.io.uppasd.files import RunFiles, find_runs, run_files
from skylattice.io.uppasd.lint import lint
from skylattice.io.uppasd.run import ROUNDING, check_moments, remarks, run_parameters, site_rows
from skylattice.io.uppasd.spins import SPIN_FILE_NAME, SpinFile, open_spin_file
from skylattice.layouts import find_axes, spin_dtype

_XARRAY = "Open it with xarray, and give the spins to skylattice.from_arrays."

#: First bytes of files of other formats, and what they are.
_SIGNATURES = (
    (b"\x89HDF\r\n\x1a\n", "HDF5 file", _XARRAY),
    (b"CDF", "netCDF file", _XARRAY),
    (b"PK\x03\x04", "zip archive", "Unpack it, and examine what is in it."),
)

#: First bytes of a NumPy file.
_NUMPY = b"\x93NUMPY"

#: Other outputs of UppASD by the first word of their names.
_OUTPUTS = {
    "averages": "mean magnetization of each sample",
    "coord": "coordinates of the atoms",
    "cumulants": "cumulants of the magnetization",
    "localenergy": "energies of the atoms",
    "sknumber": "topological charge of each sample",
    "struct": "neighbours of the atoms",
    "totenergy": "energies of each sample",
}

#: How many damaged ensembles of a run are reported one by one.
_MOST_FINDINGS = 20

#: Keywords of ``inpsd.dat`` that name a table.
_TABLES = ("exchange", "dm", "posfile", "momfile")


@dataclass
class Diagnosis:
    """What a file or folder is, and what is wrong with it.

    Attributes
    ----------
    path
        What was looked at.
    kind
        What it is, in a few words: ``"UppASD run"``, ``"UppASD spin file"``, ``"ensemble store"``, ``"unknown"``, ...
    summary
        One line about its content.
    findings
        Everything worth knowing, errors first.
    """

    path: Path
    kind: str
    summary: str = ""
    findings: list[Finding] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether there are no errors; there may be warnings."""
        return all(finding.level != "error" for finding in self.findings)

    def add(self, level: Any, message: str, remedy: str = "") -> None:
        """Append a finding."""
        self.findings.append(Finding(level, message, remedy))

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Turn an error inside the block into a finding, and go on after it."""
        try:
            yield
        except LocatedError as error:
            self.findings.append(error.finding())
        except SkylatticeError as error:
            self.add("error", str(error))


def diagnose(path: str | os.PathLike[str]) -> Diagnosis:
    """Examine a file or folder. Never raises for its content: whatever is wrong becomes a finding.

    Parameters
    ----------
    path
        A UppASD run folder, one of its files, a folder of runs, an OVF file, an ensemble store, or anything else.

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
    if path.is_dir():
        names = os.listdir(path)
        if {"zarr.json", ".zgroup"} & set(names):
            return _examine_store
        if INPUT_NAME in names or any(map(SPIN_FILE_NAME.fullmatch, names)):
            return _examine_run
        return _examine_folder
    if not path.exists():
        return _examine_missing
    if path.name == INPUT_NAME:
        return _examine_deck
    if path.is_file():
        with open_bounded(path, limit=None) as file:
            if is_ovf(file.read(256)):  # whatever its name: UppASD may write OVF to restart.SIMID.out
                return _examine_ovf
    return _examine_run if SPIN_FILE_NAME.fullmatch(path.name) else _examine_file


def _examine_missing(path: Path) -> Diagnosis:
    diagnosis = Diagnosis(path, "missing", "there is nothing here")
    diagnosis.add("error", f"{path}: expected a file or folder, found nothing.", "Check the path.")
    return diagnosis


def _examine_folder(path: Path) -> Diagnosis:
    """A folder that is no run itself: runs somewhere below it, or nothing of ours."""
    runs = list(find_runs([path]))
    if not runs:
        diagnosis = Diagnosis(path, "unknown", "a folder without anything that skylattice reads")
        diagnosis.add("error", f"{path}: expected UppASD runs or an ensemble store, found neither.", "Check the path.")
        return diagnosis
    diagnosis = Diagnosis(path, "folder of UppASD runs")
    examined = [_examine_run(run) for run in runs]
    n_good = sum(run.ok for run in examined)
    diagnosis.summary = f"{n_good} of {len(runs)} runs can be imported"
    diagnosis.findings = [finding for run in examined for finding in run.findings if finding.level != "info"]
    return diagnosis


def _examine_deck(path: Path) -> Diagnosis:
    """An input without regard to the spins; all errors of a run that can be told from it."""
    diagnosis = Diagnosis(path, "UppASD input")
    with diagnosis.recording():
        deck = read_deck(path)
        diagnosis.summary = f"{len(deck.entries)} keywords"
        _examine_input(diagnosis, deck, RunFiles(path, path))
        with diagnosis.recording():
            diagnosis.findings += lint(deck)
    return diagnosis


def _examine_input(diagnosis: Diagnosis, deck: Deck, files: RunFiles) -> float | None:
    """Everything that a run's input says of its Hamiltonian; returns the moment, if it can be told."""
    moment = None
    with diagnosis.recording():
        D, B, T, hamiltonian, attrs, _ = run_parameters(files, deck)
        moment = attrs["moment_muB"]
        sign = f"handedness {hamiltonian.handedness:+d}"
        diagnosis.summary += f", D = {D:.6g}, B = {B:.6g}, T = {T:.6g} ({hamiltonian.dmi}, {sign})"
    for keyword in _TABLES:
        with diagnosis.recording():
            if keyword in deck:
                deck.table(keyword, keyword, 1)  # the first error ended the block above; there may be more
    return moment


def _examine_run(path: Path) -> Diagnosis:
    """A run folder or a spin file."""
    diagnosis = Diagnosis(path, "UppASD run" if path.is_dir() else "UppASD spin file")
    with diagnosis.recording():
        files = run_files(path)
        diagnosis.summary = files.spins.name
        deck, moment = None, None
        if files.deck is not None:
            with diagnosis.recording():
                deck = read_deck(files.deck)
        if deck is not None:
            moment = _examine_input(diagnosis, deck, files)
        elif files.deck is None:
            diagnosis.add(
                "info",
                f"{files.spins}: no {INPUT_NAME} beside it: D, B, T and the DMI are not known.",
                "Give them as options: D=, B=, T=, dmi=, handedness=.",
            )
        spins = open_spin_file(files.spins)
        diagnosis.summary += (
            f", {spins.n_atoms} atoms, {_count(spins.n_ensembles, 'ensemble')}, {_count(spins.n_frames, 'sample')}"
        )
        with diagnosis.recording():
            diagnosis.findings += remarks(files, deck, spins)
        with diagnosis.recording():
            _examine_geometry(diagnosis, files, deck, spins)
        _examine_spins(diagnosis, spins, moment)
    return diagnosis


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _examine_geometry(diagnosis: Diagnosis, files: RunFiles, deck: Deck | None, spins: SpinFile) -> None:
    """Size and order of the atoms, as the reader takes them."""
    if deck is None and not files.coord.exists():
        diagnosis.add(
            "info", f"{files.spins}: the shape of its {spins.n_atoms} atoms is not known.", "Give size=(ny, nx)."
        )
        return
    geometry, _ = site_rows(files, deck, spins, layer=0)
    nz, ny, nx = geometry.shape
    diagnosis.summary += f", {nx} × {ny} sites" + (f" in {nz} layers" if nz > 1 else "")
    if nz > 1:
        diagnosis.add("info", f"{geometry.where}: {nz} layers.", "Choose one when reading: layer=0 is the lowest.")


def _examine_spins(diagnosis: Diagnosis, spins: SpinFile, moment: float | None) -> None:
    """Parse the last frame, until so many of its ensembles are damaged that more of them say nothing new."""
    deviation, n_before = 0.0, len(diagnosis.findings)
    for ensemble in range(spins.n_ensembles):
        with diagnosis.recording():
            block = spins.read(-1, ensemble)
            deviation = max(deviation, block.deviation)
            check_moments(block, moment, where=f"{spins.path} (ensemble {ensemble + 1})")
        if len(diagnosis.findings) - n_before == _MOST_FINDINGS:
            diagnosis.add("info", f"{spins.path}: ensembles after the {ensemble + 1}th were not examined.")
            break
    diagnosis.summary += f", |e| = 1 to {deviation:.0e}"
    if deviation > ROUNDING:
        diagnosis.add(
            "warning",
            f"{spins.path}: spins deviate from unit length by up to {deviation:.2g}; reading normalises them.",
            "Look at a run that prints so few digits, or whose file was edited, with care.",
        )


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
        lattices = ", ".join(f"{number} {status}" for status, number in facts["lattices"].items() if number)
        diagnosis.summary = (
            f"{len(facts['D'])} × {len(facts['B'])} points (D × B), {facts['realizations']} realizations of "
            f"{facts['size'][1]} × {facts['size'][0]} sites: {lattices}"
        )
        if facts["lattices"].get("failed"):
            diagnosis.add("warning", f"{path}: {facts['lattices']['failed']} lattices failed.", "Simulate them again.")
    return diagnosis


def _examine_ovf(path: Path) -> Diagnosis:
    """A file of OOMMF, mumax3, Ubermag or Spirit."""
    diagnosis = Diagnosis(path, "OVF file")
    with diagnosis.recording():
        diagnosis.summary, findings = examine(path)
        diagnosis.findings += findings
    return diagnosis


def _examine_file(path: Path) -> Diagnosis:
    """A file that is recognised by its content or its name, but not read by the importer."""
    with open_bounded(path, limit=None) as file:
        start = file.read(256)
    if not start:
        diagnosis = Diagnosis(path, "unknown", "an empty file")
        diagnosis.add("error", f"{path}: the file is empty.", "Copy it again, or repeat what made it.")
        return diagnosis
    if start.startswith(_NUMPY) or (path.suffix == ".npz" and zipfile.is_zipfile(path)):
        return _examine_arrays(path)
    for signature, kind, remedy in _SIGNATURES:
        if start.startswith(signature):
            diagnosis = Diagnosis(path, kind, "not a format of its own for spins")
            diagnosis.add("info", f"{path}: a {kind} may hold anything.", remedy)
            return diagnosis
    stem = path.name.split(".")[0]
    if stem in _OUTPUTS and path.suffix == ".out":
        diagnosis = Diagnosis(path, "UppASD output", _OUTPUTS[stem])
        diagnosis.add("info", f"{path}: it holds no spins.", "Give the run folder, or its restart file.")
        return diagnosis
    if keyword := _named_in_deck(path):
        diagnosis = Diagnosis(path, "UppASD input", f"named by {keyword!r} in the {INPUT_NAME} beside it")
        diagnosis.add("info", f"{path}: what it says is checked with its run.", f"Examine {path.parent} instead.")
        return diagnosis
    first = shown(start.split(b"\n")[0])
    diagnosis = Diagnosis(path, "unknown", f"starts with {first!r}")
    diagnosis.add("error", f"{path}: not a file that skylattice reads.", "Give a run folder, a spin file or a store.")
    return diagnosis


def _examine_arrays(path: Path) -> Diagnosis:
    """A .npy or .npz file: shape and type from the headers, and how to make a dataset of what could be spins."""
    is_archive = path.suffix == ".npz"
    diagnosis = Diagnosis(path, "NumPy archive" if is_archive else "NumPy array")
    try:
        arrays = dict(_headers(path))
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        diagnosis.add("error", f"{path}: expected NumPy arrays, found a damaged file: {error}.", "Copy it again.")
        return diagnosis
    diagnosis.summary = ", ".join(f"{name} {shape} {dtype}".strip() for name, (shape, dtype) in arrays.items())
    for name, (shape, dtype) in arrays.items():
        loaded = f"numpy.load({path.name!r})" + (f"[{name!r}]" if is_archive else "")
        call = f"skylattice.from_arrays({loaded}, D=..., B=..., T=..., hamiltonian=...)"
        try:
            spin_dtype(dtype)
            layout = ", ".join(axis for axis in find_axes(shape, None) if axis)
        except SchemaError as error:
            diagnosis.add("info", f"{path}: {name or 'it'} is not known to be spins. {error}", f"If it is: {call}.")
        else:
            diagnosis.add("info", f"{path}: {name or 'it'} has the shape of spins (..., {layout}).", f"Use {call}.")
    return diagnosis


def _headers(path: Path) -> Iterator[tuple[str, tuple[tuple[int, ...], np.dtype]]]:
    """Name, shape and type of each array, values unread."""
    if path.suffix != ".npz":
        with open_bounded(path, limit=None) as file:
            yield "", _header(file)
        return
    with open_bounded(path, limit=None) as file, zipfile.ZipFile(file) as archive:
        for member in archive.namelist():
            with archive.open(member) as part:
                yield member.removesuffix(".npy"), _header(part)


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, dtype


def _named_in_deck(path: Path) -> str | None:
    """The keyword of the ``inpsd.dat`` beside a file that names it."""
    try:
        deck = read_deck(path.with_name(INPUT_NAME))
    except LocatedError:
        return None
    return next((keyword for keyword in _TABLES if keyword in deck and deck.file(keyword, "") == path), None)

"""What a UppASD run or one of its files holds, and what stands in the way of importing it: for the doctor."""

from __future__ import annotations

import warnings
from pathlib import Path

from skylattice.io.problems import Diagnosis, LocatedError
from skylattice.io.uppasd.deck import INPUT_NAME, Deck, read_deck
from skylattice.io.uppasd.files import RunFiles, run_files
from skylattice.io.uppasd.geometry import geometry_of_deck
from skylattice.io.uppasd.lint import lint
from skylattice.io.uppasd.run import ROUNDING, check_moments, open_run, remarks, run_parameters, site_rows
from skylattice.io.uppasd.spins import SpinFile, open_spin_file

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


def examine(path: Path) -> Diagnosis:
    """A run folder, a spin file, or an input without regard to its spins."""
    return _examine_deck(path) if path.name == INPUT_NAME else _examine_run(path)


def examine_part(path: Path) -> Diagnosis | None:
    """A file that belongs to a run but holds no spins; None if it is none."""
    stem = path.name.split(".")[0]
    if stem in _OUTPUTS and path.suffix == ".out":
        diagnosis = Diagnosis(path, "UppASD output", _OUTPUTS[stem])
        diagnosis.add("info", f"{path}: it holds no spins.", "Give the run folder, or its restart file.")
        return diagnosis
    if keyword := _named_in_deck(path):
        diagnosis = Diagnosis(path, "UppASD input", f"named by {keyword!r} in the {INPUT_NAME} beside it")
        diagnosis.add("info", f"{path}: what it says is checked with its run.", f"Examine {path.parent} instead.")
        return diagnosis
    return None


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
        if deck is not None and diagnosis.ok and not files.states_sign:
            nz = geometry_of_deck(deck).shape[0]
            with diagnosis.recording(), warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # they are findings already
                open_run(path, layer=0 if nz > 1 else None).load()  # only a reader tells whether the DMI has its sign
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


def _named_in_deck(path: Path) -> str | None:
    """The keyword of the ``inpsd.dat`` beside a file that names it."""
    try:
        deck = read_deck(path.with_name(INPUT_NAME))
    except LocatedError:
        return None
    return next((keyword for keyword in _TABLES if keyword in deck and deck.file(keyword, "") == path), None)

"""Spin files of UppASD: ``restart.SIMID.out`` and ``moment.SIMID.out``, in all the forms that the program writes.

A file is a header and one row for each atom: ensembles outside, atoms inside, and in a moment file one such frame for
each sample. Opening a file reads its header and its first row, and checks its length; the numbers are parsed frame by
frame, ensemble by ensemble, when they are asked for.

=================== ================ ===========================================
form                header           row
=================== ================ ===========================================
by iteration        7 lines with #   iteration, ensemble, atom, |m|, x, y, z
by time             7 lines with #   time, ensemble, atom, |m|, x, y, z
legacy restart      the iteration    ensemble, atom, |m|, x, y, z
legacy moment       none             iteration, atom, m_x, m_y, m_z, |m|²
=================== ================ ===========================================

The columns of Fortran's fixed formats may touch, so that they are cut by position; files that were edited or written
by other programs are split at blanks.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from io import BufferedReader
from itertools import islice, repeat
from pathlib import Path
from typing import NamedTuple

import numpy as np

from skylattice.io.bounded import open_bounded
from skylattice.io.problems import NUMBER_WIDTH, LocatedError, fortran_float, shown
from skylattice.io.uppasd.fixed import is_constant, plain_counters, plain_numbers

#: Largest accepted deviation of a stored direction's length from 1: what five digits after the point leave.
NORM_TOLERANCE = 1e-3

#: Rows that are parsed at a time, some 24 MB of the file.
_BLOCK = 1 << 18
#: Longest row of a file whose rows are split at blanks; UppASD's have 98 characters.
_LINE_LIMIT = 4096

SPIN_FILE_NAME = re.compile(r"(restart|moment)[^.]*\.(.+)\.out", re.IGNORECASE)

_HEADER = re.compile(rb"\s*#+\s*\r?\n\s*#\s*File type", re.IGNORECASE)


def is_spin_file(path: Path, start: bytes) -> bool:
    """Whether a file that starts so is a spin file: by its header, or by its name if it is of a form without one.

    Examples
    --------
    >>> is_spin_file(Path("any"), b"#####\\n# File type: R\\n"), is_spin_file(Path("restart.skx.out"), b"100")
    (True, True)
    """
    return _HEADER.match(start) is not None or SPIN_FILE_NAME.fullmatch(path.name) is not None


class Form(NamedTuple):
    """Columns of a row: (start, stop) of each counter, in the order of the file, and of each of the four numbers."""

    name: str
    width: int
    counters: dict[str, tuple[int, int]]
    numbers: tuple[int, int, int, int]

    @property
    def columns(self) -> list[tuple[int, int]]:
        """(start, stop) of all columns; Fortran prints each number 16 wide."""
        return [*self.counters.values(), *((start, start + 16) for start in self.numbers)]


_BY_ITERATION = Form("by iteration", 90, {"time": (0, 8), "ensemble": (8, 16), "atom": (16, 24)}, (26, 42, 58, 74))
_BY_TIME = Form("by time", 98, {"time": (0, 16), "ensemble": (16, 24), "atom": (24, 32)}, (34, 50, 66, 82))
_LEGACY_RESTART = Form("legacy restart", 82, {"ensemble": (0, 8), "atom": (8, 16)}, (18, 34, 50, 66))
_LEGACY_MOMENT = Form("legacy moment", 86, {"time": (0, 8), "atom": (10, 18)}, (22, 38, 54, 70))
_LEGACY_MOMENT_WIDE = Form("legacy moment", 92, {"time": (0, 8), "atom": (10, 18)}, (22, 40, 58, 76))


class SpinBlock(NamedTuple):
    """One ensemble of one frame, in the order of the file.

    ``moment`` has shape (n_atoms,) and is in Bohr magnetons; ``direction`` has shape (n_atoms, 3), float64, and is
    normalised as UppASD does when it reads the file; ``deviation`` is the largest | |e| - 1 | before that.
    """

    moment: np.ndarray
    direction: np.ndarray
    deviation: float


@dataclass(frozen=True)
class SpinFile:
    """A spin file whose header and length have been checked.

    Attributes
    ----------
    path
        The file.
    form
        How its rows are printed.
    n_atoms, n_ensembles, n_frames
        Rows = n_frames · n_ensembles · n_atoms.
    mode
        UppASD's letter for the simulation (H heat bath, M Metropolis, S spin dynamics, ...); empty if not stated.
    n_header, offset
        Lines and bytes before the first row.
    row_bytes
        Length of a row with its line end, or 0 if the rows do not have the columns of ``form`` and are split at blanks.
    """

    path: Path
    form: Form
    n_atoms: int
    n_ensembles: int
    n_frames: int
    mode: str
    n_header: int
    offset: int
    row_bytes: int

    def time(self, frame: int) -> float:
        """What the file says of a frame's time: the iteration (-1 for a final state), or seconds; NaN if it does not.

        An iteration too large for its column is printed as ``********`` and gives NaN as well.
        """
        if "time" not in self.form.counters:
            return float("nan")
        row = frame % self.n_frames * self.n_ensembles * self.n_atoms
        try:
            return fortran_float(self._columns(row, row + 1)[0][0].decode("ascii", "replace").strip())
        except ValueError:
            return float("nan")

    def read(self, frame: int = -1, ensemble: int = 0) -> SpinBlock:
        """Parse one ensemble of one frame, some rows at a time: the first damaged ones end it.

        Raises
        ------
        LocatedError
            Naming the line of a row that is missing, out of order, not a number, NaN, or not of unit length.
        """
        first = (frame % self.n_frames * self.n_ensembles + ensemble) * self.n_atoms
        blocks = [
            self._read_rows(first + atom, range(atom, min(atom + _BLOCK, self.n_atoms)), ensemble)
            for atom in range(0, self.n_atoms, _BLOCK)
        ]
        moments, directions, deviations = zip(*blocks, strict=True)
        return SpinBlock(np.concatenate(moments), np.concatenate(directions), max(deviations))

    def _read_rows(self, start: int, atoms: range, ensemble: int) -> SpinBlock:
        """Parse the rows of some atoms, the first of which is row ``start`` of the file."""
        raw = self._raw(start, start + len(atoms)) if self.row_bytes else b""
        if raw and (numbers := self._plain(raw, atoms, ensemble)) is not None:
            return self._normalise(numbers, start)
        columns = self._columns(start, start + len(atoms), raw)
        counters = dict(zip(self.form.counters, columns, strict=False))
        self._check_counter("atom", counters["atom"], np.arange(atoms.start + 1, atoms.stop + 1), start)
        if "ensemble" in counters:
            self._check_counter("ensemble", counters["ensemble"], np.full(len(atoms), ensemble + 1), start)
        numbers = np.stack([self._floats(column, start) for column in columns[-4:]], axis=-1)
        return self._normalise(numbers, start)

    def _plain(self, raw: bytes, atoms: range, ensemble: int) -> np.ndarray | None:
        """The four numbers of rows that are in order and printed as UppASD does; None of others."""
        expected = {"atom": np.arange(atoms.start + 1, atoms.stop + 1), "ensemble": ensemble + 1}
        if b"\n" in raw[: self.row_bytes - 1] or not is_constant(
            raw, self.row_bytes, self.row_bytes - 1, self.row_bytes
        ):
            return None
        for name, (start, stop) in self.form.counters.items():
            if name not in expected:
                is_plain = is_constant(raw, self.row_bytes, start, stop)  # the time of the frame
            else:
                found = plain_counters(raw, self.row_bytes, start)
                is_plain = found is not None and (found == expected[name]).all()
            if not is_plain:
                return None
        gap = max(stop for _, stop in self.form.counters.values()), self.form.numbers[0]
        if raw[gap[0] : gap[1]].strip() or not is_constant(raw, self.row_bytes, *gap):
            return None
        return plain_numbers(raw, self.row_bytes, self.form.numbers)

    def _raw(self, start: int, stop: int) -> bytes:
        """The bytes of some rows of fixed columns; the last line may lack its end."""
        with _opened(self.path) as file:
            file.seek(self.offset + start * self.row_bytes)
            raw = file.read((stop - start) * self.row_bytes)
        return raw.ljust((stop - start) * self.row_bytes, b"\n")

    def _columns(self, start: int, stop: int, raw: bytes = b"") -> list[np.ndarray]:
        """The columns of rows ``start`` to ``stop``, as byte strings; ``raw`` are their bytes where they were read."""
        if not self.row_bytes:
            with _opened(self.path) as file:
                return self._split(list(islice(_rows(self.path, file, self.offset), start, stop)), start)
        raw = raw or self._raw(start, stop)
        table = np.frombuffer(raw, np.uint8).reshape(stop - start, -1)
        if raw.count(b"\n") != len(table) or b"\0" in raw or (table[:, -1] != ord("\n")).any():
            is_end = table == ord("\n")
            is_broken = is_end[:, :-1].any(axis=1) | ~is_end[:, -1] | (table == 0).any(axis=1)
            raise LocatedError(
                self._where(start + int(is_broken.argmax())),
                f"expected a row of {self.form.width} characters, found a broken line.",
                "Copy the file again, or repeat the run.",
            )
        return [np.ascontiguousarray(table[:, a:b]).view(f"S{b - a}")[:, 0] for a, b in self.form.columns]

    def _split(self, rows: list[bytes], start: int) -> list[np.ndarray]:
        """The columns of rows that are separated by blanks."""
        n_columns = len(self.form.columns)
        tokens = [row.split() for row in rows]
        for index, found in enumerate(tokens):
            if len(found) != n_columns or max(map(len, found)) > NUMBER_WIDTH:
                widest = f", one of them {max(map(len, found))} characters wide" if len(found) == n_columns else ""
                raise LocatedError(
                    self._where(start + index),
                    f"expected {n_columns} columns, found {len(found)}{widest}.",
                    "Copy the file again, or repeat the run.",
                )
        return [np.array(column, dtype=bytes) for column in zip(*tokens, strict=True)]

    def _where(self, row: int) -> str:
        return f"{self.path}:{self.n_header + row + 1}"

    def _check_counter(self, name: str, column: np.ndarray, expected: np.ndarray, start: int) -> None:
        """Raise unless a counter counts: rows are missing, doubled or shuffled otherwise."""
        try:
            is_wrong = column.astype(np.int64) != expected
        except (ValueError, OverflowError):
            is_wrong = np.array(
                [token.strip() != b"%d" % number for token, number in zip(column, expected, strict=True)]
            )
        if is_wrong.any():
            row = int(is_wrong.argmax())
            found = column[row].decode("ascii", "replace").strip()
            raise LocatedError(
                self._where(start + row),
                f"expected {name} {expected[row]}, found {found!r}: rows are missing, doubled or out of order.",
                "Copy the file again, or repeat the run.",
            )

    def _floats(self, column: np.ndarray, start: int) -> np.ndarray:
        """A column of finite numbers."""
        try:
            numbers = column.astype(np.float64)
        except ValueError:  # some number is printed in one of Fortran's own ways
            numbers = np.full(len(column), np.nan)
            for row, token in enumerate(column):
                with suppress(ValueError):
                    numbers[row] = fortran_float(token.decode("ascii", "replace").strip())
        is_bad = ~np.isfinite(numbers)
        if is_bad.any():
            row = int(is_bad.argmax())
            found = column[row].decode("ascii", "replace").strip()
            reason = " (the number did not fit its column)" if found.startswith("*") else ""
            raise LocatedError(
                self._where(start + row),
                f"expected a finite number, found {found!r}{reason} ({int(is_bad.sum())} of {len(column)} rows).",
                "The simulation has diverged or the file is damaged: repeat the run.",
            )
        return numbers

    def _normalise(self, numbers: np.ndarray, start: int) -> SpinBlock:
        """Split the four numbers into length and direction, and bring the direction to unit length."""
        is_full_moment = self.form.name == "legacy moment"
        vector = numbers[:, :3] if is_full_moment else numbers[:, 1:]
        length = np.sqrt(np.einsum("ac,ac->a", vector, vector))
        is_bad = ~(length > 0) if is_full_moment else ~(np.abs(length - 1) <= NORM_TOLERANCE)
        if is_bad.any():
            row = int(is_bad.argmax())
            raise LocatedError(
                self._where(start + row),
                f"expected a spin of unit length, found |e| = {length[row]:.6g}; "
                f"{int(is_bad.sum())} of {len(length)} spins are off by more than {NORM_TOLERANCE:g}.",
                "The simulation has diverged or the file is damaged: repeat the run.",
            )
        if is_full_moment:
            return SpinBlock(length, vector / length[:, None], 0.0)
        return SpinBlock(numbers[:, 0], vector / length[:, None], float(np.abs(length - 1).max()))


def _opened(path: Path) -> AbstractContextManager[BufferedReader]:
    """The file, of any size: it is read a header and some rows at a time."""
    return open_bounded(path, limit=None, is_text=True, what="a spin file")


def _rows(path: Path, file: BufferedReader, offset: int) -> Iterator[bytes]:
    """The rows after the header, one by one; blank lines at the end are no rows."""
    file.seek(offset)
    n_blank = 0
    while line := file.readline(_LINE_LIMIT):
        if not line.endswith(b"\n") and len(line) == _LINE_LIMIT:
            raise LocatedError(
                path,
                f"expected rows of at most {_LINE_LIMIT} characters, found a longer one: {shown(line)!r}.",
                "Give a restart.*.out or moment.*.out file as UppASD writes it.",
            )
        if not line.strip():
            n_blank += 1
            continue
        yield from repeat(b"", n_blank)
        n_blank = 0
        yield line.rstrip(b"\n")


def open_spin_file(path: Path) -> SpinFile:
    """Recognise a spin file, read its header, and check that it has as many rows as it should.

    Raises
    ------
    LocatedError
        If the file is missing, empty, truncated or of another format, or its counts disagree.
    """
    with _opened(path) as file:
        try:
            return _open(path, file)
        except OSError as error:
            raise LocatedError(path, f"expected a readable spin file: {error}.", "Check the disk.") from None


def _open(path: Path, file: BufferedReader) -> SpinFile:
    head = file.read(8192).split(b"\n")
    if not any(line.strip() for line in head):
        raise LocatedError(path, "expected a spin file, found an empty one.", "Wait for the run to end, or repeat it.")
    if re.match(rb"\s*#\s*(OOMMF|OVF)", head[0], re.IGNORECASE):
        raise LocatedError(
            path,
            "expected UppASD's own format, found OVF (the run had 'prn_ovf Y').",
            "Read it as an OVF file instead.",
        )
    form, n_header, counts = _recognise(path, head)
    offset = sum(len(line) + 1 for line in head[:n_header])
    row_bytes = len(head[n_header]) + 1
    size = os.fstat(file.fileno()).st_size - offset
    if len(head[n_header].rstrip(b"\r")) != form.width or size % row_bytes not in (0, row_bytes - 1):
        row_bytes = 0
    n_rows = -(-size // row_bytes) if row_bytes else sum(1 for _ in _rows(path, file, offset))
    spins = SpinFile(path, form, 1, 1, n_rows, counts.mode, n_header, offset, row_bytes)
    if not counts.n_atoms:
        counts = _last_counters(spins, counts)
    per_frame = counts.n_atoms * counts.n_ensembles
    n_frames, rest = divmod(n_rows, per_frame)
    if rest or (counts.is_restart and n_frames != 1):
        raise LocatedError(
            f"{path}:{n_header + n_rows}",
            f"expected {'' if counts.is_restart else 'a multiple of '}{per_frame} rows ({counts.n_atoms} atoms × "
            f"{counts.n_ensembles} ensembles), found {n_rows}.",
            "The file is truncated, or its header is of another run: copy it again, or repeat the run.",
        )
    return replace(spins, n_atoms=counts.n_atoms, n_ensembles=counts.n_ensembles, n_frames=n_frames)


class _Counts(NamedTuple):
    """What the header says; ``n_atoms`` is 0 where it says nothing."""

    n_atoms: int
    n_ensembles: int
    is_restart: bool
    mode: str


def _recognise(path: Path, head: list[bytes]) -> tuple[Form, int, _Counts]:
    """Form, number of header lines, and counts, from the first lines of a file."""
    n_header = next((i for i, line in enumerate(head) if not line.lstrip().startswith(b"#")), len(head))
    if n_header:
        counts = _read_header(path, head[:n_header])
        form = _BY_TIME if b"time" in head[n_header - 1].lower() else _BY_ITERATION
    elif len(head[0].split()) == 1:
        form, n_header, counts = _LEGACY_RESTART, 1, _Counts(0, 1, True, "")
    elif path.name.lower().startswith("moment"):
        is_wide = len(head[0].rstrip(b"\r")) == _LEGACY_MOMENT_WIDE.width
        form, counts = _LEGACY_MOMENT_WIDE if is_wide else _LEGACY_MOMENT, _Counts(0, 1, False, "")
    else:
        raise _not_spins(path, 1, head[0])
    first_row = head[n_header].strip() if n_header < len(head) else b""
    if not first_row:
        raise LocatedError(
            path, "expected rows of spins, found a header only.", "Wait for the run to end, or repeat it."
        )
    if not all(re.fullmatch(rb"[-+0-9.eEdD*]+|NaN|[-+]?Inf(inity)?", token) for token in first_row.split()):
        raise _not_spins(path, n_header + 1, first_row)
    return form, n_header, counts


def _not_spins(path: Path, line: int, found: bytes) -> LocatedError:
    return LocatedError(
        f"{path}:{line}",
        f"expected a row of a UppASD spin file, found {shown(found, 40)!r}.",
        "Give a restart.*.out or moment.*.out file, or the run folder.",
    )


def _read_header(path: Path, lines: list[bytes]) -> _Counts:
    """The counts of the seven-line header."""
    text = b"\n".join(lines).decode("ascii", "replace")
    found = dict(re.findall(r"#\s*(Number of atoms|Number of ensembles|File type|Simulation type)\s*:\s*(\S+)", text))
    counts = []
    for name in ("Number of atoms", "Number of ensembles"):
        value = found.get(name, "")
        if not (value.isdecimal() and 0 < len(value) < 16 and int(value) > 0):
            raise LocatedError(
                path,
                f"expected '# {name}: N' in the header, found {shown(value) or 'nothing'!r}.",
                "Give a restart.*.out or moment.*.out file as UppASD writes it.",
            )
        counts.append(int(value))
    return _Counts(counts[0], counts[1], found.get("File type", "R") != "M", found.get("Simulation type", ""))


def _last_counters(spins: SpinFile, counts: _Counts) -> _Counts:
    """Numbers of atoms and ensembles from the last row of a legacy file, which has no header."""
    columns = spins._columns(spins.n_frames - 1, spins.n_frames)
    last = dict(zip(spins.form.counters, (column[0] for column in columns), strict=False))
    found = [last.get(name, b"1").strip() for name in ("atom", "ensemble")]
    if not all(value.isdigit() and 0 < len(value) < 16 and int(value) > 0 for value in found):
        raise LocatedError(
            f"{spins.path}:{spins.n_header + spins.n_frames}",
            f"expected the number of the last atom, found {found[0].decode('ascii', 'replace')!r}.",
            "The file is truncated: copy it again, or repeat the run.",
        )
    return counts._replace(n_atoms=int(found[0]), n_ensembles=int(found[1]))

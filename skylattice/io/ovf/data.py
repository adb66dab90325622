"""The numbers of a segment: text, CSV, or binary in either byte order, each finite and none missing or too many."""

from __future__ import annotations

import re
from typing import BinaryIO

import numpy as np

from skylattice.io.bounded import open_bounded
from skylattice.io.ovf.header import Segment
from skylattice.io.problems import LocatedError

#: No field has components beyond this, and squares of what is below are finite.
_LARGEST = 1e100

#: All that text may consist of.
_OF_NUMBERS = b"0123456789+-.eE \t\r\n\v\f"

_REMEDY = "The file is damaged or was cut: copy it again, or write it again."


def read_points(segment: Segment, start: int = 0, stop: int | None = None) -> np.ndarray:
    """Numbers of the points ``start`` to ``stop`` as they are in the file.

    Parameters
    ----------
    segment
        Where they are.
    start, stop
        Counted from 0 in the order of the file; all by default.

    Returns
    -------
    Shape (n, 3), or (n, 6) with positions first if the mesh is irregular; native float32 or float64.

    Raises
    ------
    LocatedError
        Naming the line or byte of a number that is missing, too many, not a number, or not finite.
    """
    stop = segment.n_points if stop is None else stop
    try:
        with open_bounded(segment.path, limit=None, what="an OVF file") as file:
            if segment.form.startswith("binary"):
                return _read_binary(segment, file, start, stop)
            return _read_text(segment, file)[start:stop]
    except OSError as error:
        raise LocatedError(segment.path, f"expected a readable OVF file: {error}.", "Check its rights.") from None


def first_vector(segment: Segment, point: int) -> np.ndarray:
    """The vector of one point, shape (3,), reading as little as possible."""
    if segment.form.startswith("binary"):
        return read_points(segment, point, point + 1)[0, -3:]
    n_rows = 0
    with open_bounded(segment.path, limit=None, what="an OVF file") as file:
        file.seek(segment.start)
        while file.tell() < segment.stop:
            tokens = _plain(file.readline(segment.stop - file.tell())).split()
            if len(tokens) not in (0, segment.n_columns):
                break  # not one point a line
            n_rows += bool(tokens)
            if n_rows == point + 1:
                try:
                    return np.array([float(token) for token in tokens[-3:]])
                except ValueError:
                    break
    return read_points(segment)[point, -3:]


def place_of(segment: Segment, point: int) -> str:
    """Where a point stands in the file, for messages."""
    if segment.form.startswith("binary"):
        return f"{segment.path} (byte {segment.start + point * segment.n_columns * segment.dtype.itemsize})"
    with open_bounded(segment.path, limit=None, what="an OVF file") as file:
        file.seek(segment.start)
        before = np.cumsum(_numbers_by_line(_plain(file.read(segment.stop - segment.start))))
    return _where(segment, int(np.searchsorted(before, point * segment.n_columns, side="right")))


def _read_binary(segment: Segment, file: BinaryIO, start: int, stop: int) -> np.ndarray:
    width = segment.n_columns * segment.dtype.itemsize
    file.seek(segment.start + start * width)
    raw = file.read((stop - start) * width)
    if len(raw) != (stop - start) * width:
        raise LocatedError(
            f"{segment.path} (byte {segment.start + start * width})",
            f"expected {(stop - start) * width} bytes, found {len(raw)}.",
            "The file has changed since it was opened: open it again.",
        )
    numbers = np.frombuffer(raw, segment.dtype).astype(segment.dtype.newbyteorder("="), copy=False)
    is_bad = ~(np.abs(numbers) < min(_LARGEST, float(np.finfo(numbers.dtype).max)))
    if is_bad.any():
        index = int(is_bad.argmax())
        raise _not_finite(
            f"{segment.path} (byte {segment.start + start * width + index * segment.dtype.itemsize})",
            str(numbers[index]),
            int(is_bad.sum()),
            numbers.size,
        )
    return numbers.reshape(stop - start, segment.n_columns)


def _read_text(segment: Segment, file: BinaryIO) -> np.ndarray:
    file.seek(segment.start)
    raw = _plain(file.read(segment.stop - segment.start))
    _check_rows(segment, raw)
    try:
        numbers = np.fromiter(map(float, raw.split()), np.float64)
        is_bad = bool(raw.translate(None, _OF_NUMBERS))  # float() takes more than files may say: 1_000
    except ValueError:
        is_bad = True
    if is_bad or not (np.abs(numbers) < _LARGEST).all():
        raise _first_bad(segment, raw)
    return numbers.reshape(segment.n_points, segment.n_columns)


def _plain(text: bytes) -> bytes:
    """Numbers with blanks between them, without comments and the commas of CSV."""
    if b"#" in text:
        text = re.sub(rb"##[^\n]*", b"", text)
    return text.replace(b",", b" ")


def _check_rows(segment: Segment, raw: bytes) -> None:
    """Raise unless there are as many numbers as the header says; where each point has a line, so must each line."""
    expected, found = segment.n_points * segment.n_columns, _numbers_by_line(raw)
    is_uneven = (found > 0) & (found != segment.n_columns)
    a_line_each = int((found > 0).sum()) == segment.n_points
    if found.sum() == expected and not (a_line_each and is_uneven.any()):
        return
    wrong = int(is_uneven.argmax()) if is_uneven.any() else len(found) - 1
    raise LocatedError(
        _where(segment, wrong),
        f"expected {segment.n_columns} numbers for each of {segment.n_points} points, {expected} in all, found "
        f"{found.sum()}" + (f", and {found[wrong]} in this line." if found[wrong] else "."),
        _REMEDY,
    )


def _numbers_by_line(raw: bytes) -> np.ndarray:
    """How many words each line has."""
    characters = np.frombuffer(raw, np.uint8)
    is_blank = characters <= ord(" ")
    starts = np.flatnonzero(~is_blank & np.concatenate([[True], is_blank[:-1]]))
    ends = np.searchsorted(starts, np.flatnonzero(characters == ord("\n")))
    return np.diff(np.concatenate([[0], ends, [len(starts)]]))


def _first_bad(segment: Segment, raw: bytes) -> LocatedError:
    """The error that names the first word that is no finite number."""
    bad = [(i, word) for i, line in enumerate(raw.split(b"\n")) for word in line.split() if not _is_number(word)]
    line, word = bad[0]
    found = repr(word[:40].decode("utf-8", "replace"))
    return _not_finite(_where(segment, line), found, len(bad), segment.n_points * segment.n_columns)


def _is_number(word: bytes) -> bool:
    try:
        return not word.translate(None, _OF_NUMBERS) and abs(float(word)) < _LARGEST
    except ValueError:
        return False


def _where(segment: Segment, row: int) -> str:
    """Place of a line of the data; in a file with binary data before it, the line within them."""
    if segment.line:
        return f"{segment.path}:{segment.line + row}"
    return f"{segment.where}, line {row + 1} of its data"


def _not_finite(where: str, found: str, n: int, total: int) -> LocatedError:
    return LocatedError(
        where,
        f"expected a finite number, found {found} ({n} of {total} numbers).",
        "The simulation has diverged or the file is damaged: repeat the run.",
    )

"""The numbers of a segment: text, CSV, or binary in either byte order, each finite and none missing or too many."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np

from skylattice.io.ovf.header import Segment
from skylattice.io.problems import LocatedError

#: No field has components beyond this, and squares of what is below are finite.
_LARGEST = 1e100

#: What may stand in text besides numbers' own characters is not a number.
_OF_NUMBERS = b"0123456789+-.eE, \t\r\n"

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
        with segment.path.open("rb") as file:
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
    with segment.path.open("rb") as file:
        file.seek(segment.start)
        while file.tell() < segment.stop:
            tokens = _tokens(file.readline(segment.stop - file.tell()))
            if len(tokens) not in (0, segment.n_columns):
                break  # not one point a line
            n_rows += bool(tokens)
            if n_rows == point + 1:
                try:
                    return np.array([float(token) for token in tokens[-3:]])
                except ValueError:
                    break
    return read_points(segment)[point, -3:]


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
    raw = file.read(segment.stop - segment.start)
    lines = raw.split(b"\n")
    rows = list(map(_tokens, lines))
    _check_rows(segment, rows)
    tokens = [token for row in rows for token in row]
    strange = raw.translate(None, _OF_NUMBERS)  # float() takes more than files may say: 1_000
    try:
        numbers = np.fromiter(map(float, tokens), np.float64, len(tokens))
    except ValueError:
        numbers = None
    if numbers is None or strange or not (np.abs(numbers) < _LARGEST).all():
        numbers = _checked_one_by_one(segment, rows)
    return numbers.reshape(segment.n_points, segment.n_columns)


def _tokens(line: bytes) -> list[bytes]:
    """The numbers of a line as text: blanks or commas between them, comment after ``##``."""
    if b"#" in line:
        line = line.partition(b"##")[0]
    if b"," in line:
        line = line.replace(b",", b" ")
    return line.split()


def _check_rows(segment: Segment, rows: list[list[bytes]]) -> None:
    """Raise unless there are as many numbers as the header says; where each point has a line, so must each line."""
    expected = segment.n_points * segment.n_columns
    found = sum(map(len, rows))
    n_lines = sum(map(bool, rows))
    uneven = n_lines == segment.n_points and any(len(row) not in (0, segment.n_columns) for row in rows)
    if found == expected and not uneven:
        return
    wrong = next((i for i, row in enumerate(rows) if len(row) not in (0, segment.n_columns)), len(rows) - 1)
    raise LocatedError(
        _where(segment, wrong),
        f"expected {segment.n_columns} numbers for each of {segment.n_points} points, {expected} in all, found {found}"
        + (f", and {len(rows[wrong])} in this line." if rows[wrong] else "."),
        _REMEDY,
    )


def _checked_one_by_one(segment: Segment, rows: list[list[bytes]]) -> np.ndarray:
    """The numbers of all lines, or an error naming the line of the first that is none."""
    numbers, bad = [], []
    for i, row in enumerate(rows):
        for token in row:
            try:
                value = float(token) if token.isascii() and b"_" not in token else np.nan
            except ValueError:
                value = np.nan
            if not abs(value) < _LARGEST:
                bad.append((i, token))
            numbers.append(value)
    if bad:
        line, token = bad[0]
        raise _not_finite(_where(segment, line), repr(token[:40].decode("utf-8", "replace")), len(bad), len(numbers))
    return np.array(numbers)


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

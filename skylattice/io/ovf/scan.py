"""Going through an OVF file of either version: where its segments lie, and whether their data are as long as announced.

A label is what stands before the colon, in any case and with any blanks; what follows ``##`` is comment. Binary data
start with a number that is known, which tells their byte order: OVF 1.0 asks for the big end first, 2.0 for the little.
No value is read.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import BinaryIO

import numpy as np

from skylattice.io.bounded import open_bounded
from skylattice.io.ovf.header import Record, Segment, bare, check_vectors, mesh_of, whole_number
from skylattice.io.problems import LocatedError

#: The first number of binary data, by its size in bytes.
CHECK_VALUES = {4: 1234567.0, 8: 123456789012345.0}

#: Longest header line, in bytes: what is longer is no header, and need not be read to the end.
_LONGEST_LINE = 1 << 16

#: Text is searched for its end in pieces of this many bytes.
_CHUNK = 1 << 18

_FIRST_LINE = re.compile(r"#+oommf(?::(?:rectangular|irregular)mesh|ovf)v?(2\.0|1\.0|0\.99|0\.0a0)")
_FORMS = {"databinary4": "binary 4", "databinary8": "binary 8", "datatext": "text", "datacsv": "csv"}
_DAMAGED = "The file is damaged or was cut: copy it again, or write it again."


def is_ovf(start: bytes) -> bool:
    """Whether a file that starts with these bytes, at least 64 of them, says that it is OVF."""
    line = start.split(b"\n")[0].decode("utf-8", "replace")
    return re.match(r"#+(oommf:|oommfovf|ovf)", bare(line)) is not None


def read_segments(path: Path) -> list[Segment]:
    """Read all headers of a file, and check that their data are as long as they say.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    LocatedError
        Naming line or byte: what is missing, doubled, no number, shorter or longer than announced, or not supported.
    """
    with open_bounded(path, limit=None, what="an OVF file") as file:
        return _Scanner(path, file).segments()


class _Scanner:
    """Goes through a file line by line, jumps over binary data, and remembers where it is."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path, self.file = path, file
        self.size = os.fstat(file.fileno()).st_size
        self.line: int | None = 0  # None once binary data were passed: there are no lines to count
        self.where = str(path)

    def segments(self) -> list[Segment]:
        version = self._version()
        count, counted = 0, Record("", str(self.path))
        segments: list[Segment] = []
        while (found := self._record()) is not None:
            label, value = found
            if (label, bare(value)) == ("begin", "segment") and counted.value:
                segments.append(self._segment(len(segments) + 1, version))
            elif label == "segmentcount" and not counted.value:
                counted = Record(value, self.where)
                count = whole_number({label: counted}, label, self.where)
            else:
                expected = "# Begin: Segment" if counted.value else "# Segment count: N"
                raise LocatedError(self.where, f"expected '{expected}', found '# {label}: {value[:40]}'.", _DAMAGED)
        if not count:
            raise LocatedError(self.where, "expected '# Segment count: N', found the end of the file.", _DAMAGED)
        if len(segments) != count:
            raise LocatedError(
                counted.where,
                f"expected {count} segments as the header says, found {len(segments)}.",
                _DAMAGED if len(segments) < count else "Correct the segment count.",
            )
        return segments

    def _version(self) -> int:
        first = self._line()
        match = _FIRST_LINE.match(bare(first.decode("utf-8", "replace")))
        if match is None:
            raise LocatedError(
                self.where,
                "expected '# OOMMF OVF 2.0' or '# OOMMF: rectangular mesh v1.0', found "
                f"{first[:40].strip().decode('utf-8', 'replace')!r}.",
                "Give an OVF file of version 1.0 or 2.0.",
            )
        return 2 if match[1] == "2.0" else 1

    def _line(self) -> bytes:
        """The next line with its end; empty at the end of the file. ``where`` is then its place."""
        begin = self.file.tell()
        line = self.file.readline(_LONGEST_LINE)
        if self.line is not None:
            self.line += 1
        self.where = f"{self.path}:{self.line}" if self.line else f"{self.path} (byte {begin})"
        if len(line) == _LONGEST_LINE:
            raise LocatedError(self.where, f"expected a header line, found {len(line)} bytes without an end.", _DAMAGED)
        return line

    def _record(self) -> tuple[str, str] | None:
        """Label and value of the next line that has them; None at the end of the file."""
        while line := self._line():
            text = line.decode("utf-8", "replace").strip()
            if text and not text.startswith("#"):
                raise LocatedError(self.where, f"expected a line that starts with '#', found {text[:40]!r}.", _DAMAGED)
            label, colon, value = text[1:].partition("##")[0].partition(":")
            if colon and not text.startswith("##"):
                return bare(label), value.strip()
        return None

    def _expect(self, label: str, value: str) -> str:
        """The value of the next line, which must start with ``value`` under that label."""
        found = self._record()
        if found is None or found[0] != label or not bare(found[1]).startswith(value):
            seen = f"'# {found[0]}: {found[1][:40]}'" if found else "the end of the file"
            raise LocatedError(self.where, f"expected '# {label.title()}: {value.title()}', found {seen}.", _DAMAGED)
        return bare(found[1])

    def _segment(self, number: int, version: int) -> Segment:
        where = self.where
        self._expect("begin", "header")
        records, description = self._header()
        shape, n_points = mesh_of(records, where)
        check_vectors(records, version, where)
        n_columns = 3 if shape else 6
        form = _FORMS.get(kind := self._expect("begin", "data"))
        if form is None:
            raise LocatedError(
                self.where, f"expected data as Text, CSV, Binary 4 or Binary 8, found {kind!r}.", "Write it again."
            )
        if form.startswith("binary"):
            dtype = self._byte_order(int(form[-1]), version)
            start, line = self.file.tell(), 0
            stop = self._pass_binary(start, n_points, n_columns * dtype.itemsize)
        else:
            dtype = np.dtype(np.float64)
            start, line = self.file.tell(), (self.line or -1) + 1
            stop = self._pass_text(start, n_points * n_columns)
        self._expect("end", "data")
        self._expect("end", "segment")
        return Segment(
            self.path, number, version, records, description, shape, n_points, form, dtype, start, stop, line
        )

    def _header(self) -> tuple[dict[str, Record], str]:
        """The records up to the end of the header, and the lines of the description."""
        records: dict[str, Record] = {}
        description: list[str] = []
        while (found := self._record()) is not None:
            label, value = found
            if label == "end" and bare(value) == "header":
                return records, "\n".join(description)
            if label in ("begin", "end"):
                raise LocatedError(self.where, f"expected '# End: Header', found '# {label}: {value[:40]}'.", _DAMAGED)
            if label == "desc":
                description.append(value)
            elif label in records:
                raise LocatedError(
                    self.where,
                    f"expected {label!r} once, found it also at {records[label].where}.",
                    "Remove the wrong one.",
                )
            else:
                records[label] = Record(value, self.where)
        raise LocatedError(self.where, "expected '# End: Header', found the end of the file.", _DAMAGED)

    def _byte_order(self, itemsize: int, version: int) -> np.dtype:
        """The type of binary numbers, from the check value before them."""
        begin = self.file.tell()
        raw = self.file.read(itemsize)
        for order in "<>" if version == 2 else "><":
            dtype = np.dtype(f"{order}f{itemsize}")
            if raw == np.array(CHECK_VALUES[itemsize], dtype).tobytes():
                return dtype
        raise LocatedError(
            f"{self.path} (byte {begin})",
            f"expected the check value {CHECK_VALUES[itemsize]:.1f} in {itemsize} bytes, found {raw.hex(' ')!r}.",
            "The data are damaged, for example by a transfer as text, or of another size: copy the file again.",
        )

    def _pass_binary(self, start: int, n_points: int, point_bytes: int) -> int:
        """Jump to the end of binary data."""
        stop = start + n_points * point_bytes
        if stop > self.size:
            raise LocatedError(
                f"{self.path} (byte {start})",
                f"expected {n_points * point_bytes} bytes of {n_points} points as the header says, found "
                f"{self.size - start}.",
                _DAMAGED,
            )
        self.file.seek(stop)
        self.line = None
        follows = self.file.read(64).lstrip()
        self.file.seek(stop)
        if not follows.startswith(b"#"):
            raise LocatedError(
                f"{self.path} (byte {stop})",
                f"expected '# End: Data' after {n_points} points, found other bytes.",
                "The header states fewer points than there are, or numbers of another size: write the file again.",
            )
        return stop

    def _pass_text(self, start: int, n_numbers: int) -> int:
        """Go to the first line after numbers in text."""
        if start + 2 * n_numbers - 1 > self.size:  # a digit each, and what separates them
            raise LocatedError(
                self.where,
                f"expected {n_numbers} numbers as the header says, found {self.size - start} bytes.",
                _DAMAGED,
            )
        stop = start
        while chunk := self.file.read(_CHUNK) + self.file.readline():  # whole lines
            end = _end_of_numbers(chunk)
            stop += end
            if self.line is not None:
                self.line += chunk.count(b"\n", 0, end)
            if end < len(chunk):
                self.file.seek(stop)
                break
        return stop


def _end_of_numbers(lines: bytes) -> int:
    """Where the first line that starts with ``#``, but not ``##``, begins; the length of ``lines`` if none does."""
    mark = lines.find(b"#")
    while mark >= 0:
        begin = lines.rfind(b"\n", 0, mark) + 1
        if not lines[begin:mark].strip() and lines[mark + 1 : mark + 2] != b"#":
            return begin
        after = lines.find(b"\n", mark)
        mark = lines.find(b"#", after) if after >= 0 else -1
    return len(lines)

"""The input of a UppASD run: ``inpsd.dat`` as UppASD itself reads it, and the tables that it names.

UppASD reads a keyword up to the first blank or colon, in any case, then as many values as the keyword has; the rest
of the line is comment. A keyword that it does not know is skipped without a word, and of a keyword that stands twice
the last one counts. This reader does the same, and remembers what was skipped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from skylattice.io.bounded import read_lines
from skylattice.io.problems import LocatedError, fortran_float, shown
from skylattice.io.uppasd.keywords import KEYWORDS

INPUT_NAME = "inpsd.dat"

#: Keywords with several values, which may go on over the following lines.
_N_VALUES = {"ncell": 3, "bc": 3, "cell": 9, "hfield": 3, "ip_hfield": 3}

#: Keywords whose value is the number of table rows in the lines that follow.
_BLOCKS = ("ip_mcanneal", "ip_nphase", "ntraj", "positions", "moments")

#: UppASD's integers have 32 bits.
_INTEGER_BOUND = 2**31

_COMMENT_MARKS = ("%", "#", "*", "=", "!")

#: A keyword ends at a blank or a colon. A tab does not end it: UppASD takes "temp<tab>0.5" for one unknown keyword.
_KEYWORD = re.compile(r" *([^ :]+)[ :]?(.*)", re.DOTALL)


@dataclass(frozen=True)
class Entry:
    """A keyword's values as they stand in the file, and the rows of the table below it, if it has one."""

    line: int
    values: list[str]
    rows: list[list[str]] = field(default_factory=list)


@dataclass(frozen=True)
class Ignored:
    """A line that UppASD skips: an unknown keyword, or numbers where a keyword is expected."""

    line: int
    keyword: str

    @property
    def is_number(self) -> bool:
        """Whether it is a line of numbers, which only follows a table with too small a count."""
        return is_number(self.keyword.split()[0])


@dataclass(frozen=True)
class Deck:
    """What an ``inpsd.dat`` says, by lower-case keyword.

    Attributes
    ----------
    path
        The file.
    entries
        The last occurrence of each keyword: the one that counts.
    repeated
        Earlier occurrences, with their keyword.
    ignored
        Lines that UppASD skips.
    """

    path: Path
    entries: dict[str, Entry]
    repeated: list[tuple[str, Entry]]
    ignored: list[Ignored]

    def __contains__(self, keyword: str) -> bool:
        return keyword in self.entries

    def where(self, keyword: str) -> str:
        """``file:line`` of a keyword, or the file if it is not there."""
        entry = self.entries.get(keyword)
        return f"{self.path}:{entry.line}" if entry else str(self.path)

    def word(self, keyword: str, default: str) -> str:
        """The first value, without quotes."""
        entry = self.entries.get(keyword)
        return entry.values[0].strip("'\"") if entry and entry.values else default

    def flag(self, keyword: str) -> bool:
        """Whether a switch is on: neither N nor 0 nor F."""
        return self.word(keyword, "N").upper().lstrip(".")[:1] not in ("N", "0", "F", "")

    def floats(self, keyword: str, default: tuple[float, ...]) -> tuple[float, ...]:
        """As many numbers as ``default`` has.

        Raises
        ------
        LocatedError
            If a value is missing or is not a number.
        """
        entry = self.entries.get(keyword)
        if entry is None:
            return default
        return parse_numbers(entry.values, len(default), where=self.where(keyword), what=f"after {keyword!r}")

    def integers(self, keyword: str, default: tuple[int, ...]) -> tuple[int, ...]:
        """As many integers as ``default`` has; errors as :meth:`floats`."""
        entry = self.entries.get(keyword)
        if entry is None:
            return default
        return parse_integers(entry.values, len(default), where=self.where(keyword), what=f"after {keyword!r}")

    def file(self, keyword: str, default: str) -> Path:
        """The file named by a keyword; names are relative to the run folder."""
        return self.path.parent / self.word(keyword, default)

    def table(self, keyword: str, default: str, n_columns: int) -> list[tuple[str, list[float]]]:
        """Rows of the file that a keyword names, each with its ``file:line``; columns beyond ``n_columns`` are comment.

        Raises
        ------
        LocatedError
            If the file is missing or empty, or a row is too short or holds something else than numbers.
        """
        path = self.file(keyword, default)
        lines = read_lines(path, named_by=f"{self.where(keyword)} ({keyword})")
        return [
            (where, list(parse_numbers(split_values(line), n_columns, where=where, what="in this row")))
            for where, line in ((f"{path}:{number}", line) for number, line in enumerate(lines, 1))
            if line.strip()
        ]


def parse_numbers(tokens: list[str], count: int, *, where: str, what: str) -> tuple[float, ...]:
    """The first ``count`` tokens as numbers; :class:`LocatedError` if that fails."""
    try:
        numbers = tuple(fortran_float(token) for token in tokens[:count])
    except ValueError:
        numbers = ()
    if len(numbers) < count:
        found = shown(" ".join(tokens[:count])) or "nothing"
        raise LocatedError(
            where, f"expected {count} number{'s' if count > 1 else ''} {what}, found {found}.", "Correct the line."
        )
    return numbers


def parse_integers(tokens: list[str], count: int, *, where: str, what: str) -> tuple[int, ...]:
    """The first ``count`` tokens as whole numbers that UppASD can hold; :class:`LocatedError` if that fails."""
    numbers = parse_numbers(tokens, count, where=where, what=what)
    if any(number != int(number) or abs(number) >= _INTEGER_BOUND for number in numbers):
        raise LocatedError(
            where,
            f"expected whole numbers {what}, found {shown(' '.join(tokens[:count]))}.",
            "Correct the line; UppASD's integers lie below 2^31.",
        )
    return tuple(int(number) for number in numbers)


def is_number(token: str) -> bool:
    """Whether Fortran would read ``token`` as a number."""
    try:
        fortran_float(token)
    except ValueError:
        return False
    return True


def split_values(text: str) -> list[str]:
    """The values of a line as Fortran's list-directed input separates them."""
    return [token for token in re.split(r"[\s,]+", text) if token]


def _split_keyword(line: str) -> tuple[str, str]:
    """Keyword (lower case; empty for a blank line or a comment) and the rest of the line."""
    match = _KEYWORD.match(line)
    keyword, rest = match.groups() if match else ("", "")
    return ("" if keyword.isspace() or keyword.startswith(_COMMENT_MARKS) else keyword.lower()), rest


def read_deck(path: Path) -> Deck:
    """Read an ``inpsd.dat``.

    Raises
    ------
    LocatedError
        If the file is missing or empty, values are missing, or a table is shorter than its count says.
    """
    lines = read_lines(path)
    entries: dict[str, Entry] = {}
    repeated: list[tuple[str, Entry]] = []
    ignored: list[Ignored] = []
    position = 0
    while position < len(lines):
        keyword, rest = _split_keyword(lines[position])
        number = position + 1
        position += 1
        if not keyword:
            continue
        if keyword not in KEYWORDS:
            ignored.append(Ignored(number, keyword))
            continue
        values = split_values(rest)
        n_values = _N_VALUES.get(keyword, 1)
        while len(values) < n_values and position < len(lines):
            values += split_values(lines[position])
            position += 1
        if len(values) < n_values:
            raise LocatedError(
                f"{path}:{number}",
                f"expected {n_values} values after {keyword!r}, found {shown(' '.join(values)) or 'none'}.",
                "Complete the line.",
            )
        entry = Entry(number, values)
        if keyword in _BLOCKS:
            position = _read_block(path, lines, position, keyword, entry)
        if keyword in entries:
            repeated.append((keyword, entries[keyword]))
        entries[keyword] = entry
    return Deck(path, entries, repeated, ignored)


def _read_block(path: Path, lines: list[str], position: int, keyword: str, entry: Entry) -> int:
    """Read the table below ``keyword`` into ``entry``; returns the position after it."""
    where = f"{path}:{entry.line}"
    (count,) = parse_integers(entry.values, 1, where=where, what=f"of rows after {keyword!r}")
    if count < 1 and keyword.startswith("ip_") and position < len(lines) and _split_keyword(lines[position])[0]:
        raise _swallowed(path, position + 1, f"a blank line after '{keyword} {count}'", lines[position].split()[0])
    while len(entry.rows) < count:
        if position == len(lines):
            raise LocatedError(
                where, f"expected {count} rows after {keyword!r}, found {len(entry.rows)}.", "Correct the count."
            )
        row = split_values(lines[position])
        position += 1
        if row and not is_number(row[0]):
            expected = f"row {len(entry.rows) + 1} of {count} of the table of {keyword!r} (line {entry.line})"
            raise _swallowed(path, position, expected, row[0])
        if row:
            entry.rows.append(row)
    return position


def _swallowed(path: Path, line: int, expected: str, found: str) -> LocatedError:
    return LocatedError(
        f"{path}:{line}",
        f"expected {expected}, found {shown(found)!r}, a line that UppASD would have skipped.",
        "Correct the count, or add the missing rows.",
    )

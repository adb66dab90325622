"""D, B, T and more of a file from its name or from a table, where the file itself does not say."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from skylattice.errors import SchemaError
from skylattice.io.bounded import TEXT_LIMIT, read_lines
from skylattice.io.problems import LocatedError, shown

#: What may be told of a file. Numbers, but for the last two.
LABELS = ("D", "B", "T", "realization", "handedness", "dmi", "boundary")
_TEXTS = ("dmi", "boundary")
_SHORT = {"r": "realization"}
_NUMBER = r"[-+]?\d*\.?\d+(?:[eE][-+]?\d+)?"


class Pattern:
    """A pattern of names such as ``"D{D}_B{B}_r{realization}"``, which is looked for anywhere in a path.

    Parameters
    ----------
    text
        With one of :data:`LABELS` in each pair of braces, ``{r}`` for realization, ``{}`` for anything.

    Raises
    ------
    SchemaError
        If a name in braces is none of them, or stands twice.

    Examples
    --------
    >>> Pattern("D{D}_B{B}_r{r}").labels_of(Path("runs/D0.50_B0.125_r3.npz"))
    {'D': 0.5, 'B': 0.125, 'realization': 3}
    """

    def __init__(self, text: str) -> None:
        self.text = text
        parts = re.split(r"\{(\w*)\}", text)
        names = [_SHORT.get(name, name) for name in parts[1::2]]
        given = [name for name in names if name]
        if not given or len(set(given)) < len(given) or not set(given) <= set(LABELS):
            raise SchemaError(
                f"pattern: expected names in braces, each once, of {', '.join(LABELS)}, found {text!r}. "
                "For example: 'D{D}_B{B}_r{realization}'."
            )
        expression = re.escape(parts[0])
        for name, literal in zip(names, parts[2::2], strict=True):
            values = r"[A-Za-z_]+" if name in _TEXTS else r"\d+" if name == "realization" else _NUMBER
            expression += (f"(?P<{name}>{values})" if name else ".*?") + re.escape(literal)
        self._expression = re.compile(expression)

    def labels_of(self, path: Path) -> dict[str, Any]:
        """What the name of a path says.

        Raises
        ------
        LocatedError
            If it does not fit the pattern.
        """
        match = self._expression.search(path.as_posix())
        if match is None:
            raise LocatedError(path, f"expected a name that fits {self.text!r}.", "Rename it, or leave it out.")
        return {name: _value(name, text, str(path)) for name, text in match.groupdict().items()}


class Table:
    """A CSV file with a column ``file`` and some of :data:`LABELS`; files are named relative to it, or by name alone.

    Raises
    ------
    LocatedError
        Naming the line: a column or value that is missing or no number, or a file that stands twice.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            rows = list(csv.reader(read_lines(path, limit=64 * TEXT_LIMIT), strict=True))
        except csv.Error as error:
            raise LocatedError(path, f"expected a CSV table, found another file: {error}.", "Correct it.") from None
        names = [_SHORT.get(name.strip(), name.strip()) for name in rows[0]]
        if "file" not in names or not set(names) & set(LABELS):
            raise LocatedError(
                f"{path}:1", f"expected columns 'file' and some of {', '.join(LABELS)}, found {names}.", "Name them."
            )
        self._labels: dict[str, dict[str, Any]] = {}
        for number, row in enumerate(rows[1:], 2):
            if not any(cell.strip() for cell in row):
                continue
            where = f"{path}:{number}"
            if len(row) != len(names):
                raise LocatedError(where, f"expected {len(names)} cells, found {len(row)}.", "Correct the line.")
            cells = {name: cell.strip() for name, cell in zip(names, row, strict=True)}
            file = Path(cells["file"]).as_posix()
            if file in self._labels:
                raise LocatedError(where, f"expected each file once, found {shown(file)!r} again.", "Remove a line.")
            self._labels[file] = {n: _value(n, cells[n], where) for n in names if n in LABELS and cells[n]}

    def labels_of(self, path: Path) -> dict[str, Any]:
        """What the table says of a path.

        Raises
        ------
        LocatedError
            If it says nothing.
        """
        folder, whole = self.path.resolve().parent, path.resolve()
        names = [whole.as_posix(), path.as_posix(), path.name]
        if whole.is_relative_to(folder):
            names.insert(0, whole.relative_to(folder).as_posix())
        found = next((self._labels[name] for name in names if name in self._labels), None)
        if found is None:
            raise LocatedError(path, f"expected a line in {self.path}, found none.", "Add one, or leave it out.")
        return found


def _value(name: str, text: str, where: str) -> Any:
    if name in _TEXTS:
        return text
    try:
        return int(text) if name in ("realization", "handedness") else float(text)
    except ValueError:
        raise LocatedError(where, f"expected a number for {name}, found {shown(text)!r}.", "Correct it.") from None


def merged(*labels: Mapping[str, Any]) -> dict[str, Any]:
    """Labels of several origins; what comes later counts."""
    return {name: value for part in labels for name, value in part.items() if value is not None}

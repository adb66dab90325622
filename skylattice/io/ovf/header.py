"""What the header of a segment says, in both versions of OVF: mesh, values, and where the data lie."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from skylattice.io.problems import LocatedError

#: Two sizes of a cell are equal to this share of it; some programs print six digits.
STEP_TOLERANCE = 1e-4


class Record(NamedTuple):
    """The value of a header line, and its place in the file."""

    value: str
    where: str


@dataclass(frozen=True)
class Segment:
    """One segment of a file, whose header and length have been checked.

    Attributes
    ----------
    path, number
        The file, and which of its segments, counted from 1.
    version
        1 or 2.
    records
        The header by label; ``desc``, which may be repeated, is ``description``, a line each.
    shape
        Nodes (nz, ny, nx) of a rectangular mesh; None for an irregular one.
    n_points
        Number of vectors.
    form
        ``"text"``, ``"csv"``, ``"binary 4"`` or ``"binary 8"``.
    dtype
        Of the numbers in the file, with their byte order; float64 for text.
    start, stop
        Bytes of the data, without the check value.
    line
        Of the first number, counted from 1; 0 where binary data came before.
    """

    path: Path
    number: int
    version: int
    records: dict[str, Record]
    description: str
    shape: tuple[int, int, int] | None
    n_points: int
    form: str
    dtype: np.dtype
    start: int
    stop: int
    line: int

    @property
    def n_columns(self) -> int:
        """Numbers for each point: the vector, and before it the position if the mesh is irregular."""
        return 3 if self.shape else 6

    @property
    def where(self) -> str:
        """The segment in words, for messages."""
        return f"{self.path} (segment {self.number})"

    @property
    def mesh_where(self) -> str:
        """The place of the line that says how many points there are, for messages."""
        return self.records["znodes" if self.shape else "pointcount"].where

    @property
    def multiplier(self) -> float:
        """What values are to be multiplied with to be in units of :attr:`units`."""
        return _number(self.records, "valuemultiplier", self.where) if "valuemultiplier" in self.records else 1.0

    @property
    def units(self) -> str:
        """Unit of the values; "1" where they have none, empty where the header does not say."""
        record = self.records.get("valueunit" if self.version == 1 else "valueunits")
        units = [unit.strip('{}"') for unit in record.value.split()] if record else []
        return " ".join(dict.fromkeys("1" if unit.lower() in ("", "none") else unit for unit in units))


def bare(text: str) -> str:
    """Text without blanks, in lower case: how labels are compared."""
    return "".join(text.split()).lower()


def mesh_of(records: dict[str, Record], where: str) -> tuple[tuple[int, int, int] | None, int]:
    """Nodes (nz, ny, nx), None for an irregular mesh, and number of points."""
    kind = _text(records, "meshtype", where)
    if bare(kind.value) == "irregular":
        return None, whole_number(records, "pointcount", where)
    if bare(kind.value) != "rectangular":
        raise LocatedError(
            kind.where, f"expected the meshtype rectangular or irregular, found {kind.value!r}.", "Correct the line."
        )
    nz, ny, nx = (whole_number(records, f"{axis}nodes", where) for axis in "zyx")
    dx, dy = (_number(records, f"{axis}stepsize", where) for axis in "xy")
    if not (dx > 0 and abs(dx - dy) <= STEP_TOLERANCE * dx):
        raise LocatedError(
            records["ystepsize"].where,
            f"expected square cells, found steps of {dx:g} along x and {dy:g} along y.",
            "Only square lattices are read: compute on one, or resample.",
        )
    _check_spirit(records, nx, dx, where)
    return (nz, ny, nx), nz * ny * nx


def _check_spirit(records: dict[str, Record], nx: int, step: float, where: str) -> None:
    """Spirit counts the atoms of a cell along x as nodes; its bounds are the first and the last atom."""
    if (
        "title" not in records
        or not records["title"].value.startswith("SPIRIT")
        or not {"xmin", "xmax"} <= set(records)
    ):
        return
    extent = _number(records, "xmax", where) - _number(records, "xmin", where)
    if not abs(extent / step + 1 - nx) < 0.1:
        raise LocatedError(
            records["xnodes"].where,
            f"expected one atom per cell of a square lattice, found {nx} nodes over {extent / step + 1:g} cells.",
            "Lattices with several atoms in a cell, or with oblique ones, are not read.",
        )


def check_vectors(records: dict[str, Record], version: int, where: str) -> None:
    """Raise unless each point has three components, and their factor is one that can be applied."""
    if (version == 2 or "valuedim" in records) and (n := whole_number(records, "valuedim", where)) != 3:
        raise LocatedError(
            records["valuedim"].where,
            f"expected vectors of 3 components, found valuedim {n}.",
            "Give a file of the magnetization or of spins.",
        )
    if "valuemultiplier" not in records:
        return
    factor, place = _number(records, "valuemultiplier", where), records["valuemultiplier"].where
    if factor == 0 or not 1e-100 < abs(factor) < 1e100:
        raise LocatedError(place, f"expected a factor other than 0, found {factor:g}.", "Correct the line.")
    if version == 2 and factor != 1:
        raise LocatedError(
            place,
            f"expected no valuemultiplier in OVF 2.0, found {factor:g}: it may or may not have been applied.",
            "Remove the line, or state version 1.0.",
        )


def _text(records: dict[str, Record], name: str, where: str) -> Record:
    """A record that must be there."""
    if name not in records:
        raise LocatedError(where, f"expected '# {name}: ...' in the header, found none.", "Add the line.")
    return records[name]


def whole_number(records: dict[str, Record], name: str, where: str) -> int:
    """A whole number above 0."""
    record = _text(records, name, where)
    if not (re.fullmatch(r"\+?\d{1,18}", record.value, re.ASCII) and int(record.value) > 0):
        raise LocatedError(
            record.where, f"expected a whole number > 0 for {name!r}, found {record.value[:40]!r}.", "Correct the line."
        )
    return int(record.value)


def _number(records: dict[str, Record], name: str, where: str) -> float:
    """A finite number."""
    record = _text(records, name, where)
    try:
        value = float(record.value) if "_" not in record.value else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise LocatedError(
            record.where, f"expected a number for {name!r}, found {record.value[:40]!r}.", "Correct the line."
        )
    return value

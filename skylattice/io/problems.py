"""What can be wrong with a file: errors that keep their parts, findings of the doctor, numbers as Fortran has them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from skylattice.errors import FormatError, SkylatticeError

Level = Literal["error", "warning", "info"]


@dataclass(frozen=True)
class Finding:
    """One remark about a file.

    Attributes
    ----------
    level
        ``"error"``: cannot be imported as it is; ``"warning"``: can be, but is probably not what was meant;
        ``"info"``: worth knowing.
    message
        What was found, and where.
    remedy
        What to do about it; empty if there is nothing to do.
    """

    level: Level
    message: str
    remedy: str = ""


class LocatedError(FormatError):
    """A :class:`~skylattice.errors.FormatError` that keeps its parts, so that the doctor can show them apart.

    Parameters
    ----------
    where
        The file, or ``file:line``.
    problem
        What was expected and what was found, as a sentence.
    remedy
        What to do, as a sentence.
    """

    def __init__(self, where: str | Path, problem: str, remedy: str) -> None:
        super().__init__(where, problem, remedy)  # the constructor's arguments, so that the error can be pickled
        self.where, self.problem, self.remedy = str(where), problem, remedy

    def __str__(self) -> str:
        return f"{self.where}: {self.problem} {self.remedy}"

    def finding(self) -> Finding:
        """The error as a finding."""
        return Finding("error", f"{self.where}: {self.problem}", self.remedy)


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


#: Longest number that is read; Fortran prints 16 digits, and a token of 16 kB takes minutes to make sense of.
NUMBER_WIDTH = 64

_FORTRAN_NUMBER = re.compile(r"([+-]?(?:\d+(?:\.\d*)?|\.\d+))(?:[edq]([+-]?\d+)|([+-]\d+))?", re.IGNORECASE | re.ASCII)


def fortran_float(token: str) -> float:
    """The number that Fortran reads or prints as ``token``: ``1.5``, ``1.5d0``, and ``1.5-100`` for 1.5e-100.

    Raises
    ------
    ValueError
        If it is no number, too large for one, or longer than :data:`NUMBER_WIDTH`.

    Examples
    --------
    >>> fortran_float("1.00000000-100")
    1e-100
    """
    match = _FORTRAN_NUMBER.fullmatch(token) if len(token) <= NUMBER_WIDTH else None
    if match is None:
        raise ValueError(f"no number: {shown(token)!r}")
    mantissa, exponent, bare_exponent = match.groups()
    value = float(f"{mantissa}e{exponent or bare_exponent or 0}")
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"too large: {token!r}")
    return value


def shown(text: str | bytes, length: int = 60) -> str:
    """What a file holds, as it may stand in a message: stripped, cut, and what is no text replaced.

    Examples
    --------
    >>> shown(b" 1.5 " + b"9" * 100, 8)
    '1.5 9999…'
    """
    text = text[: 4 * length].decode("utf-8", "replace") if isinstance(text, bytes) else text
    text = text.strip()
    return text if len(text) <= length else f"{text[:length]}…"

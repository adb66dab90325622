"""What can be wrong with a file: errors that keep their parts, findings of the doctor, text read without surprises."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from skylattice.errors import FormatError

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


def read_lines(path: Path, *, named_by: str = "") -> list[str]:
    """The lines of a text file, without line ends; bytes that are no text are replaced, never an error.

    Parameters
    ----------
    path
        The file.
    named_by
        Where the file's name stands (``inpsd.dat:9``), for the error message.

    Raises
    ------
    LocatedError
        If the file cannot be read, or is empty.
    """
    where = named_by or path
    try:
        text = path.read_bytes().decode("utf-8", errors="replace")
    except FileNotFoundError:
        raise LocatedError(
            where, f"expected a file {path}, found none.", "Copy it there, or correct its name."
        ) from None
    except (OSError, ValueError) as error:  # ValueError: a name with a null character
        raise LocatedError(where, f"expected a readable file {path}: {error}.", "Correct its name or rights.") from None
    if not text.strip():
        raise LocatedError(path, "expected text, found an empty file.", "Copy the file again, or repeat the run.")
    return text.replace("\r\n", "\n").split("\n")


_FORTRAN_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:[edq]([+-]?\d+)|([+-]\d+))?", re.IGNORECASE | re.ASCII)


def fortran_float(token: str) -> float:
    """The number that Fortran reads or prints as ``token``: ``1.5``, ``1.5d0``, and ``1.5-100`` for 1.5e-100.

    Raises
    ------
    ValueError
        If it is no number, or too large for one.

    Examples
    --------
    >>> fortran_float("1.00000000-100")
    1e-100
    """
    match = _FORTRAN_NUMBER.fullmatch(token)
    if match is None:
        raise ValueError(f"no number: {token!r}")
    mantissa, exponent, bare_exponent = match.groups()
    value = float(f"{mantissa}e{exponent or bare_exponent or 0}")
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"too large: {token!r}")
    return value

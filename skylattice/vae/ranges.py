"""What the options of models and training runs may be: checked when they are read, before anything is allocated."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from skylattice.errors import ModelError
from skylattice.io.problems import NUMBER_WIDTH, shown


@dataclass(frozen=True)
class Range:
    """The numbers from ``low`` to ``high``; ``is_whole`` for integers, ``is_open`` to leave out ``low`` itself.

    Examples
    --------
    >>> Range(1, 8, is_whole=True).check("levels", 3)
    3
    >>> print(Range(0, 1, is_open=True))
    a number > 0 and <= 1
    """

    low: float
    high: float
    is_whole: bool = False
    is_open: bool = False

    def check(self, name: str, value: Any) -> Any:
        """The value as an int or a float.

        Raises
        ------
        ModelError
            Naming the option, what it may be, and what it is: NaN and infinity are in no range, True is no number.
        """
        is_number = isinstance(value, Integral if self.is_whole else Real) and not isinstance(value, bool)
        if not is_number or not (self.low < value <= self.high or (value == self.low and not self.is_open)):
            raise ModelError(f"{name}: expected {self}, found {shown(repr(value))}.")
        return int(value) if self.is_whole else float(value)

    def __str__(self) -> str:
        kind = "a whole number" if self.is_whole else "a number"
        return (
            f"{kind} > {self.low:.10g} and <= {self.high:.10g}"
            if self.is_open
            else f"{kind} from {self.low:.10g} to {self.high:.10g}"
        )


def check_type(name: str, value: Any, kind: type, *, noun: str) -> Any:
    """The value, which must be of a type: a ``"no"`` is no False.

    Raises
    ------
    ModelError
        If it is of another.
    """
    if not isinstance(value, kind):
        raise ModelError(f"{name}: expected {noun}, found {shown(repr(value))}.")
    return value


def read_number(value: Any) -> Any:
    """The number that a text denotes, as PyYAML leaves ``1e-3``; anything else as it is."""
    if not isinstance(value, str) or len(value) > NUMBER_WIDTH:
        return value
    try:
        number = float(value)
    except ValueError:
        return value
    return int(number) if math.isfinite(number) and number.is_integer() else number


def check_keys(values: Mapping[str, Any], known: Mapping[str, Any], *, where: str) -> None:
    """Raise :class:`ModelError` for options that there are not."""
    unknown = sorted(map(str, set(values) - set(known)))
    if unknown:
        raise ModelError(f"{where}: unknown options {shown(str(unknown))}; known are {sorted(known)}.")

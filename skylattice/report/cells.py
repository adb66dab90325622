"""How the cells of tables are written: counts as integers, other numbers with as many digits as say something."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

#: Numbers this close to an integer are one: charges and counts are sums of floats.
_WHOLE, _ZERO = 1e-6, 1e-9
#: Significant digits of a column's largest number, at least and at most; beyond so many decimals powers of 10 are used.
_FEWEST, _MOST, _DECIMALS = 3, 6, 8


def column_text(values: pd.Series, *, decimals: int = 4) -> list[str]:
    """The cells of a column as text.

    Parameters
    ----------
    values
        A column of whole numbers is written as integers, one of other numbers with the same number of decimals
        throughout; what is missing is empty. Columns that mix numbers and text are written cell by cell.
    decimals
        Wanted for numbers of the order of 1; small ones have more, large ones fewer, round ones no zeros at the end.

    Examples
    --------
    >>> column_text(pd.Series([24.0, float("nan"), -0.0]))
    ['24', '', '0']
    >>> column_text(pd.Series([0.12345678, -0.00000001]))
    ['0.1235', '0.0000']
    >>> column_text(pd.Series([0.000123456, 12e-6]))
    ['0.000123', '0.000012']
    """
    cells = [None if missing else value for value, missing in zip(values, pd.isna(values), strict=True)]
    if not any(cell is not None and not _is_number(cell) for cell in cells):
        return _numbers(cells, decimals)
    return [_numbers([cell], decimals)[0] if cell is None or _is_number(cell) else str(cell) for cell in cells]


def is_text(values: pd.Series) -> bool:
    """Whether a column holds words rather than numbers, or numbers with their intervals, which start with a digit."""
    return any(isinstance(value, str) and value and not value.lstrip("-")[:1].isdigit() for value in values)


def _is_number(cell: Any) -> bool:
    return isinstance(cell, int | float | np.number) and not isinstance(cell, bool)


def _numbers(cells: Sequence[Any], decimals: int) -> list[str]:
    if all(cell is None or isinstance(cell, int | np.integer) for cell in cells):
        return ["" if cell is None else str(int(cell)) for cell in cells]
    numbers = [None if cell is None else float(cell) for cell in cells]
    finite = [abs(number) for number in numbers if number is not None and math.isfinite(number)]
    largest = max(finite, default=0.0)
    if largest <= _ZERO or (largest >= 0.5 and all(abs(number - round(number)) <= _WHOLE for number in finite)):
        places = 0
    else:
        order = math.floor(math.log10(largest))
        places = max(0, min(max(decimals, _FEWEST - 1 - order), _MOST - 1 - order))
        # a published 0.98 stays one: no zeros that nobody measured
        exact = (
            p for p in range(places) if all(abs(number - round(number, p)) <= _ZERO * largest for number in finite)
        )
        places = next(exact, places)
    return ["" if number is None else _one(number, places) for number in numbers]


def _one(number: float, places: int) -> str:
    if not math.isfinite(number):
        return str(number)
    if places > _DECIMALS:
        return f"{number:.{_FEWEST}g}"
    text = f"{number:.{places}f}"
    return text.removeprefix("-") if float(text) == 0 else text  # never -0

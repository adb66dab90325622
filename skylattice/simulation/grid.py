"""Which (D, B) points to simulate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from skylattice.errors import SimulationError
from skylattice.schema import GRID_DIGITS, check_coordinate

Point = tuple[float, float]


def grid_points(
    D: Any = None,
    B: Any = None,
    *,
    points: Sequence[Point] | None = None,
    B_limits: tuple[float, float] | None = None,
    B_step: float | None = None,
) -> list[Point]:
    """The (D, B) points of a grid stated in one of three ways, sorted, each once, rounded to 6 digits.

    Parameters
    ----------
    D, B
        Values in units of J: the product grid of both.
    points
        Or the points themselves.
    B_limits
        Or, with ``D`` and ``B_step``, the lowest and highest B in units of D²/J for each D: the B that are whole
        multiples of ``B_step`` (in J) within them. The points of all D then share one B axis.
    B_step
        Step of that axis, > 0.

    Raises
    ------
    SimulationError
        If the grid is stated in none of these ways or in several, or is empty.
    SchemaError
        If a value is not a number, or a D is negative.

    Examples
    --------
    >>> grid_points(D=[0.4, 0.5], B_limits=(0.4, 0.6), B_step=0.04)
    [(0.4, 0.08), (0.5, 0.12)]
    """
    given = {"B": B is not None, "points": points is not None, "B_limits": B_limits is not None}
    if sum(given.values()) != 1 or (D is None) != (points is not None):
        raise SimulationError(
            "grid: expected D with B, or points, or D with B_limits and B_step; found "
            f"{[name for name, there in {'D': D is not None, **given}.items() if there]}."
        )
    if points is not None:
        pairs = check_coordinate("D", [p[0] for p in points]), check_coordinate("B", [p[1] for p in points])
    else:
        D = np.atleast_1d(check_coordinate("D", D))
        if B is not None:
            pairs = tuple(np.meshgrid(D, check_coordinate("B", B)))
        else:
            pairs = _within_limits(D, B_limits, B_step)
    rounded = [np.round(np.ravel(values), GRID_DIGITS).tolist() for values in pairs]
    unique = sorted(set(zip(*rounded, strict=True)))
    if not unique:
        raise SimulationError("grid: expected at least one (D, B) point, found none. Widen the limits.")
    return unique


def _within_limits(
    D: np.ndarray, limits: tuple[float, float] | None, step: float | None
) -> tuple[np.ndarray, np.ndarray]:
    numbers = np.asarray([*np.ravel(np.asarray(limits, object)), step], object)
    are_numbers = all(isinstance(number, int | float | np.number) for number in numbers)
    if len(numbers) != 3 or not are_numbers or not (numbers[0] <= numbers[1] and numbers[2] > 0):
        raise SimulationError(
            f"grid: expected B_limits = (lowest, highest) in units of D² and B_step > 0, found {limits}, {step}."
        )
    limits, step = (float(numbers[0]), float(numbers[1])), float(numbers[2])
    slack = 1e-9
    ticks = [
        (d, tick * step)
        for d in D
        for tick in range(
            int(np.ceil(limits[0] * d * d / step - slack)), int(np.floor(limits[1] * d * d / step + slack)) + 1
        )
    ]
    return np.array([p[0] for p in ticks]), np.array([p[1] for p in ticks])

"""Lines that several figures draw."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from skylattice.report import style


def fitted_line(x: pd.Series, y: pd.Series, colour: str) -> tuple[Any, tuple[float, float]]:
    """The least-squares line through at least two different ``x``, from the lowest to the highest; slope and offset."""
    slope, offset = (float(value) for value in np.polyfit(x, y, 1))
    ends = np.array([x.min(), x.max()])
    line = style.graph_objects().Scatter(x=ends, y=slope * ends + offset, mode="lines", line_color=colour)
    return line, (slope, offset)

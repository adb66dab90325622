"""Lattices of a store read point by point, whatever became of some of them: what cannot be read is told, not raised."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from skylattice.errors import SchemaError
from skylattice.io.checked import open_group
from skylattice.io.guard import local_path
from skylattice.io.store import check_version
from skylattice.schema import GRID_DIGITS

#: What zarr, its codecs and the operating system raise for a file that is damaged, shut, or replaced while it is read.
_DAMAGED = (OSError, ValueError, RuntimeError)
#: A writer may put a new shard in place between two reads of one: how often, and after how many seconds, to look again.
_TRIES, _PAUSE = 3, 0.05


class PointReader:
    """Reads the spins of a local store by the values of D and B; small, and fit to travel to workers.

    Parameters
    ----------
    path
        The store.

    Examples
    --------
    >>> import tempfile
    >>> from skylattice import simulate_ensemble
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     options = {"D": [0.5], "B": [0.1], "realizations": 2, "size": 16, "T": 0.1, "progress": False}
    ...     _ = simulate_ensemble(store=f"{folder}/e.zarr", **options)
    ...     spin, unreadable = PointReader(f"{folder}/e.zarr").read(0.5, 0.1, [0, 1])
    >>> spin.shape, unreadable
    ((2, 16, 16, 3), {})
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = local_path(path)
        group = open_group(self.path)
        check_version(group.attrs, self.path)
        self._spin: Any = group["spin"]
        self._axes = [np.round(np.asarray(group[name]), GRID_DIGITS) for name in ("D", "B")]

    def read(self, D: float, B: float, realizations: Sequence[int]) -> tuple[np.ndarray, dict[int, str]]:
        """Some lattices of a point.

        Returns
        -------
        spin
            Shape (n, y, x, 3); NaN where nothing was written or nothing can be read.
        unreadable
            By realization: what zarr or the operating system said.

        Raises
        ------
        SchemaError
            If the store has no such point.
        """
        at = [np.flatnonzero(axis == round(value, GRID_DIGITS)) for axis, value in zip(self._axes, (D, B), strict=True)]
        if not (at[0].size and at[1].size):
            raise SchemaError(f"{self.path}: expected a point of the grid, found D={D!r}, B={B!r}.")
        i, j = (int(places[0]) for places in at)
        span = slice(min(realizations), max(realizations) + 1)
        for attempt in range(_TRIES):
            try:
                whole = self._spin[i, j, span]
            except _DAMAGED:
                time.sleep(_PAUSE * (attempt + 1 < _TRIES))
            else:
                return whole[np.asarray(realizations) - span.start], {}
        return self._one_by_one(i, j, realizations)

    def _one_by_one(self, i: int, j: int, realizations: Sequence[int]) -> tuple[np.ndarray, dict[int, str]]:
        spin = np.full((len(realizations), *self._spin.shape[3:]), np.nan, self._spin.dtype)
        unreadable = {}
        for k, realization in enumerate(realizations):
            try:
                spin[k] = self._spin[i, j, realization]
            except _DAMAGED as error:
                unreadable[realization] = f"{type(error).__name__}: {error}"
        return spin, unreadable

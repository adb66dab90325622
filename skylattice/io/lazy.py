"""Lattices that stay in their file until they are asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from xarray.backends import BackendArray
from xarray.core import indexing


class LatticeArray(BackendArray, ABC):
    """Lattices of one file, shape (1, ..., 1, n, y, x, 3), read one by one when they are indexed.

    Parameters
    ----------
    n_leading
        Number of dimensions of length 1 in front.
    n_lattices
        Length of the dimension before y.
    size
        (ny, nx).
    dtype
        Of the spins.
    """

    def __init__(self, n_leading: int, n_lattices: int, size: tuple[int, int], dtype: np.dtype) -> None:
        self.shape = (*[1] * n_leading, n_lattices, *size, 3)
        self.dtype = dtype

    @abstractmethod
    def read_lattice(self, index: int) -> np.ndarray:
        """Spins of one lattice, shape (y, x, 3)."""

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.BASIC, self._read)

    def _read(self, key: tuple[int | slice, ...]) -> np.ndarray:
        place = len(self.shape) - 4
        wanted = np.arange(self.shape[place])[key[place]]
        spin = np.empty((*self.shape[:place], wanted.size, *self.shape[-3:]), self.dtype)
        for position, index in enumerate(wanted.flat):
            spin[..., position, :, :, :] = self.read_lattice(int(index))
        return spin[(*key[:place], slice(None) if wanted.ndim else 0, *key[place + 1 :])]

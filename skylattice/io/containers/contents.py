"""What is in a container: its arrays by name, unread, and its attributes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from skylattice.io.problems import LocatedError

#: Bytes of one lattice: 16 000 × 16 000 sites in float32. What states more is damaged, or no lattice.
LATTICE_LIMIT = 4 << 30
#: Bytes of what is read at once to tell D, B and T.
LABEL_LIMIT = 64 << 20
#: Most arrays in a container.
MOST_ARRAYS = 65_536
#: Lazy arrays are cut along their leading axes into chunks of about so many bytes.
_CHUNK = 4 << 20


class Source(Protocol):
    """Numbers in a file, read where they are indexed: it can travel to another process."""

    shape: tuple[int, ...]
    dtype: np.dtype
    ndim: int

    def __getitem__(self, key: Any) -> np.ndarray: ...


@dataclass(frozen=True)
class Array:
    """One array of a container.

    Attributes
    ----------
    name
        With the groups that it lies in: ``"run/spin"``; empty in a npy file.
    source
        Its numbers.
    dims
        Names of its axes, None for those without.
    attrs
        What the file says about it.
    stored_chunks
        Pieces that the file keeps it in; empty if it lies plainly.
    """

    name: str
    source: Source
    dims: tuple[str | None, ...]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    stored_chunks: tuple[int, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of its axes."""
        return self.source.shape

    @property
    def dtype(self) -> np.dtype:
        """Of the numbers in the file."""
        return self.source.dtype

    @property
    def n_bytes(self) -> int:
        """Bytes of all its numbers; a header may state more than any machine holds."""
        return int(np.prod(self.shape, dtype=object)) * self.dtype.itemsize

    def values(self, where: Path) -> np.ndarray:
        """All its numbers, of an array small enough for labels.

        Raises
        ------
        LocatedError
            If it is too large for that.
        """
        if self.n_bytes > LABEL_LIMIT:
            raise LocatedError(
                f"{where} ({self.name})",
                f"expected at most {LABEL_LIMIT} bytes of labels, found {self.n_bytes}.",
                "Name the right arrays: D=, B=, T=.",
            )
        return self.source[(slice(None),) * len(self.shape)]

    def lazy(self, whole: tuple[int, ...], where: Path) -> Any:
        """A Dask array in chunks that do not cut the axes ``whole``, those of one lattice.

        Raises
        ------
        LocatedError
            If a lattice is larger than :data:`LATTICE_LIMIT`.
        """
        import dask.array as da

        lattice = int(np.prod([self.shape[k] for k in whole], dtype=object)) * self.dtype.itemsize
        if lattice > LATTICE_LIMIT:
            raise LocatedError(
                f"{where} ({self.name})",
                f"expected lattices of at most {LATTICE_LIMIT} bytes, found shape {self.shape}.",
                "The file is damaged, or the array holds something else: name the spins.",
            )
        n_lattices, chunks = max(_CHUNK // max(lattice, 1), 1), list(self.shape)
        for k in reversed(range(len(self.shape))):
            if k not in whole:
                step = self.stored_chunks[k] if self.stored_chunks else 1
                chunks[k] = min(max(n_lattices // step, 1) * step, max(self.shape[k], 1))
                n_lattices = max(n_lattices // max(chunks[k], 1), 1)
        name = f"{type(self.source).__name__}-{self.name}"
        return da.from_array(self.source, tuple(chunks), name=f"{name}-{_token(self.source)}", asarray=True)


def _token(source: Source) -> str:
    from dask.base import tokenize

    return tokenize(type(source).__name__, vars(source))


@dataclass(frozen=True)
class Contents:
    """A container: what it is, its arrays by name, its attributes, and what in it cannot be read and why."""

    path: Path
    kind: str
    arrays: dict[str, Array]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    def find(self, name: str) -> Array | None:
        """The array of a name, which may leave out the groups where that is clear."""
        found = [array for key, array in self.arrays.items() if key.rsplit("/", 1)[-1] == name]
        return self.arrays.get(name) or (found[0] if len(found) == 1 else None)

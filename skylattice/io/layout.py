"""What all lattices of a store share, and the check that others may join them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from skylattice.arrays import dataset_attrs
from skylattice.errors import StoreError
from skylattice.hamiltonian import Hamiltonian
from skylattice.schema import check_coordinate

#: Bits of a float32 mantissa.
MANTISSA_BITS = 23


@dataclass(frozen=True)
class Layout:
    """What is the same for all lattices of a store.

    Attributes
    ----------
    size
        (ny, nx) in sites.
    T
        Temperature in units of J / k_B; NaN when unknown.
    hamiltonian
        The interaction; one store holds one. None is unknown.
    keep_bits
        Mantissa bits of the stored spins, 1 to 23; fewer than 23 round each component by at most
        2**-(keep_bits + 1) relative and compress better. None keeps all.
    """

    size: tuple[int, int]
    T: float
    hamiltonian: Hamiltonian | None
    keep_bits: int | None = None

    def __post_init__(self) -> None:
        if min(self.size) < 1:
            raise StoreError(f"size: expected at least one site along y and x, found {self.size}.")
        if np.isnan(self.T):
            object.__setattr__(self, "T", np.nan)  # the same object, so that two layouts without T are equal
        else:
            check_coordinate("T", self.T)
        if self.keep_bits is not None and not 1 <= self.keep_bits <= MANTISSA_BITS:
            raise StoreError(f"keep_bits: expected 1 to {MANTISSA_BITS} bits or None, found {self.keep_bits}.")

    def to_attrs(self) -> dict[str, Any]:
        """Attributes of the store's group."""
        attrs = dataset_attrs(self.hamiltonian)
        if self.keep_bits is not None:
            attrs |= {"spin_keep_bits": self.keep_bits, "spin_max_error": 2.0 ** -(self.keep_bits + 1)}
        return attrs

    def differences(self, other: Layout, owner: str) -> list[str]:
        """In which of size, temperature and Hamiltonian the lattices of ``other`` differ; rounding may differ."""
        same_T = np.isclose(self.T, other.T, rtol=1e-5, equal_nan=True)
        compared = (
            ("size", self.size, other.size, self.size == other.size),
            ("T", *("unknown" if np.isnan(T) else T for T in (self.T, other.T)), same_T),
            ("Hamiltonian", self._interaction(), other._interaction(), self.hamiltonian == other.hamiltonian),
        )
        return [
            f"{name}: {owner} {ours}, the new lattices {theirs}" for name, ours, theirs, same in compared if not same
        ]

    def _interaction(self) -> str:
        return "unknown" if self.hamiltonian is None else str(self.hamiltonian)


def check_alike(path: str | os.PathLike[str], one: Layout, other: Layout, *, owner: str) -> None:
    """Raise :class:`StoreError` unless lattices of both layouts may share a store; ``owner`` is whose ``one`` is."""
    if differences := one.differences(other, owner):
        raise StoreError(
            f"{path}: one store holds lattices of one size, temperature and Hamiltonian, found "
            f"{'; '.join(differences)}. Write them to stores of their own; ds.sky.to_handedness() turns spins of the "
            "other handedness, ds.sky.with_hamiltonian() states an interaction that is unknown."
        )

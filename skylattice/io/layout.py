"""What all lattices of a store share, and the check that others may join them."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import xarray as xr

from skylattice.arrays import dataset_attrs
from skylattice.boundary import Boundary
from skylattice.errors import StoreError
from skylattice.hamiltonian import Hamiltonian
from skylattice.layouts import whole
from skylattice.schema import check_coordinate, check_spin, require

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
    boundary
        Along y and x; one store holds one.
    mask
        Which sites are there, shape (ny, nx), where that is the same for all lattices; "each" for a mask per lattice;
        None where every site is.
    has_moment
        Whether lattices come with the length that their spins had before they were normalised.
    """

    size: tuple[int, int]
    T: float
    hamiltonian: Hamiltonian | None
    keep_bits: int | None = None
    boundary: Boundary = field(default_factory=Boundary)
    mask: np.ndarray | Literal["each"] | None = field(default=None, compare=False)
    has_moment: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        if isinstance(self.mask, np.ndarray) and (self.mask.shape != self.size or self.mask.dtype != bool):
            raise StoreError(
                f"mask: expected a bool per site, shape {self.size}, found {self.mask.dtype} of {self.mask.shape}."
            )
        if min(self.size) < 1:
            raise StoreError(f"size: expected at least one site along y and x, found {self.size}.")
        if np.isnan(self.T):
            object.__setattr__(self, "T", np.nan)  # the same object, so that two layouts without T are equal
        else:
            check_coordinate("T", self.T)
        if self.keep_bits is not None:
            object.__setattr__(self, "keep_bits", whole("keep_bits", self.keep_bits, least=1, most=MANTISSA_BITS))

    def to_attrs(self) -> dict[str, Any]:
        """Attributes of the store's group."""
        attrs = dataset_attrs(self.hamiltonian, self.boundary)
        if self.keep_bits is not None:
            attrs |= {"spin_keep_bits": self.keep_bits, "spin_max_error": 2.0 ** -(self.keep_bits + 1)}
        return attrs

    def differences(self, other: Layout, owner: str) -> list[str]:
        """In what the lattices of ``other`` differ so that they cannot share a store; rounding may differ."""
        same_T = np.isclose(self.T, other.T, rtol=1e-5, equal_nan=True)
        compared = (
            ("size", self.size, other.size, self.size == other.size),
            ("T", *("unknown" if np.isnan(T) else T for T in (self.T, other.T)), same_T),
            ("Hamiltonian", self._interaction(), other._interaction(), self.hamiltonian == other.hamiltonian),
            ("boundary", str(self.boundary), str(other.boundary), self.boundary == other.boundary),
            ("empty sites", self._sites(), other._sites(), self._takes_sites(other)),
        )
        return [
            f"{name}: {owner} {ours}, the new lattices {theirs}" for name, ours, theirs, same in compared if not same
        ]

    def _interaction(self) -> str:
        return "unknown" if self.hamiltonian is None else str(self.hamiltonian)

    def _sites(self) -> str:
        if isinstance(self.mask, np.ndarray):
            return f"{int((~self.mask).sum())} in all lattices"
        return "none" if self.mask is None else "in a mask per lattice"

    def _takes_sites(self, other: Layout) -> bool:
        """Whether a store of this layout has room for the masks of the other's lattices."""
        if isinstance(self.mask, np.ndarray) and isinstance(other.mask, np.ndarray):
            return bool((self.mask == other.mask).all())
        return self.mask is other.mask or (isinstance(self.mask, str) and self.mask == "each")


def check_alike(path: str | os.PathLike[str], one: Layout, other: Layout, *, owner: str) -> None:
    """Raise :class:`StoreError` unless lattices of both layouts may share a store; ``owner`` is whose ``one`` is."""
    if differences := one.differences(other, owner):
        raise StoreError(
            f"{path}: one store holds lattices of one size, temperature, Hamiltonian and boundary, found "
            f"{'; '.join(differences)}. Write them to stores of their own; ds.sky.to_handedness() turns spins of the "
            "other handedness, ds.sky.with_hamiltonian() states an interaction that is unknown."
        )


def layout_of(ds: xr.Dataset, keep_bits: int | None = None) -> Layout:
    """What the lattices of a dataset or a store have in common; T is NaN where they have several.

    Raises
    ------
    SchemaError
        If spins, D, B or T are not there.
    """
    require(ds, ("spin", "D", "B", "T"), purpose="a store")
    check_spin(ds["spin"])
    mask = ds.get("mask")
    return Layout(
        (ds.sizes["y"], ds.sizes["x"]),
        float(ds["T"].item()) if ds["T"].size == 1 else np.nan,
        Hamiltonian.if_stated(ds.attrs),
        keep_bits,
        boundary=Boundary.from_attrs(ds.attrs),
        mask=None if mask is None else mask.values if mask.ndim == 2 else "each",
        has_moment="moment" in ds,
    )

"""Which lattices a store has already: by the fingerprint of their spins as stored, wherever they came from."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from skylattice.io.lattices import lattice_ids, round_mantissa
from skylattice.io.store import open_ensemble
from skylattice.schema import GRID_DIGITS, STATUS, check_coordinate

#: Lattices in memory that are read at once.
_AT_ONCE = 16

#: (D, B, fingerprint) of a lattice.
Key = tuple[float, float, int]


def fingerprints(ds: xr.Dataset, keep_bits: int | None) -> np.ndarray:
    """Fingerprint of each lattice as a store would keep it, 0 for holes, shape (sample,); every spin is read.

    Parameters
    ----------
    ds
        Flat, along ``sample``.
    keep_bits
        Rounding of the store.
    """
    spin = ds["spin"].transpose("sample", "y", "x", "component")
    ids = np.zeros(spin.sizes["sample"], np.uint64)
    for part in _pieces(spin):
        values = spin.isel(sample=part).values
        ids[part] = lattice_ids(round_mantissa(np.ascontiguousarray(values, np.float32), keep_bits))
    return ids


def _pieces(spin: xr.DataArray) -> Iterator[slice]:
    """Lattices that are read together: those of a chunk, so that none is read twice."""
    n = spin.sizes["sample"]
    lengths = spin.chunksizes.get("sample") or [min(_AT_ONCE, n - k) for k in range(0, n, _AT_ONCE)]
    start = 0
    for length in lengths:
        yield slice(start, start + length)
        start += length


def keys_of(ds: xr.Dataset, ids: np.ndarray) -> list[Key]:
    """What tells the lattices of a flat dataset apart: point and fingerprint."""
    points = [np.broadcast_to(np.round(check_coordinate(n, ds[n].values), GRID_DIGITS), len(ids)) for n in ("D", "B")]
    return list(zip(*(values.tolist() for values in points), ids.tolist(), strict=True))


def known_keys(store: str | os.PathLike[str]) -> set[Key]:
    """Those of all lattices of a store; empty if there is none, or it is to be upgraded before it is written to."""
    ds = open_ensemble(store) if Path(store).exists() else xr.Dataset()
    if "lattice_id" not in ds:
        return set()
    done = ds["status"].values == STATUS["done"]
    grid = np.broadcast_arrays(
        *(
            ds[name].values.round(GRID_DIGITS)[axis]
            for name, axis in (("D", np.s_[:, None, None]), ("B", np.s_[:, None]))
        )
    )
    D, B = (np.broadcast_to(values, done.shape)[done].tolist() for values in grid)
    return set(zip(D, B, ds["lattice_id"].values[done].tolist(), strict=True))


def keep_bits_of(store: str | os.PathLike[str], otherwise: int | None) -> int | None:
    """Rounding of a store, or of one that is to be made."""
    return open_ensemble(store).attrs.get("spin_keep_bits") if Path(store).exists() else otherwise


def only_new(flat: Sequence[xr.Dataset], store: str | os.PathLike[str], keep_bits: int | None) -> list[xr.Dataset]:
    """The flat datasets without the lattices that a store has already, or that stand twice among them.

    Holes stay where a dataset has lattices that are new.
    """
    known, bits = known_keys(store), keep_bits_of(store, keep_bits)
    found = []
    for ds in flat:
        keys = keys_of(ds, fingerprints(ds, bits))
        is_new = []
        for key in keys:
            is_new.append(key not in known or not key[2])
            known.add(key)
        if any(new and key[2] for new, key in zip(is_new, keys, strict=True)):
            found.append(ds.isel(sample=np.flatnonzero(is_new)))
    return found

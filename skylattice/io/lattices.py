"""What lattices must be to be stored, and what is stored of them: rounded spins and their fingerprint."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from skylattice.errors import SchemaError, StoreError
from skylattice.io.layout import MANTISSA_BITS
from skylattice.schema import STATUS


def shaped(
    group: Any, path: Path, spin: Any, realizations: Any, status: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Spins, realizations and status of some lattices, one of each per lattice, that fit the store."""
    spin = np.asarray(spin)
    n, lattice = len(spin), group["spin"].shape[-3:]
    where = np.arange(n) if realizations is None else np.asarray(realizations)
    if status is None and spin.shape[1:] == lattice:
        status = np.where(np.isnan(spin[:, 0, 0, 0]), STATUS["empty"], STATUS["done"])
    flags = np.zeros(n) if status is None else np.asarray(status)
    if spin.shape[1:] != lattice or len(flags) != n or len(where) != n:
        raise StoreError(
            f"{path}: expected lattices of shape {lattice} with a status and a realization each, found spin of "
            f"shape {spin.shape}, {len(flags)} status and {len(where)} realizations."
        )
    room = group["realization"].shape[0]
    if where.size and (where.min() < 0 or where.max() >= room):
        raise StoreError(
            f"{path}: expected realizations below {room}, found {where.tolist()}. "
            "Make room first with append_grid(path, realizations=...)."
        )
    return spin, where, flags


def sites_of(group: Any, path: Path, spin: np.ndarray, mask: Any) -> np.ndarray | None:
    """Where the sites of lattices are, shape (n, ny, nx); None where the store has no empty ones."""
    if "mask" not in group:
        if mask is not None and not np.all(mask):
            raise StoreError(f"{path}: expected lattices without empty sites: the store was made without a mask.")
        return None
    if group["mask"].ndim == 2:
        return np.broadcast_to(group["mask"][:], spin.shape[:-1])
    return np.broadcast_to(True if mask is None else np.asarray(mask, dtype=bool), spin.shape[:-1])


def filled(spin: np.ndarray, sites: np.ndarray, where: str) -> np.ndarray:
    """The spins with a unit vector at empty sites, where they must be 0, so that their length can be checked."""
    empty = ~sites & ~np.isnan(spin[:, :1, :1, 0])
    if spin[empty].any():
        raise SchemaError(f"{where}: expected spins of 0 at the empty sites of the mask, found others.")
    return np.where(empty[..., None], np.array([0, 0, 1], spin.dtype), spin)


def lattice_ids(spin: np.ndarray) -> np.ndarray:
    """Fingerprint of each lattice of float32 spins (n, ny, nx, 3): 64 bits of its bytes, never 0; 0 for a hole."""
    ids = np.zeros(len(spin), dtype=np.uint64)
    for k, lattice in enumerate(np.ascontiguousarray(spin, dtype="<f4")):
        if not np.isnan(lattice[0, 0, 0]):
            ids[k] = int.from_bytes(hashlib.blake2b(lattice.data, digest_size=8).digest(), "little") or 1
    return ids


def round_mantissa(spin: np.ndarray, keep_bits: int | None) -> np.ndarray:
    """Round float32 to ``keep_bits`` mantissa bits, half to even: relative error at most 2**-(keep_bits + 1)."""
    if keep_bits is None or keep_bits >= MANTISSA_BITS:
        return spin
    drop = np.uint32(MANTISSA_BITS - keep_bits)
    bits = np.ascontiguousarray(spin, dtype=np.float32).view(np.uint32)
    half = np.uint32((1 << (int(drop) - 1)) - 1) + ((bits >> drop) & np.uint32(1))
    return (((bits + half) >> drop) << drop).view(np.float32)

"""Training data: which lattices of an ensemble train, validate and test a model, and batches of them from the store."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr

from skylattice.boundary import check_models_apply
from skylattice.errors import ModelError
from skylattice.kernels.rotation import rotate_lattices
from skylattice.schema import SPIN_DIMS, check_spin, require
from skylattice.stacking import per_lattice, usable_lattices
from skylattice.vae._keras import keras


def transform_lattice(
    spin: np.ndarray, *, shift: tuple[int, int], quarter_turns: int, rotation_sign: int
) -> np.ndarray:
    """One lattice ``(y, x, 3)`` moved and turned as the torus and the interaction allow.

    Parameters
    ----------
    shift
        Sites along y and x.
    quarter_turns
        By how many quarter turns, counter-clockwise with x right and y up, the lattice turns. Odd numbers need a
        square lattice.
    rotation_sign
        :attr:`skylattice.Hamiltonian.rotation_sign`: the spins turn along (+1) or the other way (-1), so that the
        energy and the charge stay the same.

    Returns
    -------
    A new array; energy and topological charge are those of ``spin``.
    """
    return rotate_lattices(np.roll(spin, shift, axis=(0, 1)), quarter_turns, rotation_sign)


@dataclass(frozen=True)
class Split:
    """Flat positions of lattices over the leading dims of an ensemble, by what they are used for.

    Attributes
    ----------
    train, validation, test
        Lattices of disjoint sets of (D, B) points: no point of ``validation`` or ``test`` is ever trained on.
    test_seeds
        Further realizations of points that are trained on: what changes against ``test`` is the (D, B) alone.
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    test_seeds: np.ndarray
    options: dict[str, Any] = field(default_factory=dict)

    def fingerprint(self) -> str:
        """Digest of the positions: equal splits, and only they, share it."""
        digest = hashlib.sha256()
        for name in ("train", "validation", "test", "test_seeds"):
            digest.update(name.encode() + np.asarray(getattr(self, name), dtype="<i8").tobytes())
        return digest.hexdigest()[:16]

    def describe(self, ds: xr.Dataset) -> dict[str, Any]:
        """What to record with a model: sizes, the held-out (D, B) points, options, fingerprint."""
        parameters = lattice_parameters(ds)
        held_out = {
            f"{name}_points": np.unique(parameters[getattr(self, name)].round(6), axis=0).tolist()
            for name in ("validation", "test")
        }
        sizes = {f"n_{name}": len(getattr(self, name)) for name in ("train", "validation", "test", "test_seeds")}
        return {**sizes, **held_out, **self.options, "fingerprint": self.fingerprint()}


def lattice_parameters(ds: xr.Dataset) -> np.ndarray:
    """D and B of every lattice, shape ``(lattices, 2)``, in the flat order of the leading dims of ``spin``."""
    require(ds, ["spin", "D", "B"], purpose="a model")
    return np.stack([per_lattice(ds[name], ds["spin"]) for name in ("D", "B")], axis=-1).astype(np.float64)


def split_ensemble(
    ds: xr.Dataset,
    *,
    test: float = 0.1,
    validation: float = 0.05,
    test_seeds: float = 0.05,
    n_train: int | None = None,
    seed: int = 0,
) -> Split:
    """Split the lattices of an ensemble by (D, B) point and, within the points trained on, by realization.

    What a point is used for depends on (seed, D, B) alone: it is the same in every ensemble, whatever its grid, size
    or number of realizations. So a model fine-tuned on a second ensemble with the same seed and fractions is never
    tested at a point that the first one trained it on.

    Parameters
    ----------
    ds
        The ensemble; its ``status`` (or NaN) says which lattices are there.
    test, validation
        Probability of a (D, B) point to be held out for testing or validation, in [0, 1).
    test_seeds
        Fraction of the lattices of the remaining points.
    n_train
        Keep so many training lattices only, for learning curves: a random subset, the smaller within the larger.
    seed
        Of the choice.

    Raises
    ------
    ModelError
        If no lattice is left to train on.
    SchemaError
        If the lattices are not periodic, or have empty sites.

    Examples
    --------
    >>> from skylattice import testing
    >>> split = split_ensemble(testing.random(20, realizations=10), test=0.0, test_seeds=0.2)
    >>> len(split.train), len(split.test_seeds)
    (8, 2)
    """
    check_spin(ds["spin"])
    check_models_apply(ds)
    usable = usable_lattices(ds)
    points, of_point = np.unique(lattice_parameters(ds)[usable].round(6), axis=0, return_inverse=True)
    chance = np.array([_point_chance(seed, D, B) for D, B in points])[of_point.reshape(-1)]
    is_test, is_validation = chance < test, (chance >= test) & (chance < test + validation)
    rest = np.random.default_rng(seed).permutation(usable[~is_test & ~is_validation])
    n_seeds = round(test_seeds * len(rest))
    train = rest[n_seeds:][:n_train]
    if not len(train):
        raise ModelError(
            f"training split: expected at least one lattice, found none ({len(usable)} lattices at {len(points)} "
            f"(D, B) points, {int(is_test.sum())} lattices held out for testing, {int(is_validation.sum())} for "
            "validation). Simulate more, lower the fractions test, validation and test_seeds, or try another seed."
        )
    options = {"test": test, "validation": validation, "test_seeds": test_seeds, "n_train_limit": n_train, "seed": seed}
    return Split(np.sort(train), usable[is_validation], usable[is_test], np.sort(rest[:n_seeds]), options)


def _point_chance(seed: int, D: float, B: float) -> float:
    """A number in [0, 1) drawn for a (D, B) point; negative fields are folded into a second range."""
    key = (round(D * 1e6), 2 * round(abs(B) * 1e6) + (B < 0))
    return float(np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key)).random())


def data_fingerprint(ds: xr.Dataset) -> str:
    """Digest of which lattices an ensemble holds: coordinates, seeds, status and Hamiltonian; reads no spins."""
    digest = hashlib.sha256(json.dumps({key: ds.attrs.get(key) for key in ("dmi", "handedness", "J")}).encode())
    digest.update(repr(dict(ds["spin"].sizes)).encode())
    for name in ("D", "B", "realization", "T", "status", "seed"):
        if name in ds.variables:
            digest.update(np.ascontiguousarray(ds[name].values).tobytes())
    return digest.hexdigest()[:16]


class LatticeBatches(keras.utils.PyDataset):
    """Batches of lattices for training, read from the ensemble as they are needed.

    Parameters
    ----------
    ds
        The ensemble, lazy or not.
    positions
        Flat positions of the lattices to use.
    batch_size
        Lattices per batch; the last one may be smaller unless augmenting, where it is left out.
    augment
        Shuffle, and shift and turn every lattice at random; non-square lattices by half turns only.
    rotation_sign
        :attr:`skylattice.Hamiltonian.rotation_sign` of the ensemble.
    seed
        Order and transformations depend on (seed, epoch, batch) alone, so a resumed run goes on as it would have.
    cache_bytes
        Keep lattices in memory once read, up to so many bytes; the rest is read again in each epoch.
    """

    def __init__(
        self,
        ds: xr.Dataset,
        positions: Sequence[int] | np.ndarray,
        *,
        batch_size: int,
        augment: bool = False,
        rotation_sign: int = 1,
        seed: int = 0,
        cache_bytes: int = 2**31,
    ) -> None:
        super().__init__()
        self.spin = ds["spin"].transpose(..., *SPIN_DIMS)
        self.leading = self.spin.shape[:-3]
        parameters = lattice_parameters(ds).astype(np.float32)
        # In a field along -z the model sees -S in the opposite field, which is as likely: it learns one of the two.
        self.signs = np.where(parameters[:, 1] < 0, -1, 1).astype(np.float32)
        self.parameters = parameters * np.stack([np.ones_like(self.signs), self.signs], axis=-1)
        self.positions = np.asarray(positions, dtype=np.int64)
        self.batch_size, self.augment, self.rotation_sign, self.seed = batch_size, augment, rotation_sign, seed
        self.epoch = 0
        self._cache: dict[int, np.ndarray] = {}
        self._free = cache_bytes

    def __len__(self) -> int:
        """Number of batches in an epoch."""
        if self.augment and len(self.positions) >= self.batch_size:
            return len(self.positions) // self.batch_size  # a batch of another size would be compiled once more
        return -(-len(self.positions) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[dict[str, np.ndarray]]:
        """The batch: ``spin`` (batch, y, x, 3) and ``parameters`` (batch, 2), float32."""
        order = self.positions
        if self.augment:
            order = np.random.default_rng((self.seed, self.epoch)).permutation(order)
        chosen = order[index * self.batch_size : (index + 1) * self.batch_size]
        spin = self.read(chosen)
        if self.augment:
            spin = self._transform(spin, np.random.default_rng((self.seed, self.epoch, index)))
        return ({"spin": spin, "parameters": self.parameters[chosen]},)

    def on_epoch_end(self) -> None:
        """Go on to the next order and transformations."""
        self.epoch += 1

    def read(self, positions: np.ndarray) -> np.ndarray:
        """Lattices at flat positions, ``(len(positions), y, x, 3)`` float32.

        Raises
        ------
        ModelError
            Naming D, B and the position of a lattice with NaN spins.
        """
        missing = [int(p) for p in positions if int(p) not in self._cache]
        fresh = dict(zip(missing, self._load(missing), strict=True))
        for position, spin in fresh.items():
            if np.isnan(spin).any():
                D, B = self.parameters[position]
                where = tuple(int(i) for i in np.unravel_index(position, self.leading))
                raise ModelError(
                    f"training data: lattice {where} at D = {D:g}, B = {B:g} has NaN spins. Mark it in the store's "
                    "status, or leave it out of the ensemble."
                )
            if spin.nbytes <= self._free:
                self._cache[position] = spin
                self._free -= spin.nbytes
        return np.stack([fresh[p] if p in fresh else self._cache[p] for p in map(int, positions)])

    def _load(self, positions: list[int]) -> list[np.ndarray]:
        import dask

        lattices = [self.spin[np.unravel_index(p, self.leading)].astype(np.float32).data for p in positions]
        read = dask.compute(*lattices, scheduler="threads")
        return [self.signs[p] * np.asarray(lattice) for p, lattice in zip(positions, read, strict=True)]

    def _transform(self, spin: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        _, ny, nx, _ = spin.shape
        shifts = rng.integers(0, (ny, nx), size=(len(spin), 2))
        turns = rng.integers(0, 4, size=len(spin)) if ny == nx else 2 * rng.integers(0, 2, size=len(spin))
        return np.stack(
            [
                transform_lattice(s, shift=(int(dy), int(dx)), quarter_turns=int(q), rotation_sign=self.rotation_sign)
                for s, (dy, dx), q in zip(spin, shifts, turns, strict=True)
            ]
        )

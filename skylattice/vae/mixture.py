"""Training data as wide as the world: a recipe, in a file, of lattices from several annealings. No Keras here.

A model knows the disorder that it was trained on, and no other: lattices with more defects than those of its training
are reconstructed ten times worse. A recipe mixes rates of cooling, temperatures and both edges of the phase, and states
the share of each.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from skylattice.errors import ModelError
from skylattice.simulation.grid import Point
from skylattice.simulation.schedule import Schedule
from skylattice.vae.config import read_yaml
from skylattice.vae.ranges import Range, check_keys, check_type, read_number

#: What the numbers of a recipe and of its parts may be.
RANGES = {
    "size": Range(1, 8192, is_whole=True),
    "seed": Range(0, 2**31 - 1, is_whole=True),
    "n": Range(1, 10_000_000, is_whole=True),
    "share": Range(0, 1, is_open=True),
    "T": Range(0, 1, is_open=True),
    "steps": Range(1, 100_000, is_whole=True),
    "sweeps": Range(1, 1_000_000, is_whole=True),
}
#: D and B are whole multiples of this, in J.
_STEP = 0.005
#: Annealing begins at this temperature.
_START = 1.0


@dataclass(frozen=True)
class Part:
    """Lattices of one annealing.

    Parameters
    ----------
    name
        Of the part, and of its store.
    share
        Of all lattices of the recipe, in (0, 1].
    T, steps, sweeps
        Final temperature in J/k_B, number of temperatures in geometric progression from 1, and heat-bath sweeps at
        each, with four over-relaxation sweeps after every one of them.
    """

    name: str
    share: float
    T: float
    steps: int
    sweeps: int

    def __post_init__(self) -> None:
        check_type("parts: name", self.name, str, noun="a text")
        if not self.name.isidentifier():
            raise ModelError(f"parts: name: expected letters, digits and underscores, found {self.name!r}.")
        for name in ("share", "T", "steps", "sweeps"):
            object.__setattr__(self, name, RANGES[name].check(f"parts: {self.name}: {name}", getattr(self, name)))

    @property
    def schedule(self) -> Schedule:
        """The annealing."""
        return Schedule.geometric(_START, self.T, steps=self.steps, sweeps=self.sweeps)


@dataclass(frozen=True)
class Mixture:
    """A recipe of training data.

    Parameters
    ----------
    folder
        Where the stores of the parts are, ``NAME.zarr`` each.
    size
        Side of the lattices in sites.
    seed
        Of the points and of the lattices.
    n
        Lattices in all; those that are not in the skyrmion phase are left out afterwards.
    D, b
        Limits of D in J and of b = B/D² (J), between which the points are drawn evenly.
    parts
        What the lattices went through; the shares sum to 1.

    Examples
    --------
    >>> part = {"name": "quenched", "share": 1.0, "T": 0.006, "steps": 8, "sweeps": 4}
    >>> mixture = Mixture.from_dict({"folder": "work/mine", "size": 40, "n": 3, "parts": [part]})
    >>> [len(points) for points in mixture.points().values()]
    [3]
    """

    folder: str
    size: int
    n: int
    parts: tuple[Part, ...]
    seed: int = 0
    D: tuple[float, float] = (0.3, 0.7)
    b: tuple[float, float] = (0.25, 0.75)
    stores: dict[str, str] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        check_type("folder", self.folder, str, noun="a path as text")
        for name in ("size", "n", "seed"):
            object.__setattr__(self, name, RANGES[name].check(name, getattr(self, name)))
        for name, high in (("D", 2.0), ("b", 2.0)):
            limits = check_type(name, getattr(self, name), tuple, noun="two growing numbers")
            if len(limits) != 2 or Range(0, high).check(name, limits[0]) > Range(0, high).check(name, limits[1]):
                raise ModelError(f"{name}: expected two growing numbers from 0 to {high:g}, found {limits}.")
        names, total = [part.name for part in self.parts], sum(part.share for part in self.parts)
        if len(set(names)) != len(names) or not np.isclose(total, 1):
            raise ModelError(
                f"parts: expected different names and shares that sum to 1, found {names} that sum to {total:g}."
            )
        stores = {name: os.fspath(Path(self.folder) / f"{name}.zarr") for name in names}
        object.__setattr__(self, "stores", stores)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Mixture:
        """Read what a YAML file gives.

        Raises
        ------
        ModelError
            For an unknown or missing option or a value out of range.
        """
        known = {f.name: f for f in fields(cls) if f.init}
        check_keys(values, known, where="data recipe")
        missing = [name for name in ("folder", "size", "n", "parts") if name not in values]
        if missing:
            raise ModelError(f"data recipe: missing {missing}.")
        read = {name: read_number(value) for name, value in values.items()}
        for name in ("D", "b"):
            if isinstance(read.get(name), list | tuple):
                read[name] = tuple(map(read_number, read[name]))
        parts = check_type("parts", read["parts"], list, noun="a list of parts")
        return cls(**{**read, "parts": tuple(_read_part(part) for part in parts)})

    @classmethod
    def from_yaml(cls, path: str | os.PathLike[str]) -> Mixture:
        """A recipe in a file; errors as :meth:`from_dict`."""
        return cls.from_dict(read_yaml(path))

    def points(self) -> dict[str, list[Point]]:
        """(D, B) of the lattices of each part, drawn from the seed and the part's name alone."""
        drawn = {}
        for part in self.parts:
            key = tuple(part.name.encode())
            rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=key))
            n = max(1, round(part.share * self.n))
            D = np.clip(np.round(rng.uniform(*self.D, n) / _STEP) * _STEP, *self.D)
            B = np.round(rng.uniform(*self.b, n) * D**2 / _STEP) * _STEP
            drawn[part.name] = list(zip(D.round(6).tolist(), B.round(6).tolist(), strict=True))
        return drawn

    def simulate(self, *, progress: bool = True) -> None:
        """Simulate what is missing of every part; goes on where it was stopped."""
        from skylattice.simulation.ensemble import simulate_ensemble

        Path(self.folder).mkdir(parents=True, exist_ok=True)
        for k, part in enumerate(self.parts):
            simulate_ensemble(
                points=self.points()[part.name],
                store=self.stores[part.name],
                realizations=1,
                size=self.size,
                T=part.T,
                schedule=part.schedule,
                seed=self.seed + k,
                only_phase="skyrmion",
                progress=progress,
            )

    def open(self) -> xr.Dataset:
        """The lattices of all parts along ``sample``, lazily.

        Returns
        -------
        Dataset with ``spin`` (sample, y, x, component) and the coordinates D, B, realization, T and ``part``, the
        position of the part in the recipe, along ``sample``. Attributes are those of the stores, and ``recipe``, the
        number of lattices of each part.

        Raises
        ------
        StoreError
            If a part was not simulated.
        """
        from skylattice.io.store import open_ensemble
        from skylattice.stacking import SAMPLE, stack

        parts = []
        for k, store in enumerate(self.stores.values()):
            flat = stack(open_ensemble(store)).reset_index(SAMPLE)[["spin", "seed", "status"]]
            along = {
                name: (SAMPLE, np.full(flat.sizes[SAMPLE], value)) for name, value in (("part", k), ("T", flat["T"]))
            }
            parts.append(flat.assign_coords(along))
        counts = {part.name: flat.sizes[SAMPLE] for part, flat in zip(self.parts, parts, strict=True)}
        whole = xr.concat(parts, dim=SAMPLE, combine_attrs="drop_conflicts")
        return whole.assign_attrs(recipe=counts)


def _read_part(values: Any) -> Part:
    check_type("parts", values, Mapping, noun="parts as 'name: value'")
    known = {f.name: f for f in fields(Part)}
    check_keys(values, known, where="data recipe: part")
    missing = sorted(set(known) - set(values))
    if missing:
        raise ModelError(f"data recipe: part {values.get('name')!r}: missing {missing}.")
    return Part(**{name: read_number(value) for name, value in values.items()})

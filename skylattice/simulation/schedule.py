"""Annealing schedules as data: what is done to a lattice, one stage per temperature."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, get_args

import numpy as np

from skylattice.errors import SimulationError
from skylattice.layouts import whole
from skylattice.schema import check_coordinate

#: Temperature before a last stage at 0: a hundredth of what melts a lattice of skyrmions.
_COLD = 0.001

Method = Literal["heat_bath", "metropolis"]


@dataclass(frozen=True)
class Stage:
    """Sweeps at one temperature.

    Parameters
    ----------
    T
        Temperature in units of J / k_B, >= 0; at 0 each heat-bath update aligns a spin with its field.
    sweeps
        Sweeps of the method, each visiting every spin once.
    over_relaxation
        Over-relaxation sweeps after each of them; they keep the energy and move the lattice along.
    method
        ``"heat_bath"`` or ``"metropolis"``.
    """

    T: float
    sweeps: int
    over_relaxation: int = 4
    method: Method = "heat_bath"

    def __post_init__(self) -> None:
        if not (np.isfinite(self.T) and self.T >= 0):
            raise SimulationError(f"Stage: expected a temperature T >= 0 in units of J / k_B, found {self.T!r}.")
        for name in ("sweeps", "over_relaxation"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 0:
                raise SimulationError(f"Stage: expected a number of {name} sweeps >= 0, found {value!r}.")
        if self.method not in get_args(Method):
            raise SimulationError(f"Stage: expected a method of {get_args(Method)}, found {self.method!r}.")


@dataclass(frozen=True)
class Schedule:
    """Stages run one after the other; iterating gives them.

    Examples
    --------
    >>> from skylattice.simulation.schedule import Schedule
    >>> schedule = Schedule.geometric(start=1.0, stop=0.006)
    >>> len(schedule.stages), schedule.stages[-1]
    (60, Stage(T=0.006, sweeps=20, over_relaxation=4, method='heat_bath'))
    >>> schedule.updates_per_site
    6000
    """

    stages: tuple[Stage, ...]

    def __post_init__(self) -> None:
        if not self.stages:
            raise SimulationError("Schedule: expected at least one stage, found none.")

    def __iter__(self) -> Iterator[Stage]:
        return iter(self.stages)

    @classmethod
    def geometric(
        cls,
        start: float = 1.0,
        stop: float = 0.006,
        *,
        steps: int = 60,
        sweeps: int = 20,
        over_relaxation: int = 4,
        method: Method = "heat_bath",
    ) -> Schedule:
        """Temperatures in geometric progression from ``start`` to ``stop``, both included.

        With ``stop`` 0, the last stage is at 0 and the one before it at 0.001.

        The defaults anneal a 200×200 skyrmion lattice to the tens of defects of the thesis' ensemble.

        Raises
        ------
        SimulationError, SchemaError
            Unless start > 0, stop >= 0 and steps is at least 1.
        """
        start, stop = (float(check_coordinate("T", value)) for value in (start, stop))
        if not start > 0:
            raise SimulationError(f"Schedule.geometric: expected start > 0, found {start!r}.")
        steps = whole("steps", steps, least=1)
        if stop == 0:  # no ratio leads there: the last stage is at 0, the others as far as the fields of spins are felt
            temperatures = [*np.geomspace(start, min(start, _COLD), steps - 1), 0.0]
        else:
            temperatures = list(np.geomspace(start, stop, steps)) if steps > 1 else [stop]
        return cls.through(temperatures, sweeps=sweeps, over_relaxation=over_relaxation, method=method)

    @classmethod
    def through(
        cls,
        temperatures: Sequence[float] | np.ndarray,
        *,
        sweeps: int = 20,
        over_relaxation: int = 4,
        method: Method = "heat_bath",
    ) -> Schedule:
        """The same number of sweeps at each of the given temperatures."""
        return cls(tuple(Stage(float(T), sweeps, over_relaxation, method) for T in temperatures))

    @property
    def T(self) -> float:
        """Temperature of the last stage, at which the lattices are left."""
        return self.stages[-1].T

    @property
    def updates_per_site(self) -> int:
        """How often each spin is updated."""
        return sum(stage.sweeps * (1 + stage.over_relaxation) for stage in self.stages)

    def to_json(self) -> str:
        """One line of JSON, kept with the ensemble."""
        return json.dumps([asdict(stage) for stage in self.stages])

    @classmethod
    def from_json(cls, text: str) -> Schedule:
        """Read what :meth:`to_json` wrote."""
        return cls(tuple(Stage(**stage) for stage in json.loads(text)))

"""Two processes at once on one store, and a third that reads it: nothing lost, nothing mixed up, nothing half."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.commands import analyse, nothing, plant, simulate
from harness.crash import finish, forked, start, value_of
from harness.state import State, differences, look
from skylattice.errors import SkylatticeError
from skylattice.io.results import match, open_results
from skylattice.io.store import open_ensemble
from skylattice.schema import STATUS

Action = Callable[[Path], Any]


@dataclass(frozen=True)
class Race:
    """Two writers and what they start from; ``order`` is how they run one after the other."""

    prepare: Action
    one: Action
    other: Action
    results_may_vary: bool = False


def _grow_D(folder: Path) -> None:
    simulate(folder, (0.35, 0.4, 0.5, 0.55), (0.1,))


def _grow_B(folder: Path) -> None:
    simulate(folder, (0.4, 0.5), (0.1, 0.15, 0.2))


def _grow_through_link(folder: Path) -> None:
    link = folder / ".elsewhere"
    link.mkdir(exist_ok=True)
    if not (link / "e.zarr").is_symlink():
        (link / "e.zarr").symlink_to(folder / "e.zarr")
    _grow_B(link)


def _analyse_e(folder: Path) -> None:
    analyse(folder, "e")


RACES = {
    "same grid": Race(nothing, simulate, simulate),
    "growing grids": Race(simulate, _grow_D, _grow_B),
    "through a symlink": Race(simulate, _grow_D, _grow_through_link),
    "two analyses": Race(plant, analyse, analyse),
    "analysis during simulation": Race(simulate, _grow_D, _analyse_e, results_may_vary=True),
}


class RaceTrial:
    """A race, and what its two writers make one after the other."""

    def __init__(self, name: str) -> None:
        self.race = RACES[name]
        self.root = Path(tempfile.mkdtemp(prefix="harness-race-"))
        (self.root / "start").mkdir()
        self.before: State = value_of(forked(_run, [self.race.prepare], self.root / "start"))
        shutil.copytree(self.root / "start", self.root / "whole")
        self.after: State = value_of(forked(_run, [self.race.one, self.race.other], self.root / "whole"))

    def __enter__(self) -> RaceTrial:
        return self

    def __exit__(self, *reason: Any) -> None:
        shutil.rmtree(self.root)

    def run(self, delay: float) -> str:
        """Both at once, the other so many seconds later; returns what went wrong, or nothing."""
        folder = self.root / "try"
        shutil.copytree(self.root / "start", folder)
        (folder / ".over").unlink(missing_ok=True)
        allowed = (self.before, self.after)
        try:
            reader = start(_keep_looking, folder, *allowed, self.race.results_may_vary)
            writers = [start(_write, action, folder, pause) for action, pause in _paused(self.race, delay)]
            problems = [text for writer in writers for text in _refused(finish(writer))]
            (folder / ".over").touch()
            for answer in (finish(reader), forked(_settle, self.race, folder, self.after)):
                problems += answer.get("value", [answer.get("error", "")])
            return "; ".join(problems[:3])
        finally:
            shutil.rmtree(folder)


def _paused(race: Race, delay: float) -> list[tuple[Action, float]]:
    return [(race.one, max(0.0, -delay)), (race.other, max(0.0, delay))]


def _run(actions: list[Action], folder: Path) -> State:
    for action in actions:
        action(folder)
    return look(folder)


def _write(action: Action, folder: Path, pause: float) -> None:
    time.sleep(pause)
    action(folder)


def _refused(answer: dict[str, Any]) -> list[str]:
    """A writer may be told that another one is there, or was faster; nothing else."""
    error = answer.get("error", "")
    if not error or "another writer is at" in error or "exists already" in error:
        return []
    return [f"a writer: {error}"]


def _keep_looking(folder: Path, before: State, after: State, results_may_vary: bool) -> list[str]:
    problems: list[str] = []
    while not problems and not os.path.exists(folder / ".over"):
        found = look(folder)
        if results_may_vary:
            found = {key: value for key, value in found.items() if "results" not in key and ".csv" not in key}
            problems += _promises(folder)
        problems += [f"a reader sees {text}" for text in differences(found, before, after)]
    return problems


def _promises(folder: Path) -> list[str]:
    """Lattices that results call done, and that have none."""
    if not (folder / "e.results.zarr" / "observables").exists():
        return []
    results, _ = match(open_results(folder / "e.zarr", "observables").load(), open_ensemble(folder / "e.zarr"))
    done = results["status"].values == STATUS["done"]
    return ["results are done and NaN"] if np.isnan(results["energy"].values[done]).any() else []


def _settle(race: Race, folder: Path, after: State) -> list[str]:
    """Both commands once more, one after the other: the undisturbed result."""
    problems = []
    if race.results_may_vary:
        problems += _promises(folder)
    else:
        found, wanted = (
            {key: value for key, value in state.items() if key.startswith("e.zarr")} for state in (look(folder), after)
        )
        problems += [f"afterwards, {text}" for text in differences(found, wanted)]
    for action in (race.one, race.other):
        try:
            action(folder)
        except SkylatticeError as error:
            problems.append(f"run again: {error}")
    return problems + [f"run again, {text}" for text in differences(look(folder), after, complete=True)]

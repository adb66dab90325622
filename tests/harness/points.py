"""Crash points: a command dies at its k-th file operation, readers look, the same command runs again."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.commands import COMMANDS, Command
from harness.crash import Operations, forked, value_of
from harness.state import State, differences, look
from skylattice.errors import SkylatticeError


class Trial:
    """A command undisturbed: what it starts from, what it makes, and which file operations it does."""

    def __init__(self, name: str) -> None:
        self.name, self.command = name, COMMANDS[name]
        self.root = Path(tempfile.mkdtemp(prefix=f"harness-{name}-"))
        (self.root / "start").mkdir()
        self.before: State = value_of(forked(_prepared, self.command, self.root / "start"))
        shutil.copytree(self.root / "start", self.root / "whole")
        self.after, self.operations = value_of(forked(_counted, self.command, self.root / "whole"))

    def __enter__(self) -> Trial:
        return self

    def __exit__(self, *reason: Any) -> None:
        shutil.rmtree(self.root)

    def die_at(self, k: int) -> str:
        """Die at the k-th operation, from 1; returns what went wrong, or nothing."""
        folder = self.root / "try"
        shutil.copytree(self.root / "start", folder)
        try:
            died = forked(_dying, self.command, folder, k)
            if not died.get("dead"):
                return "" if "value" in died else f"before it died: {died['error']}"
            answer = forked(_survived, self.command, folder, self.before, self.after)
            problems = answer.get("value", [answer.get("error", "")])
            return "; ".join(problems[:3])
        finally:
            shutil.rmtree(folder)


def sample(n_operations: int, n_wanted: int | None) -> Iterator[int]:
    """All operations from 1, or so many of them evenly spaced, with the first and the last."""
    if n_wanted is None or n_wanted >= n_operations:
        yield from range(1, n_operations + 1)
    else:
        yield from sorted({1 + round(i * (n_operations - 1) / max(1, n_wanted - 1)) for i in range(n_wanted)})


def _prepared(command: Command, folder: Path) -> State:
    command.prepare(folder)
    return look(folder)


def _counted(command: Command, folder: Path) -> tuple[State, list[str]]:
    operations = Operations(folder)
    command.run(folder)
    names = list(operations.names)
    return look(folder), names


def _dying(command: Command, folder: Path, k: int) -> None:
    Operations(folder, die_at=k)
    command.run(folder)


def _survived(command: Command, folder: Path, before: State, after: State) -> list[str]:
    problems = [f"a reader sees {text}" for text in differences(look(folder), before, after)]
    try:
        command.run(folder)
    except SkylatticeError as error:
        if not (command.is_once and "exists already" in str(error)):
            return [*problems, f"run again: {error}"]
    return problems + [f"run again, {text}" for text in differences(look(folder), after, complete=True)]

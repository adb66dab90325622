"""Die at the k-th file operation: how every crash point of a command is made to happen."""

from __future__ import annotations

import builtins
import io
import json
import os
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: Exit status of a process that died as it was told to.
DEAD = 77
#: Operations on names that Python tells an audit hook of.
_NAMED = {"os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.link", "os.symlink", "os.chmod", "os.utime"}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


class Operations:
    """Counts what this process does to files below a folder from now on, and ends the process at one of them.

    Renames, new and removed names, and files opened to be written are seen by an audit hook; what hooks do not see
    (writes, fsync, the exchange of two folders) by wrapping it. A write at which the process dies is half done.
    """

    def __init__(self, folder: Path, die_at: int | None = None) -> None:
        self.folder, self.die_at, self.names = os.path.realpath(folder), die_at, list[str]()
        self._lock = threading.Lock()  # zarr writes from several threads
        sys.addaudithook(self._hook)
        self._wrap()

    def step(self, what: str, before_death: Callable[[], Any] | None = None) -> None:
        """One operation: the process ends here if it is the one."""
        with self._lock:
            self.names.append(what)
            if len(self.names) == self.die_at:
                if before_death is not None:
                    before_death()
                os._exit(DEAD)

    def _is_here(self, path: Any) -> bool:
        if isinstance(path, int):
            path = os.readlink(f"/proc/self/fd/{path}")
        return isinstance(path, str | bytes | os.PathLike) and os.fsdecode(path).startswith(self.folder)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if isinstance(flags, int) and flags & _WRITES and not isinstance(path, int) and self._is_here(path):
                self.step(f"open {self._short(path)}")
        elif event in _NAMED and self._is_here(arguments[0]):
            self.step(f"{event.removeprefix('os.')} {self._short(arguments[0])}")

    def _short(self, path: Any) -> str:
        return os.fsdecode(path).removeprefix(self.folder)

    def _wrap(self) -> None:
        original_open, original_fsync = io.open, os.fsync

        def opened(file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
            result = original_open(file, mode, *arguments, **options)
            return _Writer(result, self) if set(mode) & set("wax+") and self._is_here(file) else result

        def fsync(handle: int) -> None:
            self.step("fsync")
            original_fsync(handle)

        io.open = builtins.open = opened  # type: ignore[assignment]
        os.fsync = fsync  # type: ignore[assignment]
        from skylattice.io import atomic

        original_exchange = atomic._exchanged

        def exchanged(one: Path, other: Path) -> bool:
            self.step(f"exchange {self._short(other)}")
            return original_exchange(one, other)

        atomic._exchanged = exchanged


class _Writer:
    """A file whose writes are counted."""

    def __init__(self, file: Any, operations: Operations) -> None:
        self._file, self._operations = file, operations

    def write(self, data: Any) -> int:
        def half() -> None:
            self._file.write(data[: len(data) // 2])
            self._file.flush()

        self._operations.step("write", half)
        return self._file.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> _Writer:
        self._file.__enter__()
        return self

    def __exit__(self, *reason: Any) -> Any:
        return self._file.__exit__(*reason)


def start(function: Callable[..., Any], *arguments: Any) -> tuple[int, int]:
    """Call a function in a forked child; returns its process id and the pipe that its result comes through."""
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        return child, reading
    status = 1
    try:
        os.close(reading)
        answer = {"value": function(*arguments)}
        status = 0
    except BaseException as error:
        answer = {"error": f"{type(error).__name__}: {error}", "trace": traceback.format_exc()}
    try:
        with open(writing, "w") as pipe:
            json.dump(answer, pipe)
    finally:
        os._exit(status)


def finish(started: tuple[int, int]) -> dict[str, Any]:
    """Wait for a child: its ``value``, or its ``error``; ``dead`` if it died as it was told to."""
    child, reading = started
    with open(reading) as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code == DEAD:
        return {"dead": True}
    return json.loads(text) if text else {"error": f"the process ended with status {code}"}


def forked(function: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
    """Call a function in a forked child and wait for it."""
    return finish(start(function, *arguments))


def value_of(answer: dict[str, Any]) -> Any:
    """What a child has returned; raises what it has raised."""
    if "value" not in answer:
        raise AssertionError(answer.get("trace", answer.get("error")))
    return answer["value"]

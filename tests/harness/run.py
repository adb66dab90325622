"""Run the harness, or go on with it: ``PYTHONPATH=tests python -m harness.run``; a table goes to benchmarks/results."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "benchmarks" / "results" / "robustness.json"
DOCS = ROOT / "docs" / "robustness.md"
_BEGIN, _END = "<!-- robustness: begin -->", "<!-- robustness: end -->"
#: Crash points of each command that are tried before more of another.
_SHARES = (6, 20, 60, 200, 10**6)
_PARTS = ("workers", "scheduler", "driver")


def outcomes(known: set[str], options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Every trial that is not known yet: ``what``, ``trial``, and ``problem``, "" where nothing is lost."""
    from harness.commands import COMMANDS, warm_up
    from harness.points import Trial, sample
    from harness.races import RACES, RaceTrial

    with tempfile.TemporaryDirectory(prefix="harness-warm-") as folder:
        warm_up(Path(folder))
    with ExitStack() as stack:
        trials = {name: stack.enter_context(Trial(name)) for name in options.commands or COMMANDS}
        for share in _SHARES:  # so that a run that is cut off has tried something of each
            for name, trial in trials.items():
                wanted = options.points or COMMANDS[name].sample or len(trial.operations)
                for k in sample(len(trial.operations), min(share, wanted)):
                    if f"{name} {k}" not in known:
                        known.add(f"{name} {k}")
                        facts = {"what": f"crash: {name}", "trial": f"{name} {k}", "where": trial.operations[k - 1]}
                        yield facts | {"problem": trial.die_at(k)}
    delays = np.random.default_rng(0).uniform(-0.4, 0.4, (max(options.races, 1), len(RACES)))
    with ExitStack() as stack:
        races = [(name, stack.enter_context(RaceTrial(name))) for name in (RACES if options.races else ())]
        for k in range(options.races):
            for delay, (name, race) in zip(delays[k], races, strict=True):
                if f"{name} {k}" not in known:
                    yield {"what": f"race: {name}", "trial": f"{name} {k}", "problem": race.run(float(delay))}


def damaged(known: set[str], n: int) -> Iterator[dict[str, Any]]:
    """So many damaged files of a small store."""
    from harness import damage

    if n:
        yield from damage.outcomes(known, n)


def killed(known: set[str], n_kills: int) -> Iterator[dict[str, Any]]:
    """Local clusters until so many processes were killed."""
    from harness import kills

    session, so_far = 0, sum(int(trial.split("=")[1]) for trial in known if trial.startswith("kills"))
    while so_far < n_kills and session < 30:
        answer = kills.run(min(15, n_kills - so_far), seed=int(time.time()))
        total = sum(answer["kills"].values())
        so_far, session = so_far + total, session + 1
        yield {"what": "kill", "trial": f"kills {time.time():.0f}={total}", **answer}


def tabulate(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows "what | tries | survived"; a session of kills counts each of them."""
    rows: dict[str, dict[str, Any]] = {}
    problems = defaultdict(list)
    for one in found:
        counts = {f"kill: {part}": one["kills"][part] for part in _PARTS} if "kills" in one else {one["what"]: 1}
        for what, n in counts.items():
            row = rows.setdefault(what, {"what": what, "tries": 0, "survived": 0})
            row["tries"] += n
            row["survived"] += 0 if one["problem"] else n
        if one["problem"]:
            problems[one["what"]].append(f"{one['trial']} ({one.get('where', '')}): {one['problem']}")
    for what, row in rows.items():
        if problems[what]:
            row["problems"] = problems[what][:5]
    return list(rows.values())


def main(arguments: list[str] | None = None) -> list[dict[str, Any]]:
    """Run, write the table, and return its rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", type=Path, help="file of outcomes, to go on where an earlier run stopped")
    parser.add_argument("--table", type=Path, default=TABLE)
    parser.add_argument("--commands", nargs="*", help="commands to die in; default: all")
    parser.add_argument("--points", type=int, help="crash points of each command; default: see COMMANDS")
    parser.add_argument("--races", type=int, default=42, help="of each kind")
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--damages", type=int, default=3000, help="files changed, cut or removed")
    options = parser.parse_args(arguments)
    os.environ["KERAS_BACKEND"] = "numpy"  # of this process alone: it starts no threads, and no network is run
    found = [json.loads(line) for line in options.state.read_text().splitlines()] if _there(options.state) else []
    known = {one["trial"] for one in found}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Damage comes last: reading starts threads, and crash points fork.
        for part in (outcomes(known, options), killed(known, options.kills), damaged(known, options.damages)):
            for one in part:
                found.append(one)
                if options.state:
                    with options.state.open("a") as file:
                        file.write(json.dumps(one) + "\n")
    rows = tabulate(found)
    options.table.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")
    if options.table == TABLE:
        DOCS.write_text(with_table(DOCS.read_text(), rows))
    return rows


def with_table(text: str, rows: list[dict[str, Any]]) -> str:
    """The page's text with its table written anew."""
    lines = ["| what | tries | survived |", "|---|---|---|"]
    lines += [f"| {row['what']} | {row['tries']} | {row['survived']} |" for row in rows]
    head, rest = text.split(_BEGIN)
    return "\n".join([head + _BEGIN, *lines, _END + rest.split(_END)[1]])


def _there(path: Path | None) -> bool:
    return path is not None and path.exists()


if __name__ == "__main__":
    for row in main():
        print(f"{row['what']:40} {row['tries']:6} {row['survived']:6}")
        for problem in row.get("problems", ()):
            print(f"    {problem}")

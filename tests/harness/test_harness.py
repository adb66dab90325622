"""A sample of the harness; ``-m long`` runs it all, and writes the table that docs/robustness.md shows."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.run import DOCS, TABLE, with_table

TESTS = Path(__file__).parents[1]


def run(*arguments):
    """Rows by what, of a run in a process of its own: it forks, and must have one thread."""
    table = Path(arguments[arguments.index("--table") + 1])
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    command = [sys.executable, "-m", "harness.run", *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {row["what"]: row for row in json.loads(table.read_text())}


def test_sample__of_crash_points_and_races_loses_nothing(tmp_path):
    commands = ["simulate", "extend", "import", "analyse", "re-analyse", "generate", "encode"]
    options = ["--points", 3, "--races", 1, "--kills", 0, "--damages", 0, "--table", tmp_path / "table.json"]
    rows = run(*options, "--commands", *commands)
    assert {f"crash: {name}" for name in commands} < set(rows)
    assert sum(row["tries"] for row in rows.values()) == 3 * len(commands) + 5
    for row in rows.values():
        assert row["survived"] == row["tries"], row


@pytest.mark.long
def test_all__of_it_loses_nothing(tmp_path):
    rows = run("--state", tmp_path / "state", "--table", tmp_path / "table.json")
    for kind, least in (("flip", 1500), ("crash", 500), ("race", 200), ("kill", 60)):
        assert sum(row["tries"] for what, row in rows.items() if what.startswith(kind)) >= least
    for row in rows.values():
        assert row["survived"] == row["tries"], row


def test_docs__show_the_table_of_the_last_run():
    text = DOCS.read_text()
    assert with_table(text, json.loads(TABLE.read_text())) == text


def test_harness__finds_what_is_not_whole(tmp_path):
    """With a store that is made in place, as in 0.1, there are crash points that do not survive."""
    code = (
        "import contextlib, sys\n"
        "from pathlib import Path\n"
        "from skylattice.io import atomic, writing\n"
        "@contextlib.contextmanager\n"
        "def in_place(target, **options):\n"
        "    target.mkdir(parents=True, exist_ok=True)\n"
        "    yield target\n"
        "writing.new_folder = in_place\n"
        "from harness import run\n"
        "rows = run.main(sys.argv[1:])\n"
    )
    table = tmp_path / "table.json"
    options = [
        "--commands",
        "simulate",
        "--points",
        "8",
        "--races",
        "0",
        "--kills",
        "0",
        "--damages",
        "0",
        "--table",
        str(table),
    ]
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    subprocess.run([sys.executable, "-c", code, *options], env=environment, check=True, capture_output=True)
    (row,) = json.loads(table.read_text())
    assert row["survived"] < row["tries"]

"""Run the benchmarks, keep a digest in benchmarks/results/, and put its table into the README.

python benchmarks/run.py [PYTEST ARGUMENTS]      run, and replace the digests of what ran
python benchmarks/run.py --table                 only write the README's table again
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "results.json"
BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"


def run(arguments: list[str]) -> None:
    """Run pytest-benchmark and merge its medians into the digest."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        subprocess.run(
            [sys.executable, "-m", "pytest", "-q", str(ROOT / "benchmarks"), f"--benchmark-json={report}", *arguments],
            check=True,
            cwd=ROOT,
        )
        found = json.loads(report.read_text())
    merge(found)


def merge(found: dict) -> None:
    """Replace the digests of the benchmarks in a report of pytest-benchmark."""
    digest = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"benchmarks": {}}
    digest["machine"] = {
        "processor": found["machine_info"]["cpu"]["brand_raw"],
        "cores": found["machine_info"]["cpu"]["count"],
        "python": platform.python_version(),
        **{name: version(name) for name in ("numpy", "numba")},
    }
    for benchmark in found["benchmarks"]:
        name = benchmark["fullname"].removeprefix("benchmarks/")
        digest["benchmarks"][name] = {"median_s": benchmark["stats"]["median"], **benchmark["extra_info"]}
    RESULTS.write_text(json.dumps(digest, indent=1, sort_keys=True) + "\n")


def table(digest: dict) -> str:
    """Markdown: one row per benchmark, its rate, and its ratio to the plain way."""
    machine = digest["machine"]
    rows = [
        f"Medians on {machine['processor']}, {machine['cores']} cores, Python {machine['python']}, "
        f"numba {machine['numba']} (`make bench`):",
        "",
        "| benchmark | rate | against the plain way |",
        "|---|---|---|",
    ]
    for name, result in sorted(digest["benchmarks"].items()):
        label = name.split("::")[-1].removeprefix("test_").replace("_", " ")
        rate = f"{quantity(result['rate'])} {result['unit']}" if "rate" in result else f"{result['median_s']:.3g} s"
        ratio = f"{result['ratio']:.3g} × {result.get('baseline', '')}" if "ratio" in result else ""
        rows.append(f"| {label} | {rate} | {ratio} |")
    return "\n".join(rows)


def quantity(value: float) -> str:
    """Three digits, with millions and billions written out."""
    for size, name in ((1e9, "billion"), (1e6, "million")):
        if value >= size:
            return f"{value / size:.3g} {name}"
    return f"{value:.3g}"


def write_table() -> None:
    """Put the table between the README's markers."""
    readme = ROOT / "README.md"
    text = readme.read_text()
    head, rest = text.split(BEGIN)
    tail = rest.split(END)[1]
    readme.write_text(f"{head}{BEGIN}\n{table(json.loads(RESULTS.read_text()))}\n{END}{tail}")


if __name__ == "__main__":
    if sys.argv[1:] != ["--table"]:
        run(sys.argv[1:])
    write_table()

"""Run the benchmarks, keep a digest in benchmarks/results/, and put tables into the README.

python benchmarks/run.py [PYTEST ARGUMENTS]      run, and replace the digests of what ran
python benchmarks/run.py --table                 only write the README's tables again
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


def benchmarks_table() -> str:
    """Markdown: one row per benchmark, its rate, and its ratio to the plain way."""
    digest = json.loads(RESULTS.read_text())
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


def models_table() -> str:
    """Markdown: one row per shipped model, its error on test lattices beside the thesis' for the same C_KL."""
    from skylattice.study.thesis import TEST_MSE, published
    from skylattice.vae import shipped

    rows = [
        "| model | C_KL | encoded | MSE, unseen (D, B) | MSE, unseen seeds | thesis |",
        "|---|---|---|---|---|---|",
    ]
    for name, document in shipped():
        metrics, beta = document["metadata"]["metrics"], document["spec"]["beta"]
        errors = f"{metrics['test_mse']:.4f} | {metrics['test_seeds_mse']:.4f}"
        thesis = published(TEST_MSE, beta)
        rows.append(f"| `{name}` | {beta:g} | {metrics['kl']:.0f} nats | {errors} | {thesis or ''} |")
    return "\n".join(rows)


def learning_table() -> str:
    """Markdown: short trainings of as many steps, by the number of lattices and the size of the global part."""
    learning = json.loads(RESULTS.with_name("learning.json").read_text())
    rows = [
        "| training lattices | global part | test MSE | training MSE | encoded | R² of Q | R² of M_z | R² of D |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for run in learning["runs"]:
        errors = f"{run['test_mse']:.4f} | {run['train_mse']:.4f} | {run['kl']:.0f} nats"
        probes = " | ".join(f"{run[f'probe_{name}']:.2f}" for name in ("Q", "m_z", "D"))
        rows.append(f"| {run['n_train']} | {run['global']} of 500 | {errors} | {probes} |")
    return "\n".join(rows)


def refinement_table() -> str:
    """Markdown: errors of models on fresh lattices by their annealing, with codes refined or not."""
    models = json.loads(RESULTS.with_name("refinement.json").read_text())
    rows = ["| model | lattices, defects each | plain | `fast` | `best` | miscounted skyrmions, plain and `best` |"]
    rows.append("|---|---|---|---|---|---|")
    for name, measured in models.items():
        of = {(row["kind"], row["refine"]): row for row in measured["rows"]}
        for kind in dict.fromkeys(kind for kind, _ in of):
            found = [of.get((kind, refine)) for refine in (None, "fast", "best")]
            errors = " | ".join(f"{row['mse']:.4f}" if row else "" for row in found)
            miscounted = ", ".join(f"{row['miscounted']:.2f}" for row in (found[0], found[2]) if row)
            lattices = f"{found[0]['n']} of {kind}, {found[0]['n_defects']:.0f}"
            rows.append(f"| `{name}` | {lattices} | {errors} | {miscounted} |")
    return "\n".join(rows)


def generation_table() -> str:
    """Markdown: how lattices of each method compare with simulated ones."""
    import pandas as pd

    frame = pd.read_csv(RESULTS.with_name("generation_quality.csv"))
    rows = [
        "| lattices | defects | KS of defects | energy excess (10⁻³ J) | KS of energies | to the nearest | ms |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in frame.to_dict("records"):
        defects, energies = (
            f"{row[f'ks_{name}']:.2f} [{row[f'ks_{name} low']:.2f}, {row[f'ks_{name} high']:.2f}]"
            for name in ("defects", "energy")
        )
        excess, milliseconds = f"{1e3 * row['energy_excess']:.2f}", f"{row['ms_per_lattice']:.0f}"
        distance = f"{row['distance_to_data']:.3f}"
        cells = (row["lattices"], f"{row['n_defects']:.1f}", defects, excess, energies, distance, milliseconds)
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def particles_table() -> str:
    """Markdown: lattices of settled particles against simulated ones, by point."""
    rows = [
        "| D, b | defects, simulated and new | p: defects, energies, ψ6, N | told apart | nearest | ms, of |",
        "|---|---|---|---|---|---|",
    ]
    for point in json.loads(RESULTS.with_name("particles.json").read_text()):
        defects = " and ".join("{:.1f} ± {:.1f}".format(*point["n_defects"][kind]) for kind in ("data", "new"))
        names = ("n_defects", "energy", "hexatic_order", "n_skyrmions")
        p = ", ".join(f"{point[name]['p_holm']:.2f}" for name in names)
        accuracy, low, high = point["accuracy"]
        nearest = point["nearest"]["new to data"] / point["nearest"]["data to data"]
        times = f"{point['ms_per_lattice']:.0f}, {point['ms_simulation']:.0f}"
        told = f"{accuracy:.2f} [{low:.2f}, {high:.2f}]"
        rows.append(f"| {point['D']:g}, {point['b']:g} | {defects} | {p} | {told} | {nearest:.2f} | {times} |")
    return "\n".join(rows)


#: What stands between the README's markers.
TABLES = {
    "benchmarks": benchmarks_table,
    "models": models_table,
    "learning": learning_table,
    "refinement": refinement_table,
    "generation": generation_table,
    "particles": particles_table,
}


def with_tables(text: str) -> str:
    """The README's text with its tables written anew, each between <!-- NAME: begin --> and <!-- NAME: end -->."""
    for name, table in TABLES.items():
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        head, rest = text.split(begin)
        text = f"{head}{begin}\n{table()}\n{end}{rest.split(end)[1]}"
    return text


def write_tables() -> None:
    """Write the README's tables."""
    readme = ROOT / "README.md"
    readme.write_text(with_tables(readme.read_text()))


if __name__ == "__main__":
    if sys.argv[1:] != ["--table"]:
        run(sys.argv[1:])
    write_tables()

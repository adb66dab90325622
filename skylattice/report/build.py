"""The report: chapter 3 of the thesis for any ensemble and any models, as one page with tables beside it."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from skylattice.errors import SkylatticeError
from skylattice.report.sections import SECTIONS, Report, ensemble_section
from skylattice.study.chapter import Study
from skylattice.study.faults import listed

_PACKAGES = (
    "numpy",
    "numba",
    "scipy",
    "xarray",
    "zarr",
    "keras",
    "tensorflow-cpu",
    "tensorflow",
    "scikit-learn",
    "plotly",
)


def build_report(
    study: Study,
    path: str | os.PathLike[str],
    *,
    images: bool = False,
) -> Path:
    """Show a study on one page.

    Parameters
    ----------
    study
        From :func:`skylattice.study.chapter.run_study`. What it could not make is named on the page.
    path
        HTML file to write. Tables are written as ``tables/*.csv`` beside it.
    images
        Write the figures as PNG and SVG too, if kaleido is installed.

    Returns
    -------
    The path of the page.

    Raises
    ------
    MissingExtraError
        Without Plotly.
    """
    report = Report(study, Path(path), images and find_spec("kaleido") is not None)
    if images and not report.images:
        report.missing.append("Figures as PNG and SVG: kaleido is not installed.")
    _write_head(report)
    for title, section in SECTIONS.items():
        _add_section(report, title, section)
    _write_end(report)
    return report.page.write(report.path)


def _add_section(report: Report, title: str, section: Callable[[Report], None]) -> None:
    report.page.heading(title)
    if not report.study.records and section is not ensemble_section:
        report.page.text("Left out: no model could be used.")
        return
    try:
        section(report)
    except SkylatticeError as error:
        report.page.text(f"Left out: {error}")
        report.missing.append(f"{title}: {error}")


def _write_head(report: Report) -> None:
    ensemble = report.study.ensemble
    ny, nx = ensemble.size
    report.page.lead = (
        f"{len(ensemble)} skyrmion lattices of {ny}×{nx} sites from {ensemble.store.name}, "
        f"{len(report.study.records)} model(s). The thesis' number stands beside ours where it has one; "
        "numbers in brackets are "
        "95 % bootstrap intervals over lattices."
    )


def _write_end(report: Report) -> None:
    page = report.page.heading("What is missing")
    missing = [*(f"{part}: {reason}" for part, reason in report.study.missing.items()), *report.missing]
    if faults := report.study.ensemble.faults:
        missing += [f"{len(faults)} lattices of the store are left out:", *listed(faults)]
    for text in missing or ["Nothing."]:
        page.text(text)
    page.heading("What was run").code("\n".join(f"{name}: {value}" for name, value in _facts(report).items()))


def _facts(report: Report) -> dict[str, Any]:
    """Versions, seeds and identities: what it takes to make the same report again."""
    study = report.study
    facts: dict[str, Any] = {"store": study.ensemble.store.name, "seed": study.seed, "refine": study.refine}
    attrs = study.ensemble.ds.attrs
    facts |= {f"ensemble {name}": attrs[name] for name in ("seed", "software", "dmi", "handedness") if name in attrs}
    for name, record in report.study.records.items():
        facts[f"model {name}"] = (
            f"fingerprint {record.fingerprint}, {record.spec.preset}, C_KL {record.spec.beta:g}, "
            f"{int(record.is_train.sum())} training and {int(record.is_test.sum())} test lattices here"
        )
    facts["generated"] = f"{study.n_generated} for table 3.6, {study.n_quality} per row of the quality table"
    facts["python"] = f"{platform.python_version()} on {platform.machine()}"
    for package in _PACKAGES:
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            continue
    return facts

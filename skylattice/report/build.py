"""The report: chapter 3 of the thesis for any ensemble and any models, as one page with tables beside it."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from skylattice.errors import SkylatticeError
from skylattice.report.sections import SECTIONS, Report, ensemble_section
from skylattice.study.evaluation import evaluate_model, model_name, open_lattices

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
    store: str | os.PathLike[str],
    models: Sequence[str | os.PathLike[str]],
    path: str | os.PathLike[str],
    *,
    n_generated: int = 600,
    n_quality: int = 200,
    n_shown: int = 5,
    chosen: Sequence[tuple[float, float, int]] = (),
    max_train: int | None = None,
    images: bool = False,
    seed: int = 0,
    on_section: Callable[[str], None] | None = None,
) -> Path:
    """Write the report of an ensemble and models on it.

    What is costly (latents, errors, generated lattices) is kept in the result store beside the ensemble: a second run,
    or one that was interrupted, computes what is missing. A model that cannot be used, and a section that cannot be
    made, are named in the report instead.

    Parameters
    ----------
    store
        An ensemble store that was analysed (``skylattice analyse``).
    models
        Folders of models, or names of shipped ones.
    path
        HTML file to write. Tables are written as ``tables/*.csv`` beside it.
    n_generated
        Lattices for the thesis' table 3.6; 0 leaves generation out.
    n_quality
        Lattices for each row of the quality table; 0 leaves it out.
    n_shown
        Lattices in the pictures.
    chosen
        D, B and realization of the lattices to show instead of those that are picked from few to many defects.
    max_train
        Use so many training lattices at most.
    images
        Write the figures as PNG and SVG too, if kaleido is installed.
    seed
        Of all that is random.
    on_section
        Called with the name of each section before it is made.

    Returns
    -------
    The path of the page.

    Raises
    ------
    StoreError
        If the store cannot be read, was not analysed, or has no skyrmion lattice.
    MissingExtraError
        Without Plotly.
    """
    tell = on_section or (lambda _: None)
    report = Report(
        path=Path(path),
        ensemble=open_lattices(store),
        n_generated=n_generated,
        n_quality=n_quality,
        n_shown=n_shown,
        chosen=chosen,
        images=images and find_spec("kaleido") is not None,
        seed=seed,
    )
    if images and not report.images:
        report.missing.append("Figures as PNG and SVG: kaleido is not installed.")
    for model in models:
        name = model_name(model)
        tell(f"model {name}")
        try:
            report.records[name] = evaluate_model(report.ensemble, model, max_train=max_train, seed=seed)
            report.models[name] = os.fspath(model)
        except SkylatticeError as error:
            report.missing.append(f"Model {name}: {error}")
    _write_head(report)
    for title, section in SECTIONS.items():
        tell(title)
        _add_section(report, title, section)
    _write_end(report)
    return report.page.write(report.path)


def _add_section(report: Report, title: str, section: Callable[[Report], None]) -> None:
    report.page.heading(title)
    if not report.records and section is not ensemble_section:
        report.page.text("Left out: no model could be used.")
        return
    try:
        section(report)
    except SkylatticeError as error:
        report.page.text(f"Left out: {error}")
        report.missing.append(f"{title}: {error}")


def _write_head(report: Report) -> None:
    ensemble = report.ensemble
    ny, nx = ensemble.size
    report.page.lead = (
        f"{len(ensemble)} skyrmion lattices of {ny}×{nx} sites from {ensemble.store.name}, "
        f"{len(report.records)} model(s). The thesis' number stands beside ours where it has one; "
        "numbers in brackets are "
        "95 % bootstrap intervals over lattices."
    )


def _write_end(report: Report) -> None:
    page = report.page.heading("What is missing")
    page.text("Nothing." if not report.missing else "")
    for text in report.missing:
        page.text(text)
    page.heading("What was run").code("\n".join(f"{name}: {value}" for name, value in _facts(report).items()))


def _facts(report: Report) -> dict[str, Any]:
    """Versions, seeds and identities: what it takes to make the same report again."""
    facts: dict[str, Any] = {"store": report.ensemble.store.name, "seed": report.seed}
    attrs = report.ensemble.ds.attrs
    facts |= {f"ensemble {name}": attrs[name] for name in ("seed", "software", "dmi", "handedness") if name in attrs}
    for name, record in report.records.items():
        facts[f"model {name}"] = (
            f"fingerprint {record.fingerprint}, {record.spec.preset}, C_KL {record.spec.beta:g}, "
            f"{int(record.is_train.sum())} training and {int(record.is_test.sum())} test lattices here"
        )
    facts["generated"] = f"{report.n_generated} for table 3.6, {report.n_quality} per row of the quality table"
    facts["python"] = f"{platform.python_version()} on {platform.machine()}"
    for package in _PACKAGES:
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            continue
    return facts

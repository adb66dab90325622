"""The sections of the report, one function each: tables and figures of the thesis' chapter 3."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from skylattice.io.guard import replacing
from skylattice.report import evaluation_figures, latent_figures, pictures
from skylattice.report.page import Page
from skylattice.study import tables
from skylattice.study.chapter import Study

if TYPE_CHECKING:
    import plotly.graph_objects as go


@dataclass
class Report:
    """A report being written: a study, and the page that shows it.

    Attributes
    ----------
    study
        What was computed.
    path
        Of the page; tables go to ``tables/`` and, if asked for, figures to ``figures/`` beside it.
    images
        Write figures as PNG and SVG.
    missing
        What could not be shown, and why.
    """

    study: Study
    path: Path
    images: bool
    missing: list[str] = field(default_factory=list)
    page: Page = field(default_factory=lambda: Page("Skyrmion lattices and their latent space"))

    def leave_out(self, part: str) -> None:
        """Say on the page why a part of the study could not be made."""
        self.page.text(f"Left out: {self.study.missing[part]}")

    def table_of_study(self, name: str, *, decimals: int = 4) -> None:
        """Put a table that the study made on the page, or say why it could not."""
        if name in self.study.tables:
            self.table(name, self.study.tables[name], decimals=decimals)
        else:
            self.leave_out(f"Table {name}")

    def table(self, name: str, frame: pd.DataFrame, *, decimals: int = 4) -> None:
        """Put a table on the page and, with all digits, beside it as ``tables/NAME.csv``."""
        folder = self.path.parent / "tables"
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / f"{name}.csv") as file:
            tables.as_numbers(frame).to_csv(file, index=False)
        self.page.table(tables.as_text(frame), decimals=decimals)

    def figure(self, name: str, figure: go.Figure) -> None:
        """Put a figure on the page and, if asked for, beside it as ``figures/NAME.png`` and ``.svg``."""
        self.page.figure(figure)
        if self.images:
            folder = self.path.parent / "figures"
            folder.mkdir(parents=True, exist_ok=True)
            for ending in ("png", "svg"):
                figure.write_image(folder / f"{name}.{ending}", width=1100)


def ensemble_section(report: Report) -> None:
    """The lattices, and how D, Q and M_z go together in them."""
    frame = report.study.ensemble.frame
    report.page.text(
        f"D from {frame['D'].min():g} to {frame['D'].max():g} J, B from {frame['B'].min():g} to "
        f"{frame['B'].max():g} J, "
        f"mean M_z {frame['m_z'].mean():.3f} (thesis: about 0.49), {frame['n_defects'].mean():.1f} "
        "defects per lattice, "
        f"{(frame['n_defects'] == 0).mean():.0%} of the lattices without any. Correlations over all of them:"
    )
    report.table_of_study("ensemble_correlations")
    report.page.text(
        "The thesis concludes from these that M_z and Ẑ0 are correlated independently of D. The column "
        "'given D' holds "
        "D fixed."
    )


def reconstruction_section(report: Report) -> None:
    """Tables 3.1 and 3.2, and the distributions of the errors (Picture 3.5)."""
    both = [name for name, record in report.study.records.items() if (record.frame["part"] == "both").any()]
    if both:
        report.page.text(
            f"{', '.join(both)}: trained on another ensemble, so every lattice here is new to it and serves as test "
            "lattice; where latents of training lattices are needed, these serve as well."
        )
    report.page.text("Tables 3.1 and 3.2. MSE is the mean over sites and components; energies in J per site.")
    report.table_of_study("reconstruction", decimals=5)
    report.figure("errors", evaluation_figures.error_histograms(report.study.frames))


def pictures_section(report: Report) -> None:
    """Lattices beside their reconstructions (Pictures 3.6 to 3.12)."""
    found = report.study.pictures
    if found is None:
        report.leave_out("Lattices")
        return
    record = report.study.best
    of_lattice = record.frame.iloc[found.rows]
    labels = [f"{d:.0f} defects, MSE {e:.4f}" for d, e in zip(of_lattice["n_defects"], of_lattice["mse"], strict=True)]
    which = "Chosen lattices" if found.are_chosen else "Test lattices from the fewest to the most defects"
    report.page.text(
        f"{which}, reconstructed by {record.name}, the model of the lowest test MSE (Pictures 3.6 to 3.9). Mesh and "
        "defects are those of the input: blue has fewer, yellow more than six neighbours. Errors are coloured on a "
        "logarithmic scale."
    )
    shown = found.by_model[record.name]
    report.figure("reconstructions", pictures.reconstructions(shown, labels))
    report.figure("fields", pictures.fields(shown))
    report.figure("energies", pictures.energies(shown))
    report.figure("artefacts", pictures.artefacts(shown))
    report.page.text("The lattices with the most defects, by all models (Pictures 3.10 to 3.12).")
    report.figure("comparison", pictures.comparison(found.by_model, range(len(found.rows))[-2:]))
    report.figure("detail", pictures.detail(found.by_model, len(found.rows) - 1))


def defects_section(report: Report) -> None:
    """Table 3.3 and Picture 3.13: errors and defects."""
    report.page.text(
        "Picture 3.13 and table 3.3. Averaging over all lattices with as many defects, as the thesis "
        "does, removes the "
        "scatter between lattices and so raises the correlation; the last two columns are over single lattices."
    )
    report.table_of_study("defects_and_error")
    report.figure("error_by_defects", evaluation_figures.error_by_defects(report.study.frames))


def anomalies_section(report: Report) -> None:
    """How well maps of the error find defects."""
    found = report.study.detectors
    if found is None:
        report.leave_out("Finding defects")
        return
    report.page.text(
        "Smoothed maps of the squared error and of the squared difference of cosθ, read at each skyrmion, as detectors "
        "of defects, scored against the triangulation. Baselines: 1 - |ψ6| from the positions alone, and the squared "
        f"error of a principal component analysis of the spins. By {report.study.best.name}, on test lattices."
    )
    report.table("anomaly_detectors", found.table, decimals=3)
    report.figure("detectors", evaluation_figures.detector_curves(found.curves))


def latent_space_section(report: Report) -> None:
    """Tables 3.4 and 3.5, Pictures 3.14 to 3.17: what the latent vectors know."""
    record = report.study.best
    report.page.text(
        "The latent vector of a periodic model is its local map, row by row and cell by cell, then the global part. "
        "Principal components are those of the test lattices' vectors, as in the thesis; the sign of "
        "each is such that "
        "it grows with Q. 'Torus-averaged' is the mean of the map over its cells and the global part, which no shift "
        "by whole cells changes."
    )
    report.figure("explained_variance", latent_figures.explained_variance(report.study.variance))
    report.table_of_study("explained_variance")
    frames = report.study.frames
    report.figure(
        "components",
        latent_figures.component_scatter(
            frames[record.name],
            ("D", "B", "m_z", "Q", "n_defects"),
            title=f"Test lattices over Ẑ0 and Ẑ1 of {record.name}",
        ),
    )
    report.figure("component_by_charge", latent_figures.component_by_charge(frames, title="Mean Ẑ0 by charge"))
    report.page.text(
        "Tables 3.4 and 3.5, with partial correlations at fixed D. Compare moduli: the thesis' signs are open."
    )
    report.table_of_study("components")
    report.page.text(
        "What a linear map reads off the latents: cross-validated R², whole (D, B) points held out. 1 "
        "is perfect, 0 is "
        "guessing the mean."
    )
    report.table_of_study("probes")


def generation_section(report: Report) -> None:
    """Table 3.6, Pictures 3.18 and 3.19: lattices generated as in the thesis, and by the learned density."""
    study = report.study
    if not study.n_generated:
        report.page.text("Left out: no lattices were to be generated.")
        return
    if study.generated is None:
        report.leave_out("Table 3.6")
    else:
        report.page.text(
            f"Table 3.6 over {study.n_generated} lattices per model, generated from the training set's mean μ and σ "
            "(equation 2.20). The thesis' have 68 to 161 defects on 200×200 sites."
        )
        report.table_of_study("generated")
        title = f"Lattices generated by {study.best.name}"
        of_best = study.generated[study.best.name]
        components = latent_figures.component_scatter(of_best, ("m_z", "Q", "n_defects"), title=title)
        report.figure("generated_components", components)
        title = "Ẑ0 and charge of generated lattices"
        charges = latent_figures.component_by_charge(study.generated, averaged=False, title=title)
        report.figure("generated_charge", charges)
    if study.examples is None:
        report.leave_out("Generated lattices")
        return
    for drawn in study.examples:
        how = "as in the thesis" if drawn.recipe.method == "thesis" else "from the learned prior, relaxed"
        report.figure(f"generated_{drawn.recipe.method}", pictures.generated(drawn, title=f"Generated {how}"))


def quality_section(report: Report) -> None:
    """How good generated lattices are, beside the data."""
    study = report.study
    if not study.n_quality:
        report.page.text("Left out: no lattices were to be generated.")
        return
    if study.quality is None:
        report.leave_out("Quality")
        return
    report.page.text(
        f"{study.n_quality} lattices per row, by {study.best.name}. 'data' compares one half of the ensemble with the "
        "other. Energy excess in J per site over the data at the same D and B; artefacts are sites with cosθ < 0.98; "
        "distances are mean squared differences to the nearest lattice, modulo translations, in the data and within "
        "the row: small ones mean copies. ks_* are Kolmogorov-Smirnov distances to the data with bootstrap intervals, "
        "which lie rather high: judge them against the data's own row. Relaxing is a quench of 300 updates per spin."
    )
    report.table("generation_quality", study.quality, decimals=5)


#: By title, in order; the first one needs no model.
SECTIONS: dict[str, Callable[[Report], None]] = {
    "The ensemble": ensemble_section,
    "Reconstruction": reconstruction_section,
    "Lattices and their reconstructions": pictures_section,
    "Defects and error": defects_section,
    "Finding defects by their error": anomalies_section,
    "Latent space": latent_space_section,
    "Generating lattices": generation_section,
    "How good generated lattices are": quality_section,
}

"""The sections of the report, one function each: tables and figures of the thesis' chapter 3."""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from skylattice.defects.detect import ample_capacity
from skylattice.report import evaluation_figures, latent_figures, pictures
from skylattice.report.page import Page
from skylattice.study import tables
from skylattice.study.evaluation import Ensemble, Record, in_batches

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from skylattice.vae.model import VAE


@dataclass
class Report:
    """A report being written.

    Attributes
    ----------
    path
        Of the page; tables go to ``tables/`` and, if asked for, figures to ``figures/`` beside it.
    ensemble, records, models
        The data, and by name the models on it; models that cannot be used are missing.
    n_generated, n_quality, n_shown
        Lattices generated for table 3.6, generated for each row of the quality table, and shown.
    chosen
        D, B and realization of the lattices to show; empty: test lattices from the fewest to the most defects.
    images
        Write figures as PNG and SVG.
    seed
        Of everything random.
    """

    path: Path
    ensemble: Ensemble
    n_generated: int
    n_quality: int
    n_shown: int
    chosen: Sequence[tuple[float, float, int]]
    images: bool
    seed: int
    records: dict[str, Record] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    page: Page = field(default_factory=lambda: Page("Skyrmion lattices and their latent space"))
    _networks: dict[str, VAE] = field(default_factory=dict)

    @property
    def best(self) -> Record:
        """The model of the lowest test MSE."""
        return min(self.records.values(), key=lambda record: record.test["mse"].mean())

    @property
    def frames(self) -> dict[str, pd.DataFrame]:
        """By model: rows of its test lattices with ``z0`` and ``z1``."""
        return {
            name: record.test.assign(z0=record.scores[record.is_test, 0], z1=record.scores[record.is_test, 1])
            for name, record in self.records.items()
        }

    def network(self, name: str) -> VAE:
        """A model, loaded once."""
        from skylattice.vae import artifact

        if name not in self._networks:
            self._networks[name] = artifact.load(self.models[name])
        return self._networks[name]

    def table(self, name: str, frame: pd.DataFrame, *, decimals: int = 4) -> None:
        """Put a table on the page and, with all digits, beside it as ``tables/NAME.csv``."""
        folder = self.path.parent / "tables"
        folder.mkdir(parents=True, exist_ok=True)
        tables.as_numbers(frame).to_csv(folder / f"{name}.csv", index=False)
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
    frame = report.ensemble.frame
    report.page.text(
        f"D from {frame['D'].min():g} to {frame['D'].max():g} J, B from {frame['B'].min():g} to "
        f"{frame['B'].max():g} J, "
        f"mean M_z {frame['m_z'].mean():.3f} (thesis: about 0.49), {frame['n_defects'].mean():.1f} "
        "defects per lattice, "
        f"{(frame['n_defects'] == 0).mean():.0%} of the lattices without any. Correlations over all of them:"
    )
    report.table("ensemble_correlations", tables.ensemble_table(frame))
    report.page.text(
        "The thesis concludes from these that M_z and Ẑ0 are correlated independently of D. The column "
        "'given D' holds "
        "D fixed."
    )


def reconstruction_section(report: Report) -> None:
    both = [name for name, record in report.records.items() if (record.frame["part"] == "both").any()]
    if both:
        report.page.text(
            f"{', '.join(both)}: trained on another ensemble, so every lattice here is new to it and serves as test "
            "lattice; where latents of training lattices are needed, these serve as well."
        )
    report.page.text("Tables 3.1 and 3.2. MSE is the mean over sites and components; energies in J per site.")
    report.table("reconstruction", tables.reconstruction_table(list(report.records.values())), decimals=5)
    report.figure("errors", evaluation_figures.error_histograms(report.frames))


def pictures_section(report: Report) -> None:
    record = report.best
    if report.chosen:
        chosen, which = pictures.find(record.frame, report.chosen), "Chosen lattices"
    else:
        rows = np.flatnonzero(record.is_test)
        chosen = rows[pictures.choose(record.frame.iloc[rows], report.n_shown)]
        which = "Test lattices from the fewest to the most defects"
    lattices = report.ensemble.ds.isel(sample=chosen)
    names = list(string.ascii_uppercase[: len(chosen)])
    shown = pictures.show(lattices, report.models[record.name], names)
    of_lattice = record.frame.iloc[chosen]
    labels = [f"{d:.0f} defects, MSE {e:.4f}" for d, e in zip(of_lattice["n_defects"], of_lattice["mse"], strict=True)]
    report.page.text(
        f"{which}, reconstructed by {record.name}, the model "
        "of the lowest test "
        "MSE (Pictures 3.6 to 3.9). Mesh and defects are those of the input: blue has fewer, yellow more than six "
        "neighbours. Errors are coloured on a logarithmic scale."
    )
    report.figure("reconstructions", pictures.reconstructions(shown, labels))
    report.figure("fields", pictures.fields(shown))
    report.figure("energies", pictures.energies(shown))
    report.figure("artefacts", pictures.artefacts(shown))
    every = {record.name: shown} | {
        name: pictures.show(lattices, report.models[name], names) for name in report.records if name != record.name
    }
    report.page.text("The lattices with the most defects, by all models (Pictures 3.10 to 3.12).")
    report.figure("comparison", pictures.comparison(every, range(len(chosen))[-2:]))
    report.figure("detail", pictures.detail(every, len(chosen) - 1))


def defects_section(report: Report) -> None:
    report.page.text(
        "Picture 3.13 and table 3.3. Averaging over all lattices with as many defects, as the thesis "
        "does, removes the "
        "scatter between lattices and so raises the correlation; the last two columns are over single lattices."
    )
    report.table("defects_and_error", tables.defect_error_table(list(report.records.values())))
    report.figure("error_by_defects", evaluation_figures.error_by_defects(report.frames))


def anomalies_section(report: Report) -> None:
    from skylattice.study.anomaly import BASELINE_LATTICES, anomaly_scores, roc_curves, score_detectors

    record = report.best
    test = np.flatnonzero(record.is_test)
    train = np.flatnonzero(record.frame["part"].to_numpy() == "train")[:BASELINE_LATTICES]
    lattices = report.ensemble.ds.isel(sample=test).compute()
    output = in_batches(lattices).sky.reconstruct(report.models[record.name])["spin"]
    training = report.ensemble.ds["spin"].isel(sample=train).values if len(train) else None
    scores = anomaly_scores(lattices, output.compute(), training)
    if scores["is_defect"].nunique() < 2:
        report.page.text("Left out: the test lattices have no defects to find.")
        return
    report.page.text(
        "Smoothed maps of the squared error and of the squared difference of cosθ, read at each "
        "skyrmion, as detectors of "
        "defects, scored against the triangulation. Baselines: 1 - |ψ6| from the positions alone, and "
        "the squared error "
        f"of a principal component analysis of the spins. By {record.name}, on test lattices."
    )
    report.table("anomaly_detectors", score_detectors(scores, seed=report.seed), decimals=3)
    report.figure("detectors", evaluation_figures.detector_curves(roc_curves(scores)))


def latent_space_section(report: Report) -> None:
    records = list(report.records.values())
    record = report.best
    report.page.text(
        "The latent vector of a periodic model is its local map, row by row and cell by cell, then the global part. "
        "Principal components are those of the test lattices' vectors, as in the thesis; the sign of "
        "each is such that "
        "it grows with Q. 'Torus-averaged' is the mean of the map over its cells and the global part, which no shift "
        "by whole cells changes."
    )
    report.figure(
        "explained_variance", latent_figures.explained_variance({p: record.pca(p) for p in ("train", "test")})
    )
    report.table("explained_variance", tables.variance_table(records))
    frames = report.frames
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
    report.table("components", tables.component_table(records))
    report.page.text(
        "What a linear map reads off the latents: cross-validated R², whole (D, B) points held out. 1 "
        "is perfect, 0 is "
        "guessing the mean."
    )
    report.table("probes", tables.probe_table(records, seed=report.seed))


def generation_section(report: Report) -> None:
    from skylattice.latent.generate import generate
    from skylattice.study.generation import thesis_experiment

    if not report.n_generated:
        report.page.text("Left out: no lattices were to be generated.")
        return
    generated = {
        name: thesis_experiment(report.ensemble, record, report.network(name), report.n_generated, seed=report.seed)
        for name, record in report.records.items()
    }
    report.page.text(
        f"Table 3.6 over {report.n_generated} lattices per model, generated from the training set's mean μ and σ "
        "(equation 2.20). The thesis' have 68 to 161 defects on 200×200 sites."
    )
    report.table("generated", tables.generated_table(list(report.records.values()), generated))
    record = report.best
    report.figure(
        "generated_components",
        latent_figures.component_scatter(
            generated[record.name], ("m_z", "Q", "n_defects"), title=f"Lattices generated by {record.name}"
        ),
    )
    report.figure(
        "generated_charge",
        latent_figures.component_by_charge(generated, averaged=False, title="Ẑ0 and charge of generated lattices"),
    )
    for method, relax in (("thesis", False), ("learned", True)):
        lattices = generate(
            record.latent_set,
            report.network(record.name),
            8 if method == "thesis" else 4,
            method=method,  # type: ignore[arg-type]
            relax=relax,
            T=float(report.ensemble.ds["T"]),
            hamiltonian=report.ensemble.ds.sky.hamiltonian,
            seed=report.seed,
        )
        counts = lattices.sky.defects(max_skyrmions=ample_capacity(record.size)).compute()
        labels = [
            f"M_z, {d:.0f} defects on {n:.0f}" for d, n in zip(counts["n_defects"], counts["n_skyrmions"], strict=True)
        ]
        how = "as in the thesis" if method == "thesis" else "from the learned prior, relaxed"
        report.figure(f"generated_{method}", pictures.generated(lattices, labels, title=f"Generated {how}"))


def quality_section(report: Report) -> None:
    from skylattice.study.generation import quality

    if not report.n_quality:
        report.page.text("Left out: no lattices were to be generated.")
        return
    record = report.best
    report.page.text(
        f"{report.n_quality} lattices per row, by {record.name}. 'data' compares one half of the "
        "ensemble with the other. "
        "Energy excess in J per site over the data at the same D and B; artefacts are sites with cosθ < "
        "0.98; distances "
        "are mean squared differences to the nearest lattice, modulo translations, in the data and "
        "within the row: small "
        "ones mean copies. ks_* are Kolmogorov-Smirnov distances to the data with bootstrap intervals, "
        "which lie rather "
        "high: judge them against the data's own row. Relaxing is a quench of 300 updates per spin."
    )
    report.table(
        "generation_quality",
        quality(report.ensemble, record, report.network(record.name), report.n_quality, seed=report.seed),
        decimals=5,
    )


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

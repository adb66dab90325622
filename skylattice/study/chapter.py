"""Chapter 3 of the thesis for any ensemble and any models: all of it computed here, for a report to show."""

from __future__ import annotations

import os
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pandas as pd

from skylattice.errors import SkylatticeError
from skylattice.latent.packing import Packing
from skylattice.latent.pca import PCA
from skylattice.latent.recipe import Recipe
from skylattice.study import anomaly, generation, shown, tables
from skylattice.study.evaluation import (
    Ensemble,
    Record,
    count_by_thesis_rule,
    evaluate_model,
    leave_out_faulty,
    model_name,
    open_lattices,
)
from skylattice.study.generation import Examples
from skylattice.study.shown import Shown

if TYPE_CHECKING:
    from skylattice.vae.model import VAE
    from skylattice.vae.refinement import Request

_T = TypeVar("_T")

#: Lattices generated for a look, and how: as in the thesis, and by the learned density.
_EXAMPLES = ((8, Recipe("thesis")), (4, Recipe("learned", relax=True)))


@dataclass(frozen=True)
class Pictures:
    """Lattices shown with their reconstructions by every model.

    Attributes
    ----------
    rows
        Of the lattices in the ensemble's frame.
    are_chosen
        Whether the user named them; else they are test lattices of the best model, from few to many defects.
    by_model
        The best model first.
    """

    rows: np.ndarray
    are_chosen: bool
    by_model: dict[str, Shown]


@dataclass(frozen=True)
class Detectors:
    """How well error maps find defects: a table of scores, and the curves behind them."""

    table: pd.DataFrame
    curves: pd.DataFrame


@dataclass(frozen=True)
class Study:
    """What was computed of an ensemble and models. Parts that could not be made are None, and ``missing`` says why.

    Attributes
    ----------
    ensemble, records
        The data, and by name the models on it; models that cannot be used are missing.
    n_generated, n_quality, seed, refine
        What was asked for.
    tables
        By name, from :mod:`skylattice.study.tables`; those that could not be made are missing.
    frames
        By model: rows of its test lattices with ``z0`` and ``z1``, their first two principal components.
    variance
        Principal components of the best model's latents of ``"train"`` and of ``"test"``.
    pictures, detectors
        By all models, and by the best one.
    generated
        By model: lattices drawn as in the thesis, for table 3.6.
    examples
        A few of the best model, for a look.
    quality
        Of what the best model generates.
    missing
        By part: why it could not be made.
    """

    ensemble: Ensemble
    n_generated: int
    n_quality: int
    seed: int
    refine: Request | None = "default"
    records: dict[str, Record] = field(default_factory=dict)
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    frames: dict[str, pd.DataFrame] = field(default_factory=dict)
    variance: dict[str, PCA] = field(default_factory=dict)
    pictures: Pictures | None = None
    detectors: Detectors | None = None
    generated: dict[str, pd.DataFrame] | None = None
    examples: list[Examples] | None = None
    quality: pd.DataFrame | None = None
    missing: dict[str, str] = field(default_factory=dict)

    @property
    def best(self) -> Record:
        """The model of the lowest test MSE."""
        return min(self.records.values(), key=lambda record: record.test["mse"].mean())


def run_study(
    store: str | os.PathLike[str],
    models: Sequence[str | os.PathLike[str]],
    *,
    n_generated: int = 600,
    n_quality: int = 200,
    n_shown: int = 5,
    chosen: Sequence[tuple[float, float, int]] = (),
    refine: Request | None = "default",
    max_train: int | None = None,
    seed: int = 0,
    on_step: Callable[[str], None] | None = None,
) -> Study:
    """Compute all that a report of an ensemble and models on it shows.

    What is costly (latents, errors, generated lattices) is kept in the result store beside the ensemble: a second run,
    or one that was interrupted, computes what is missing. A model that cannot be used, and a part that cannot be made,
    are named in the result, and the others go on.

    Parameters
    ----------
    store
        An ensemble store that was analysed (``skylattice analyse``).
    models
        Folders of models, or names of shipped ones.
    n_generated
        Lattices for the thesis' table 3.6; 0 leaves generation out.
    n_quality
        Lattices for each row of the quality table; 0 leaves it out.
    n_shown
        Lattices in the pictures.
    chosen
        D, B and realization of the lattices to show instead of those that are picked from few to many defects.
    refine
        How the models' codes are refined: see :func:`skylattice.vae.infer.encode`.
    max_train
        Use so many training lattices at most.
    seed
        Of all that is random.
    on_step
        Called with a name before each part is made.

    Raises
    ------
    StoreError
        If the store cannot be read, was not analysed, or has no skyrmion lattice.
    """
    tell = on_step or (lambda _: None)
    tell("thesis' count of defects")
    study = Study(count_by_thesis_rule(leave_out_faulty(open_lattices(store))), n_generated, n_quality, seed, refine)
    _tabulate(study, "ensemble_correlations", lambda: tables.ensemble_table(study.ensemble.frame))
    targets: dict[str, str] = {}
    for model in models:
        name = model_name(model)
        tell(f"model {name}")
        record = _attempt(study, f"Model {name}", partial(_evaluate, study, model, max_train))
        if record is not None:
            study.records[name], targets[name] = record, os.fspath(model)
    if not study.records:
        return study
    tell("tables")
    _analyse_latents(study)
    tell("lattices and their reconstructions")
    pictures = _attempt(study, "Lattices", lambda: _pictures(study, targets, n_shown, chosen))
    tell("finding defects by their error")
    detectors = _attempt(study, "Finding defects", lambda: _detectors(study, targets[study.best.name]))
    study = replace(study, pictures=pictures, detectors=detectors)
    networks = _Networks(targets)
    if n_generated:
        tell("generating lattices")
        generated = _attempt(study, "Table 3.6", lambda: _generated(study, networks))
        examples = _attempt(study, "Generated lattices", lambda: _examples(study, networks))
        study = replace(study, generated=generated, examples=examples)
        if generated is not None:
            _tabulate(study, "generated", lambda: tables.generated_table(list(study.records.values()), generated))
    if n_quality:
        tell("how good generated lattices are")
        study = replace(study, quality=_attempt(study, "Quality", lambda: _quality(study, networks)))
    return study


def _attempt(study: Study, part: str, compute: Callable[[], _T]) -> _T | None:
    """A part of the study, or None and its reason among what is missing."""
    try:
        return compute()
    except SkylatticeError as error:
        study.missing[part] = str(error)
        return None


def _tabulate(study: Study, name: str, compute: Callable[[], pd.DataFrame]) -> None:
    """A table of the study, or its reason among what is missing."""
    table = _attempt(study, f"Table {name}", compute)
    if table is not None:
        study.tables[name] = table


def _analyse_latents(study: Study) -> None:
    """Tables of all models, principal components, and the test lattices over them."""
    records, best = list(study.records.values()), study.best
    _tabulate(study, "reconstruction", lambda: tables.reconstruction_table(records))
    _tabulate(study, "defects_and_error", lambda: tables.defect_error_table(records))
    _tabulate(study, "explained_variance", lambda: tables.variance_table(records))
    _tabulate(study, "components", lambda: tables.component_table(records))
    _tabulate(study, "probes", lambda: tables.probe_table(records, seed=study.seed))
    study.variance.update({part: best.pca(part) for part in ("train", "test")})
    for name, record in study.records.items():
        z = record.scores[record.is_test]
        study.frames[name] = record.test.assign(z0=z[:, 0], z1=z[:, 1])


class _Networks:
    """Models by name, each loaded once."""

    def __init__(self, targets: dict[str, str]) -> None:
        self.targets, self._loaded = targets, dict[str, "VAE"]()

    def __getitem__(self, name: str) -> VAE:
        from skylattice.vae import artifact

        if name not in self._loaded:
            self._loaded[name] = artifact.load(self.targets[name])
        return self._loaded[name]


def _evaluate(study: Study, model: str | os.PathLike[str], max_train: int | None) -> Record:
    return evaluate_model(study.ensemble, model, refine=study.refine, max_train=max_train, seed=study.seed)


def _pictures(
    study: Study, targets: dict[str, str], n_shown: int, chosen: Sequence[tuple[float, float, int]]
) -> Pictures:
    record = study.best
    if chosen:
        rows = shown.find(record.frame, chosen)
    else:
        test = np.flatnonzero(record.is_test)
        rows = test[shown.choose(record.frame.iloc[test], n_shown)]
    ds = study.ensemble.ds.isel(sample=rows)
    names = list(string.ascii_uppercase[: len(rows)])
    order = [record.name, *(name for name in study.records if name != record.name)]
    by_model = {name: shown.show(ds, targets[name], names, refine=study.refine) for name in order}
    return Pictures(rows, bool(chosen), by_model)


def _detectors(study: Study, target: str) -> Detectors | None:
    scores = anomaly.score_test_lattices(study.ensemble, study.best, target, refine=study.refine)
    if scores["is_defect"].nunique() < 2:
        raise SkylatticeError("the test lattices have no defects to find.")
    return Detectors(anomaly.score_detectors(scores, seed=study.seed), anomaly.roc_curves(scores))


def _generated(study: Study, networks: _Networks) -> dict[str, pd.DataFrame]:
    return {
        name: generation.thesis_experiment(study.ensemble, record, networks[name], study.n_generated, seed=study.seed)
        for name, record in study.records.items()
    }


def _examples(study: Study, networks: _Networks) -> list[Examples]:
    record = study.best
    return [
        generation.examples(study.ensemble, record, networks[record.name], n, replace(recipe, seed=study.seed))
        for n, recipe in _EXAMPLES
    ]


def _quality(study: Study, networks: _Networks) -> pd.DataFrame:
    record = study.best
    packing = _attempt(study, "Lattices of settled particles", lambda: _packing(study))
    return generation.quality(
        study.ensemble, record, networks[record.name], study.n_quality, packing=packing, seed=study.seed
    )


def _packing(study: Study) -> Packing:
    """That of the ensemble, if packings can be like all of its lattices: else a comparison would be of others."""
    packing = generation.packing_of(study.ensemble.store)
    D, B, _ = np.array(packing.points).T
    packing.steps_for(packing.defect_share(D, B), D, B, study.ensemble.size, at_least=True)
    return packing

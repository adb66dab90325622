"""The study of an ensemble and models: what it holds, and what it says of parts that cannot be made."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from skylattice.errors import StoreError
from skylattice.study import tables
from skylattice.study.chapter import run_study

pytest.importorskip("keras")

NOTHING_GENERATED = {"n_generated": 0, "n_quality": 0, "n_shown": 2}


@pytest.fixture(scope="module")
def study(store, models):
    steps = []
    found = run_study(store, [*models, models[0].parent / "gone"], **NOTHING_GENERATED, on_step=steps.append)
    assert [step for step in steps if step.startswith("model")] == ["model first", "model second", "model gone"]
    return found


def test_study__holds_tables_components_and_frames_of_the_models_that_work(study):
    assert set(study.records) == {"first", "second"}
    assert {"ensemble_correlations", "reconstruction", "defects_and_error", "components", "probes"} <= set(study.tables)
    records = list(study.records.values())
    pd.testing.assert_frame_equal(study.tables["components"], tables.component_table(records))
    for name, frame in study.frames.items():
        np.testing.assert_array_equal(frame["z0"], study.records[name].scores[study.records[name].is_test, 0])
    assert study.variance["test"].explained_variance_ratio.sum() == pytest.approx(1)
    assert study.best.test["mse"].mean() == min(record.test["mse"].mean() for record in records)


def test_study__names_what_could_not_be_made_and_leaves_out_what_was_not_asked(study):
    assert list(study.missing) == ["Model gone"]
    assert "gone" in study.missing["Model gone"]
    assert study.generated is study.examples is study.quality is None


def test_study__cannot_be_changed_under_a_report(study):
    with pytest.raises(dataclasses.FrozenInstanceError):
        study.quality = pd.DataFrame()


def test_study__shows_the_lattices_that_were_chosen(store, models):
    study = run_study(store, models[:1], **NOTHING_GENERATED, chosen=[(0.55, 0.16, 0)])
    assert study.pictures.are_chosen
    row = study.ensemble.frame.iloc[study.pictures.rows[0]]
    assert (row["D"], row["B"]) == (0.55, 0.16)
    there_is_none = run_study(store, models[:1], **NOTHING_GENERATED, chosen=[(0.9, 0.16, 0)])
    assert there_is_none.pictures is None
    assert "0.9" in there_is_none.missing["Lattices"]


def test_study__of_a_store_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(StoreError, match="no ensemble store"):
        run_study(tmp_path / "none.zarr", [])

"""A model on an ensemble, computed once and kept beside it."""

import numpy as np
import pandas as pd
import pytest
from planted_ensemble import GRID, NETWORK, planted

from skylattice import open_ensemble
from skylattice.errors import StoreError
from skylattice.io.importing import import_datasets
from skylattice.io.results import open_results
from skylattice.io.writing import append_grid
from skylattice.study import evaluation
from skylattice.study.evaluation import (
    count_by_thesis_rule,
    encode_store,
    evaluate_model,
    is_encoded,
    open_lattices,
)

pytest.importorskip("keras")


def test_lattices__are_rows_with_what_the_accessor_finds(store):
    ensemble = open_lattices(store)
    frame = ensemble.frame
    assert list(zip(frame["D"], frame["B"], strict=True)) == GRID
    flat = open_ensemble(store).sky.stack()
    np.testing.assert_array_equal(frame["lattice_id"], flat["lattice_id"])
    np.testing.assert_allclose(frame["Q"], flat.sky.topological_charge().values, rtol=1e-12)
    np.testing.assert_array_equal(frame["n_defects"], flat.sky.defects().n_defects)
    np.testing.assert_array_equal(ensemble.ds.spin, flat.spin)


def test_lattices__of_another_store_with_the_same_coordinates_have_another_identity(store, tmp_path):
    from skylattice.study.analysis import analyse_store

    other = tmp_path / "other.zarr"
    import_datasets([planted(D, B, 100 + k) for k, (D, B) in enumerate(GRID)], other, progress=False)
    analyse_store(other, progress=False)
    assert open_lattices(other).identity != open_lattices(store).identity
    assert open_lattices(store).identity == open_lattices(store).identity


def test_thesis_rule__counts_as_the_accessor_does_and_is_kept(store, monkeypatch):
    ensemble = count_by_thesis_rule(open_lattices(store))
    counted = ensemble.ds.sky.defects(rule="dusek2023", boundary="open", exclude_hull=False).n_defects
    np.testing.assert_array_equal(ensemble.frame["n_defects_thesis"], counted)
    monkeypatch.setattr(evaluation, "_thesis_count", lambda ds: pytest.fail("counted again"))
    pd.testing.assert_frame_equal(count_by_thesis_rule(open_lattices(store)).frame, ensemble.frame)


def test_lattices__of_a_store_that_was_not_analysed_say_so(tmp_path):
    import_datasets([planted(0.5, 0.12, 0)], tmp_path / "raw.zarr", progress=False)
    with pytest.raises(StoreError, match="skylattice analyse"):
        open_lattices(tmp_path / "raw.zarr")


def test_evaluation__errors_are_the_accessors(store, models):
    ensemble = open_lattices(store)
    record = evaluate_model(ensemble, models[0])
    expected = ensemble.ds.sky.reconstruction_error(models[0]).mse.compute()
    np.testing.assert_allclose(record.frame["mse"], expected, rtol=1e-5)
    assert (record.frame["part"] == "both").all()
    assert open_results(store, "models/first")["mu"].dims == ("D", "B", "realization", "latent")


def test_evaluation__of_another_model_by_the_same_name_is_made_anew(store, models, tmp_path):
    from skylattice.vae import build, save

    ensemble = open_lattices(store)
    before = evaluate_model(ensemble, models[1])
    other = save(build("periodic", seed=5, **NETWORK), tmp_path / "second")
    assert abs(evaluate_model(ensemble, other).mu - before.mu).max() > 1e-3


def test_evaluation__knows_the_lattices_that_an_earlier_training_saw(store):
    from skylattice.vae.data import data_fingerprint, split_ensemble

    ensemble, grid = open_lattices(store), open_ensemble(store)
    data = {"fingerprint": data_fingerprint(grid), "split": split_ensemble(grid, test=0.4).describe(grid)}
    first = evaluation._parts(grid, ensemble, {"data": data}, data["fingerprint"])
    assert set(first) > {"train", "test"}
    tuned = {"data": {"fingerprint": "another", "split": {}, "earlier": [data]}}
    assert (evaluation._parts(grid, ensemble, tuned, data["fingerprint"]) == first).all()
    assert (evaluation._parts(grid, ensemble, tuned, "a third") == "both").all()


def test_encode_store__encodes_what_is_done_and_leaves_the_rest_empty(store, models, tmp_path):
    grown = tmp_path / "grown.zarr"
    import_datasets([planted(D, B, k) for k, (D, B) in enumerate(GRID[:2])], grown, progress=False)
    append_grid(grown, D=[0.7])
    assert not is_encoded(grown, models[0])
    result = encode_store(grown, models[0])
    assert is_encoded(grown, models[0])
    assert not is_encoded(grown, models[1])
    status = open_ensemble(grown)["status"]
    np.testing.assert_array_equal(np.isfinite(result["mse"]), status == 1)
    np.testing.assert_array_equal(result["lattice_id"] != 0, status == 1)
    np.testing.assert_array_equal(np.isfinite(result["mu"]).all("latent"), status == 1)
    expected = open_ensemble(grown).sky.encode(models[0])["mu"]
    np.testing.assert_allclose(open_results(grown, "models/first")["mu"], expected, rtol=1e-5, atol=1e-6)

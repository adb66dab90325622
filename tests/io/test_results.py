"""Results beside an ensemble, those of earlier versions included."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from skylattice.defects.classify import defects
from skylattice.io.results import cache_key, cached, open_results

#: One lattice of 80 × 80 sites beside the results that version 0.1 wrote of it.
LATTICE = Path(__file__).parents[1] / "data" / "results-0.1" / "lattice.zarr"


def test_results__of_version_0_1_open_under_the_names_of_today():
    results = open_results(LATTICE, "defects")
    assert {"skyrmion_x", "skyrmion_y", "skyrmion_grain"} <= set(results)
    assert results.skyrmion_x.dims[-1] == "skyrmion"
    assert not {"x", "y"} & set(results.variables)
    table = results.load().sky.to_table()
    assert table.skyrmion_x.between(0, 80).all()
    assert results.skyrmion_x.attrs["in_units_of"] == "site"
    assert results.skyrmion_x.notnull().sum() == results.n_skyrmions.sum() > 10
    again = defects(results.load(), (80, 80))
    xr.testing.assert_equal(again.coordination, results.coordination.load())


def numbers(*values):
    return xr.Dataset({"mean": ("row", np.array(values))})


def test_cached__computes_once_per_key_and_keeps_the_last(tmp_path):
    store, calls = tmp_path / "a.zarr", []

    def compute():
        calls.append(1)
        return numbers(1.0, len(calls))

    first = cached(store, "study/table", cache_key("model", [1, 2]), compute)
    again = cached(store, "study/table", cache_key("model", [1, 2]), compute)
    xr.testing.assert_equal(again, first)
    assert len(calls) == 1
    changed = cached(store, "study/table", cache_key("model", [1, 3]), compute)
    assert changed["mean"].values.tolist() == [1.0, 2.0]
    xr.testing.assert_equal(open_results(store, "study/table").load(), changed)


def test_cached__is_not_there_until_it_is_whole(tmp_path):
    store = tmp_path / "a.zarr"

    def fail():
        raise KeyboardInterrupt

    cached(store, "table", "one", lambda: numbers(1.0))
    with pytest.raises(KeyboardInterrupt):
        cached(store, "table", "two", fail)
    assert cached(store, "table", "one", fail)["mean"].item() == 1.0


def test_cache_key__tells_values_apart_that_print_alike():
    keys = [cache_key(*parts) for parts in [(1, 2), (12,), ("1", 2), (1, "2"), ([1], 2), (1.0, 2), ((1, 2),)]]
    assert len(set(keys)) == len(keys)
    assert cache_key("a", [1.5]) == cache_key("a", [1.5])

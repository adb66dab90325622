"""What the command computes is what the lazy methods give; holes stay holes."""

import dask
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from skylattice import Hamiltonian, open_ensemble, testing
from skylattice.errors import MissingExtraError, SkylatticeError
from skylattice.io.layout import Layout
from skylattice.io.results import open_results
from skylattice.io.writing import create_store, write_point
from skylattice.study.analysis import analyse_store, scalar_table, write_table

CENTRES = [(14 * i + 7 * (j % 2), 12 * j) for j in range(4) for i in range(4)]


@pytest.fixture
def store(tmp_path):
    """Two of four points: a lattice of skyrmions beside a failed one, and a skipped one."""
    path = tmp_path / "e.zarr"
    layout = Layout((48, 56), 0.006, Hamiltonian())
    create_store(path, D=[0.4, 0.5], B=[0.1, 0.2], realizations=2, layout=layout)
    spin = testing.planted_skyrmions(CENTRES, radius=3.4, size=(48, 56)).spin.values[0, 0]
    hole = np.full_like(spin, np.nan)
    write_point(path, D=0.5, B=0.1, spin=np.concatenate([spin, hole]), status=[1, 3])
    write_point(path, D=0.4, B=0.2, spin=hole, status=[2])
    return path


@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
def test_analysis__equals_the_lazy_methods(store, scheduler):
    with dask.config.set(scheduler=scheduler):
        results = analyse_store(store, progress=False)
    ds = open_ensemble(store)
    for part in (ds.sky.observables(), ds.sky.qc(), ds.sky.phase().to_dataset()):
        assert_same_variables(results, part.compute())
    defects = ds.sky.defects().compute()
    assert_same_variables(open_results(store, "defects").load(), defects)
    assert_same_variables(open_results(store, "observables").load(), defects[["n_skyrmions", "n_defects"]])


def assert_same_variables(found, expected):
    """All variables of ``expected`` are in ``found``, which may have more."""
    for name in expected:
        xr.testing.assert_identical(found[name].variable, expected[name].variable)


def test_analysis__keeps_holes(store):
    results = analyse_store(store, progress=False)
    there = (results.status == 1).values
    assert there.sum() == 1
    assert results.n_skyrmions.values[there] == 16
    for name in results:
        if results[name].dtype.kind == "f":
            assert np.isnan(results[name].values[~there]).all(), name
    assert (results.phase.values[~there] == -1).all()


def test_table__has_a_row_for_each_lattice_that_is_done_or_failed(store, tmp_path):
    frame = scalar_table(analyse_store(store, progress=False))
    assert frame[["status", "fault"]].values.tolist() == [["done", "none"], ["failed", "failed"]]
    row = frame.iloc[0]
    assert (row.D, row.B, row.realization, row.phase, row.status) == (0.5, 0.1, 0, "skyrmion", "done")
    assert row.topological_charge == pytest.approx(-16)
    assert list(frame)[:5] == ["D", "B", "realization", "T", "status"]
    assert write_table(analyse_store(store, progress=False), tmp_path / "t.csv") == 2
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "t.csv"), frame, check_dtype=False)


def test_table__names_what_it_cannot_write(store, tmp_path, monkeypatch):
    results = analyse_store(store, progress=False)
    with pytest.raises(SkylatticeError, match=r"\.csv or \.parquet, found '\.xls'"):
        write_table(results, tmp_path / "t.xls")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'skylattice\[table\]'"):
        write_table(results, tmp_path / "t.parquet")

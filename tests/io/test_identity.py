"""Nothing lost, nothing mixed up: results know their lattices, groups are whole, stores grow in one step."""

import multiprocessing
import os
import shutil
from contextlib import suppress

import numpy as np
import pytest
import xarray as xr
import zarr

import skylattice
from skylattice import Hamiltonian, testing
from skylattice.io.atomic import new_folder
from skylattice.io.layout import Layout
from skylattice.io.results import match, open_results, results_path, write_results
from skylattice.io.store import open_ensemble
from skylattice.io.writing import append_grid, create_store, lattice_ids, write_point
from skylattice.study.analysis import analyse_store
from skylattice.study.evaluation import open_lattices

SIZE = (40, 40)
LAYOUT = Layout(SIZE, 0.006, Hamiltonian())


def lattice(n, seed=0):
    """A strained triangular lattice of 5 × n skyrmions: n tells them apart by their charge."""
    rng = np.random.default_rng(seed)
    centres = [(8 * i + 4 * (j % 2), 8 * j + rng.normal(0, 0.3)) for j in range(5) for i in range(n)]
    return testing.planted_skyrmions(centres, radius=2.4, size=SIZE).spin.values[0, 0, 0].astype(np.float32)


def fill(path, D, B, counts):
    write_point(path, D=D, B=B, spin=np.stack([lattice(n, seed=k) for k, n in enumerate(counts)]))


@pytest.fixture
def store(tmp_path):
    path = tmp_path / "e.zarr"
    create_store(path, D=[0.5], B=[0.1, 0.2], realizations=2, layout=LAYOUT)
    fill(path, 0.5, 0.1, [5, 5])
    fill(path, 0.5, 0.2, [4, 4])
    analyse_store(path, progress=False)
    return path


def charges(path):
    frame = open_lattices(path).frame
    return frame.set_index(["D", "B", "realization"])["Q"].round().to_dict()


def test_results__stay_with_their_lattices_when_the_grid_grows(store):
    before = charges(store)
    append_grid(store, D=[0.4], B=[0.05, 0.15], realizations=3)
    fill(store, 0.5, 0.15, [3, 3, 3])
    assert charges(store) == before
    for (D, B, r), Q in before.items():
        spin = open_ensemble(store).spin.sel(D=D, B=B, realization=r)
        assert testing.dataset(spin.values).sky.topological_charge().item() == pytest.approx(Q)


def test_results__of_other_spins_are_not_there_and_counted(store, tmp_path):
    shutil.rmtree(store)
    create_store(store, D=[0.5], B=[0.1, 0.2], realizations=2, layout=LAYOUT)
    fill(store, 0.5, 0.1, [3, 3])  # another store under the same name
    fill(store, 0.5, 0.2, [4, 4])
    with pytest.warns(UserWarning, match="results of 2 lattices are those of other spins.*skylattice analyse"):
        found = charges(store)
    assert set(found) == {(0.5, 0.2, 0), (0.5, 0.2, 1)}
    aligned, n_stale = match(open_results(store, "observables").load(), open_ensemble(store))
    assert n_stale == 2
    assert np.isnan(aligned.topological_charge.sel(B=0.1)).all()
    assert (aligned.phase.sel(B=0.1) == -1).all()
    analyse_store(store, progress=False)
    assert len(charges(store)) == 4


def test_ids__are_those_of_the_stored_spins(store):
    ds = open_ensemble(store).load()
    np.testing.assert_array_equal(ds.lattice_id.values.ravel(), lattice_ids(ds.spin.values.reshape(-1, *SIZE, 3)))
    assert len(np.unique(ds.lattice_id)) == 4
    assert lattice_ids(np.full((1, *SIZE, 3), np.nan, np.float32)) == 0


def test_results__of_a_and_of_a_zarr_are_two(tmp_path):
    assert results_path(tmp_path / "a") != results_path(tmp_path / "a.zarr")


class Died(BaseException):
    """What a test throws where a process would die."""


@pytest.mark.parametrize("n_files", range(0, 130, 9))
def test_results__interrupted_while_written_are_the_old_ones_whole(store, monkeypatch, n_files):
    """The process dies after so many files: who opens the group sees what was there before, or all that is new."""
    before = open_results(store, "observables").load()
    changed = before.assign(m_z=before.m_z + 1)
    made, original = [], os.replace

    def dying(source, target, **options):
        made.append(target)
        if len(made) > n_files:
            raise Died
        return original(source, target, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", dying)  # zarr puts every file in place by it
        with suppress(BaseException):
            write_results(store, "observables", changed)
    written = open_results(store, "observables").load()
    assert len(made) > n_files or n_files > 80  # it died, unless all files were there
    np.testing.assert_array_equal(written.m_z, before.m_z if len(made) > n_files else changed.m_z)
    xr.testing.assert_identical(written.drop_vars("m_z"), before.drop_vars("m_z"))
    write_results(store, "observables", changed)
    np.testing.assert_array_equal(open_results(store, "observables").m_z, changed.m_z)


def test_folder__that_fails_leaves_what_was_there(tmp_path):
    target = tmp_path / "data"
    with new_folder(target) as folder:
        (folder / "a").write_text("1")
    with suppress(ZeroDivisionError), new_folder(target) as folder:
        (folder / "a").write_text("2")
        raise ZeroDivisionError
    assert (target / "a").read_text() == "1"
    (tmp_path / ".data.new-abandoned").mkdir()
    with new_folder(target) as folder:
        (folder / "b").write_text("3")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data"]
    assert [p.name for p in target.iterdir()] == ["b"]


def test_folder__is_exchanged_without_the_systems_help_too(tmp_path, monkeypatch):
    from skylattice.io import atomic

    monkeypatch.setattr(atomic, "_exchanged", lambda one, other: False)
    for text in ("1", "2"):
        with new_folder(tmp_path / "data") as folder:
            (folder / "a").write_text(text)
    assert (tmp_path / "data" / "a").read_text() == "2"
    assert [p.name for p in tmp_path.iterdir()] == ["data"]


def test_creation__that_dies_leaves_no_store_and_can_be_done_again(tmp_path, monkeypatch):
    path = tmp_path / "e.zarr"
    with monkeypatch.context() as patch, suppress(ZeroDivisionError):
        patch.setattr("skylattice.io.writing.create_spins", lambda *a, **o: 1 / 0)
        create_store(path, D=[0.5], B=[0.1], realizations=1, layout=LAYOUT)
    assert not path.exists()
    create_store(path, D=[0.5], B=[0.1], realizations=1, layout=LAYOUT)
    assert open_ensemble(path).sizes["D"] == 1


def test_growth__that_dies_leaves_the_old_grid_and_can_be_done_again(store, monkeypatch):
    before = open_ensemble(store).load()
    with monkeypatch.context() as patch, suppress(ZeroDivisionError):
        patch.setattr("skylattice.io.writing.new_folder", lambda *args, **options: 1 / 0)
        append_grid(store, D=[0.4, 0.6])
    assert zarr.open_group(store)["spin"].shape[0] == 3  # the room is there, nobody was told
    xr.testing.assert_identical(open_ensemble(store).load(), before)
    append_grid(store, D=[0.4, 0.6])
    after = open_ensemble(store)
    assert after.D.values.tolist() == [0.4, 0.5, 0.6]
    xr.testing.assert_equal(after.sel(D=[0.5]).load(), before)


def _enlarge(path, axis, values):
    for value in values:
        append_grid(path, **{axis: [value]})
        point = {"D": 0.5, "B": 0.1} | {axis: value}
        write_point(path, **point, spin=np.stack([lattice(3, seed=round(100 * value))] * 2))


def test_growth__by_several_processes_at_once_loses_nothing(store):
    """Each adds values of its own and fills them; in 0.1 lattices went to other points, or got lost."""
    context = multiprocessing.get_context("spawn")
    wanted = [("B", [0.3, 0.31, 0.32, 0.33]), ("B", [0.4, 0.41, 0.42, 0.43]), ("D", [0.6, 0.61, 0.62, 0.63])]
    processes = [context.Process(target=_enlarge, args=(store, axis, values)) for axis, values in wanted]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    ds = open_ensemble(store)
    for axis, values in wanted:
        for value in values:
            point = {"D": 0.5, "B": 0.1} | {axis: value}
            one = ds.sel(**point, method="nearest").load()
            assert (one.status == 1).all(), point
            np.testing.assert_array_equal(one.spin.values[0], lattice(3, seed=round(100 * value)))
    np.testing.assert_array_equal(ds.spin.sel(D=0.5, B=0.2, realization=0), lattice(4))


def test_store__of_0_1_without_identities_is_read_and_analysed(tmp_path):
    shutil.copytree(skylattice.catalog.shipped_catalog().with_name("example.zarr"), tmp_path / "old.zarr")
    ds = open_ensemble(tmp_path / "old.zarr")
    assert "lattice_id" not in ds
    assert analyse_store(tmp_path / "old.zarr", progress=False).sizes["D"] == ds.sizes["D"]
    assert len(charges(tmp_path / "old.zarr")) > 10

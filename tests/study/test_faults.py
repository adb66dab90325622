"""A lattice that is not fit to be used does not stop the others, and is never passed over in silence."""

import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import zarr
from typer.testing import CliRunner

from skylattice import Hamiltonian, open_ensemble, testing
from skylattice.cli import main as cli
from skylattice.errors import SkylatticeError, StoreError
from skylattice.io.layout import Layout
from skylattice.io.points import PointReader
from skylattice.io.results import open_results, results_path
from skylattice.io.writing import create_store, write_point
from skylattice.schema import FAULT, STATUS
from skylattice.study.analysis import analyse_store, check_table
from skylattice.study.evaluation import encode_store, open_lattices
from skylattice.study.faults import (
    REASONS,
    check_lattices,
    faults_in,
    faults_of,
    listed,
    sound_ensemble,
)

SIZE = (40, 40)
D, B, N = [0.4, 0.5], [0.1, 0.15], 3
#: The lattice that is harmed, by position.
HARMED = (1, 0, 1)
PLACE = "D=0.5, B=0.1, realization 1"


def lattice(seed):
    """25 skyrmions of a strained triangular lattice."""
    rng = np.random.default_rng(seed)
    centres = [
        (8 * i + 4 * (j % 2) + rng.normal(0, 0.4), 8 * j + rng.normal(0, 0.4)) for j in range(5) for i in range(5)
    ]
    return testing.planted_skyrmions(centres, radius=2.4, size=SIZE).spin.values[0, 0, 0].astype(np.float32)


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    path = tmp_path_factory.mktemp("sound") / "e.zarr"
    create_store(path, D=D, B=B, realizations=N, layout=Layout(SIZE, 0.006, Hamiltonian()))
    for i, d in enumerate(D):
        for j, b in enumerate(B):
            write_point(path, D=d, B=b, spin=np.stack([lattice(100 * i + 10 * j + k) for k in range(N)]))
    return path


@pytest.fixture
def store(sound, tmp_path):
    return shutil.copytree(sound, tmp_path / "e.zarr")


def overwrite(path, change):
    """Change the spins of one lattice behind the library's back, as another program would."""
    spin = zarr.open_group(path)["spin"]
    point = spin[HARMED[0], HARMED[1]]
    change(point[HARMED[2]])
    spin[HARMED[0], HARMED[1]] = point


def plant(*value):
    return lambda spin: spin.__setitem__((7, 9), value)


def along_axes(spin):
    """Neighbours that are exactly opposite: their triangles have no orientation, and charges of a quarter."""
    rng = np.random.default_rng(2)
    axis, sign = rng.integers(0, 3, SIZE), rng.choice([-1, 1], SIZE)
    spin[:] = np.where(np.arange(3) == axis[..., None], sign[..., None], 0)


def shard(path):
    return path / "spin" / "c.1.0.0.0.0.0"


def flip(path):
    """One byte of the harmed lattice's chunk: the others of the shard can still be read."""
    data = bytearray(shard(path).read_bytes())
    index = np.frombuffer(bytes(data[-4 - 16 * N : -4]), "<u8").reshape(N, 2)
    data[int(index[HARMED[2], 0]) + 100] ^= 1
    shard(path).write_bytes(data)


def fail(path):
    zarr.open_group(path)["status"][HARMED] = STATUS["failed"]


HARM = {
    "not_finite": lambda path: overwrite(path, plant(np.nan, 0, 1)),
    "zero": lambda path: overwrite(path, plant(0, 0, 0)),
    "not_unit": lambda path: overwrite(path, lambda spin: spin.__imul__(1.01)),
    "charge": lambda path: overwrite(path, along_axes),
    "missing": lambda path: overwrite(path, lambda spin: spin.fill(np.nan)),
    "unreadable": flip,
    "failed": fail,
}


@pytest.mark.parametrize("kind", HARM)
def test_analysis__finishes_the_others_and_says_why_one_is_left_out(sound, store, kind):
    HARM[kind](store)
    expected = analyse_store(sound, progress=False)
    results = analyse_store(store, progress=False)
    assert [str(fault) for fault in faults_in(results)] == [f"{PLACE}: {REASONS[kind]}"]
    assert results.status.values[HARMED] == STATUS["failed"]
    others = np.ones(results.status.shape, bool)
    others[HARMED] = False
    assert (results.status.values[others] == STATUS["done"]).all()
    for name in set(expected) - {"lattice_id"}:
        np.testing.assert_array_equal(results[name].values[others], expected[name].values[others], err_msg=name)
        if results[name].dtype.kind == "f":
            assert np.isnan(results[name].values[HARMED]), name
    np.testing.assert_array_equal(open_results(store, "observables").fault, results.fault)
    assert set(open_lattices(store).frame["position"]) == set(np.flatnonzero(others.ravel()))


@pytest.mark.parametrize("kind", HARM)
def test_check__agrees_with_the_analysis(store, kind):
    HARM[kind](store)
    ds, faults = sound_ensemble(store)
    assert [str(fault) for fault in faults] == [f"{PLACE}: {REASONS[kind]}"]
    flat = ds.sky.stack()
    assert flat.sizes["sample"] == len(D) * len(B) * N - 1
    assert np.isfinite(flat.spin).all()


@pytest.mark.parametrize("value", [(np.inf, 0, 0), (1e38, 0, 0), (-np.inf, np.nan, 0), (0, 0, 1.002)])
def test_faults__know_numbers_that_are_no_spins(value):
    spin = np.stack([lattice(0), lattice(1)])
    plant(*value)(spin[1])
    kind = "not_finite" if not np.isfinite(value).all() else "not_unit"
    assert faults_of(spin).tolist() == [FAULT["none"], FAULT[kind]]


def test_faults__of_lattices_with_edges_have_any_charge():
    spin = lattice(0)[None].copy()
    along_axes(spin[0])
    assert faults_of(spin).tolist() == [FAULT["charge"]]
    assert faults_of(spin, closed=False).tolist() == [FAULT["none"]]


def test_faults__of_empty_sites_are_none():
    spin = np.stack([lattice(0), lattice(1)])
    spin[:, 3:9, 4:8] = 0
    there = (spin != 0).any(axis=-1)
    assert faults_of(spin, closed=False, there=there).tolist() == [FAULT["none"], FAULT["none"]]
    plant(0, 0, 0)(spin[1])
    assert faults_of(spin, closed=False, there=there).tolist() == [FAULT["none"], FAULT["zero"]]
    assert faults_of(spin, closed=False, there=there[0]).tolist() == [FAULT["none"], FAULT["zero"]]


def test_rounded_spins__are_as_long_as_the_store_says(tmp_path):
    path = tmp_path / "r.zarr"
    create_store(path, D=[0.5], B=[0.1], realizations=1, layout=Layout(SIZE, 0.006, Hamiltonian(), keep_bits=6))
    write_point(path, D=0.5, B=0.1, spin=lattice(0)[None])
    results = analyse_store(path, progress=False)
    assert results.spin_norm_error.item() > 1e-3
    assert results.fault.item() == FAULT["none"]


def test_crowded_lattice__keeps_its_scalars_and_is_listed(store):
    noise = np.random.default_rng(1).normal(size=(*SIZE, 3))
    noise /= np.linalg.norm(noise, axis=-1, keepdims=True)
    overwrite(store, lambda spin: spin.__setitem__(slice(None), noise))
    with pytest.warns(UserWarning, match="entries along 'skyrmion'"):
        results = analyse_store(store, progress=False)
    assert [fault.kind for fault in faults_in(results)] == ["crowded"]
    assert results.status.values[HARMED] == STATUS["done"]
    assert np.isfinite(results.energy.values[HARMED])
    assert np.isnan(results.n_defects.values[HARMED])


def test_shard__that_is_no_file_is_named_and_left_out(store):
    shard(store).unlink()
    shard(store).mkdir()
    results = analyse_store(store, progress=False)
    assert [fault.kind for fault in faults_in(results)] == ["missing"] * N


def test_reader__finds_damage_of_any_byte(store):
    """Whatever byte of a shard is changed: the lattice is as it was, or cannot be read. Nothing else is raised."""
    before = PointReader(store).read(0.5, 0.1, range(N))[0]
    whole = shard(store).read_bytes()
    rng = np.random.default_rng(0)
    places = [*rng.integers(0, len(whole), 40), *range(len(whole) - 4 - 16 * N, len(whole))]
    n_found = 0
    for place in places:
        data = bytearray(whole)
        data[place] ^= 1 << int(rng.integers(8))
        shard(store).write_bytes(data)
        spin, unreadable = PointReader(store).read(0.5, 0.1, range(N))
        kept = [k for k in range(N) if k not in unreadable]
        np.testing.assert_array_equal(spin[kept], before[kept])
        n_found += bool(unreadable)
    assert n_found == len(places)
    for length in (0, 3, len(whole) // 2, len(whole) - 1):
        shard(store).write_bytes(whole[:length])
        spin, unreadable = PointReader(store).read(0.5, 0.1, range(N))
        assert np.isnan(spin).all()  # "missing", where it is not unreadable
        assert length == 0 or len(unreadable) == N


def test_list__of_many_faults_is_cut():
    flags = np.full((1, 1, 25), FAULT["zero"])
    axes = {"D": [0.5], "B": [0.1], "realization": np.arange(25)}
    lines = listed(faults_in(xr.Dataset({"fault": (tuple(axes), flags)}, axes)))
    assert len(lines) == 21
    assert lines[-1] == "... and 5 more"


def run(*arguments):
    done = CliRunner().invoke(cli.app, [*map(str, arguments)])
    return done.exit_code, done.output


@pytest.mark.parametrize("kind", HARM)
def test_command_analyse__lists_what_it_left_out_and_exits_3(store, kind):
    HARM[kind](store)
    code, output = run("analyse", store)
    assert code == 3
    assert "11 lattices analysed" in output
    assert f"{PLACE}: {REASONS[kind]}" in output
    table = pd.read_csv(store.with_name("e.csv"))
    failed = table[table.status == "failed"]
    assert failed[["D", "B", "realization", "fault"]].values.tolist() == [[0.5, 0.1, 1, kind]]
    assert (table[table.status == "done"].fault == "none").all()


def test_command_analyse__of_lattices_that_all_failed_is_no_success(store):
    zarr.open_group(store)["status"][:] = STATUS["failed"]
    code, output = run("analyse", store)
    assert code == 1
    assert "12 lattices were left out" in output


def test_command_simulate__lists_what_failed(tmp_path, monkeypatch):
    from skylattice.simulation import ensemble

    monkeypatch.setattr("warnings.warn", lambda *a, **k: None)
    simulate = ensemble.simulate_lattice

    failing = {1}

    def fails(D, B, realization, **options):
        if realization in failing:
            raise FloatingPointError("went astray")
        return simulate(D, B, realization, **options)

    monkeypatch.setattr(ensemble, "simulate_lattice", fails)
    options = ["--D", "0.5", "--B", "0.1", "-n", "2", "--size", "16", "--T", "0.1", "--steps", "2", "--sweeps", "1"]
    for code, also in ((3, set()), (1, {0})):
        failing |= also
        found, output = run("simulate", tmp_path / f"{code}.zarr", *options)
        assert found == code
        assert f"D=0.5, B=0.1, realization 1: {REASONS['failed']}" in output


def test_encoding__finishes_the_others(store, tiny_model_folder):
    flip(store)
    results = encode_store(store, tiny_model_folder)
    assert [str(fault) for fault in faults_in(results)] == [f"{PLACE}: {REASONS['unreadable']}"]
    mse = results.mse.values
    assert np.isnan(mse[HARMED])
    assert np.isfinite(mse).sum() == 11
    zarr.open_group(store)["status"][:] = STATUS["failed"]
    with pytest.raises(StoreError, match=r"found none\.\nD=0.4, B=0.1, realization 0: its simulation failed"):
        encode_store(store, tiny_model_folder)


@pytest.fixture(scope="module")
def tiny_model_folder(tmp_path_factory):
    from tiny_vae import TINY, awaken

    from skylattice.vae import build
    from skylattice.vae.artifact import save

    folder = tmp_path_factory.mktemp("model") / "tiny"
    save(awaken(build("periodic", size=20, **TINY)), folder)
    return folder


def test_command_generate__draws_from_the_others(store, tmp_path, tiny_model_folder):
    HARM["zero"](store)
    code, output = run(
        "generate", store, tmp_path / "new.zarr", "-n", "2", "-m", tiny_model_folder, "--method", "prior"
    )
    assert code == 3, output
    assert f"{PLACE}: {REASONS['zero']}" in output
    assert int((open_ensemble(tmp_path / "new.zarr").status == STATUS["done"]).sum()) == 2


def test_command_report__shows_what_it_left_out(store, tmp_path, tiny_model_folder):
    analyse_store(store, progress=False)
    flip(store)  # after the analysis
    page = tmp_path / "report" / "index.html"
    options = ["--generated", "0", "--quality", "0", "--shown", "2"]
    code, output = run("report", store, "-m", tiny_model_folder, "-o", page, *options)
    assert code == 3, output
    assert f"{PLACE}: {REASONS['unreadable']}" in output
    assert PLACE in page.read_text()


def test_check__of_lattices_not_asked_for_reads_none(store):
    done = np.zeros((2, 2, N), bool)
    assert (check_lattices(store, open_ensemble(store), done) == FAULT["empty"]).all()


def test_analysis__while_another_process_simulates_has_no_result_without_a_lattice(tmp_path):
    """In 0.1 lattices finished between the reading of spins and that of the status were done, and NaN."""
    path = tmp_path / "e.zarr"
    code = (
        "import sys, numpy as np, skylattice\n"
        "from skylattice.simulation.schedule import Schedule\n"
        "schedule = Schedule.geometric(1.0, 0.1, steps=3, sweeps=2)\n"
        "skylattice.simulate_ensemble(D=[0.5], B=np.arange(30) / 100, realizations=3, size=24, T=0.1,\n"
        "    schedule=schedule, store=sys.argv[1], progress=False)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, path]) as process:
        n_done = []
        while process.poll() is None:
            if not path.exists():
                time.sleep(0.01)
                continue
            results = analyse_store(path, progress=False)
            done = results.status == STATUS["done"]
            n_done.append(int(done.sum()))
            for name in ("topological_charge", "energy", "temperature_ratio", "unexplained_charge"):
                assert np.isfinite(results[name].values[done.values]).all(), name
                assert np.isnan(results[name].values[~done.values]).all(), name
            assert (results.lattice_id.values[done.values] != 0).all()
            assert all(fault.kind == "crowded" for fault in faults_in(results))
    assert process.returncode == 0
    assert min(n_done) < 90  # it did analyse an unfinished store


def test_analysis__reads_lattices_again_that_were_replaced_meanwhile(store, monkeypatch):
    """Another writer puts other spins in place after the first round, or after every one."""
    from skylattice.study import analysis

    original, rounds, replaced_after = analysis._analyse_points, [], {1}

    def analyse_points(*arguments):
        parts = original(*arguments)
        rounds.append(len(parts))
        if len(rounds) in replaced_after:
            write_point(store, D=0.5, B=0.1, spin=lattice(999 + len(rounds))[None], realizations=[1])
        return parts

    monkeypatch.setattr(analysis, "_analyse_points", analyse_points)
    results = analyse_store(store, progress=False)
    assert rounds == [4, 1]
    ds = open_ensemble(store).load()
    np.testing.assert_array_equal(results.lattice_id, ds.lattice_id)
    np.testing.assert_array_equal(results.m_z, ds.sky.observables().m_z)
    replaced_after |= set(range(20))
    with pytest.raises(StoreError, match="replaced while they are read"):
        analyse_store(store, progress=False)


# What cannot be written is found out before the work.


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("t.xlsx", "ending in .csv or .parquet"),
        ("nowhere/t.csv", "there is no folder"),
        ("folder.csv", "it is a folder"),
        ("file/t.csv", "there is no folder"),
    ],
)
def test_command_analyse__refuses_a_table_before_the_work(store, table, message):
    store.with_name("folder.csv").mkdir()
    store.with_name("file").touch()
    code, _ = run("analyse", store, "--table", store.parent / table)
    assert code == 1
    assert not results_path(store).exists()
    with pytest.raises(SkylatticeError, match=message):
        check_table(store.parent / table)


def test_analysis__in_a_folder_of_another_user_is_refused_before_the_work(store, monkeypatch):
    """Tests may run as root, who may write everywhere: the system's answer is given here."""
    monkeypatch.setattr("os.access", lambda path, mode: not mode & os.W_OK)
    monkeypatch.setattr("skylattice.study.analysis._analyse_points", lambda *a: pytest.fail("it worked already"))
    with pytest.raises(StoreError, match=r"e.results.zarr: cannot be written: this user may not write to"):
        analyse_store(store, progress=False)

"""Importing files of any format: what goes where, what is left out and why, and nothing twice."""

import numpy as np
import pytest
from ovf_files import ovf_file
from typer.testing import CliRunner
from uppasd_runs import random_spins, write_run

from skylattice import Hamiltonian, open_ensemble, testing
from skylattice.cli import main as cli
from skylattice.errors import FormatError, SchemaError, StoreError
from skylattice.io.importing import import_datasets
from skylattice.io.labelling import Pattern, Table
from skylattice.io.plan import _labelled, plan_import

KNOWN = {"T": 0.006}


def spins(seed, n=1):
    return testing.random_spins((n, 4, 6), seed).astype("float32")


@pytest.fixture
def folder(tmp_path):
    """A run, an archive of two lattices, two arrays labelled by their names, an OVF file and a note."""
    folder = tmp_path / "in"
    write_run(folder / "run", random_spins(1, 1, 4, 6))
    np.savez(folder / "two.npz", spin=spins(1, 2), D=[0.5, 0.6], B=[0.1, 0.1], T=0.006)
    for r in (1, 2):
        np.save(folder / f"D0.40_B0.20_r{r}.npy", spins(10 + r)[0])
    ovf_file(folder / "m.ovf", spins(5)[0].astype(float))
    (folder / "notes.txt").write_text("hello")
    return folder


def new(plan):
    return {row.path.name: row.n_new for row in plan.rows if row.store is not None}


def reasons(plan):
    return {row.path.name: row.reason for row in plan.rows if row.reason}


def test_plan__tells_formats_by_content_and_says_what_is_left_out(folder, tmp_path):
    plan = plan_import([folder], tmp_path / "s.zarr", options={"dmi": "neel", "handedness": -1})
    assert new(plan) == {"run": 1}
    assert {row.path.name: row.format for row in plan.rows if row.format} == {
        "run": "uppasd", "m.ovf": "ovf",
        "two.npz": "arrays", "D0.40_B0.20_r1.npy": "arrays", "D0.40_B0.20_r2.npy": "arrays",
    }  # fmt: skip
    assert "not a format" in reasons(plan)["notes.txt"]
    assert "State them: --D NUMBER, --B NUMBER" in reasons(plan)["m.ovf"]
    assert "Hamiltonian: there" in reasons(plan)["two.npz"]
    assert {row.path.name for row in plan.failures} == set(reasons(plan)) - {"notes.txt"}
    assert not (tmp_path / "s.zarr").exists()


def test_plan__run_writes_what_it_said(folder, tmp_path):
    store = tmp_path / "s.zarr"
    names = [folder / f"D0.40_B0.20_r{r}.npy" for r in (2, 1)]
    plan = plan_import(names, store, options=KNOWN, pattern="D{D}_B{B}_r{r}", dmi="neel")
    assert plan.run(progress=False) == [store]
    ds = open_ensemble(store)
    assert (ds.D.item(), ds.B.item(), float(ds["T"]), ds.sky.hamiltonian) == (0.4, 0.2, 0.006, Hamiltonian())
    for k, r in enumerate((2, 1)):
        np.testing.assert_array_equal(ds.spin[0, 0, k], spins(10 + r)[0])
    assert [row.realizations for row in plan.rows] == [(2,), (1,)]


def test_second_import__adds_nothing(folder, tmp_path):
    store = tmp_path / "s.zarr"
    for n_new in (2, 0):
        plan = plan_import([folder / "two.npz"], store, keep_bits=9)
        assert (plan.n_new, [row.n_lattices for row in plan.rows]) == (n_new, [2])
        assert bool(plan.run(progress=False)) == bool(n_new)
        assert dict(open_ensemble(store).sizes)["realization"] == 1
    (folder / "two.npz").rename(folder / "moved.npz")
    assert plan_import([folder / "moved.npz"], store).n_new == 0
    np.savez(folder / "more.npz", spin=spins(1, 3), D=0.5, B=0.1, T=0.006)
    assert plan_import([folder / "more.npz"], store).n_new == 2


def test_import_datasets__adds_no_lattice_twice(tmp_path):
    one, two = (testing.dataset(spins(seed)) for seed in (1, 2))
    import_datasets([one, one], tmp_path / "s.zarr", progress=False)
    ds = import_datasets([two, one], tmp_path / "s.zarr", progress=False)
    assert ds.sizes["realization"] == 2
    assert import_datasets([one], tmp_path / "s.zarr", progress=False).sizes["realization"] == 2


def test_other_kinds__are_named_or_split(folder, tmp_path):
    store = tmp_path / "s.zarr"
    np.savez(folder / "two.npz", spin=spins(1, 4), D=0.5, B=0.1, T=[0.1, 0.2, 0.1, 0.2])
    plan = plan_import([folder / "two.npz"], store)
    assert "T: there 0.1, the new lattices 0.2" in reasons(plan)["two.npz"]
    plan = plan_import([folder / "two.npz", folder / "run"], store, split=True)
    assert [path.name for path in plan.run(progress=False)] == [
        "s.zarr", "s_4x6_T0.2_dmi-unknown.zarr", "s_4x6_T0.006_neel-1.zarr"
    ]  # fmt: skip
    np.testing.assert_array_equal(open_ensemble(store).spin[0, 0], spins(1, 4)[::2])
    plan = plan_import([folder / "two.npz", folder / "run"], store, split=True)
    assert plan.n_new == 0 or not plan.run(progress=False)


def test_handedness__is_converted(folder, tmp_path):
    plan = plan_import([folder / "run"], tmp_path / "s.zarr", handedness=1)
    plan.run(progress=False)
    straight = plan_import([folder / "run"], tmp_path / "t.zarr")
    straight.run(progress=False)
    one, other = (open_ensemble(tmp_path / name).load() for name in ("s.zarr", "t.zarr"))
    assert (one.attrs["handedness"], other.attrs["handedness"]) == (1, -1)
    np.testing.assert_allclose(one.sky.energy().energy, other.sky.energy().energy, atol=1e-7)


def test_generated_lattices__are_not_mixed_with_simulated_ones(tmp_path):
    import_datasets([testing.dataset(spins(1))], tmp_path / "a.zarr", progress=False)
    import_datasets([testing.dataset(spins(2))], tmp_path / "b.zarr", attrs={"generator": "learned"}, progress=False)
    plan = plan_import([tmp_path / "b.zarr"], tmp_path / "a.zarr")
    assert "made by: there simulation" in reasons(plan)["b.zarr"]
    several = testing.dataset(spins(3, 2)).rename(realization="model")
    with pytest.raises(SchemaError, match="found also model"):
        _labelled(several, {}, tmp_path, None)


def test_broken_file__is_named_and_the_rest_goes_on(folder, tmp_path):
    data = bytearray((folder / "two.npz").read_bytes())
    data[len(data) // 3] ^= 64
    (folder / "bad.npz").write_bytes(bytes(data))
    result = CliRunner().invoke(cli.app, ["import", str(folder), str(tmp_path / "s.zarr"), "--B", "0.1", "--D", "0.5"])
    output = " ".join(result.output.split())
    assert result.exit_code == 3
    assert "bad.npz" in output
    assert "lattices imported, 0 there already" in output
    assert open_ensemble(tmp_path / "s.zarr").sizes["realization"] >= 1


def test_dry_run__writes_nothing_and_exit_codes_are_true(folder, tmp_path):
    run = [str(folder / "run"), str(tmp_path / "s.zarr")]
    result = CliRunner().invoke(cli.app, ["import", *run, "--dry-run"])
    assert (result.exit_code, (tmp_path / "s.zarr").exists()) == (0, False)
    assert "1 lattices would be imported, 0 there already, 0 sources left out" in result.output
    assert CliRunner().invoke(cli.app, ["import", str(folder / "notes.txt"), run[1]]).exit_code == 1
    assert [CliRunner().invoke(cli.app, ["import", *run]).exit_code for _ in range(2)] == [0, 0]


def test_labels__come_from_a_table(folder, tmp_path):
    (folder / "labels.csv").write_text("file,D,B,T,r,dmi,handedness\nm.ovf,0.5,0.1,0.02,3,bloch,-1\nrun,,0.3,,,,\n")
    plan = plan_import([folder / "m.ovf"], tmp_path / "s.zarr", labels=folder / "labels.csv")
    (row,) = plan.rows
    assert (row.D, row.B, row.layout.T, row.realizations) == ((0.5,), (0.1,), 0.02, (3,))
    assert row.layout.hamiltonian == Hamiltonian("bloch", -1)
    plan = plan_import([folder / "run"], tmp_path / "t.zarr", labels=folder / "labels.csv")
    assert plan.rows[0].B == (0.3,)
    plan = plan_import([folder / "two.npz"], tmp_path / "u.zarr", labels=folder / "labels.csv")
    assert "expected a line in" in plan.rows[0].reason


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,D\na,1\n", r"labels.csv:1: expected columns 'file'"),
        ("file,D\na\n", r"labels.csv:2: expected 2 cells, found 1"),
        ("file,D\na,x\n", r"labels.csv:2: expected a number for D, found 'x'"),
        ("file,D\na,1\n\na,2\n", r"labels.csv:4: expected each file once"),
        ('file,D\n"a,1\n', "expected a CSV table"),
    ],
)
def test_table__names_the_line(tmp_path, text, message):
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(FormatError, match=message):
        Table(tmp_path / "labels.csv")


@pytest.mark.parametrize("text", ["", "D", "{Q}", "{D}{D}", "{}"])
def test_pattern__names_what_is_wrong(text):
    with pytest.raises(SchemaError, match="pattern: expected names in braces"):
        Pattern(text)


def test_pattern__reads_numbers_as_they_are_written(tmp_path):
    from pathlib import Path

    labels = Pattern("D={D}/B={B}_{}.{r}").labels_of(Path("x/D=0.5/B=-1.25e-1_late.07.npz"))
    assert labels == {"D": 0.5, "B": -0.125, "realization": 7}
    with pytest.raises(FormatError, match="expected a name that fits"):
        Pattern("D{D}").labels_of(Path("B1"))


@pytest.mark.parametrize("store", ["s3://bucket/a.zarr", "memory://a.zarr", "file:///tmp/a.zarr"])
def test_urls__are_refused_before_anything_is_read(store, monkeypatch):
    monkeypatch.setattr("skylattice.io.plan.find_sources", lambda _: pytest.fail("read before the check"))
    with pytest.raises(StoreError, match="found a URL"):
        plan_import(["nowhere"], store)

"""What is damaged is found and made anew: lattices bit by bit, or they are left and named."""

import shutil

import numpy as np
import pytest
import xarray as xr

import skylattice
from skylattice.cli.main import main
from skylattice.io.results import ANALYSIS_VERSION, open_results, results_path, write_results
from skylattice.io.store import open_ensemble
from skylattice.io.writing import create_store, lattice_ids, write_point
from skylattice.simulation.schedule import Schedule
from skylattice.study import verify
from skylattice.study.analysis import VERSIONS, analyse_store
from skylattice.study.verify import verify_store


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "e.zarr"
    schedule = Schedule.geometric(1.0, 0.01, steps=6, sweeps=3)
    options = {"size": 24, "T": 0.01, "schedule": schedule, "keep_bits": 14, "progress": False}
    skylattice.simulate_ensemble(D=[0.6], B=[0.15, 0.2], realizations=2, store=path, **options)
    analyse_store(path, progress=False)
    return path


@pytest.fixture
def store(whole, tmp_path):
    shutil.copytree(whole.parent, tmp_path, dirs_exist_ok=True)
    return tmp_path / "e.zarr"


def change(file, place=-1):
    data = bytearray(file.read_bytes())
    data[place] ^= 1
    file.write_bytes(data)


def content(path):
    return [open_ensemble(path).load(), *(open_results(path, group).load() for group in VERSIONS)]


def test_verify__of_a_whole_store_finds_nothing(store):
    verification = verify_store(store, progress=False)
    assert verification.ok
    assert not verification.found


def test_repair__brings_everything_back(store):
    """A lattice, a document, numbers that other things tell, a coordinate, and results."""
    before = content(store)
    change(store / "spin/c.0.0.0.0.0.0", 30)
    (store / "spin/c.0.1.0.0.0.0").unlink()
    change(store / "spin/zarr.json", 40)
    change(store / "D/c/0", 3)
    (store / "seed/c/0/0/0").unlink()
    (store / "realization/c/0").write_bytes(b"")
    change(results_path(store) / "observables/m_z/zarr.json", 9)
    (results_path(store) / "defects/charge/c").rename(store.with_name("gone"))
    found = verify_store(store, progress=False)
    assert not found.ok
    assert found.unread
    assert not found.repaired
    verification = verify_store(store, repair=True, progress=False)
    assert verification.ok, verification.left
    text = "\n".join(verification.repaired)
    assert text.count("bit by bit as it was") == 3
    for one, other in zip(content(store), before, strict=True):
        xr.testing.assert_identical(one, other)
    assert verify_store(store, progress=False).ok


def test_repair__of_a_group_that_holds_others_gives_a_document_that_must_have_a_checksum(store):
    document = results_path(store) / "zarr.json"
    written = document.read_bytes()
    document.write_bytes(b"")
    assert verify_store(store, repair=True, progress=False).ok
    assert document.read_bytes() == written


def test_repair__of_a_lattice_that_would_be_another_leaves_it(store, monkeypatch):
    change(store / "spin/c.0.0.0.0.0.0", 30)
    lattice_of = verify.simulate_lattice
    monkeypatch.setattr(verify, "simulate_lattice", lambda *a, **o: -lattice_of(*a, **o))
    verification = verify_store(store, repair=True, progress=False)
    assert "another lattice than its lattice_id names" in verification.left[0]
    monkeypatch.setattr(verify, "differences", lambda attrs: ["cpu: z80, here another"])
    (line,) = verify_store(store, repair=True, progress=False).left
    assert "D=0.6, B=0.15, realization 0" in line
    assert "simulated elsewhere, where bits may differ: cpu: z80" in line


def test_verify__names_imports_and_poison(tmp_path, monkeypatch):
    spin = np.zeros((2, 8, 8, 3), np.float32)
    spin[..., 2] = 1
    path = tmp_path / "a.zarr"
    layout = skylattice.io.layout.Layout((8, 8), 0.1, skylattice.Hamiltonian())
    create_store(path, D=[0.5], B=[0.1], realizations=2, layout=layout, attrs={"sources": ["run/7"]})
    monkeypatch.setattr("skylattice.io.writing.check_values", lambda *a, **o: None)
    poison = spin.copy()
    poison[0, 3, 3] = 0
    poison[1, 2] *= 2
    write_point(path, D=0.5, B=0.1, spin=poison)
    left = verify_store(path, repair=True, progress=False).left
    assert "some spins have no length" in left[0]
    assert "not of unit length" in left[1]
    assert "import it again from ['run/7']" in left[1]
    write_point(path, D=0.5, B=0.1, spin=spin)
    assert verify_store(path, progress=False).ok
    monkeypatch.setattr("skylattice.io.writing.lattice_ids", lambda spins: lattice_ids(spins) + np.uint64(1))
    write_point(path, D=0.5, B=0.1, spin=spin[:1], realizations=[1])
    (line,) = verify_store(path, progress=False).left
    assert "realization 1" in line
    assert "not those of its lattice_id" in line


def test_verify__finds_results_of_other_code_and_makes_them_anew(store):
    results = open_results(store, "defects").load()
    write_results(store, "defects", results, version=VERSIONS["defects"] + 1)
    (line,) = verify_store(store, progress=False).left
    assert "results of 4 lattices are those of version 2 of the code" in line
    assert verify_store(store, results=False, progress=False).ok
    assert verify_store(store, repair=True, progress=False).ok
    assert open_results(store, "defects").attrs[ANALYSIS_VERSION] == VERSIONS["defects"]


def test_command__says_by_its_exit_code_whether_all_is_well(store, monkeypatch, capsys):
    def run(*options):
        monkeypatch.setattr("sys.argv", ["skylattice", "verify", str(store), *options])
        with pytest.raises(SystemExit) as code:
            main()
        return code.value.code, " ".join(capsys.readouterr().out.split())

    assert run()[0] == 0
    change(store / "B/c/0", 2)
    code, out = run()
    assert code == 1
    assert "B/c/0: the chunk is damaged" in out
    assert "Spins and results were not looked at" in out
    assert "--repair" in out
    code, out = run("--repair")
    assert code == 0
    assert "repaired B/c/0: one byte had changed" in out

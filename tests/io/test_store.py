import errno
import resource
import shutil
import threading
import time

import numpy as np
import pytest
import xarray as xr
import zarr

from skylattice import Hamiltonian, open_ensemble, testing
from skylattice.errors import SchemaError, StoreError
from skylattice.io import writing
from skylattice.io.layout import Layout
from skylattice.io.results import open_results, results_path, write_results
from skylattice.io.seals import read_document, write_document
from skylattice.io.store import bytes_below, info
from skylattice.io.writing import append_grid, check_layout, create_store, round_mantissa, write_point

LAYOUT = Layout((8, 10), 0.006, Hamiltonian("bloch", -1))


@pytest.fixture
def path(tmp_path):
    """An empty store of 2 × 3 points with 2 realizations."""
    create_store(tmp_path / "e.zarr", D=[0.5, 0.4], B=[0.1, 0.2, 0.3], realizations=2, layout=LAYOUT)
    return tmp_path / "e.zarr"


def lattices(n=2, seed=0):
    return testing.random_spins((n, 8, 10), seed, "float32")


def test_store__returns_what_was_written_and_holes_elsewhere(path):
    spin = lattices()
    write_point(path, D=0.5, B=0.2, spin=spin, seeds=[7, 2**63 + 1])
    ds = open_ensemble(path)
    assert ds.spin.dims == ("D", "B", "realization", "y", "x", "component")
    np.testing.assert_array_equal(ds.spin.sel(D=0.5, B=0.2), spin)
    assert ds.seed.sel(D=0.5, B=0.2).values.tolist() == [7, 2**63 + 1]
    assert int(np.isnan(ds.spin).any(["y", "x", "component"]).sum()) == 10
    assert ds.status.sum() == 2
    assert ds.sky.hamiltonian == LAYOUT.hamiltonian
    assert float(ds["T"]) == 0.006
    assert ds.spin.dtype == np.float32


def test_store__opens_without_reading_spins(path, monkeypatch):
    write_point(path, D=0.5, B=0.2, spin=lattices())
    (path / "spin/c.1.1.0.0.0.0").unlink()  # reading it would now give holes
    with testing.raise_if_computes():
        ds = open_ensemble(path)
    assert ds.spin.chunks[:3] == ((1, 1), (1, 1, 1), (2,))


def test_store__holes_cost_no_bytes(path):
    write_point(path, D=0.5, B=0.2, spin=np.full((2, 8, 10, 3), np.nan), status=[2, 2])
    assert not list(path.glob("spin/c*"))
    assert info(path)["lattices"]["skipped"] == 2


def test_store__chunks_carry_a_checksum(path):
    write_point(path, D=0.4, B=0.1, spin=lattices())
    shard = path / "spin/c.0.0.0.0.0.0"
    data = bytearray(shard.read_bytes())
    data[40] ^= 1
    shard.write_bytes(data)
    with pytest.raises(StoreError, match=r"'spin': chunk spin/c.0.0.0.0.0.0 is damaged .*checksum.*skylattice verify"):
        open_ensemble(path).spin.load()


def test_append__keeps_lattices_and_sorts_the_new_values_in(path):
    write_point(path, D=0.5, B=0.2, spin=lattices())
    append_grid(path, D=[0.45, 0.5], B=0.05, realizations=5)
    write_point(path, D=0.45, B=0.05, spin=lattices(3, seed=1), realizations=[1, 3, 4])
    ds = open_ensemble(path)
    assert ds["D"].values.tolist() == [0.4, 0.45, 0.5]
    assert ds["B"].values.tolist() == [0.05, 0.1, 0.2, 0.3]
    np.testing.assert_array_equal(ds.spin.sel(D=0.5, B=0.2)[:2], lattices())
    np.testing.assert_array_equal(ds.spin.sel(D=0.45, B=0.05)[[1, 3, 4]], lattices(3, seed=1))
    assert ds.status.sel(D=0.45, B=0.05).values.tolist() == [0, 1, 0, 1, 1]


def test_write__of_some_realizations_keeps_the_others(path):
    write_point(path, D=0.5, B=0.2, spin=lattices())
    write_point(path, D=0.5, B=0.2, spin=lattices(1, seed=1), realizations=[1])
    np.testing.assert_array_equal(open_ensemble(path).spin.sel(D=0.5, B=0.2)[0], lattices()[0])
    np.testing.assert_array_equal(open_ensemble(path).spin.sel(D=0.5, B=0.2)[1], lattices(1, seed=1)[0])


def test_write__from_many_threads_loses_nothing(path):
    append_grid(path, D=np.arange(8) / 10, B=np.arange(4) / 10)
    points = [(d, b) for d in np.arange(8) / 10 for b in np.arange(4) / 10]
    write = lambda k: write_point(path, D=points[k][0], B=points[k][1], spin=lattices(seed=k))  # noqa: E731
    threads = [threading.Thread(target=write, args=(k,)) for k in range(len(points))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ds = open_ensemble(path, load=True)
    for k, (d, b) in enumerate(points):
        np.testing.assert_array_equal(ds.spin.sel(D=d, B=b, method="nearest"), lattices(seed=k))


def test_write__of_two_writers_at_one_region_stops_the_second(path, monkeypatch):
    inside, release, put = threading.Event(), threading.Event(), writing.put_lattices

    def slow_put(*args):
        inside.set()
        release.wait(10)
        put(*args)

    monkeypatch.setattr(writing, "put_lattices", slow_put)
    first = threading.Thread(target=write_point, args=(path,), kwargs={"D": 0.5, "B": 0.2, "spin": lattices()})
    first.start()
    assert inside.wait(10)
    with pytest.raises(StoreError, match=r"another writer is at region '0-1'|another writer is at region '1-1'"):
        write_point(path, D=0.5, B=0.2, spin=lattices(seed=1))
    release.set()
    first.join()
    np.testing.assert_array_equal(open_ensemble(path).spin.sel(D=0.5, B=0.2), lattices())


@pytest.mark.parametrize("keep_bits", [1, 10, 16, 22])
def test_rounding__errs_by_no_more_than_stated(keep_bits):
    spin = lattices(20)
    rounded = round_mantissa(spin, keep_bits)
    assert np.max(np.abs(rounded / spin.astype(np.float64) - 1)) <= 2.0 ** -(keep_bits + 1)
    assert not (rounded.view(np.uint32) & np.uint32((1 << (23 - keep_bits)) - 1)).any()


def test_rounding__is_stated_with_the_store_and_saves_bytes(tmp_path):
    for name, bits in (("full", None), ("rounded", 10)):
        layout = Layout((64, 64), 0.006, Hamiltonian(), bits)
        create_store(tmp_path / name, D=[0.5], B=[0.1], realizations=1, layout=layout)
        write_point(tmp_path / name, D=0.5, B=0.1, spin=testing.random_spins((1, 64, 64)))
    assert bytes_below(tmp_path / "rounded/spin") < 0.7 * bytes_below(tmp_path / "full/spin")
    assert open_ensemble(tmp_path / "rounded").attrs["spin_max_error"] == 2.0**-11


def test_opening__of_2860_lattices_takes_less_than_half_a_second(tmp_path):
    """The thesis' ensemble: 2860 lattices, 572 points on a plane of 26 × 44."""
    path = tmp_path / "thesis.zarr"
    layout = Layout((200, 200), 0.006, Hamiltonian())
    create_store(path, D=np.arange(26) / 100, B=np.arange(44) / 100, realizations=5, layout=layout)
    times = []
    for _ in range(3):
        start = time.perf_counter()
        open_ensemble(path)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.5


def test_results__live_beside_the_ensemble_and_survive(path):
    ds = xr.Dataset({"m_z": (("D", "component"), np.eye(3)[:2])}, {"component": ["x", "y", "z"], "D": [0.4, 0.5]})
    assert write_results(path, "observables", ds) == results_path(path)
    assert results_path(path).name == "e.results.zarr"
    write_results(path, "models/periodic", ds * 2)
    xr.testing.assert_equal(open_results(path, "models/periodic").m_z.load(), 2 * ds.m_z)
    xr.testing.assert_equal(open_results(path, "observables").m_z.load(), ds.m_z)
    with pytest.raises(StoreError, match=r"no group 'defects'.*skylattice analyse"):
        open_results(path, "defects")


def refuse(error_number):
    def put(*_):
        raise OSError(error_number, "refused")

    return put


@pytest.mark.parametrize(
    ("error_number", "message"),
    [(errno.ENOSPC, "disk is full"), (errno.EROFS, "read-only"), (errno.EACCES, "Permission"), (errno.EDQUOT, "quota")],
)
def test_write__explains_what_the_disk_refuses_and_keeps_the_rest(path, monkeypatch, error_number, message):
    write_point(path, D=0.5, B=0.2, spin=lattices())
    monkeypatch.setattr(writing, "put_lattices", refuse(error_number))
    with pytest.raises(StoreError, match=message):
        write_point(path, D=0.5, B=0.1, spin=lattices())
    monkeypatch.undo()
    assert info(path)["lattices"]["done"] == 2
    write_point(path, D=0.5, B=0.1, spin=lattices())
    assert info(path)["lattices"]["done"] == 4


def test_write__beyond_a_real_limit_is_explained_and_keeps_the_rest(path):
    """A limit on file sizes set for this process is the one full disk that needs no privileges."""
    write_point(path, D=0.5, B=0.2, spin=lattices())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (512, hard))
    try:
        with pytest.raises(StoreError, match="beyond the limit"):
            write_point(path, D=0.5, B=0.1, spin=lattices(seed=1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert info(path)["lattices"]["done"] == 2
    np.testing.assert_array_equal(open_ensemble(path).spin.sel(D=0.5, B=0.2), lattices())


def not_unit():
    spin = lattices()
    spin[1, 3, 4] *= 2
    return spin


def with_nan():
    spin = lattices()
    spin[1, 3, 4, 0] = np.nan
    return spin


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"D": 0.6}, SchemaError, r"expected D in \[0.4, 0.5\], found 0.6.*append_grid"),
        ({"spin": lattices()[:, :4]}, StoreError, r"lattices of shape \(8, 10, 3\)"),
        ({"spin": lattices(3)}, StoreError, "realizations below 2"),
        ({"status": [1]}, StoreError, "1 status"),
        ({"spin": not_unit()}, SchemaError, r"\|S\| = 2 at y=3, x=4 of lattice \(1,\)"),
        ({"spin": with_nan()}, SchemaError, r"\|S\| = nan at y=3, x=4"),
    ],
)
def test_write__names_what_is_wrong_and_writes_nothing(path, arguments, error, message):
    with pytest.raises(error, match=message):
        write_point(path, **{"D": 0.5, "B": 0.2, "spin": lattices(), **arguments})
    assert info(path)["lattices"]["done"] == 0


def test_store__of_a_newer_version_is_refused(path):
    document = read_document(path)
    document["attributes"]["format_version"] = 99
    write_document(path, document)
    for attempt in (open_ensemble, info, lambda p: write_point(p, D=0.5, B=0.2, spin=lattices())):
        with pytest.raises(StoreError, match=r"format_version <= 2, found 99.*pip install --upgrade"):
            attempt(path)


def test_open__takes_a_store_object_and_a_url(path):
    write_point(path, D=0.5, B=0.2, spin=lattices())
    for other in (zarr.storage.LocalStore(path, read_only=True), path.as_uri()):
        xr.testing.assert_identical(open_ensemble(other).spin.load(), open_ensemble(path).spin.load())


def test_open__of_something_else_says_so(tmp_path):
    with pytest.raises(StoreError, match="there is no ensemble store here"):
        open_ensemble(tmp_path / "nowhere.zarr")
    zarr.open_group(tmp_path / "foreign.zarr", mode="w")
    with pytest.raises(StoreError, match="no store of skylattice"):
        open_ensemble(tmp_path / "foreign.zarr")


def test_open__of_a_store_that_lost_an_array_names_it(path):
    shutil.rmtree(path / "status")
    with pytest.raises(StoreError, match=r"none for \['status'\]: the store is damaged"):
        open_ensemble(path)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, StoreError, "exists already"),
        ({"realizations": 0, "path": "new"}, StoreError, "at least one realization"),
        ({"D": [], "path": "new"}, StoreError, "at least one value"),
        ({"D": ["a"], "path": "new"}, SchemaError, "D: expected numbers"),
    ],
)
def test_create__refuses(path, arguments, error, message):
    target = path.with_name(arguments.pop("path")) if "path" in arguments else path
    with pytest.raises(error, match=message):
        create_store(target, **{"D": [0.5], "B": [0.1], "realizations": 1, "layout": LAYOUT, **arguments})


def test_layout__of_other_lattices_does_not_fit(path):
    check_layout(path, LAYOUT)
    with pytest.raises(StoreError, match="to_handedness"):
        check_layout(path, Layout((8, 10), 0.006, Hamiltonian("bloch", 1)))
    with pytest.raises(SchemaError, match="keep_bits"):
        Layout((8, 10), 0.006, Hamiltonian(), keep_bits=0)
    with pytest.raises(SchemaError, match="T: expected values >= 0"):
        Layout((8, 10), -1.0, Hamiltonian())

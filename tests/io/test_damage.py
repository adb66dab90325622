"""One byte changed anywhere, one file gone or cut: found, named, and never read as if nothing were."""

import multiprocessing
import os
import shutil

import numpy as np
import pytest
from harness.damage import LAYOUT, files, flip, flip_spares_nobody, lattices, make_whole, values

from skylattice import Hamiltonian, open_ensemble
from skylattice.boundary import Boundary
from skylattice.errors import SchemaError, StoreError
from skylattice.io.checked import open_group
from skylattice.io.correct import correct_chunk, correct_document
from skylattice.io.layout import Layout
from skylattice.io.results import match, open_results
from skylattice.io.seals import canonical, read_document, seal
from skylattice.io.store import info
from skylattice.io.verify import check_results, check_store
from skylattice.io.writing import append_grid, check_layout, create_store, write_point


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return make_whole(tmp_path_factory.mktemp("whole") / "e.zarr")


@pytest.fixture
def store(whole, tmp_path):
    shutil.copytree(whole.parent, tmp_path, dirs_exist_ok=True)
    return tmp_path / "e.zarr"


def test_damage__of_every_file_is_found_and_changes_no_value(store):
    before, rng = values(store), np.random.default_rng(0)
    assert not check_store(store)
    assert not check_results(store)
    for file in files(store):
        data = file.read_bytes()
        for how in ("flip", "truncation", "deletion"):
            if how == "flip":
                flip(file, rng)
            elif how == "truncation":
                file.write_bytes(data[: len(data) // 2])
            else:
                file.unlink()
            _, raised = flip_spares_nobody(store, before, file, how)
            is_parent = file.parent.name in ("e.results.zarr", "models")  # groups that only hold others
            assert raised or is_parent, f"{how} of {file.name} in {file.parent.name}"
            file.write_bytes(data)
    assert not check_store(store)


def test_damage__names_store_array_and_chunk(store):
    flip(store / "seed/c/0/0/0", np.random.default_rng(1))
    with pytest.raises(StoreError, match=r"e\.zarr: array 'seed': chunk seed/c/0/0/0 is damaged"):
        open_ensemble(store).seed.load()
    (store / "status/c/0/0/0").unlink()
    with pytest.raises(StoreError, match=r"e\.zarr: array 'status': chunk status/c/0/0/0 is missing"):
        open_ensemble(store).status.load()
    (store / "spin/c.0.0.0.0.0.0").unlink(missing_ok=True)
    assert {damage.array for damage in check_store(store)} == {"seed", "status"}


def test_spins__that_are_gone_are_no_holes(store):
    shard = next(store.glob("spin/c.*"))
    shard.unlink()
    ds = open_ensemble(store)
    with pytest.raises(StoreError, match=rf"'spin': chunk spin/{shard.name} is missing"):
        ds.spin.sel(D=0.5, B=0.2).load()
    assert np.isnan(ds.spin.sel(D=0.4).load()).all()  # skipped and empty ones are
    (damage, other) = check_store(store)
    assert (damage.lattice, other.lattice) == ((0.5, 0.2, 0), (0.5, 0.2, 1))


def test_shard__that_is_damaged_can_be_rewritten(store):
    shard = next(store.glob("spin/c.*"))
    shard.write_bytes(b"nonsense")
    write_point(store, D=0.5, B=0.2, spin=lattices(1, seed=5), realizations=[1])
    np.testing.assert_array_equal(open_group(store)["spin"][1, 1, 1], lattices(1, seed=5)[0])
    with pytest.raises(StoreError, match="is missing"):  # the other one is lost, and nobody says otherwise
        open_ensemble(store).spin.sel(D=0.5, B=0.2).load()


def test_shard__keeps_what_can_be_read_beside_what_cannot(store):
    shard = next(store.glob("spin/c.*"))
    data = bytearray(shard.read_bytes())
    data[20] ^= 1  # in the first lattice
    shard.write_bytes(data)
    write_point(store, D=0.5, B=0.2, spin=lattices(1, seed=5), realizations=[0])
    np.testing.assert_array_equal(open_ensemble(store).spin.sel(D=0.5, B=0.2)[1], lattices()[1])


def test_numbers__are_updated_and_never_vanish(store):
    write_point(store, D=0.5, B=0.2, spin=np.full((2, 6, 8, 3), np.nan), status=[0, 0], seeds=[0, 0])
    assert (store / "status/c/0/0/0").exists()  # all values are the fill value
    assert not check_store(store)
    assert (open_ensemble(store).status.sel(D=0.5) == 0).all()


def test_done__without_spins_is_refused(store):
    with pytest.raises(SchemaError, match="every lattice that is done, found holes"):
        write_point(store, D=0.5, B=0.1, spin=np.full((2, 6, 8, 3), np.nan), status=[1, 1])


def test_growth__leaves_a_whole_store(store):
    append_grid(store, D=np.arange(20) / 10, B=np.arange(40) / 100, realizations=5)
    assert not check_store(store)
    assert open_ensemble(store).status.sum() == 2 + 4
    read_document(store / "spin")
    np.testing.assert_array_equal(open_ensemble(store).spin.sel(D=0.5, B=0.2)[:2], lattices())


def _fill(path, points):
    for D, B in points:
        write_point(path, D=D, B=B, spin=lattices(seed=round(100 * B)), seeds=[round(1000 * D), round(1000 * B)])


def test_numbers__of_many_writers_in_one_block_are_all_there(tmp_path):
    path = tmp_path / "e.zarr"
    create_store(path, D=[0.1, 0.2, 0.3, 0.4], B=np.arange(8) / 100, realizations=2, layout=LAYOUT)
    points = [(D, B) for D in (0.1, 0.2, 0.3, 0.4) for B in np.arange(8) / 100]
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_fill, args=(path, points[k::3])) for k in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    ds = open_ensemble(path).load()
    assert (ds.status == 1).all()
    assert (ds.lattice_id != 0).all()
    assert (ds.seed.isel(realization=0) == np.rint(1000 * ds.D)).all()
    assert (ds.seed.isel(realization=1) == np.rint(1000 * ds.B)).all()


def test_manifest__of_a_hundred_thousand_lattices_is_small(tmp_path):
    path = tmp_path / "big.zarr"
    create_store(path, D=np.arange(100) / 100, B=np.arange(200) / 100, realizations=5, layout=LAYOUT)
    assert info(path)["lattices"]["empty"] == 100_000
    assert sum(len(found) for _, _, found in os.walk(path / "status")) < 100
    assert not check_store(path)


def test_mask__and_moment_travel_with_the_lattices(tmp_path):
    rng = np.random.default_rng(0)
    mask = rng.random((2, 6, 8)) > 0.3
    spin = np.where(mask[..., None], lattices(), 0)
    layout = Layout((6, 8), 0.006, Hamiltonian(), boundary=Boundary(False, True), mask="each", has_moment=True)
    create_store(tmp_path / "a.zarr", D=[0.5], B=[0.1, 0.2], realizations=2, layout=layout)
    write_point(tmp_path / "a.zarr", D=0.5, B=0.1, spin=spin, mask=mask, moment=[2.0, 3.0])
    ds = open_ensemble(tmp_path / "a.zarr").load()
    assert ds.attrs["boundary"] == "open_y"
    np.testing.assert_array_equal(ds.mask.isel(D=0, B=0), mask)
    np.testing.assert_array_equal(ds.spin.isel(D=0, B=0), spin)
    assert ds.moment.isel(D=0, B=0).values.tolist() == [2, 3]
    assert np.isnan(ds.moment.isel(B=1)).all()
    assert ds.mask.dtype == bool
    check_layout(tmp_path / "a.zarr", layout)
    with pytest.raises(StoreError, match="boundary: the store has open_y, the new lattices periodic"):
        check_layout(tmp_path / "a.zarr", Layout((6, 8), 0.006, Hamiltonian(), mask=mask[0]))
    with pytest.raises(SchemaError, match="spins of 0 at the empty sites"):
        write_point(tmp_path / "a.zarr", D=0.5, B=0.2, spin=lattices(), mask=mask)
    with pytest.raises(SchemaError, match=r"\|S\| = 0"):
        write_point(tmp_path / "a.zarr", D=0.5, B=0.2, spin=spin)
    next((tmp_path / "a.zarr/mask").glob("c.*")).unlink()
    with pytest.raises(StoreError, match=r"'mask': chunk .* is missing"):
        open_ensemble(tmp_path / "a.zarr").mask.load()


def test_mask__of_all_lattices_is_one(tmp_path):
    mask = np.arange(48).reshape(6, 8) % 5 > 0
    layout = Layout((6, 8), 0.006, Hamiltonian(), mask=mask)
    create_store(tmp_path / "a.zarr", D=[0.5], B=[0.1], realizations=2, layout=layout)
    write_point(tmp_path / "a.zarr", D=0.5, B=0.1, spin=lattices() * mask[..., None])
    ds = open_ensemble(tmp_path / "a.zarr")
    assert ds.mask.dims == ("y", "x")
    np.testing.assert_array_equal(ds.mask, mask)
    check_layout(tmp_path / "a.zarr", layout)


def test_leading__dims_before_the_grid(tmp_path):
    path = tmp_path / "hot.zarr"
    layout = Layout((6, 8), np.nan, Hamiltonian())
    create_store(path, D=[0.5], B=[0.1, 0.2], realizations=2, layout=layout, leading={"T": [0.1, 0.3]})
    write_point(path, D=0.5, B=0.2, leading={"T": 0.3}, spin=lattices())
    append_grid(path, leading={"T": [0.2]})
    write_point(path, D=0.5, B=0.1, leading={"T": 0.2}, spin=lattices(seed=1))
    ds = open_ensemble(path).load()
    assert ds.spin.dims[:4] == ("T", "D", "B", "realization")
    assert ds["T"].values.tolist() == [0.1, 0.2, 0.3]
    np.testing.assert_array_equal(ds.spin.sel(T=0.3, D=0.5, B=0.2), lattices())
    np.testing.assert_array_equal(ds.spin.sel(T=0.2, D=0.5, B=0.1), lattices(seed=1))
    assert int((ds.status == 1).sum()) == 4
    assert not check_store(path)
    with pytest.raises(StoreError, match=r"a value for each of \['T', 'D', 'B'\]"):
        write_point(path, D=0.5, B=0.2, spin=lattices())


def test_results__of_other_code_are_stale(store):
    results = open_results(store, "observables").load()
    ds = open_ensemble(store)
    assert match(results, ds)[1] == 0
    aligned, n_stale = match(results, ds, version=2)
    assert n_stale == 2
    assert np.isnan(aligned.m_z).all()


def test_correction__finds_the_byte_that_changed():
    google_crc32c = pytest.importorskip("google_crc32c")
    rng = np.random.default_rng(3)
    document = canonical(seal({"node_type": "group", "attributes": {"seed": 1, "zone": "a", "B": [0.1] * 9}}))
    for length in (8, 300):
        chunk = rng.bytes(length)
        chunk += google_crc32c.value(chunk).to_bytes(4, "little")
        for data, correct in ((chunk, correct_chunk), (document, correct_document)):
            for place in rng.permutation(len(data))[:40]:
                broken = bytearray(data)
                broken[place] ^= rng.integers(1, 256)
                assert correct(bytes(broken)) == data, place
            two = bytearray(data)
            two[1] ^= 1
            two[len(data) // 2] ^= 1
            assert correct(bytes(two)) != data


def test_document__whose_attributes_lost_their_name_is_damaged(store):
    """Without attributes there is no checksum to miss."""
    document = store.with_name("e.results.zarr") / "zarr.json"
    document.write_bytes(document.read_bytes().replace(b'"attributes"', b'"a|tributes"'))
    assert check_results(store)
    with pytest.raises(StoreError, match="none of zarr's"):
        read_document(document.parent)

"""What the pages read, without a page: which stores may be opened, and messages instead of tracebacks."""

import io
import os
import shutil
import time

import models
import numpy as np
import pandas as pd
import pytest
import services
import stores
import streamlit as st
from services import Point
from small_stores import SIZE, lattice, make_store

from skylattice import open_ensemble
from skylattice.errors import StoreError
from skylattice.io.results import open_results, write_results
from skylattice.io.writing import write_point

POINT = Point(0.5, 0.1, 1)


# What may be opened


def test_sources__start_with_the_given_store_and_list_what_ships(full):
    assert list(stores.sources()) == ["full", "example", "uppasd-200"]


def test_sources__finds_stores_below_a_root_but_not_results(root):
    (root / "a" / "b").mkdir(parents=True)
    make_store(root / "a" / "b" / "deep.zarr", write=False)
    make_store(root / "top.zarr", write=False)
    (root / "top.results.zarr").mkdir()
    (root / "top.results.zarr" / "zarr.json").write_text("{}")
    assert set(stores.sources()) - {"example", "uppasd-200"} == {"a/b/deep", "top"}


def test_source__of_a_path_is_refused_however_it_is_written(root, tmp_path):
    outside = make_store(tmp_path / "outside.zarr")
    for key in (str(outside), "../outside", "../outside.zarr", f"file://{outside}", "root/../../outside", ""):
        with pytest.raises(StoreError, match="no such store"):
            stores.source(key)


@pytest.mark.parametrize("link", ["store", "array", "results", "parent", "chunks", "chunk", "result"])
def test_source__behind_a_symbolic_link_out_of_the_roots_is_refused(root, tmp_path, link):
    outside = make_store(tmp_path / "outside.zarr")
    if link == "store":
        (root / "inside.zarr").symlink_to(outside)
    elif link == "parent":
        (root / "inside").symlink_to(tmp_path)
    else:
        make_store(root / "inside.zarr")
        target = root / "inside.zarr" / "spin"
        if link in ("chunks", "chunk", "result"):
            if link == "result":
                shutil.copytree(outside, root / "inside.results.zarr")
                target = root / "inside.results.zarr" / "spin"
            chunk = next(file for file in sorted(target.rglob("*")) if file.is_file() and file.name != "zarr.json")
            inner = target / "c" if link == "chunks" else chunk  # that of stores of version 1, which had a folder
            inner.unlink(missing_ok=True)
            inner.symlink_to(outside / "spin" / inner.relative_to(target))
        elif link == "array":
            shutil.rmtree(target)
            target.symlink_to(outside / "spin")
        else:
            (root / "inside.results.zarr").symlink_to(outside)
    assert set(stores.sources()) == {"example", "uppasd-200"}


def test_source__that_becomes_a_link_while_listed_is_refused(root, tmp_path):
    outside = make_store(tmp_path / "outside.zarr")
    inside = make_store(root / "inside.zarr")
    assert services.lattice("inside", POINT) is not None
    shutil.rmtree(inside)
    inside.symlink_to(outside)
    with pytest.raises(StoreError, match="outside the folders"):
        services.lattice("inside", POINT)


def test_source__by_a_link_inside_the_root_is_the_store_itself(root):
    make_store(root / "a.zarr")
    (root / "b.zarr").symlink_to(root / "a.zarr")
    assert [key for key in stores.sources() if key in "ab"] == ["a"]


def test_catalog_entries__outside_the_roots_are_left_out(root, tmp_path, monkeypatch):
    make_store(tmp_path / "outside.zarr")
    make_store(root / "inside.zarr")
    (root / "c.yaml").write_text(
        "sources:\n"
        "  out: {driver: zarr, args: {urlpath: '{{ CATALOG_DIR }}/../outside.zarr'}}\n"
        "  in: {driver: zarr, description: mine, args: {urlpath: '{{ CATALOG_DIR }}/inside.zarr'}}\n"
    )
    monkeypatch.setenv("SKYLATTICE_DASHBOARD_SOURCE", str(root / "c.yaml"))
    assert list(stores.sources()) == ["in", "example", "uppasd-200"]
    assert stores.sources()["in"].description == "mine"


@pytest.mark.parametrize(
    "prefix", ["file://", "local://", "simplecache::file://", "filecache::local://", "simplecache::"]
)
def test_catalog_entries__of_an_address_here_are_paths_like_others(root, tmp_path, monkeypatch, prefix):
    make_store(tmp_path / "outside.zarr")
    make_store(root / "inside.zarr")
    (root / "c.yaml").write_text(
        "sources:\n"
        f"  out: {{driver: zarr, args: {{urlpath: '{prefix}{tmp_path}/outside.zarr'}}}}\n"
        f"  in: {{driver: zarr, args: {{urlpath: '{prefix}{{{{ CATALOG_DIR }}}}/inside.zarr'}}}}\n"
    )
    monkeypatch.setenv("SKYLATTICE_DASHBOARD_SOURCE", str(root / "c.yaml"))
    assert list(stores.sources()) == ["in", "example", "uppasd-200"]
    assert stores.sources()["in"].location == str(root / "inside.zarr")


@pytest.mark.parametrize(
    "url", ["reference://x", "zip://a::file:///x.zip", "dir::file:///x", "git:///x", "simplecache::zip://a::/x", "://x"]
)
def test_catalog_entries__that_could_lead_anywhere_are_left_out(root, monkeypatch, url):
    (root / "c.yaml").write_text(f"sources:\n  out: {{driver: zarr, args: {{urlpath: '{url}'}}}}\n")
    monkeypatch.setenv("SKYLATTICE_DASHBOARD_SOURCE", str(root / "c.yaml"))
    assert list(stores.sources()) == ["example", "uppasd-200"]


def test_source__with_a_link_inside_the_roots_is_allowed_and_loops_end(root):
    path = make_store(root / "a.zarr")
    (path / "spin" / "loop").symlink_to(path)
    assert stores.is_allowed(path)


def test_source__of_more_files_than_can_be_looked_at_is_refused(root, monkeypatch):
    path = make_store(root / "a.zarr")
    monkeypatch.setattr(stores, "_MOST_FILES", 20)
    assert not stores.is_allowed(path)


# What is in a store


def test_scalars__are_those_of_the_results_on_the_grid_of_the_store(full):
    ds = services.scalars("full")
    spin = open_ensemble(full).sel(D=0.5, B=0.1)
    np.testing.assert_allclose(ds["topological_charge"].sel(D=0.5, B=0.1), spin.sky.topological_charge().compute())
    assert {"n_defects", "hexatic_order", "m_z", "energy", "charge_error"} <= {
        q.key for q in services.quantities("full")
    }
    assert not any("skyrmion" in array.dims for array in ds.data_vars.values())


def test_scalars__of_a_store_that_grew_after_the_analysis_are_nan_there(full, root):
    for path in full.parent.glob("full*"):
        shutil.copytree(path, root / path.name)
    write_point(root / "full.zarr", D=0.4, B=0.15, spin=lattice(7)[None])
    (root / "full.zarr").rename(root / "grown.zarr")
    (root / "full.results.zarr").rename(root / "grown.results.zarr")
    ds = services.scalars("grown").sel(D=0.4, B=0.15, realization=0)
    assert ds["status"] == 1
    assert np.isnan(ds["m_z"])


def test_scalars__before_the_analysis_are_the_status_alone(root):
    make_store(root / "raw.zarr")
    assert list(services.scalars("raw").data_vars) == ["status"]
    assert services.quantities("raw") == []


def test_table__has_one_row_per_lattice_that_is_done_or_failed(full):
    table = services.table("full")
    assert table["status"].value_counts().to_dict() == {"done": 5, "failed": 1}


def test_lattice__is_the_one_asked_for_and_alone(full):
    ds = services.lattice("full", POINT)
    np.testing.assert_array_equal(ds["spin"].values[0, 0, 0], lattice(3))


def test_lattice__reads_one_point_of_the_store(full, monkeypatch):
    read = []
    import zarr.storage

    original = zarr.storage.LocalStore.get

    async def spy(self, key, *args, **kwargs):
        read.append(key)
        return await original(self, key, *args, **kwargs)

    monkeypatch.setattr(zarr.storage.LocalStore, "get", spy)
    services.lattice("full", POINT)
    assert {key for key in read if key.startswith("spin/c")} == {"spin/c.1.0.0.0.0.0"}


def test_lattice__that_failed_says_so(full):
    with pytest.raises(StoreError, match="'failed'"):
        services.lattice("full", Point(0.5, 0.15, 1))


def test_lattice__of_a_store_deleted_while_open_says_so(root):
    path = make_store(root / "gone.zarr")
    services.lattice("gone", POINT)
    shutil.rmtree(path)
    with pytest.raises(StoreError, match="gone or cannot be read"):
        services.lattice("gone", POINT)


def test_lattice__whose_spins_were_deleted_says_so(root):
    path = make_store(root / "half.zarr")
    services.status("half")
    for shard in path.glob("spin/c*"):
        shard.unlink()
    with pytest.raises(StoreError, match=r"'spin': chunk spin/c\.[0-9.]+ is missing"):
        services.lattice("half", POINT)


@pytest.mark.parametrize("damage", ["truncated", "garbage", "no D"])
def test_ensemble__that_is_half_written_says_so(root, damage):
    path = make_store(root / "half.zarr")
    if damage == "no D":
        shutil.rmtree(path / "D")
    else:
        (path / "zarr.json").write_text('{"zarr_format": 3,' if damage == "truncated" else "[1]")
    with pytest.raises(StoreError, match=r"half\.zarr"):
        services.ensemble("half")


def test_map__equals_the_library(full):
    ds = services.lattice("full", POINT)
    for name in ("charge_density", "cos_theta", "energy_density"):
        np.testing.assert_array_equal(
            services.lattice_map("full", POINT, name).values, getattr(ds.sky, name)().values[0, 0, 0]
        )
    np.testing.assert_array_equal(services.lattice_map("full", POINT, "m_y").values, lattice(3)[..., 1])


def test_numbers__are_the_same_with_and_without_results(full, tmp_path, monkeypatch):
    shutil.copytree(full, tmp_path / "raw.zarr")
    with_results = services.lattice_numbers("full", POINT)
    monkeypatch.setenv("SKYLATTICE_DASHBOARD_ROOTS", str(tmp_path))
    stores.sources.clear()
    without = services.lattice_numbers("raw", POINT)
    assert {"topological_charge", "energy", "n_defects", "hexatic_order"} <= set(without)
    for name in set(without) & set(with_results):
        assert without[name] == pytest.approx(with_results[name], rel=1e-12), name


def test_skyrmion_table__has_one_row_per_skyrmion(full):
    frame = services.skyrmion_table("full", POINT)
    assert len(frame) == services.lattice_numbers("full", POINT)["n_skyrmions"]
    assert {"skyrmion_x", "skyrmion_y", "coordination", "charge"} <= set(frame)


def test_spin_files__hold_the_spins(full):
    with np.load(io.BytesIO(services.spin_file("full", POINT, "npz")), allow_pickle=False) as archive:
        np.testing.assert_array_equal(archive["spin"], lattice(3))
        assert archive["D"] == 0.5
    data = services.spin_file("full", POINT, "ovf")
    start = data.index(b"# Begin: Data Binary 4\n") + len(b"# Begin: Data Binary 4\n")
    values = np.frombuffer(data[start : start + 4 + 12 * SIZE[0] * SIZE[1]], dtype="<f4")
    assert values[0] == 1234567.0
    np.testing.assert_array_equal(values[1:].reshape(*SIZE, 3), lattice(3))
    assert b"# xnodes: 40\n" in data


# Models


def test_models__outside_the_roots_are_not_listed(root, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.json").write_text("{}")
    (root / "link").symlink_to(tmp_path / "model")
    assert str(tmp_path / "model") not in models.available().values()


@pytest.mark.parametrize("name", ["model.json", "weights.npz", "notes"])
def test_models__with_a_link_out_of_the_roots_are_not_offered(root, tmp_path, name):
    """In 0.1 the document itself could be a link: whatever JSON it led to was read and shown."""
    outside = tmp_path / "outside"
    outside.write_text("{}")
    for folder, target in (("sound", root / "sound" / "real"), ("linked", outside)):
        (root / folder).mkdir()
        (root / folder / "real").write_text("{}")
        (root / folder / "model.json").write_text("{}")
        (root / folder / name).unlink(missing_ok=True)
        (root / folder / name).symlink_to(target)
    offered = models.available()
    assert "sound" in offered
    assert "linked" not in offered


def test_models__of_a_folder_that_leads_into_another_root_do_not_stop_the_list(root, tmp_path, monkeypatch):
    (tmp_path / "second" / "there").mkdir(parents=True)
    (tmp_path / "second" / "there" / "model.json").write_text("{}")
    (root / "here").symlink_to(tmp_path / "second" / "there")
    monkeypatch.setenv("SKYLATTICE_DASHBOARD_ROOTS", os.pathsep.join([str(root), str(tmp_path / "second")]))
    assert "there" in models.available()
    assert "here" not in models.available()


@pytest.mark.parametrize("name", ["../out.zarr", "/tmp/out.zarr", "a/b", "", ".hidden", ".."])
def test_save__takes_plain_names_only(root, name):
    with pytest.raises(StoreError, match="plain name"):
        models.save_generated(None, name)


def test_save__needs_a_folder_that_was_given(monkeypatch):
    monkeypatch.delenv("SKYLATTICE_DASHBOARD_ROOTS", raising=False)
    with pytest.raises(StoreError, match="--root"):
        models.save_generated(None, "out.zarr")


def test_save__makes_realizations_of_equal_points(root):
    import xarray as xr

    spin = np.stack([lattice(k) for k in range(3)])
    ds = xr.Dataset(
        {"spin": (("sample", "y", "x", "component"), spin)},
        coords={"D": ("sample", [0.4, 0.5, 0.4]), "B": ("sample", [0.1, 0.1, 0.1]), "T": 0.006},
        attrs={"dmi": "neel", "handedness": 1, "J": 1.0, "generator": "thesis"},
    )
    written = open_ensemble(models.save_generated(ds, "out"))
    assert written["status"].sum() == 3
    np.testing.assert_array_equal(written.spin.sel(D=0.4, B=0.1).values, spin[[0, 2]])
    assert os.fspath(root / "out.zarr") == written.attrs["store"]


def test_overview__is_s_z_of_each_realization(full):
    maps = services.overview("full", POINT, [0, 1])
    assert maps.dims == ("sample", "y", "x")
    for k in (0, 1):
        single = services.lattice_map("full", services.Point(POINT.D, POINT.B, k), "m_z")
        np.testing.assert_array_equal(maps.values[k], single.values)


def test_overview__of_spins_that_are_gone_says_so(root):
    path = make_store(root / "holed.zarr")
    services.status("holed")
    for shard in path.glob("spin/c*"):
        shard.unlink()
    with pytest.raises(StoreError, match=r"'spin': chunk spin/c\.[0-9.]+ is missing"):
        services.overview("holed", POINT, [0])


def test_status__follows_a_store_that_is_being_filled(root):
    path = make_store(root / "growing.zarr", write=False)
    assert services.status("growing").sum() == 0
    write_point(path, D=0.4, B=0.15, spin=lattice(7)[None])
    time.sleep(1.1)  # what is on the disk is asked for once a second
    assert services.status("growing").sum() == 1
    assert services.scalars("growing")["status"].sum() == 1


def test_models__that_replace_another_of_their_name_are_not_marked_as_encoded(analysed, root):
    from skylattice.vae import build, save

    for path in (*analysed.glob("full*"), analysed / "tiny"):
        shutil.copytree(path, root / path.name)
    assert models.has_encoded("full", "tiny")
    shutil.rmtree(root / "tiny")
    save(build("periodic", size=20, widths=(8, 8, 16), blocks=(1, 1, 1), seed=7), root / "tiny")
    st.cache_data.clear()  # a listing is read again after a while
    assert not models.has_encoded("full", "tiny")
    with pytest.raises(StoreError, match="has not encoded"):
        models.latents("full", "tiny")


def test_table_3_6__is_that_of_the_library(analysed, full):
    """Components of the drawn z, as the thesis takes them; the second definition encoded the lattices again."""
    from skylattice.study.evaluation import evaluate_model, open_lattices
    from skylattice.study.generation import thesis_experiment
    from skylattice.vae import load

    models.evaluate("full", ["tiny"], lambda done, total: None)
    shown = models.generated_components("full", ("tiny",), 6, lambda done, total: None)["tiny"]
    ensemble = open_lattices(full)
    record = evaluate_model(ensemble, analysed / "tiny")
    pd.testing.assert_frame_equal(shown, thesis_experiment(ensemble, record, load(analysed / "tiny"), 6))


def test_evaluations__written_anew_are_shown(analysed, root):
    """Caches depend on what they were made from: tables follow results that another program replaced."""
    from skylattice.study import tables
    from skylattice.study.evaluation import encode_store

    for path in (*analysed.glob("full*"), analysed / "tiny"):
        shutil.copytree(path, root / path.name)
    models.evaluate("full", ["tiny"], lambda done, total: None)
    first = models.report_table(tables.reconstruction_table, "3.2", "full", ("tiny",))
    results = open_results(root / "full.zarr", "models/tiny").load()
    write_results(root / "full.zarr", "models/tiny", results.assign(mse=2 * results.mse))
    second = models.report_table(tables.reconstruction_table, "3.2", "full", ("tiny",))
    assert second["test MSE"].item() == pytest.approx(2 * first["test MSE"].item())
    encode_store(root / "full.zarr", str(root / "tiny"))
    third = models.report_table(tables.reconstruction_table, "3.2", "full", ("tiny",))
    assert third["test MSE"].item() == pytest.approx(first["test MSE"].item())


def test_generate__by_particles_asks_no_model_and_is_a_batch_of_single_lattices(full, monkeypatch):
    from skylattice.latent.packing import Packing
    from skylattice.latent.recipe import Recipe

    monkeypatch.setattr(models, "packing_of", lambda location: Packing.shipped())
    monkeypatch.setattr(models, "network", lambda name: pytest.fail("a model was asked"))
    two = models.generate("full", "tiny", 2, Recipe("particles", D=0.5, B=0.12, seed=3))
    one = models.generate("full", "tiny", 1, Recipe("particles", D=0.5, B=0.12, seed=4))
    np.testing.assert_array_equal(two.spin[1], one.spin[0])
    assert {"n_defects", "energy"} <= set(two)

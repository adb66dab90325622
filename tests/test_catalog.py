"""Catalogs: shipped entries hold what they say, files are read as plain data, Intake reads them too."""

import os
import resource
import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import yaml
from typer.testing import CliRunner

import skylattice
from skylattice.catalog import Entry, add_store, checksum, describe, open_catalog, shipped_catalog
from skylattice.cli.main import app
from skylattice.errors import FormatError, StoreError
from skylattice.io.results import open_results
from skylattice.testing import raise_if_computes

SHIPPED = open_catalog()

#: 600 bytes of references to references: an argument of nine to the power of ten texts.
BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10)
)
BOMB += "sources: {s: {driver: zarr, args: {urlpath: *a9}}}\n"


@pytest.fixture
def store(tmp_path):
    """A store that a catalog may point to, apart from the shipped one."""
    target = tmp_path / "data" / "mine.zarr"
    shutil.copytree(SHIPPED["example"].path, target)
    return target


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_entry__opens_and_is_what_the_catalog_says(name):
    if SHIPPED[name].driver == "skylattice_model":
        pytest.importorskip("keras")
    SHIPPED[name].verify()


def test_shipped_entry__opens_lazily():
    with raise_if_computes():
        ds = SHIPPED["example"].open()
    assert ds.spin.chunks is not None


def test_shipped_example__is_real_and_its_results_belong_to_it():
    ds, results = SHIPPED["example"].open(), open_results(SHIPPED["example"].path, "observables")
    point = {"D": 2, "B": 3}
    observed = ds.isel(point).sky.observables().compute()
    for name in ("topological_charge", "m_z", "energy"):
        np.testing.assert_allclose(observed[name], results[name].isel(point), atol=1e-9)
    np.testing.assert_allclose(ds.isel(point).sky.temperature().mean(), ds["T"], rtol=0.05)
    defects = open_results(SHIPPED["example"].path, "defects")
    np.testing.assert_array_equal(
        defects.n_defects.isel(point), ds.isel(point).sky.defects(max_skyrmions=128).n_defects.compute()
    )


def test_shipped_models__each_have_an_entry():
    from skylattice.vae import shipped

    entries = {entry.source for entry in SHIPPED.values() if entry.driver == "skylattice_model"}
    assert entries == {name for name, _ in shipped()}


@pytest.mark.parametrize("file", ["skylattice.yaml", "template.yaml"])
def test_shipped_files__are_read_by_intake(file):
    intake = pytest.importorskip("intake")
    path = shipped_catalog().parent / file
    assert set(intake.open_catalog(str(path))) == set(open_catalog(path))


def test_entry__opened_by_intake_holds_the_same_spins():
    intake = pytest.importorskip("intake")
    theirs = intake.open_catalog(str(shipped_catalog()))["example"].to_dask()
    ours = SHIPPED["example"].open()
    point = {"D": 1, "B": 2}
    np.testing.assert_array_equal(theirs.spin.isel(point).values, ours.spin.isel(point).values)
    assert set(theirs.coords) == set(ours.coords) == {"D", "B", "realization", "T", "component"}


def test_model_entry__is_a_driver_that_intake_knows(tmp_path):
    intake = pytest.importorskip("intake")
    path = tmp_path / "models.yaml"
    path.write_text("sources: {net: {driver: skylattice_model, args: {model: nowhere}}}")
    with pytest.raises(skylattice.errors.ModelError, match="nowhere"):
        intake.open_catalog(str(path))["net"].read()
    with pytest.raises(skylattice.errors.ModelError, match="nowhere"):
        open_catalog(path)["net"].open()


def test_add__writes_an_entry_relative_to_the_catalog(tmp_path, store):
    path = tmp_path / "catalogs" / "mine.yaml"
    path.parent.mkdir()
    path.write_text("# kept\nsources: {}\n")
    entry = add_store(path, store, description="a copy")
    assert entry.metadata["checksum"] == SHIPPED["example"].metadata["checksum"]
    assert path.read_text().startswith("# kept\n")
    assert str(tmp_path) not in path.read_text()
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    (tmp_path / "data").rename(moved / "data")
    (tmp_path / "catalogs").rename(moved / "catalogs")
    open_catalog(moved / "catalogs" / "mine.yaml", roots=[moved / "data"])["mine"].verify()
    with pytest.raises(FormatError, match=r"found one outside.*roots=\[FOLDER\]"):
        open_catalog(moved / "catalogs" / "mine.yaml")["mine"].open()


def test_add__replaces_an_entry_and_keeps_the_others(tmp_path, store):
    path = tmp_path / "mine.yaml"
    add_store(path, store, name="a")
    add_store(path, store, name="b")
    add_store(path, store, name="a", description="again")
    assert {name: entry.description for name, entry in open_catalog(path).items()} == {
        "a": "again",
        "b": "80 lattices",
    }


def test_verify__notices_one_changed_byte(tmp_path, store):
    add_store(tmp_path / "mine.yaml", store)
    chunk = next(file for file in sorted((store / "spin").rglob("*")) if file.is_file() and file.name != "zarr.json")
    data = bytearray(chunk.read_bytes())
    data[len(data) // 2] ^= 1
    chunk.write_bytes(data)
    with pytest.raises(StoreError, match="checksum"):
        open_catalog(tmp_path / "mine.yaml")["mine"].verify()


def test_checksum__depends_on_names_and_contents(store):
    before = checksum(store)
    (store / "zarr.json").rename(store / "zarr.old")
    assert checksum(store) != before


def test_remote_store__opens_by_url_with_storage_options(tmp_path, store):
    fsspec = pytest.importorskip("fsspec")
    fsspec.filesystem("memory").put(str(store), "/bucket/mine.zarr", recursive=True)
    entry = add_store(
        tmp_path / "mine.yaml", "memory://bucket/mine.zarr", storage_options={"skip_instance_cache": True}
    )
    assert entry.path is None
    assert entry.storage_options == {"skip_instance_cache": True}
    assert describe(entry.open()) == describe(SHIPPED["example"].open())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sources: [a, b]", "mapping 'sources'"),
        ("sources: {a: {driver: zarr, args: [1]}}", "expected args with a string 'urlpath'"),
        ("sources: {a: {driver: zarr, metadata: x, args: {urlpath: x}}}", "metadata with names"),
        ("sources: {a: {driver: zarr, args: {urlpath: x, storage_options: [1]}}}", "storage_options with names"),
        (BOMB, "a reference"),
        ("[" * 20000, "more than 32 levels|nesting depth"),
        ("sources: {a: " + "9" * 20000 + "}", "does not parse"),
        ("# x\n" * 300_000, "at most 1048576 bytes"),
        ("just text", "mapping 'sources'"),
        ("sources: {a: {driver: zarr}}", "urlpath"),
        ("a: [", "does not parse"),
        ("sources: {a: !!python/object/apply:os.system ['echo ran']}", "does not parse"),
        ("sources: {a: {driver: zarr, args: {urlpath: \"{{ shell('touch ran') }}\"}}}", "no template"),
        ('sources: {a: {driver: zarr, args: {urlpath: "{{ env(HOME) }}/x"}}}', "no template"),
    ],
)
def test_open_catalog__refuses_what_is_no_plain_catalog(tmp_path, monkeypatch, text, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(FormatError, match=message):
        open_catalog(tmp_path / "bad.yaml")
    assert [file.name for file in tmp_path.iterdir()] == ["bad.yaml"]


@pytest.mark.parametrize("kind", ["folder", "pipe", "sparse", "/dev/zero"])
def test_open_catalog__of_what_is_no_file_answers_at_once(tmp_path, kind):
    path = Path(kind) if kind.startswith("/") else tmp_path / "c.yaml"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "sparse":
        with path.open("wb") as file:
            file.truncate(8 << 30)
    listed = CliRunner().invoke(app, ["catalog", "list", str(path)])
    assert isinstance(listed.exception, FormatError)
    assert "\n" not in str(listed.exception)


def test_add__on_a_full_disk_keeps_the_catalog(tmp_path, store):
    """The limit on the size of files cuts a write short, as a full disk does."""
    path = tmp_path / "mine.yaml"
    add_store(path, store, name="a", description="x" * 3000)
    before = path.read_bytes()
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limit[1]))
    try:
        with pytest.raises(StoreError, match="A file grew beyond the limit"):
            add_store(path, store, name="b")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert path.read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["data", "mine.yaml"]


def test_add__through_a_link_and_with_rights_keeps_both(tmp_path, store):
    path, link = tmp_path / "mine.yaml", tmp_path / "link.yaml"
    path.write_text("sources: {}\n")
    path.chmod(0o640)
    link.symlink_to(path)
    add_store(link, store)
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(open_catalog(path)) == ["mine"]


@pytest.mark.parametrize(
    "url", ["{outside}", "file://{outside}", "local://{outside}", "simplecache::file://{outside}", "link.zarr"]
)
def test_entry__outside_the_roots_is_not_opened(tmp_path, store, url):
    folder = tmp_path / "catalogs"
    folder.mkdir()
    (folder / "link.zarr").symlink_to(store)
    url = "{{ CATALOG_DIR }}/link.zarr" if url == "link.zarr" else url.format(outside=store)
    (folder / "c.yaml").write_text(f"sources: {{a: {{driver: zarr, args: {{urlpath: '{url}'}}}}}}")
    with pytest.raises(FormatError, match="found one outside"):
        open_catalog(folder / "c.yaml")["a"].open()
    assert open_catalog(folder / "c.yaml", roots=[store.parent])["a"].open().sizes["D"] == 5


def test_model_entry__outside_the_roots_is_not_opened(tmp_path):
    (tmp_path / "c.yaml").write_text("sources: {a: {driver: skylattice_model, args: {model: /etc/models/x}}}")
    with pytest.raises(FormatError, match="found one outside"):
        open_catalog(tmp_path / "c.yaml")["a"].open()


@pytest.mark.parametrize("url", ["reference://x", "zip://a::file:///x.zip", "dir::file:///x", "git:///x"])
def test_entry__of_an_address_that_could_lead_anywhere_is_not_opened(tmp_path, url):
    (tmp_path / "c.yaml").write_text(f"sources: {{a: {{driver: zarr, args: {{urlpath: '{url}'}}}}}}")
    with pytest.raises(FormatError, match="found another kind"):
        open_catalog(tmp_path / "c.yaml")["a"].open()


def test_open_catalog__of_a_missing_file_says_how_to_write_one(tmp_path):
    with pytest.raises(FormatError, match="skylattice catalog add"):
        open_catalog(tmp_path / "none.yaml")


def test_entry__of_a_foreign_driver_is_left_to_intake():
    with pytest.raises(FormatError, match=r"intake\.open_catalog"):
        Entry("table", "csv", "").open()


def test_catalog__names_its_entries_when_one_is_missing():
    with pytest.raises(KeyError, match="example"):
        SHIPPED["nonsense"]


def test_command_line__adds_and_lists(tmp_path, store):
    path = tmp_path / "mine.yaml"
    added = CliRunner().invoke(app, ["catalog", "add", str(store), "--catalog", str(path), "--description", "a copy"])
    assert added.exit_code == 0, added.output
    assert yaml.safe_load(path.read_text())["sources"]["mine"]["metadata"]["lattices"] == 80
    listed = CliRunner().invoke(app, ["catalog", "list", str(path), "--verify"])
    assert listed.exit_code == 0, listed.output
    assert "a copy" in listed.output


def test_open_catalog__is_public_and_lazy():
    assert skylattice.open_catalog is open_catalog
    assert isinstance(SHIPPED["example"].open(), xr.Dataset)

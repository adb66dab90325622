"""Writers of other programs' formats: what is written is read back."""

import numpy as np
import pytest
from typer.testing import CliRunner

from skylattice import Hamiltonian, testing
from skylattice.cli import main as cli
from skylattice.errors import SchemaError, StoreError
from skylattice.io.export import export
from skylattice.io.formats import format_of, open_lattices
from skylattice.io.importing import import_datasets

DS = testing.dataset(testing.random_spins((3, 4, 6), 1), D=0.5, B=0.1, T=0.02, hamiltonian=Hamiltonian("bloch", -1))


@pytest.mark.parametrize("ending", ["npz", "nc"])
def test_arrays__come_back_bit_for_bit(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    export(DS, path)
    ds = open_lattices(path)
    np.testing.assert_array_equal(ds.spin, DS.spin)
    assert (ds.D.item(), ds.B.item(), float(ds["T"])) == (0.5, 0.1, 0.02)
    if ending == "nc":
        assert ds.sky.hamiltonian == Hamiltonian("bloch", -1)


def test_restart__comes_back_within_its_digits(tmp_path):
    path = tmp_path / "restart.a.out"
    export(DS, path)
    assert format_of(path).name == "uppasd"
    ds = open_lattices(path, size=(4, 6), D=0.5, B=0.1, T=0.02, dmi="bloch", handedness=-1, dtype="float64")
    np.testing.assert_allclose(ds.spin, DS.spin, atol=1e-8)


def test_ovf__takes_its_options(tmp_path):
    export(DS, tmp_path / "a.ovf", format="ovf", spacing=2e-9)
    np.testing.assert_allclose(open_lattices(tmp_path / "a.ovf").spin.values, DS.spin.values[0, 0], atol=1e-7)


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("a.xyz", {}, SchemaError, "format: expected one of"),
        ("a.npz", {"format": "hdf9"}, SchemaError, "found 'hdf9'"),
        ("a.npz", {"spacing": 1}, SchemaError, "expected no options"),
        ("s3://bucket/a.npz", {}, StoreError, "found a URL"),
        ("nowhere/a.npz", {}, (StoreError, OSError), "nowhere"),
    ],
)
def test_export__names_what_it_cannot_do(tmp_path, monkeypatch, name, options, error, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        export(DS, name, **options)
    assert list(tmp_path.iterdir()) == []


def test_export__of_a_hole_says_so_and_leaves_nothing(tmp_path):
    ds = DS.copy(deep=True)
    ds["spin"][0, 0, 1] = np.nan
    with pytest.raises(SchemaError, match="found a hole"):
        export(ds, tmp_path / "a.out")
    assert list(tmp_path.iterdir()) == []


def test_command__exports_part_of_a_store(tmp_path):
    import_datasets([DS, DS.assign_coords(B=[0.2])], tmp_path / "s.zarr", progress=False)
    result = CliRunner().invoke(cli.app, ["export", str(tmp_path / "s.zarr"), str(tmp_path / "b.npz"), "--B", "0.2"])
    assert (result.exit_code, "3 lattices written" in result.output) == (0, True), result.output
    ds = open_lattices(tmp_path / "b.npz")
    assert set(np.unique(ds.B)) == {0.2}
    np.testing.assert_array_equal(ds.spin.values.reshape(3, 4, 6, 3), DS.spin.values[0, 0].astype("float32"))

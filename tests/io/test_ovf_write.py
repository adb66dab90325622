"""Writing OVF 2.0: by the rules of the format, the same spins again, and what other programs read."""

import numpy as np
import pytest
import xarray as xr
from ovf_files import ovf_file, unit_vectors

from skylattice import testing
from skylattice.errors import SchemaError, StoreError
from skylattice.io.ovf import open_ovf, ovf_bytes, read_ovf, write_ovf


def parse(data):
    """Header and values of one segment, by the rules of the format alone."""
    head, _, rest = data.partition(b"# Begin: Data Binary 4\n")
    header = {}
    for line in head.decode().splitlines():
        key, found, value = line.lstrip("# ").partition(":")
        if found:
            header[key.strip().lower()] = value.strip()
    nx, ny, nz = (int(header[f"{axis}nodes"]) for axis in "xyz")
    count = nx * ny * nz * int(header["valuedim"])
    assert rest[:4] == bytes.fromhex("38b49649")
    values = np.frombuffer(rest[4 : 4 + 4 * count], "<f4").reshape(nz, ny, nx, 3)
    assert rest[4 + 4 * count :] == b"\n# End: Data Binary 4\n# End: Segment\n"
    return header, values


def test_bytes__are_by_the_rules_with_x_fastest():
    ds = testing.random((3, 5), seed=1)
    header, values = parse(ovf_bytes(ds.spin, title="two\nlines ## and more", spacing=5e-10))
    np.testing.assert_array_equal(values[0], ds.spin.values[0, 0, 0].astype("f4"))
    assert header["title"] == "two lines and more"
    assert float(header["xmax"]) == pytest.approx(2.5e-9)
    assert header["meshtype"] == "rectangular"


def test_bytes__do_not_depend_on_the_order_of_dims():
    spin = testing.random((3, 5)).spin
    assert ovf_bytes(spin) == ovf_bytes(spin.transpose("component", "x", ..., "y"))


def test_bytes__are_those_of_the_file(tmp_path):
    ds = testing.random((3, 5))
    write_ovf(ds, tmp_path / "m.ovf", title="t", spacing=1e-10)
    assert (tmp_path / "m.ovf").read_bytes() == ovf_bytes(ds.spin, title="t", spacing=1e-10)


def test_bytes__of_two_lattices_are_refused():
    with pytest.raises(SchemaError, match="one lattice"):
        ovf_bytes(testing.random(4, realizations=2).spin)


@pytest.mark.parametrize(
    ("dtype", "format"),
    [("float32", "bin4"), ("float32", "bin8"), ("float32", "text"), ("float64", "bin8"), ("float64", "text")],
)
def test_round_trip__is_exact(tmp_path, dtype, format):
    """Nine digits tell a float32, seventeen a float64."""
    ds = testing.random((6, 5), realizations=3).astype(dtype)
    write_ovf(ds, tmp_path / "m.ovf", format=format)
    back = read_ovf(tmp_path / "m.ovf")
    np.testing.assert_array_equal(back.spin.values.astype(dtype), ds.spin.values[0, 0])


def test_round_trip__in_bin4_rounds_to_float32(tmp_path):
    ds = testing.random((6, 5))
    write_ovf(ds, tmp_path / "m.ovf", format="bin4")
    np.testing.assert_array_equal(read_ovf(tmp_path / "m.ovf").spin.values[0], ds.spin.values[0, 0, 0].astype("f4"))


def test_lattices__are_segments_in_the_order_of_their_dims(tmp_path):
    spin = unit_vectors(2, 3, 4, 5)
    coords = {"B": [0.1, 0.2], "realization": [0, 1, 2], "D": 0.5, "T": np.nan}
    ds = xr.Dataset({"spin": (("B", "realization", "y", "x", "component"), spin)}, coords)
    write_ovf(ds.chunk(B=1), tmp_path / "m.ovf", format="bin8")
    back = read_ovf(tmp_path / "m.ovf")
    np.testing.assert_array_equal(back.spin.values, spin.reshape(6, 4, 5, 3))
    assert back.attrs["description"][5].splitlines() == ["B = 0.2", "realization = 2", "D = 0.5"]


def test_units__are_in_the_description(tmp_path):
    write_ovf(testing.ferromagnet(4, D=0.5, B=0.1, T=0.006), tmp_path / "m.ovf")
    assert {"D = 0.5 J", "B = 0.1 J", "T = 0.006 J/k_B"} <= set(
        read_ovf(tmp_path / "m.ovf").attrs["description"].split("\n")
    )


def test_times__come_back(tmp_path):
    times = [0.0, 1 / 3 * 1e-9, 1e-8]
    ds = xr.Dataset({"spin": (("time", "y", "x", "component"), unit_vectors(3, 4, 5))}, {"time": times})
    ds.time.attrs["units"] = "s"
    write_ovf(ds, tmp_path / "m.ovf")
    assert read_ovf(tmp_path / "m.ovf").time.values.tolist() == times


def test_lattices__of_a_stack_are_written(tmp_path):
    ds = testing.random((4, 5), realizations=3).sky.stack()
    write_ovf(ds, tmp_path / "m.ovf", format="bin8")
    np.testing.assert_array_equal(read_ovf(tmp_path / "m.ovf").spin.values, ds.spin.values)


def test_file__can_be_written_over_itself(tmp_path):
    """The spins are still in the file that is replaced."""
    spins = unit_vectors(3, 5)
    path = ovf_file(tmp_path / "m.ovf", spins, "Binary 8")
    write_ovf(open_ovf(path), path, format="bin8")
    np.testing.assert_array_equal(read_ovf(path).spin.values[0], spins)


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda ds: ds * 2, {}, r"lattice \{'D': 0, 'B': 0, 'realization': 0\}: expected unit spins"),
        (lambda ds: ds * np.nan, {}, "expected spins, found a hole"),
        (lambda ds: ds.isel(realization=[]), {}, "expected lattices to write, found none"),
        (lambda ds: ds.spin, {}, "expected a dataset with the variable 'spin', found DataArray"),
        (lambda ds: ds.rename(spin="s"), {}, r"write_ovf needs \['spin'\]"),
        (lambda ds: ds, {"format": "bin2"}, "format: expected one of .*, found 'bin2'"),
        (lambda ds: ds, {"spacing": 0}, "spacing: expected a distance in metres > 0, found 0"),
        (lambda ds: ds, {"spacing": "1"}, "spacing: expected a distance"),
    ],
)
def test_bad_input__is_refused_and_leaves_nothing(tmp_path, change, options, message):
    with pytest.raises(SchemaError, match=message):
        write_ovf(change(testing.random(4)), tmp_path / "m.ovf", **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["nowhere/m.ovf", ".", "s3://bucket/m.ovf"])
def test_path_that_cannot_be_written__is_refused(tmp_path, name):
    path = name if "://" in name else tmp_path / name
    with pytest.raises(StoreError):
        write_ovf(testing.random(4), path)
    assert not list(tmp_path.iterdir())


# Other programs, where they are installed


ignore_warnings = pytest.mark.filterwarnings("ignore")


@ignore_warnings
@pytest.mark.parametrize("format", ["bin4", "bin8", "text"])
def test_discretisedfield__reads_the_file(tmp_path, format):
    discretisedfield = pytest.importorskip("discretisedfield")
    ds = testing.random((3, 5), seed=2)
    write_ovf(ds, tmp_path / "m.ovf", format=format, spacing=2e-10)
    field = discretisedfield.Field.from_file(str(tmp_path / "m.ovf"))
    np.testing.assert_allclose(field.array[:, :, 0].swapaxes(0, 1), ds.spin.values[0, 0, 0], atol=1e-7)
    np.testing.assert_allclose(field.mesh.cell, 2e-10)


@ignore_warnings
def test_pyovf__reads_the_file(tmp_path):
    """It knows Binary 4 only."""
    pyovf = pytest.importorskip("pyovf")
    ds = testing.random((3, 5), seed=2)
    write_ovf(ds, tmp_path / "m.ovf")
    values = pyovf.read(str(tmp_path / "m.ovf"), verbose=False).data
    np.testing.assert_allclose(values.reshape(3, 5, 3), ds.spin.values[0, 0, 0], atol=1e-7)


@ignore_warnings
@pytest.mark.parametrize("format", ["bin4", "bin8", "text"])
def test_libovf__reads_all_segments(tmp_path, format):
    libovf = pytest.importorskip("ovf.ovf")
    ds = testing.random((3, 5), realizations=2, seed=2)
    write_ovf(ds, tmp_path / "m.ovf", format=format)
    with libovf.ovf_file(str(tmp_path / "m.ovf")) as file:
        assert file.n_segments == 2
        for index in range(2):
            segment, values = libovf.ovf_segment(), np.zeros((15, 3))
            assert file.read_segment_header(index, segment) == libovf.OK
            assert list(segment.n_cells) == [5, 3, 1]
            assert file.read_segment_data(index, segment, values) == libovf.OK
            np.testing.assert_allclose(values.reshape(3, 5, 3), ds.spin.values[0, 0, index], atol=1e-7)


@ignore_warnings
@pytest.mark.parametrize("format", ["bin4", "bin8", "txt"])
def test_discretisedfield__writes_what_is_read(tmp_path, format):
    discretisedfield = pytest.importorskip("discretisedfield")
    spins = 8e5 * unit_vectors(3, 5)
    mesh = discretisedfield.Mesh(p1=(0, 0, 0), p2=(5e-9, 3e-9, 1e-9), n=(5, 3, 1))
    field = discretisedfield.Field(mesh, nvdim=3, value=spins.swapaxes(0, 1)[:, :, None], unit="A/m")
    field.to_file(str(tmp_path / "m.ovf"), representation=format)
    ds = read_ovf(tmp_path / "m.ovf")
    np.testing.assert_allclose(ds.spin.values[0], spins / 8e5, atol=1e-7)
    assert (ds.attrs["moment"], ds.attrs["moment_units"]) == (pytest.approx(8e5), "A/m")


@ignore_warnings
@pytest.mark.parametrize("format", ["TEXT", "CSV", "BIN4", "BIN8"])
def test_libovf__writes_what_is_read(tmp_path, format):
    """As Spirit does: two segments, the second appended."""
    libovf = pytest.importorskip("ovf.ovf")
    spins = unit_vectors(2, 3, 5)
    segment = libovf.ovf_segment(title="SPIRIT", comment="image", valuedim=3, n_cells=[5, 3, 1], step_size=[1, 1, 1])
    segment.bounds_max[:] = [4, 2, 0]
    form = getattr(libovf, f"FILEFORMAT_{format}")
    with libovf.ovf_file(str(tmp_path / "m.ovf")) as file:
        assert file.write_segment(segment, spins[0].reshape(-1, 3), form) == libovf.OK
        assert file.append_segment(segment, spins[1].reshape(-1, 3), form) == libovf.OK
    ds = read_ovf(tmp_path / "m.ovf")
    np.testing.assert_allclose(ds.spin.values, spins, atol=1e-7)

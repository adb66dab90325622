"""Reading OVF: every form of both versions gives the same spins, and nothing else gives any."""

import numpy as np
import pytest
import xarray as xr
from ovf_files import (
    DATA,
    FORMS,
    header_lines,
    irregular_file,
    ovf_file,
    replaced,
    segment,
    unit_vectors,
    write_segments,
)

from skylattice import Hamiltonian
from skylattice.errors import FormatError, SchemaError
from skylattice.io.importing import import_datasets
from skylattice.io.ovf import open_ovf, read_ovf
from skylattice.testing import raise_if_computes

SPINS = unit_vectors(3, 5)
TOLERANCE = {"Text": 1e-11, "CSV": 1e-11, "Binary 4": 1e-7, "Binary 8": 0}


def sk(ds):
    return ds["spin"].values[(0,) * (ds["spin"].ndim - 3)]


# Forms and versions


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("form", FORMS)
def test_every_form__gives_the_same_spins(tmp_path, form, version):
    ds = read_ovf(ovf_file(tmp_path / "m.ovf", SPINS, form, version))
    assert ds.spin.dims == ("realization", "y", "x", "component")
    assert ds.spin.dtype == ("float32" if form == "Binary 4" else "float64")
    np.testing.assert_allclose(sk(ds), SPINS, rtol=0, atol=TOLERANCE[form])
    assert ds.attrs["file_format"] == f"OVF {version}.0 {form.lower()}"


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("form", ["Binary 4", "Binary 8"])
def test_other_byte_order__is_read_by_the_check_value_with_a_warning(tmp_path, form, version):
    path = ovf_file(tmp_path / "m.ovf", SPINS, form, version, order="_<>"[version])
    with pytest.warns(UserWarning, match=rf"{'little' if version == 1 else 'big'} end first, unlike OVF {version}.0"):
        ds = read_ovf(path)
    np.testing.assert_allclose(sk(ds), SPINS, rtol=0, atol=1e-7)


@pytest.mark.parametrize(
    "first", [b"# OOMMF: irregular mesh v1.0", b"#OOMMF: Rectangular Mesh V0.99", b"# oommf  ovf 1.0"]
)
def test_first_line__of_version_1(tmp_path, first):
    path = replaced(ovf_file(tmp_path / "m.ovf", SPINS, "Binary 8", 1), (b"# OOMMF: rectangular mesh v1.0", first))
    np.testing.assert_array_equal(sk(read_ovf(path)), SPINS)


@pytest.mark.parametrize("form", FORMS)
def test_case_blanks_comments_and_line_ends__do_not_matter(tmp_path, form):
    path = ovf_file(tmp_path / "m.ovf", SPINS, form)
    plain = sk(read_ovf(path))
    head, begin, rest = path.read_bytes().partition(f"# Begin: Data {form}\n".encode())
    head = head.replace(b"# xnodes: 5", b"#   X Nodes :   5   ## five of them: really\n## xnodes: 7\n#\n\n")
    head = head.replace(b"valuedim: 3", b"ValueDim: 3 ## components").replace(b"# Begin: Header", b"#BEGIN:header")
    if form in ("Text", "CSV"):
        rest = b"## numbers: below\n\n" + rest.replace(b"\n", b"\r\n")
    path.write_bytes(head.replace(b"\n", b"\r\n") + begin.lower().replace(b"\n", b"\r\n") + rest)
    np.testing.assert_array_equal(sk(read_ovf(path)), plain)


@pytest.mark.parametrize("form", ["Binary 4", "Binary 8"])
def test_end_of_data__may_follow_at_once(tmp_path, form):
    """As mumax3 writes it."""
    path = replaced(ovf_file(tmp_path / "m.ovf", SPINS, form), (b"\n# End: Data", b"# End: Data"))
    np.testing.assert_allclose(sk(read_ovf(path)), SPINS, rtol=0, atol=1e-7)


@pytest.mark.parametrize("blank", [b"\t", b"\v", b"\f", b"  \r\n"])
def test_text__needs_no_lines(tmp_path, blank):
    path = ovf_file(tmp_path / "m.ovf", SPINS)
    head, begin, rest = path.read_bytes().partition(b"# Begin: Data Text\n")
    numbers, end, tail = rest.partition(b"# End")
    path.write_bytes(head + begin + blank.join(numbers.split()) + b"\n" + end + tail)
    np.testing.assert_allclose(sk(read_ovf(path)), SPINS, rtol=0, atol=1e-11)


@pytest.mark.parametrize("length", [70, 2**18 - 1, 2**18, 2**18 + 1])
def test_comments__may_stand_anywhere_in_long_text(tmp_path, length):
    """Text is searched for its end piece by piece; the pieces end where lines do."""
    path = ovf_file(tmp_path / "m.ovf", SPINS)
    begin = b"# Begin: Data Text\n"
    comment = b"  ## # end: data text".ljust(length, b"-") + b"\n"
    replaced(path, (begin, begin + comment), (b"# End: Data", comment + b"   # End: Data"))
    np.testing.assert_allclose(sk(read_ovf(path)), SPINS, rtol=0, atol=1e-11)
    line = path.read_bytes().count(b"\n") - 1
    with pytest.raises(FormatError, match=rf"m.ovf:{line}: expected '# End: Data', found '# end: Segment"):
        open_ovf(replaced(path, (b"   # End: Data", b"   # End: Segment")))


def test_names_of_spirit__are_read(tmp_path):
    """Counts padded with zeros, bounds at the first and last atom, comments after values, commas at the end of rows."""
    header = """\
#
# Title: SPIRIT Version 2.2.0 (e82250d3b1441)
#
# Desc: test
#
# valuedim: 3   ## field dimensionality
# valueunits: none none none
# valuelabels: spin_x spin_y spin_z
#
## Fundamental mesh measurement unit. Treated as a label:
# meshunit: nm
#
# xmin: 0
# ymin: 0
# zmin: 0
# xmax: 0.4
# ymax: 0.2
# zmax: 0
#
# meshtype: rectangular
# xbase: 0
# ybase: 0
# zbase: 0
# xstepsize: 0.1
# ystepsize: 0.1
# zstepsize: 0.1
# xnodes: 5
# ynodes: 3
# znodes: 1
#""".splitlines()
    path = write_segments(tmp_path / "m.ovf", [segment(SPINS.reshape(-1, 3), header, "CSV")], count="000001")
    ds = read_ovf(path)
    np.testing.assert_allclose(sk(ds), SPINS, atol=1e-11)
    assert ds.attrs["title"].startswith("SPIRIT")
    assert "moment" not in ds.attrs
    content = path.read_bytes()
    with pytest.raises(FormatError, match="expected one atom per cell of a square lattice, found 5 nodes over 2 cells"):
        read_ovf(replaced(path, (b"xmax: 0.4", b"xmax: 0.1")))
    path.write_bytes(content)
    with pytest.raises(FormatError, match=r"expected square cells, found steps of 0.0866025 along x and 0.1 along y"):
        read_ovf(replaced(path, (b"xstepsize: 0.1", b"xstepsize: 0.0866025")))  # a hexagonal lattice


@pytest.mark.parametrize(
    ("name", "z", "n_header", "shape"),
    [
        ("mumax-txt-linux.ovf", 2, 29, (4, 12, 24)),
        ("oommf-ovf2-txt.omf", 4, 31, (5, 5, 5)),
        ("skyrmion.omf", 0, 31, (1, 20, 20)),
    ],
)
def test_real_text__is_what_numpy_reads(name, z, n_header, shape):
    vectors = np.loadtxt(DATA / name).reshape(*shape, 3)[z]
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    np.testing.assert_allclose(sk(read_ovf(DATA / name, z=z)), vectors / length, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "z", "dtype", "shape"),
    [
        ("mumax-bin4-linux.ovf", 0, "<f4", (1, 32, 128)),
        ("oommf-ovf2-bin4.omf", 3, "<f4", (5, 5, 5)),
        ("oommf-ovf2-bin8.omf", 3, "<f8", (5, 5, 5)),
        ("ovf2-bin8_different-case.ovf", 5, "<f8", (6, 25, 25)),
    ],
)
@pytest.mark.filterwarnings("ignore:.*have been normalised")  # means over cells of several grains in the last one
def test_real_binary__is_what_numpy_reads(name, z, dtype, shape):
    content = (DATA / name).read_bytes()
    start = content.lower().index(b"# begin: data") + len("# Begin: Data Binary 4\n")
    vectors = np.frombuffer(content[start:], dtype, 1 + 3 * np.prod(shape))[1:].reshape(*shape, 3)[z].astype(float)
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    np.testing.assert_allclose(sk(read_ovf(DATA / name, z=z)), vectors / length, rtol=0, atol=2e-7)


def test_real_skyrmion__is_one():
    ds = read_ovf(DATA / "skyrmion.omf")
    assert ds.sky.topological_charge().item() == pytest.approx(1, abs=1e-9)
    assert ds.attrs["moment"] == pytest.approx(1.1e6)
    assert ds.attrs["moment_units"] == "A/m"
    assert "Total simulation time: -2 s" in ds.attrs["description"]


# Meshes


def lattice_positions(nz=1, ny=3, nx=5, spacing=2.5e-10):
    z, y, x = np.meshgrid(np.arange(nz), np.arange(ny), np.arange(nx), indexing="ij")
    return spacing * np.stack([x, y, 3 * z], axis=-1).reshape(-1, 3) - 7e-9


@pytest.mark.parametrize("form", ["Text", "Binary 4", "Binary 8"])
@pytest.mark.parametrize("version", [1, 2])
def test_irregular_mesh__is_gridded_by_coordinates(tmp_path, form, version):
    spins, order = unit_vectors(2, 3, 5), np.random.default_rng(1).permutation(30)
    positions = lattice_positions(2) * (1e9 if form == "Text" else 1)
    path = irregular_file(tmp_path / "m.ovf", positions[order], spins.reshape(-1, 3)[order], form, version)
    for z in (0, 1):
        np.testing.assert_allclose(sk(read_ovf(path, z=z)), spins[z], rtol=0, atol=1e-7)


def test_irregular_mesh__takes_the_rounding_of_printed_coordinates(tmp_path):
    positions = lattice_positions(spacing=1.0) + np.random.default_rng(0).uniform(-1, 1, (15, 3)) * [1e-3, 1e-3, 1e-6]
    np.testing.assert_allclose(
        sk(read_ovf(irregular_file(tmp_path / "m.ovf", positions, SPINS.reshape(-1, 3)))), SPINS, atol=1e-11
    )


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda p: p[:-1], "found 14 points on 5 × 3 × 1 sites"),
        (lambda p: np.concatenate([p[:-1], p[:1]]), "some of them empty or taken twice"),
        (lambda p: p * [1, 2, 1], "found spacings of 1 along x and 2 along y"),
        (lambda p: p + [0.3, 0, 0] * (p[:, :1] == 2), "not evenly spaced along x"),
        (
            lambda p: p + [0.5, 0, 0] * (p[:, 1:2] % 2),
            "found spacings of 0.5 along x and 1 along y",
        ),  # a hexagonal lattice
    ],
)
def test_irregular_mesh__must_be_a_full_square_lattice(tmp_path, change, found):
    positions = change(np.rint(lattice_positions(spacing=1.0) + 7e-9))
    path = irregular_file(tmp_path / "m.ovf", positions, SPINS.reshape(-1, 3)[: len(positions)])
    with pytest.raises(FormatError, match=rf"m.ovf:\d+: expected points on a full rectangular grid.*{found}"):
        open_ovf(path)


def test_layers__are_chosen(tmp_path):
    spins = unit_vectors(4, 3, 5)
    path = ovf_file(tmp_path / "m.ovf", spins, "Binary 8")
    for z in (0, np.int64(3)):
        np.testing.assert_array_equal(sk(read_ovf(path, z=z)), spins[z])
    with pytest.raises(FormatError, match=r"m.ovf:\d+: expected one layer, found 4. Choose one: z=0 is the lowest"):
        open_ovf(path)
    for z in (4, -1):
        with pytest.raises(FormatError, match=rf"expected a layer from 0 to 3, found z={z}"):
            open_ovf(path, z=z)
    with pytest.raises(SchemaError, match=r"z: expected the whole number of a layer, found 1\.0"):
        open_ovf(path, z=1.0)


def test_other_layers__need_not_hold_spins(tmp_path):
    """A spacer between two films."""
    spins = unit_vectors(3, 3, 5)
    spins[1] = 0
    path = ovf_file(tmp_path / "m.ovf", spins * 2, "Text")
    ds = read_ovf(path, z=2)
    np.testing.assert_allclose(sk(ds), spins[2], atol=1e-11)
    assert ds.attrs["moment"] == pytest.approx(2)


# Values


def place_of_number(path, form, number):
    """Line or byte of one of the numbers of a file with three a line, as a pattern."""
    content = path.read_bytes()
    begin = content.index(b"\n", content.index(b"# Begin: Data")) + 1
    if form.startswith("Binary"):
        return rf"m.ovf \(byte {begin + int(form[-1]) * (1 + number)}\)"
    return f"m.ovf:{content[:begin].count(bytes([10])) + 1 + number // 3}"


@pytest.mark.parametrize("form", ["Text", "Binary 4", "Binary 8"])
def test_length__is_divided_out_and_kept(tmp_path, form):
    ds = read_ovf(ovf_file(tmp_path / "m.ovf", 1.1e6 * SPINS, form, valueunits="A/m A/m A/m"))
    np.testing.assert_allclose(sk(ds), SPINS, rtol=0, atol=1e-7)
    np.testing.assert_allclose(np.linalg.norm(sk(ds), axis=-1), 1, atol=2e-7)
    assert (ds.attrs["moment"], ds.attrs["moment_units"]) == (pytest.approx(1.1e6), "A/m")


@pytest.mark.parametrize(
    ("units", "expected"), [("A/m", "A/m"), ("{A/m} {A/m} {A/m}", "A/m"), ("none", "1"), (None, None)]
)
def test_length__has_the_unit_of_the_header(tmp_path, units, expected):
    ds = read_ovf(ovf_file(tmp_path / "m.ovf", 3 * SPINS, valueunits=units))
    assert ds.attrs.get("moment_units") == expected


def test_unit_vectors__are_kept_bit_for_bit_without_a_moment(tmp_path):
    almost = (SPINS * (1 + 5e-7)).astype("f4")
    ds = read_ovf(ovf_file(tmp_path / "m.ovf", almost, "Binary 4"))
    np.testing.assert_array_equal(sk(ds), almost)
    assert "moment" not in ds.attrs


def test_valuemultiplier__scales_the_moment_and_can_turn_the_spins(tmp_path):
    ds = read_ovf(ovf_file(tmp_path / "m.ovf", SPINS, "Binary 8", 1, valuemultiplier=-8e5))
    np.testing.assert_array_equal(sk(ds), -SPINS)
    assert ds.attrs["moment"] == pytest.approx(8e5)
    assert ds.attrs["moment_units"] == "A/m"
    assert "moment" not in read_ovf(ovf_file(tmp_path / "m.ovf", SPINS / 4, "Text", 1, valuemultiplier=4)).attrs


def test_lengths_that_differ__warn_when_loaded(tmp_path):
    vectors = SPINS.copy()
    vectors[1, 2] *= 0.5
    ds = open_ovf(ovf_file(tmp_path / "m.ovf", vectors))
    with pytest.warns(UserWarning, match=r"vectors are 0.5 to 1 long, and have been normalised"):
        ds.load()
    np.testing.assert_allclose(sk(ds), SPINS, atol=1e-11)


@pytest.mark.parametrize("form", FORMS)
def test_vacuum__is_refused_with_its_place(tmp_path, form):
    vectors = 8e5 * SPINS
    vectors[1, 3] = vectors[2, 0] = 0
    path = ovf_file(tmp_path / "m.ovf", vectors, form)
    place = place_of_number(path, form, 3 * 8)
    ds = open_ovf(path)
    with pytest.raises(FormatError, match=rf"{place}: .* found 2 of 15 zero vectors \(vacuum\), the first at y=1, x=3"):
        ds.load()


def test_vacuum_at_the_first_site__is_refused_too(tmp_path):
    ds = open_ovf(ovf_file(tmp_path / "m.ovf", SPINS * (np.arange(5) > 0)[:, None]))
    assert "moment" not in ds.attrs
    with pytest.raises(FormatError, match=r"found 3 of 15 zero vectors \(vacuum\), the first at y=0, x=0"):
        ds.load()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("form", FORMS)
def test_numbers_that_are_not_finite__are_refused_with_their_place(tmp_path, form, bad):
    vectors = SPINS.copy()
    vectors[2, 1, 1] = bad
    path = ovf_file(tmp_path / "m.ovf", vectors, form)
    place = place_of_number(path, form, 3 * 11 + 1)
    with pytest.raises(
        FormatError, match=rf"{place}: expected a finite number, found '?-?(nan|inf)'? \(1 of 45 numbers\)"
    ):
        read_ovf(path)


# Segments


def write_many(path, spins, form="Binary 8", descriptions=None, **changes):
    lines = descriptions or [None] * len(spins)
    parts = [
        segment(lattice.reshape(-1, 3), header_lines((1, *lattice.shape[:2]), Desc=line, **changes), form)
        for lattice, line in zip(spins, lines, strict=True)
    ]
    return write_segments(path, parts)


@pytest.mark.parametrize("form", FORMS)
def test_segments__lie_along_a_leading_dim(tmp_path, form):
    spins = unit_vectors(3, 4, 5)
    ds = open_ovf(write_many(tmp_path / "m.ovf", spins, form, ["one", "two", "three"]), D=0.5, B=0.1)
    assert ds.spin.dims == ("D", "B", "segment", "y", "x", "component")
    assert ds.segment.values.tolist() == [0, 1, 2]
    assert ds.attrs["description"] == ["one", "two", "three"]
    np.testing.assert_allclose(ds.spin.values[0, 0], spins, rtol=0, atol=1e-7)
    np.testing.assert_allclose(
        ds.spin.isel(segment=slice(2, None, -2), x=1).values[0, 0], spins[2::-2, :, 1], atol=1e-7
    )


@pytest.mark.parametrize(
    ("times", "dim"),
    [
        (["0  s", "1e-9 s", "2.5e-9  s"], "time"),
        (["0 s", "2e-9 s", "1e-9 s"], "segment"),
        (["0 s", "1e-9 s", "1e-9 s"], "segment"),
        (["-2 s", "-2 s", "-2 s"], "segment"),
        (["1 s", "2 s", "3x s"], "segment"),
    ],
)
def test_segments__lie_along_time_where_it_is_stated(tmp_path, times, dim):
    descriptions = [f"Total simulation time:  {time}" for time in times]
    ds = read_ovf(write_many(tmp_path / "m.ovf", unit_vectors(3, 4, 5), descriptions=descriptions))
    assert ds.spin.dims[0] == dim
    if dim == "time":
        assert ds.time.values.tolist() == [0, 1e-9, 2.5e-9]
        assert ds.time.attrs["units"] == "s"


def test_segments__are_read_when_asked_for(tmp_path):
    spins = unit_vectors(3, 4, 5)
    spins[1, 0, 0] = np.nan
    path = write_many(tmp_path / "m.ovf", spins)
    ds = open_ovf(path)
    np.testing.assert_array_equal(ds.spin.isel(segment=2).values, spins[2])
    with pytest.raises(FormatError, match="expected a finite number"):
        ds.spin.isel(segment=1).load()
    with raise_if_computes():
        chunked = xr.open_dataset(path, engine="ovf", chunks={})
    assert chunked.spin.chunks[0] == (1, 1, 1)
    np.testing.assert_array_equal(chunked.spin.isel(segment=[0, 2]).values, spins[[0, 2]])


def test_segments__of_different_sizes_are_refused(tmp_path):
    parts = [segment(unit_vectors(12), header_lines(shape)) for shape in ((1, 3, 4), (1, 4, 3))]
    with pytest.raises(
        FormatError, match=r"m.ovf:\d+: expected 4 × 3 sites as in the first segment, found 3 × 4 in segment 2"
    ):
        open_ovf(write_segments(tmp_path / "m.ovf", parts))


@pytest.mark.parametrize(
    ("count", "found"), [(1, "expected 1 segments"), (3, "expected 3 segments"), (0, "whole number > 0")]
)
def test_segments__are_as_many_as_announced(tmp_path, count, found):
    parts = [segment(SPINS.reshape(-1, 3), header_lines((1, 3, 5)), "Binary 4")] * 2
    with pytest.raises(FormatError, match=rf"m.ovf:2: {found}|m.ovf:2: expected a {found}"):
        open_ovf(write_segments(tmp_path / "m.ovf", parts, count=count))


# Parameters


def test_parameters__are_unknown_unless_given(tmp_path):
    path = ovf_file(tmp_path / "m.ovf", SPINS, Desc="B_ext 0.3 T, D = 3e-3 J/m2")
    ds = open_ovf(path)
    assert not {"D", "B"} & set(ds.variables)
    assert np.isnan(ds["T"])
    assert "dmi" not in ds.attrs
    ds = open_ovf(path, D=1 / 3, B=0.1, T=0.006, hamiltonian=Hamiltonian("bloch"))
    assert ds.spin.dims == ("D", "B", "realization", "y", "x", "component")
    assert (ds.D.item(), ds.B.item(), ds["T"].item(), ds.attrs["dmi"]) == (0.333333, 0.1, 0.006, "bloch")
    assert np.isfinite(ds.sky.energy().energy)


@pytest.mark.parametrize("options", [{"D": -1}, {"B": "1"}, {"T": np.nan}, {"D": [0.1, 0.2]}, {"hamiltonian": "neel"}])
def test_parameters__out_of_range_are_refused(tmp_path, options):
    with pytest.raises(SchemaError, match=next(iter(options))):
        open_ovf(ovf_file(tmp_path / "m.ovf", SPINS), **options)


def test_read_file__can_be_imported(tmp_path):
    ds = open_ovf(ovf_file(tmp_path / "m.ovf", SPINS), D=0.5, B=0.1, T=0.006, hamiltonian=Hamiltonian())
    store = import_datasets([ds], tmp_path / "e.zarr", progress=False)
    np.testing.assert_allclose(store.spin.values[0, 0, 0], SPINS, atol=1e-7)

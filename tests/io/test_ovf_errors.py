"""OVF files that are refused, with line or byte: on opening where the header or the length tells, else on loading."""

import io
import tracemalloc

import numpy as np
import pytest
from ovf_files import CHECKS, FORMS, irregular_file, ovf_file, replaced, unit_vectors

from skylattice.errors import FormatError, SchemaError
from skylattice.io.ovf import open_ovf, read_ovf

SPINS = unit_vectors(3, 5)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"# OOMMF OVF 2.0", b"# OOMMF OVF 3.0", "m.ovf:1: expected '# OOMMF OVF 2.0' or"),
        (b"# Segment count: 1\n", b"", "m.ovf:2: expected '# Segment count: N'"),
        (b"count: 1", b"count: one", "m.ovf:2: expected a whole number > 0 for 'segmentcount', found 'one'"),
        (b"# Begin: Header\n", b"", "m.ovf:4: expected '# Begin: Header', found '# title: m'"),
        (b"# xnodes: 5\n", b"", "m.ovf:3: expected '# xnodes: ...' in the header, found none"),
        (b"# xnodes: 5\n", b"# xnodes: 5\n# X nodes: 5\n", "expected 'xnodes' once, found it also at .*m.ovf:22"),
        (b"# ynodes: 3", b"# ynodes: 3.0", "m.ovf:21: expected a whole number > 0 for 'ynodes', found '3.0'"),
        (b"# znodes: 1", b"# znodes: 0", "expected a whole number > 0 for 'znodes'"),
        (b"# xstepsize: 1", b"# xstepsize: 1_0", "expected a number for 'xstepsize', found '1_0'"),
        (b"# ystepsize: 1\n", b"# ystepsize: 2\n", "expected square cells, found steps of 1 along x and 2 along y"),
        (b"# ystepsize: 1\n", b"", "expected '# ystepsize: ...' in the header"),
        (b"# meshtype: rectangular\n", b"", "expected '# meshtype: ...' in the header"),
        (b"rectangular", b"hexagonal", "expected the meshtype rectangular or irregular, found 'hexagonal'"),
        (b"rectangular", b"irregular", "expected '# pointcount: ...' in the header"),
        (b"# valuedim: 3", b"# valuedim: 1", "expected vectors of 3 components, found valuedim 1"),
        (b"# valuedim: 3\n", b"", "expected '# valuedim: ...' in the header"),
        (b"# valuedim: 3", b"# valuedim: 3\n# valuemultiplier: 2", "expected no valuemultiplier in OVF 2.0, found 2"),
        (b"# valuedim: 3", b"# valuedim: 3\nxnodes: 3", "expected a line that starts with '#', found 'xnodes: 3'"),
        (b"# End: Header\n", b"", "expected '# End: Header', found '# begin: Data"),
    ],
)
@pytest.mark.parametrize("form", ["Text", "Binary 8"])
def test_bad_header__is_located(tmp_path, form, old, new, message):
    path = replaced(ovf_file(tmp_path / "m.ovf", SPINS, form), (old, new))
    with pytest.raises(FormatError, match=message):
        open_ovf(path)


@pytest.mark.parametrize("factor", ["0", "nan", "1e999", "x", "1e-200"])
def test_bad_valuemultiplier__is_refused(tmp_path, factor):
    with pytest.raises(FormatError, match=r"m.ovf:\d+: expected a (factor|number)"):
        open_ovf(ovf_file(tmp_path / "m.ovf", SPINS, version=1, valuemultiplier=factor))


@pytest.mark.parametrize(
    ("xnodes", "message"),
    [
        (4, r"byte \d+\): expected '# End: Data' after 12 points, found other bytes"),
        (6, r"byte \d+\): expected 432 bytes of 18 points as the header says, found"),
    ],
)
def test_binary__of_another_length_is_refused_on_opening(tmp_path, xnodes, message):
    with pytest.raises(FormatError, match=message):
        open_ovf(ovf_file(tmp_path / "m.ovf", SPINS, "Binary 8", xnodes=xnodes))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[:-1], "found 42"),
        (lambda rows: [*rows, rows[0]], "found 48"),
        (
            lambda rows: [rows[0], rows[1] + b" 0.5", rows[2].rsplit(b" ", 1)[0], *rows[3:]],
            r"m.ovf:29.* found 45, and 4 in",
        ),
        (lambda rows: [rows[0], b"0 0 1e", *rows[2:]], r"m.ovf:29: expected a finite number, found '1e'"),
        (lambda rows: [rows[0], b"0 0 0_1", *rows[2:]], r"m.ovf:29: expected a finite number, found '0_1'"),
        (lambda rows: [rows[0], b"0 0 1e999", *rows[2:]], r"m.ovf:29: expected a finite number, found '1e999'"),
        (lambda rows: [rows[0], b"0 0 1 #", *rows[2:]], r"m.ovf:29: expected 3 numbers .* and 4 in this line"),
        (lambda rows: [rows[0], b"0,,0", *rows[2:]], r"m.ovf:29: expected 3 numbers"),
    ],
)
def test_bad_text__is_located(tmp_path, change, message):
    path = ovf_file(tmp_path / "m.ovf", SPINS)
    head, begin, rest = path.read_bytes().partition(b"# Begin: Data Text\n")
    rows, end, tail = rest.partition(b"\n# End")
    path.write_bytes(head + begin + b"\n".join(change(rows.split(b"\n"))) + end + tail)
    with pytest.raises(FormatError, match=message):
        read_ovf(path)


@pytest.mark.parametrize("form", ["Binary 4", "Binary 8"])
def test_wrong_check_value__is_refused(tmp_path, form):
    size = int(form[-1])
    good = np.array(CHECKS[size], f"<f{size}").tobytes()
    path = replaced(ovf_file(tmp_path / "m.ovf", SPINS, form), (good, good[:-1] + b"\x00"))
    with pytest.raises(FormatError, match=rf"byte \d+\): expected the check value {CHECKS[size]:.1f} in {size} bytes"):
        open_ovf(path)


def test_binary_4_called_binary_8__is_refused(tmp_path):
    path = replaced(ovf_file(tmp_path / "m.ovf", SPINS, "Binary 4"), (b"Begin: Data Binary 4", b"Begin: Data Binary 8"))
    with pytest.raises(FormatError, match="expected the check value"):
        open_ovf(path)


@pytest.mark.parametrize("form", ["Text", "Binary 4"])
@pytest.mark.parametrize("share", [0.3, 0.7, 0.9, 0.99])
def test_truncated_file__is_refused_on_opening(tmp_path, form, share):
    path = ovf_file(tmp_path / "m.ovf", SPINS, form)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(FormatError, match=r"m.ovf(:\d+| \(byte \d+\)): expected"):
        open_ovf(path)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("mesh", ["rectangular", "irregular"])
def test_lying_header__allocates_nothing(tmp_path, form, mesh):
    if mesh == "rectangular":
        path = ovf_file(tmp_path / "m.ovf", SPINS, form, xnodes=10**6, ynodes=10**6)
    else:
        path = irregular_file(tmp_path / "m.ovf", SPINS[0], SPINS[0], form, pointcount=10**12)
    tracemalloc.start()
    try:
        with pytest.raises(FormatError, match=r"expected \d+ (numbers|bytes).* as the header says, found \d+"):
            open_ovf(path)
        assert tracemalloc.get_traced_memory()[1] < 2e6
    finally:
        tracemalloc.stop()


def test_line_without_end__is_no_header(tmp_path):
    (tmp_path / "m.ovf").write_bytes(b"# OOMMF OVF 2.0\n# Title: " + b"x" * 10**6)
    with pytest.raises(FormatError, match=r"m.ovf:2: expected a header line, found 65536 bytes without an end"):
        open_ovf(tmp_path / "m.ovf")


def test_file_that_changes__is_noticed(tmp_path):
    path = ovf_file(tmp_path / "m.ovf", SPINS, "Binary 8")
    ds = open_ovf(path)
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(FormatError, match="The file has changed since it was opened"):
        ds.load()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, r"expected an OVF file .*, found none"),
        (lambda path: path.mkdir(), r"expected an OVF file .* that can be read: .*folder"),
        (
            lambda path: path.write_bytes(b""),
            "expected '# OOMMF OVF 2.0' or '# OOMMF: rectangular mesh v1.0', found ''",
        ),
    ],
)
def test_path_without_a_file__is_refused(tmp_path, make, message):
    make(tmp_path / "m.ovf")
    with pytest.raises(FormatError, match=message):
        open_ovf(tmp_path / "m.ovf")


def test_object_that_is_no_path__is_refused():
    with pytest.raises(SchemaError, match="expected the path of an OVF file, found BytesIO"):
        open_ovf(io.BytesIO())

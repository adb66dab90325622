"""Spin files in all forms that UppASD writes, and damaged in all ways that files get damaged."""

import numpy as np
import pytest
from uppasd_runs import header, legacy_moment_rows, random_spins, rows, write_lines, write_restart

from skylattice.errors import FormatError
from skylattice.io.uppasd.spins import open_spin_file

SPIN = random_spins(2, 5)


def spins_of(path, frame=-1):
    file = open_spin_file(path)
    return np.stack([file.read(frame, ensemble).direction for ensemble in range(file.n_ensembles)])


@pytest.fixture
def restart(tmp_path):
    return write_restart(tmp_path / "restart.x.out", SPIN)


@pytest.mark.parametrize("first", ["# iter", "#iter", "#iterens"])
def test_header__of_any_version_is_read(tmp_path, first):
    path = write_lines(tmp_path / "restart.x.out", header(5, 2, first=first) + rows(SPIN))
    file = open_spin_file(path)
    assert (file.n_atoms, file.n_ensembles, file.n_frames, file.mode) == (5, 2, 1, "H")
    np.testing.assert_allclose(spins_of(path), SPIN, atol=1e-8)
    assert file.time(0) == -1


def test_real_time__is_read_in_seconds(tmp_path):
    lines = header(5, 2, kind="M", first="#Time [s]") + rows(SPIN, form="time", time=1.5e-12)
    file = open_spin_file(write_lines(tmp_path / "moment.x.out", lines))
    assert file.form.name == "by time"
    assert file.row_bytes == 99
    assert file.time(0) == 1.5e-12
    np.testing.assert_allclose(spins_of(file.path), SPIN, atol=1e-8)


def test_legacy_restart__is_read(tmp_path):
    path = write_lines(tmp_path / "restart.x.out", [f"{1234:8d}", *rows(SPIN, form="legacy restart")])
    file = open_spin_file(path)
    assert (file.n_atoms, file.n_ensembles, file.n_frames) == (5, 2, 1)
    np.testing.assert_allclose(spins_of(path), SPIN, atol=1e-8)


@pytest.mark.parametrize("gap", ["", "  "])
def test_legacy_moment__is_read_though_its_columns_touch(tmp_path, gap):
    frames = [row for i in range(2) for row in legacy_moment_rows(SPIN[i], time=50 * i, moment=2.0, gap=gap)]
    path = write_lines(tmp_path / "moment.x.out", frames)
    file = open_spin_file(path)
    assert (file.n_atoms, file.n_ensembles, file.n_frames) == (5, 1, 2)
    assert file.time(-1) == 50
    np.testing.assert_allclose(spins_of(path, 0)[0], SPIN[0], atol=1e-8)
    np.testing.assert_allclose(spins_of(path, 1)[0], SPIN[1], atol=1e-8)
    np.testing.assert_allclose(file.read().moment, 2.0, rtol=1e-8)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("spacing", ["fixed", "free"])
def test_line_ends_and_spacing__do_not_matter(tmp_path, end, spacing):
    body = rows(SPIN) if spacing == "fixed" else [" ".join(row.split()) for row in rows(SPIN)]
    path = write_lines(tmp_path / "restart.x.out", header(5, 2) + body, end)
    np.testing.assert_allclose(spins_of(path), SPIN, atol=1e-8)
    assert bool(open_spin_file(path).row_bytes) == (spacing == "fixed")


def test_last_line__may_lack_its_end_or_be_followed_by_blank_ones(restart):
    content = restart.read_bytes()
    for variant in (content[:-1], content + b"\n", content + b"\n\n  \n"):
        restart.write_bytes(variant)
        np.testing.assert_allclose(spins_of(restart), SPIN, atol=1e-8)


def test_iteration__too_large_for_its_column_is_no_harm(tmp_path):
    body = [row.replace("      -1", "********", 1) for row in rows(SPIN)]
    path = write_lines(tmp_path / "restart.x.out", header(5, 2) + body)
    np.testing.assert_allclose(spins_of(path), SPIN, atol=1e-8)
    assert np.isnan(open_spin_file(path).time(0))


def test_exponents__without_a_letter_are_read(tmp_path):
    spin = np.array([[[1e-100, 0.6, 0.8], [-1.5e-123, 0.0, 1.0]]])
    path = write_restart(tmp_path / "restart.x.out", spin)
    assert "  1.00000000-100" in path.read_text()
    np.testing.assert_allclose(spins_of(path), spin, atol=1e-15)
    assert spins_of(path)[0, 0, 0] == 1e-100


@pytest.mark.parametrize(
    ("token", "message"),
    [
        ("NaN", "expected a finite number, found 'NaN'"),
        ("Infinity", "expected a finite number, found 'Infinity'"),
        ("****************", "did not fit its column"),
        ("1.0x", "expected a finite number, found '1.0x'"),
        ("5.00000000E-01", "expected a spin of unit length"),
        ("", "expected a finite number, found ''"),
    ],
)
def test_bad_number__names_file_and_line(tmp_path, token, message):
    body = rows(np.tile([0.0, 0.0, 1.0], (1, 5, 1)))
    body[3] = body[3][:74] + token.rjust(16)
    path = write_lines(tmp_path / "restart.x.out", header(5, 1) + body)
    with pytest.raises(FormatError, match=rf"^{path}:11: .*{message}"):
        spins_of(path)


def test_swapped_rows__are_an_error(tmp_path):
    body = rows(SPIN)
    body[1], body[2] = body[2], body[1]
    path = write_lines(tmp_path / "restart.x.out", header(5, 2) + body)
    with pytest.raises(FormatError, match=r"restart.x.out:9: expected atom 2, found '3'"):
        spins_of(path)


def test_swapped_ensembles__are_an_error(tmp_path):
    path = write_lines(tmp_path / "restart.x.out", header(5, 2) + rows(SPIN[:1]) * 2)
    with pytest.raises(FormatError, match=r"restart.x.out:13: expected ensemble 2, found '1'"):
        spins_of(path)


def test_broken_line__names_the_line(restart):
    content = bytearray(restart.read_bytes())
    start = content.index(b"M_z\n") + 4
    content[start + 2 * 91 + 40] = ord("\n")
    restart.write_bytes(content)
    with pytest.raises(FormatError, match=r"restart.x.out:10: expected a row of 90 characters"):
        spins_of(restart)


def test_null_characters__are_not_taken_for_the_end_of_a_number(restart):
    """What a crash leaves on disk; numpy would read 6.1\\0 as 6.1."""
    content = bytearray(restart.read_bytes())
    end = content.index(b"M_z\n") + 4 + 2 * 91 - 1
    content[end - 8 : end] = bytes(8)
    restart.write_bytes(content)
    with pytest.raises(FormatError, match=r"restart.x.out:9: expected a row of 90 characters"):
        spins_of(restart)


@pytest.mark.parametrize("kept", [91, 91 * 3, 91 * 3 + 20, 91 * 10 - 8])
def test_truncated_file__is_an_error_when_opened(restart, kept):
    content = restart.read_bytes()
    restart.write_bytes(content[: content.index(b"M_z\n") + 4 + kept])
    with pytest.raises(FormatError, match=r"^.*restart.x.out:\d+: expected"):
        spins_of(restart)


def test_truncated_file__names_both_counts(restart):
    restart.write_bytes(restart.read_bytes()[: -91 * 2])
    with pytest.raises(FormatError, match=r"restart.x.out:15: expected 10 rows \(5 atoms × 2 ensembles\), found 8"):
        open_spin_file(restart)


def test_too_many_rows__are_an_error(restart):
    restart.write_bytes(restart.read_bytes() + b"\n".join(row.encode() for row in rows(SPIN)) + b"\n")
    with pytest.raises(FormatError, match=r"expected 10 rows .*, found 20"):
        open_spin_file(restart)


@pytest.mark.parametrize("content", [b"", b"\n \n"])
def test_empty_file__is_an_error(tmp_path, content):
    path = tmp_path / "restart.x.out"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=r"restart.x.out: expected a spin file, found an empty one"):
        open_spin_file(path)


def test_header_alone__is_an_error(tmp_path):
    path = write_lines(tmp_path / "restart.x.out", header(5, 2))
    with pytest.raises(FormatError, match="found a header only"):
        open_spin_file(path)


@pytest.mark.parametrize("name", ["atoms", "ensembles"])
@pytest.mark.parametrize("value", ["0", "-5", "x", "9" * 5000, ""])
def test_header__with_a_bad_count_is_an_error(tmp_path, name, value):
    lines = [f"# Number of {name}: {value}" if name in line else line for line in header(5, 2)]
    path = write_lines(tmp_path / "restart.x.out", lines + rows(SPIN))
    with pytest.raises(FormatError, match=rf"expected '# Number of {name}: N'"):
        open_spin_file(path)


def test_ovf_under_the_same_name__is_recognised(tmp_path):
    path = write_lines(tmp_path / "restart.x.out", ["# OOMMF OVF 2.0", "# Segment count: 1", "# Begin: Segment"])
    with pytest.raises(FormatError, match=r"found OVF \(the run had 'prn_ovf Y'\)"):
        open_spin_file(path)


def test_other_files__are_not_taken_for_spins(tmp_path):
    for name, line in (("jfile", "1 1 1 0 0 0.5"), ("restart.x.out", "some text"), ("moment.x.out", "some text")):
        path = write_lines(tmp_path / name, [line] * 3)
        with pytest.raises(FormatError, match=rf"{name}:1: expected a row of a UppASD spin file, found '{line}'"):
            open_spin_file(path)

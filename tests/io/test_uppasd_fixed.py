"""The fast way to read fixed columns gives what `float` gives, bit for bit, or declines."""

import numpy as np
import pytest
from uppasd_runs import REAL_RUN, es16_8, header, random_spins, rows, write_lines

from skylattice.io.uppasd.fixed import plain_counters, plain_numbers
from skylattice.io.uppasd.spins import SpinFile, open_spin_file


def line(*numbers):
    return "".join(map(es16_8, numbers)).encode() + b"\n"


def test_numbers__are_those_of_float_bit_for_bit():
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(20_000, 4)) * 10.0 ** rng.integers(-26, 24, (20_000, 4))
    numbers[:100, 0], numbers[:50, 1], numbers[0] = 0.0, -0.0, [1e99, -1e-99, 9.99999999e22, 1.00000001e-14]
    raw = b"".join(line(*row) for row in numbers)
    expected = np.array([float(token) for token in raw.split()]).reshape(-1, 4)
    found = plain_numbers(raw, 65, (0, 16, 32, 48))
    np.testing.assert_array_equal(found.view(np.uint64), expected.view(np.uint64))


@pytest.mark.parametrize(
    "token",
    [
        *("1.5", "NaN", "****************", "  1.0000000E+000", "  1,00000000E+00", "  1.0000000 E+00"),
        *("  x.00000000E+00", "  1.00000000e+00", "  1.00000000E*00", "  1.00000000E+0x", "+ 1.00000000E+00"),
    ],
)
def test_numbers__printed_otherwise_are_declined(token):
    assert plain_numbers(token.rjust(16).encode() + b"\n" + line(1.0), 17, (0,)) is None


@pytest.mark.parametrize("token", ["1 2", "-1", "1.0", "********", "0x1", "12 ", "\t1", "1:"])
def test_counters__printed_otherwise_are_declined(token):
    assert plain_counters(token.rjust(8).encode(), 8, 0) is None


def test_counters__are_those_of_int():
    numbers = [0, 1, 9, 10, 12345678, 99999999, 4096]
    assert plain_counters("".join(f"{n:8d}" for n in numbers).encode(), 8, 0).tolist() == numbers


@pytest.mark.parametrize("form", ["iteration", "time", "legacy restart"])
def test_both_ways__give_the_same_spins(tmp_path, monkeypatch, form):
    spin = random_spins(2, 30)
    head = (
        ["      -1"] if form == "legacy restart" else header(30, 2, first="#Time [s]" if form == "time" else "# iter")
    )
    path = write_lines(tmp_path / "restart.a.out", head + rows(spin, form=form))
    files = [open_spin_file(path), open_spin_file(REAL_RUN / "restart.skx.out")]
    fast = [file.read() for file in files]
    assert all(file._plain(file._raw(0, file.n_atoms), range(file.n_atoms), 0) is not None for file in files)
    monkeypatch.setattr(SpinFile, "_plain", lambda *_: None)
    for one, other in zip(fast, [file.read() for file in files], strict=True):
        np.testing.assert_array_equal(one.direction.view(np.uint64), other.direction.view(np.uint64))
        np.testing.assert_array_equal(one.moment, other.moment)

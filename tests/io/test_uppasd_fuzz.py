"""Damaged runs: a correct dataset or a `FormatError`, never another exception, never a silent NaN."""

import shutil
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from uppasd_runs import random_spins, write_run

from skylattice.errors import FormatError
from skylattice.io.doctor import diagnose
from skylattice.io.uppasd import read_run
from skylattice.schema import check_spin, check_values

FILES = ["inpsd.dat", "jfile", "dmfile", "posfile", "momfile", "restart.skx.out", "coord.skx.out"]
TOKENS = [
    b"0",
    b"-1",
    b"1e308",
    b"-1e308",
    b"1e-320",
    b"NaN",
    b"Inf",
    b"x",
    b"*****",
    b"",
    b"2 2",
    b"\0",
    b"\xff",
    b"1.5",
]


@pytest.fixture(scope="module", params=[1, 2], ids="block_size {}".format)
def good_run(tmp_path_factory, request):
    keyword = ("Sym 0", f"block_size {request.param}")
    run = write_run(tmp_path_factory.mktemp("good"), random_spins(2, 1, 4, 6), replace=[keyword])
    rows = [f"{1 + x + 6 * y:7d}{x:12.6f}{y:12.6f}{0:12.6f}{1:6d}{1:6d}\n" for y in range(4) for x in range(6)]
    (run / "coord.skx.out").write_text("".join(rows))
    return run


@pytest.fixture(scope="module")
def copy_of(good_run, tmp_path_factory):
    target = tmp_path_factory.mktemp("damaged")

    def copy():
        for name in FILES:
            shutil.copy(good_run / name, target / name)
        return target

    return copy


def check_outcome(run):
    """Reading gives unit spins and finite parameters, or a FormatError naming the file; the doctor agrees."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # remarks about the input are expected here
        diagnosis = diagnose(run)
        try:
            ds = read_run(run)
        except FormatError as error:
            refusal = str(error)
        else:
            refusal = ""
    assert diagnosis.ok == (not refusal)
    if refusal:
        assert str(run) in refusal
        return
    check_spin(ds.spin)
    check_values(ds.spin.values, where="spin", tolerance=1e-6)
    assert np.isfinite([ds.D.item(), ds.B.item(), ds["T"].item()]).all()
    assert ds.sizes["realization"] == 2


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_truncation_at_any_byte__is_an_error_or_harmless(copy_of, data):
    run = copy_of()
    path = run / data.draw(st.sampled_from(FILES))
    content = path.read_bytes()
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    check_outcome(run)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_changed_token__is_an_error_or_harmless(copy_of, data):
    run = copy_of()
    path = run / data.draw(st.sampled_from(FILES))
    lines = path.read_bytes().split(b"\n")
    number = data.draw(st.sampled_from([i for i, line in enumerate(lines) if line.split()]))
    tokens = lines[number].split(b" ")
    place = data.draw(st.sampled_from([i for i, token in enumerate(tokens) if token]))
    tokens[place] = data.draw(st.sampled_from(TOKENS))
    lines[number] = b" ".join(tokens)
    path.write_bytes(b"\n".join(lines))
    check_outcome(run)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_changed_byte__is_an_error_or_harmless(copy_of, data):
    run = copy_of()
    path = run / data.draw(st.sampled_from(FILES))
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content))
    check_outcome(run)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damaged_coordinates__are_refused_by_reader_and_doctor_alike(copy_of, data):
    run = copy_of()
    path = run / "coord.skx.out"
    lines = path.read_bytes().split(b"\n")
    for _ in range(data.draw(st.integers(1, 3))):
        number = data.draw(st.integers(0, len(lines) - 2))
        kind = data.draw(st.sampled_from(["swap", "drop", "double", "number", "token", "all"]))
        if kind == "swap":
            lines[number], lines[number - 1] = lines[number - 1], lines[number]
        elif kind in ("drop", "double"):
            lines[number : number + 1] = [lines[number]] * (2 if kind == "double" else 0)
        elif kind == "all":
            lines[number] = data.draw(st.binary(max_size=60))
        else:
            tokens = lines[number].split() or [b""]
            new = data.draw(
                st.sampled_from(TOKENS) if kind == "token" else st.integers(-9, 9).map(lambda n: b"%d.0" % n)
            )
            tokens[data.draw(st.integers(0, len(tokens) - 1))] = new
            lines[number] = b" ".join(tokens)
        if len(lines) < 3:
            break
    path.write_bytes(b"\n".join(lines))
    check_outcome(run)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_removed_or_doubled_line__is_an_error_or_harmless(copy_of, data):
    run = copy_of()
    path = run / data.draw(st.sampled_from(FILES))
    lines = path.read_bytes().split(b"\n")
    number = data.draw(st.integers(0, len(lines) - 1))
    lines[number : number + 1] = [lines[number]] * data.draw(st.sampled_from([0, 2]))
    path.write_bytes(b"\n".join(lines))
    check_outcome(run)

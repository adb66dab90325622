"""Files that want to hurt: refused at once, by name, without being read."""

import os
import resource
import stat
import time
from pathlib import Path

import pytest
from uppasd_runs import write_run

from skylattice.errors import FormatError
from skylattice.io.bounded import TEXT_LIMIT, file_digest, open_bounded, read_bounded, read_lines
from skylattice.io.doctor import diagnose
from skylattice.io.problems import fortran_float
from skylattice.io.uppasd import read_run
from skylattice.io.uppasd.spins import open_spin_file

#: Seconds and bytes that a refusal may cost: an honest one takes milliseconds, and the files are of gigabytes.
SECONDS, BYTES = 5, 200 << 20


def sparse(path, size, head=b""):
    """A file that takes no space on disk, and ``size`` bytes when it is read."""
    with path.open("wb") as file:
        file.write(head)
        file.truncate(size)


def pipe(path):
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def folder(path):
    path.unlink(missing_ok=True)
    path.mkdir()


@pytest.fixture(scope="module", autouse=True)
def imported(tmp_path_factory):
    """What the first dataset makes xarray import counts for nobody."""
    read_run(write_run(tmp_path_factory.mktemp("good")))


@pytest.fixture
def frugal():
    """Fail if the test takes long, or the process grows."""
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    yield
    assert time.perf_counter() - began < SECONDS
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < BYTES


def check_refused(run, *parts):
    """Reader and doctor say the same, and name the file."""
    with pytest.raises(FormatError) as refusal:
        read_run(run)
    diagnosis = diagnose(run)
    assert not diagnosis.ok
    messages = [finding.message for finding in diagnosis.findings]
    for part in parts:
        assert part in str(refusal.value)
        assert any(part in message for message in messages)
    assert len(str(refusal.value)) < 600


@pytest.mark.parametrize("name", ["inpsd.dat", "jfile", "dmfile", "posfile", "momfile"])
def test_file_of_gigabytes__is_refused_by_its_size(tmp_path, frugal, name):
    run = write_run(tmp_path)
    sparse(run / name, 2 << 30)
    check_refused(run, name, f"of at most {TEXT_LIMIT} bytes, found {2 << 30} bytes")


@pytest.mark.parametrize("name", ["restart.skx.out", "coord.skx.out"])
def test_spins_and_coordinates_with_holes__are_refused(tmp_path, frugal, name):
    run = write_run(tmp_path)
    head = (run / name).read_bytes()[:800] if name.startswith("restart") else b""
    sparse(run / name, 8 << 30, head)
    check_refused(run, name, "hole without data" if name.startswith("restart") else "at most 3200 bytes")


def test_spins_split_at_blanks__are_read_line_by_line(tmp_path, frugal, monkeypatch):
    """A file system that does not tell of holes."""
    monkeypatch.delattr(os, "SEEK_HOLE")
    run = write_run(tmp_path)
    text = (run / "restart.skx.out").read_bytes()
    sparse(run / "restart.skx.out", 8 << 30, text[:800].replace(b"\n      -1", b"\n -1"))
    check_refused(run, "restart.skx.out", "expected rows of at most 4096 characters")


def test_spins_of_fixed_width__are_parsed_some_rows_at_a_time(tmp_path, frugal, monkeypatch):
    monkeypatch.delattr(os, "SEEK_HOLE")
    run = write_run(tmp_path)
    n_atoms = 90_000_000
    lines = (run / "restart.skx.out").read_bytes().split(b"\n")
    lines[3] = b"# Number of atoms: %9d" % n_atoms
    head = b"\n".join(lines[:8]) + b"\n"
    sparse(run / "restart.skx.out", len(head) + 91 * (n_atoms - 1), head)
    with pytest.raises(FormatError, match=r"skx\.out:9: expected a row of 90 characters, found a broken line"):
        open_spin_file(run / "restart.skx.out").read()


@pytest.mark.parametrize("make", [pipe, folder], ids=["pipe", "folder"])
@pytest.mark.parametrize("name", ["jfile", "posfile", "restart.skx.out", "coord.skx.out", "inpsd.dat"])
def test_what_is_no_file__is_refused_at_once(tmp_path, frugal, name, make):
    run = write_run(tmp_path)
    make(run / name)
    check_refused(run, name, f"found a {make.__name__}")


@pytest.mark.parametrize(
    ("target", "kind"), [("/dev/zero", "a device"), ("..", "a folder"), ("{pipe}", "a pipe"), ("no/such", "none")]
)
def test_what_a_deck_names__is_looked_at_before_it_is_opened(tmp_path, frugal, target, kind):
    pipe(tmp_path / "pipe")
    run = write_run(tmp_path / "run", replace=[("exchange ./jfile", f"exchange {target.format(pipe='../pipe')}")])
    check_refused(run, "inpsd.dat:10 (exchange)", f"found {kind}")


@pytest.mark.parametrize(
    "token", ["9" * 16384, "9" * 1_000_000 + "x", "1e" + "9" * 16384], ids=["16k", "1M", "exponent"]
)
def test_endless_number__is_no_number(tmp_path, frugal, token):
    with pytest.raises(ValueError, match="no number"):
        fortran_float(token)
    check_refused(write_run(tmp_path / "a", replace=[("ncell {nx}", f"ncell {token[:16384]}")]), "inpsd.dat:2")
    check_refused(write_run(tmp_path / "b", jfile=f"1 1 1 0 0 {token}\n"), "jfile:1")


def test_endless_tokens__of_a_spin_file_are_no_numbers(tmp_path, frugal):
    run = write_run(tmp_path)
    text = (run / "restart.skx.out").read_text()
    (run / "restart.skx.out").write_text(text.replace("\n      -1", "\n -" + "1" * 2000, 2))
    check_refused(run, "restart.skx.out:8", "2001 characters wide")


def test_deck_of_nonsense__is_described_in_few_words(tmp_path, frugal):
    run = write_run(tmp_path)
    deck = run / "inpsd.dat"
    deck.write_text(deck.read_text() + "nonsense 1\n" * 60_000 + "temp 0.9\ntemp 0.947325388072\n" * 5000)
    diagnosis = diagnose(run)
    assert diagnosis.ok
    assert len(diagnosis.findings) < 50
    assert any("more of the same kind" in finding.message for finding in diagnosis.findings)


def test_many_damaged_ensembles__are_not_all_listed(tmp_path, frugal):
    run = write_run(tmp_path, replace=[("{nx} {ny} {nz}", "1 1 1")])
    row = (run / "restart.skx.out").read_bytes().split(b"\n")[7]
    head = (run / "restart.skx.out").read_bytes().split(b"\n")[:7]
    head[3:5] = b"# Number of atoms: 1", b"# Number of ensembles: 3000"
    rows = [row[:8] + b"%8d" % (e + 1) + row[16:26] + b"             NaN" * 4 for e in range(3000)]
    (run / "restart.skx.out").write_bytes(b"\n".join([*head, *rows]) + b"\n")
    diagnosis = diagnose(run)
    assert sum("expected a finite number" in finding.message for finding in diagnosis.findings) == 20


def test_file_that_grows_or_states_no_size__is_cut_at_the_limit(tmp_path):
    assert os.stat("/proc/self/status").st_size == 0
    with pytest.raises(FormatError, match="of at most 16 bytes, found more"):
        read_bounded(Path("/proc/self/status"), limit=16)


def test_honest_files__are_read_whole(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"a\r\nb\n")
    assert read_lines(path) == ["a", "b", ""]
    assert read_bounded(path, limit=5) == b"a\r\nb\n"
    with pytest.raises(FormatError, match="of at most 4 bytes, found 5 bytes"):
        read_bounded(path, limit=4)
    with open_bounded(path, limit=None) as file:
        assert stat.S_ISREG(os.fstat(file.fileno()).st_mode)
    assert file_digest(path).startswith("953bba9a")

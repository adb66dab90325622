"""Damaged OVF files: the spins that are there or a `FormatError` naming the file, at once, in little memory."""

import time
import tracemalloc

import numpy as np
import pytest
from ovf_files import FORMS, header_lines, irregular_file, ovf_file, segment, unit_vectors, write_segments

from skylattice.errors import FormatError
from skylattice.io.doctor import diagnose
from skylattice.io.ovf import read_ovf
from skylattice.schema import check_spin, check_values

TOKENS = [
    b"0",
    b"-1",
    b"3",
    b"1e308",
    b"1e-320",
    b"nan",
    b"Inf",
    b"x",
    b"",
    b"1_0",
    b"999999999999",
    b"\0",
    b"\xff",
    b"#",
]
LINES = [b"# Begin: Segment", b"# End: Header", b"# Begin: Data Text", b"# End: Data", b"# znodes: 2", b"##", b"1 2 3"]


def originals(folder):
    """Files of every form and mesh, as bytes."""
    spins, (y, x) = unit_vectors(3, 4), np.divmod(np.arange(12), 4)
    positions = np.stack([x, y, 0 * x], axis=-1)
    many = [segment(spins.reshape(-1, 3), header_lines((1, 3, 4)), form) for form in ("Text", "Binary 8")]
    files = [ovf_file(folder / "m.ovf", spins, form, version).read_bytes() for form in FORMS for version in (1, 2)]
    irregular = [
        irregular_file(folder / "m.ovf", positions, spins.reshape(-1, 3), form) for form in ("Text", "Binary 8")
    ]
    return [*files, *(path.read_bytes() for path in irregular), write_segments(folder / "m.ovf", many).read_bytes()]


def damaged(content, random):
    """One change, of a kind that is drawn too."""
    kind = random.integers(6)
    if kind == 0:
        return content[: random.integers(len(content) + 1)]
    if kind == 1:
        place = random.integers(len(content))
        return content[:place] + bytes([random.integers(256)]) + content[place + 1 :]
    if kind == 2:
        start, stop = sorted(random.integers(len(content) + 1, size=2))
        return content[:start] + content[stop:]
    lines = content.split(b"\n")
    number = random.integers(len(lines))
    if kind == 3:
        lines[number : number + 1] = [lines[number]] * int(random.choice([0, 2]))
    elif kind == 4:
        lines.insert(number, LINES[random.integers(len(LINES))])
    else:
        tokens = lines[number].split(b" ")
        tokens[random.integers(len(tokens))] = TOKENS[random.integers(len(TOKENS))]
        lines[number] = b" ".join(tokens)
    return b"\n".join(lines)


def check_outcome(path):
    """Reading gives unit spins or a FormatError naming the file; the doctor agrees."""
    diagnosis = diagnose(path)
    try:
        ds = read_ovf(path)
    except FormatError as error:
        refusal = str(error)
    else:
        refusal = ""
    if refusal:
        assert refusal.startswith(str(path))
        assert "expected one layer" in refusal or not diagnosis.ok
        return
    assert diagnosis.ok
    check_spin(ds.spin)
    check_values(ds.spin.values, where="spin", tolerance=2e-6)
    assert np.isfinite(ds.attrs.get("moment", 1.0))


def run(folder, n, seed):
    random, path = np.random.default_rng(seed), folder / "m.ovf"
    files = originals(folder)
    for _ in range(n):
        content = damaged(files[random.integers(len(files))], random)
        if random.integers(3) == 0:
            content = damaged(content, random)
        path.write_bytes(content)
        start = time.process_time()
        check_outcome(path)
        assert time.process_time() - start < 5


@pytest.mark.filterwarnings("ignore::UserWarning")  # vectors of other lengths are expected here
def test_damaged_files__are_errors_or_harmless(tmp_path):
    run(tmp_path, 400, seed=0)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_damaged_files__of_all_kinds_are_errors_or_harmless(tmp_path):
    run(tmp_path, 12_000, seed=1)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_damaged_files__need_little_memory(tmp_path):
    run(tmp_path, 5, seed=2)  # imports
    tracemalloc.start()
    try:
        run(tmp_path, 100, seed=3)
        assert tracemalloc.get_traced_memory()[1] < 5e6
    finally:
        tracemalloc.stop()

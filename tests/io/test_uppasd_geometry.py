"""Which row of a spin file is which site."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from uppasd_runs import REAL_RUN, random_spins, write_lines, write_restart, write_run

from skylattice.errors import FormatError
from skylattice.io.uppasd import read_run
from skylattice.io.uppasd.deck import read_deck
from skylattice.io.uppasd.geometry import geometry_of_coordinates, geometry_of_deck

GIVEN = {"D": 0.5, "B": 0.1, "T": 0.02, "dmi": "bloch", "handedness": 1}


def block_order(nx, ny, nz, block):
    """(x, y, z) of each atom in the order of UppASD's loops."""
    return [
        (x, y, z)
        for z0 in range(0, nz, block)
        for y0 in range(0, ny, block)
        for x0 in range(0, nx, block)
        for z in range(z0, min(z0 + block, nz))
        for y in range(y0, min(y0 + block, ny))
        for x in range(x0, min(x0 + block, nx))
    ]


def write_blocked_run(folder, spin, block, *, coord):
    """A run whose atoms are numbered in blocks; ``spin`` of shape (z, y, x, 3)."""
    nz, ny, nx, _ = spin.shape
    order = block_order(nx, ny, nz, block)
    write_run(folder, spin[None], replace=[("Sym 0", f"Sym 0\nblock_size {block}")])
    write_restart(folder / "restart.skx.out", np.array([[spin[z, y, x] for x, y, z in order]]))
    if coord:
        rows = [f"{n:7d}{x:12.6f}{y:12.6f}{z:12.6f}{1:6d}{1:6d}" for n, (x, y, z) in enumerate(order, 1)]
        write_lines(folder / "coord.skx.out", rows)
    return folder


@given(shape=st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9)), block=st.integers(1, 5))
@pytest.mark.parametrize("coord", [True, False])
def test_block_order__gives_the_lattice_with_and_without_coordinates(tmp_path_factory, shape, block, coord):
    spin = random_spins(*shape)
    run = write_blocked_run(tmp_path_factory.mktemp("run"), spin, block, coord=coord)
    for layer in range(shape[0]):
        found = read_run(run, layer=layer, dtype="float64").spin.values[0, 0, 0]
        np.testing.assert_allclose(found, spin[layer], atol=1e-8)


def test_coordinates__replace_the_input(tmp_path):
    spin = random_spins(2, 3, 5)
    run = write_blocked_run(tmp_path, spin, 2, coord=True)
    (run / "inpsd.dat").unlink()
    np.testing.assert_allclose(
        read_run(run, layer=1, dtype="float64", **GIVEN).spin.values[0, 0, 0], spin[1], atol=1e-8
    )


def test_coordinates__may_have_any_origin_and_spacing(tmp_path):
    rows = [f"{1 + 3 * j + i:7d}{2.5 * i - 1:12.6f}{2.5 * j + 7:12.6f}{0.5:12.6f}" for j in range(2) for i in range(3)]
    geometry, order = geometry_of_coordinates(write_lines(tmp_path / "coord.x.out", rows), 6)
    assert geometry.shape == (1, 2, 3)
    np.testing.assert_array_equal(order, [[[0, 1, 2], [3, 4, 5]]])


def test_real_coordinates__agree_with_the_input():
    geometry, order = geometry_of_coordinates(REAL_RUN / "coord.skx.out", 4096)
    assert geometry.shape == geometry_of_deck(read_deck(REAL_RUN / "inpsd.dat")).shape == (1, 64, 64)
    np.testing.assert_array_equal(order.ravel(), np.arange(4096))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[:-1], "expected 24 atoms as in the spin file, found 23"),
        (lambda rows: [*rows[:-1], rows[0]], "expected atoms on a full rectangular lattice"),
        (lambda rows: [row.replace("3.0", "3.4") for row in rows], "expected atoms on a full rectangular lattice"),
        (lambda rows: [*rows[:-1], "x y z"], "expected columns atom, x, y, z: .*row 23"),
        (lambda rows: [*rows[:-1], "24 nan 0 0"], "expected coordinates below 1e8"),
        (lambda rows: [""], "expected coordinates, found an empty file"),
    ],
)
def test_coordinates__that_form_no_lattice_are_an_error(tmp_path, change, message):
    run = write_blocked_run(tmp_path, random_spins(1, 4, 6), 2, coord=True)
    coord = run / "coord.skx.out"
    write_lines(coord, change(coord.read_text().splitlines()))
    with pytest.raises(FormatError, match=rf"coord.skx.out: {message}"):
        read_run(run)


def test_coordinates__of_another_lattice_are_an_error(tmp_path):
    write_blocked_run(tmp_path / "other", random_spins(1, 6, 4), 2, coord=True)
    run = write_blocked_run(tmp_path / "run", random_spins(1, 4, 6), 2, coord=False)
    (tmp_path / "other" / "coord.skx.out").rename(run / "coord.skx.out")
    with pytest.raises(FormatError, match=r"coord.skx.out: expected \(1, 4, 6\) cells \(z, y, x\), found \(1, 6, 4\)"):
        read_run(run)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ncell 0 4 1", r"inpsd.dat:2: expected counts >= 1 after 'ncell'"),
        ("ncell 6 4 -1", r"inpsd.dat:2: expected counts >= 1 after 'ncell'"),
        ("ncell 6.5 4 1", r"inpsd.dat:2: expected whole numbers after 'ncell', found 6.5 4 1"),
        ("ncell 6 4", r"inpsd.dat:2: expected 3 numbers after 'ncell', found 6 4 BC"),
        ("ncell 6 4 1\nblock_size 0", r"inpsd.dat:3: expected counts >= 1 after 'block_size'"),
        ("ncell 600000 400000 100000", r"expected 600000 × 400000 × 100000 = 24000000000000000 atoms"),
    ],
)
def test_ncell__out_of_range_names_the_line(tmp_path, line, message):
    run = write_run(tmp_path, replace=[("ncell {nx} {ny} {nz}       System size", line)])
    if line == "ncell 6 4":  # the next line was taken for the third number
        (run / "inpsd.dat").write_text((run / "inpsd.dat").read_text() + "BC P P 0\n")
    with pytest.raises(FormatError, match=message):
        read_run(run)


def test_ncell__must_be_there(tmp_path):
    run = write_run(tmp_path, replace=[("ncell {nx} {ny} {nz}       System size\n", "")])
    with pytest.raises(FormatError, match=r"inpsd.dat: expected the keyword 'ncell'.*size="):
        read_run(run)
    assert read_run(run, size=(4, 6)).sizes["x"] == 6


@pytest.mark.parametrize(
    ("line", "boundary"),
    [("BC P P P", "periodic"), ("BC 0 p 0", "open_x"), ("BC P 0 P", "open_y"), ("BC 0 0 0", "open"), ("", "open")],
)
def test_boundary__is_that_of_the_plane(tmp_path, line, boundary):
    run = write_run(tmp_path, replace=[("BC P P 0                   Boundary conditions (0=vacuum, P=periodic)", line)])
    assert geometry_of_deck(read_deck(run / "inpsd.dat")).boundary == boundary

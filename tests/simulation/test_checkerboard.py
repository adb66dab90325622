"""The vectorised sweeps against plain loops over sites with the same random words, and their machine code."""

import platform
import re

import numba
import numpy as np
import pytest
from reference import energy, plane_sweep

from skylattice import testing
from skylattice.kernels import checkerboard

D, B, BETA = 0.6, 0.2, 5.0
COUPLING = np.array([1.0, 1.0, D, D, B], np.float32)
SEED = np.array([7, 2**32 - 1, 2**31, 12345], np.uint32)
#: From less than one block of words to several blocks of sites, none of them full at the end.
SIZES = [(2, 6), (8, 12), (36, 34), (100, 110)]


@pytest.mark.parametrize("size", [(4, 6), (16, 2), (2, 2), (50, 38)])
def test_planes__join_to_the_lattice_they_split(size):
    spin = testing.random_spins(size, dtype="float32")
    np.testing.assert_array_equal(checkerboard.from_planes(checkerboard.to_planes(spin)), spin)


@pytest.mark.parametrize("size", [(8, 12), (2, 6), (36, 34)])
def test_over_relaxation__keeps_the_energy_and_turns_every_spin(size):
    spin = testing.random_spins(size, seed=1)
    planes = checkerboard.to_planes(spin)
    checkerboard.over_relaxation_sweeps(planes, COUPLING, 1, 0)
    after = checkerboard.from_planes(planes)
    assert energy(after, D, B) == pytest.approx(energy(spin, D, B), abs=3e-6)
    assert np.linalg.norm(after - spin, axis=-1).min() > 1e-6


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("T", [0.0, 0.006, 0.2, 2.0])
def test_heat_bath__is_that_of_plain_loops_with_the_same_words(size, T):
    beta = 1 / T if T > 0 else 1e30
    spin = rough_spiral(size)
    planes = checkerboard.to_planes(spin)
    checkerboard.heat_bath_sweep(planes, COUPLING, np.float32(beta), 3, SEED)
    expected = plane_sweep(spin, D, B, beta, 3, SEED)
    np.testing.assert_allclose(checkerboard.from_planes(planes), expected, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(checkerboard.from_planes(planes), axis=-1), 1, atol=2e-6)


@pytest.mark.parametrize("size", SIZES)
def test_over_relaxation__is_that_of_plain_loops(size):
    spin = rough_spiral(size)
    planes = checkerboard.to_planes(spin)
    checkerboard.over_relaxation_sweeps(planes, COUPLING, 1, 0)
    np.testing.assert_allclose(checkerboard.from_planes(planes), plane_sweep(spin, D, B), atol=1e-5)


@pytest.mark.parametrize("band", [1, 3, 16])
@pytest.mark.parametrize(("size", "n_sweeps"), [((64, 6), 1), ((100, 38), 2), ((134, 66), 4), ((20, 16), 4)])
def test_over_relaxation__in_bands_is_the_same_bit_by_bit(size, n_sweeps, band):
    whole = checkerboard.to_planes(testing.random_spins(size, seed=3))
    banded = whole.copy()
    checkerboard.over_relaxation_sweeps(whole, COUPLING, n_sweeps, 0)
    checkerboard.over_relaxation_sweeps(banded, COUPLING, n_sweeps, band)
    inner = (..., slice(1, -1), slice(1, -1))  # corners of the frame are nobody's neighbours
    np.testing.assert_array_equal(banded[inner], whole[inner])


def test_run__of_a_lattice_beyond_the_cache_is_sweep_after_sweep_bit_by_bit():
    """Seven over-relaxation sweeps: a visit of four, one of three."""
    run = checkerboard.to_planes(testing.random_spins((320, 300), seed=4))
    assert run.nbytes > checkerboard.CACHE
    plain = run.copy()
    assert checkerboard.run_planes(run, COUPLING, np.float32(BETA), 5, 2, 7, SEED) == 7
    for sweep in (5, 6):
        checkerboard.heat_bath_sweep(plain, COUPLING, np.float32(BETA), sweep, SEED)
        for _ in range(7):
            checkerboard.over_relaxation_sweeps(plain, COUPLING, 1, 0)
    np.testing.assert_array_equal(checkerboard.from_planes(run), checkerboard.from_planes(plain))


def rough_spiral(size):
    """Spins of all directions in fields well above zero: in a field near zero its direction is mere rounding."""
    y, x = np.indices(size)
    turn = 2 * np.pi * (x / size[1] + 2 * y / size[0])
    spin = np.stack([np.sin(turn), 0 * turn, np.cos(turn)], axis=-1) + 0.3 * testing.random_spins(size, seed=2)
    return spin / np.linalg.norm(spin, axis=-1, keepdims=True)


def vector_loops(assembly):
    """The innermost loops of x86-64 assembly that compute with vector registers: their instructions."""
    blocks = re.split(r"^(\.LBB\w+):", assembly, flags=re.MULTILINE)
    loops = [
        text
        for label, text in zip(blocks[1::2], blocks[2::2], strict=True)
        if re.search(rf"\tj\w+\t{label}$", text, re.M)
    ]
    return [loop for loop in loops if re.search(r"%[yz]mm", loop)]


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="knows the vector registers of x86-64 only")
def test_machine_code__of_the_hot_loops_uses_vector_registers():
    """LLVM gives up on a loop without a word: when it sees overlap, a branch, or a width that does not pay."""
    run = numba.njit(nogil=True, error_model="numpy", fastmath=checkerboard.run_planes.targetoptions["fastmath"])(
        checkerboard.run_planes.py_func
    )
    planes = checkerboard.to_planes(testing.random_spins((4, 4)))
    run(planes, COUPLING, np.float32(BETA), 0, 1, 1, SEED)
    (assembly,) = run.inspect_asm().values()
    loops = vector_loops(assembly)
    count = lambda loop, *names: sum(len(re.findall(rf"\t{name}\t.*%[yz]mm", loop)) for name in names)  # noqa: E731
    assert any(count(loop, "vpmuludq") >= 18 for loop in loops), "random words: ten rounds of two products each"
    heat_bath = [loop for loop in loops if count(loop, "vsqrtps") == 2]
    assert heat_bath, "heat bath: the field's length and the radius"
    assert not any(count(loop, "vpmovsxdq") for loop in heat_bath), "heat bath: integers of 64 bits halve its width"
    assert any(count(loop, "vdivps") == 1 and not count(loop, "vsqrtps") for loop in loops), "over-relaxation"

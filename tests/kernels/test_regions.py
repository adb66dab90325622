"""Regions on the torus and the integer charges of their preimages."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skylattice import testing
from skylattice.boundary import TORUS
from skylattice.kernels.background import survey
from skylattice.kernels.phase import phase
from skylattice.kernels.regions import (
    BEGIN,
    END,
    OFFSET_X,
    OFFSET_Y,
    REGION,
    RUN_COLUMNS,
    Y,
    count_preimages,
    depth,
    label_regions,
    region_at,
    shapes,
)

SEEDS = st.integers(0, 2**32 - 1)


def runs(group):
    """Runs of the regions of a map, where those of each row start, and percolation flags."""
    group = np.asarray(group, dtype=np.int32)
    run, row = np.empty((group.size, RUN_COLUMNS), dtype=np.int32), np.empty(len(group) + 1, dtype=np.int32)
    percolates = label_regions(group, TORUS.flags, run, row)
    return run[: row[-1]], row, percolates


def label(group):
    """Labels, unwrapped offsets and percolation flags of a map, site by site."""
    run, _, percolates = runs(group)
    labels, offset_y, offset_x = (np.zeros(np.shape(group), dtype=int) for _ in range(3))
    for r in run:
        sites = r[Y], slice(r[BEGIN], r[END])
        labels[sites], offset_y[sites] = r[REGION], r[OFFSET_Y]
        offset_x[sites] = r[OFFSET_X] + np.arange(r[END] - r[BEGIN])
    return labels, offset_y, offset_x, percolates


def flooded(group):
    """The same by flooding each region from its first site, site by site."""
    ny, nx = group.shape
    labels, offset = np.zeros((ny, nx), dtype=int), np.zeros((ny, nx, 2), dtype=int)
    percolates = []
    for first in np.argwhere(group):
        if labels[tuple(first)]:
            continue
        percolates.append(False)
        labels[tuple(first)], queue = len(percolates), [tuple(first)]
        for site in queue:
            for step in ((0, 1), (0, -1), (1, 0), (-1, 0)):
                other = (site[0] + step[0]) % ny, (site[1] + step[1]) % nx
                to = offset[site] + step
                if group[other] == group[site] and not labels[other]:
                    labels[other], offset[other] = len(percolates), to
                    queue.append(other)
                elif group[other] == group[site]:
                    percolates[-1] |= bool((offset[other] != to).any())
    return labels, offset[..., 0], offset[..., 1], np.array(percolates, dtype=bool)


def shapes_of(group):
    """Elongation and spread of the regions of a map."""
    run, _, percolates = runs(group)
    return shapes(run, len(run), len(percolates))[1:]


def depths(spin, background):
    """Depth of each site."""
    return np.array([[depth(s, background) for s in line] for line in spin])


def preimages(spin, background):
    """Sites and signs of the triangles that point against the background."""
    spin = np.asarray(spin, dtype=np.float64)
    code = np.empty(spin.shape[:2], dtype=np.uint8)
    assert survey(spin, background, TORUS.flags, code)[-1]
    site, sign = np.empty((2, 2 * code.size), dtype=np.int32)
    n = count_preimages(spin, background, code, TORUS.flags, site, sign)
    return site[:n], sign[:n]


def berg_luescher(spin):
    """Charge by solid angles, written with numpy alone."""

    def angle(a, b, c):
        triple = np.einsum("...c,...c", a, np.cross(b, c))
        return 2 * np.arctan2(triple, 1 + sum(np.einsum("...c,...c", u, v) for u, v in ((a, b), (b, c), (c, a))))

    right, up = np.roll(spin, -1, axis=1), np.roll(spin, -1, axis=0)
    corner = np.roll(right, -1, axis=0)
    return (angle(spin, right, corner) + angle(spin, corner, up)).sum() / (4 * np.pi)


@given(
    seed=st.integers(0, 2**32 - 1), ny=st.integers(3, 14), nx=st.integers(3, 14), background=st.sampled_from([1, -1])
)
def test_preimages__sum_to_the_berg_luescher_charge(seed, ny, nx, background):
    spin = testing.random_spins((ny, nx), seed)
    _, sign = preimages(spin, background)
    np.testing.assert_allclose(sign.sum(), berg_luescher(spin), atol=1e-9)


@given(SEEDS)
def test_preimages__lie_in_reversed_regions(seed):
    spin = testing.random_spins((12, 9), seed)
    site, _ = preimages(spin, 1)
    assert (depths(spin, 1).ravel()[site] > 0).all()


@given(SEEDS, st.integers(1, 14), st.integers(1, 14), st.sampled_from([1, -1]), st.floats(0, 1))
def test_preimages__are_those_of_every_triangle_looked_at(seed, ny, nx, background, turned):
    """Beside all triangles, by the weights that combine their corners to p; textures from rough to all but uniform."""
    spin = testing.random_spins((ny, nx), seed) + 10 * turned * np.array([1e-4, 0, background])
    spin /= np.linalg.norm(spin, axis=-1, keepdims=True)
    p = np.array([1.1315e-4, 4.913e-5, -background])
    expected = []
    for y, x in np.ndindex(ny, nx):
        up, right = (y + 1) % ny, (x + 1) % nx
        for corners in (((y, x), (y, right), (up, right)), ((y, x), (up, right), (up, x))):
            matrix = np.array([spin[c] for c in corners]).T
            if abs(np.linalg.det(matrix)) > 1e-9 and (np.linalg.solve(matrix, p) > 0).all():
                deepest = max(corners, key=lambda c: spin[c] @ p)
                expected.append((deepest[0] * nx + deepest[1], np.sign(np.linalg.det(matrix))))
    assert sorted(zip(*preimages(spin, background), strict=True)) == sorted(expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_survey__finds_what_is_not_finite(dtype, value):
    spin = testing.random_spins((6, 7), 0).astype(dtype)
    code = np.empty((6, 7), dtype=np.uint8)
    assert survey(spin, 1.0, TORUS.flags, code)[-1]
    for place in ((0, 0, 2), (5, 6, 0), (3, 2, 1)):
        broken = spin.copy()
        broken[place] = value
        assert not survey(broken, 1.0, TORUS.flags, code)[-1]
        assert np.isinf(value) or phase(broken, 1.0, TORUS.flags) == -1  # inf - inf makes numpy warn


@pytest.mark.parametrize(("k", "charge"), [(0, -22), (1, 0), (2, 72), (3, -17), (4, -139)])
def test_preimages__give_the_reference_charges_of_rough_states(k, charge):
    _, sign = preimages(testing.random_spins((200, 200), seed=k), 1)
    assert sign.sum() == charge


@pytest.mark.parametrize("vorticity", [1, -1, 2])
@pytest.mark.parametrize("polarity", [1, -1])
def test_preimages__count_the_vorticity_of_a_planted_texture(vorticity, polarity):
    ds = testing.planted_skyrmions([(0.0, 0.0)], radius=8, size=(40, 44), vorticity=vorticity, polarity=-polarity)
    _, sign = preimages(ds.spin.values[0, 0, 0], polarity)
    assert sign.sum() == -vorticity * polarity


def test_regions__wrap_around_the_torus():
    mask = np.zeros((6, 7), dtype=bool)
    mask[[0, 0, 5, 5], [0, 6, 0, 6]] = True  # one 2 × 2 block across the corner
    mask[2:4, 3] = True
    labels, offset_y, offset_x, percolates = label(mask)
    assert labels.max() == 2
    assert not percolates.any()
    assert np.ptp(offset_y[labels == 1]) == np.ptp(offset_x[labels == 1]) == 1
    np.testing.assert_allclose(shapes_of(mask)[0], [1, 2])


@given(SEEDS, st.integers(1, 12), st.integers(1, 12), st.integers(1, 3), st.floats(0.2, 1))
def test_regions__are_those_of_a_flood(seed, ny, nx, groups, density):
    rng = np.random.default_rng(seed)
    group = rng.integers(1, groups + 1, size=(ny, nx)) * (rng.random((ny, nx)) < density)
    labels, *offsets, percolates = label(group)
    expected_labels, *expected_offsets, expected_percolates = flooded(group)
    np.testing.assert_array_equal(labels, expected_labels)
    np.testing.assert_array_equal(percolates, expected_percolates)
    unwrapped = (labels > 0) & ~np.concatenate([[False], percolates])[labels]
    for offset, expected in zip(offsets, expected_offsets, strict=True):
        np.testing.assert_array_equal(offset[unwrapped], expected[unwrapped])


def test_region__of_each_site():
    group = np.random.default_rng(0).random((9, 11)) < 0.5
    run, row, _ = runs(group)
    found = [[region_at(run, row, y, x) for x in range(11)] for y in range(9)]
    np.testing.assert_array_equal(found, label(group)[0])


def test_regions__do_not_connect_diagonally():
    assert label(np.eye(5, dtype=bool))[0].max() == 5


#: A ring with a tail that meets the region's first site only across the border.
TAILED = (np.arange(5)[:, None] == 2) | ((np.arange(6) == 3) & (np.arange(5)[:, None] != 1))


@pytest.mark.parametrize(
    "mask", [np.ones((4, 5)), np.arange(5)[:, None] == np.full(6, 2), np.arange(6) == np.full((5, 1), 2), TAILED]
)
def test_regions__that_close_around_the_torus_percolate(mask):
    assert label(mask)[3].tolist() == [True]


def test_regions__that_touch_the_whole_length_without_closing_do_not_percolate():
    mask = np.zeros((6, 8), dtype=bool)
    mask[2, :4] = mask[3, 4:] = True  # two half rows, joined at one end only
    mask[2, 4] = True
    mask[2, 0] = False
    assert label(mask)[3].tolist() == [False]


@given(seed=SEEDS, dy=st.integers(0, 8), dx=st.integers(0, 10))
def test_regions__do_not_depend_on_the_origin(seed, dy, dx):
    mask = np.random.default_rng(seed).random((9, 11)) < 0.5

    def summary(mask):
        labels, _, _, percolates = label(mask)
        ratio = np.where(percolates, 0, shapes_of(mask)[0])
        return sorted(zip(np.bincount(labels.ravel())[1:], percolates, ratio.round(9), strict=True))

    assert summary(mask) == summary(np.roll(mask, (dy, dx), axis=(0, 1)))


@pytest.mark.parametrize("k", [1.0, 1.5, 2.0, 3.0])
def test_shapes__of_ellipses(k):
    y, x = np.mgrid[:60, :60] - 30
    elongation, spread = shapes_of((x / k) ** 2 + y**2 < 90)
    np.testing.assert_allclose(elongation, k, rtol=0.04)
    np.testing.assert_allclose(spread, (k + 1 / k) / 2, rtol=0.03)


def test_shapes__of_a_ring_are_round_but_spread():
    y, x = np.mgrid[:60, :60] - 30
    elongation, spread = shapes_of(abs(np.hypot(x, y) - 15) < 3)
    np.testing.assert_allclose(elongation, 1, rtol=0.01)
    assert spread > 2

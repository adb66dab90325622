"""Regions on the torus and the integer charges of their preimages."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skylattice import testing
from skylattice.kernels.regions import count_preimages, depth, label_regions, shapes

SEEDS = st.integers(0, 2**32 - 1)


def label(mask):
    """Labels, unwrapped offsets and percolation flags of a mask."""
    mask = np.asarray(mask, dtype=bool)
    labels = np.empty(mask.shape, dtype=np.int32)
    offset_y, offset_x = np.empty_like(labels), np.empty_like(labels)
    return labels, offset_y, offset_x, label_regions(mask, labels, offset_y, offset_x)


def preimages(spin, background):
    """Depth, sites and signs of the triangles that point against the background."""
    spin = np.asarray(spin, dtype=np.float64)
    against = np.empty(spin.shape[:2])
    depth(spin, background, against)
    site = np.empty(2 * against.size, dtype=np.int32)
    sign = np.empty_like(site)
    n = count_preimages(spin, against, background, site, sign)
    return against, site[:n], sign[:n]


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
    _, _, sign = preimages(spin, background)
    np.testing.assert_allclose(sign.sum(), berg_luescher(spin), atol=1e-9)


@given(SEEDS)
def test_preimages__lie_in_reversed_regions(seed):
    against, site, _ = preimages(testing.random_spins((12, 9), seed), 1)
    assert (against.ravel()[site] > 0).all()


@pytest.mark.parametrize(("k", "charge"), [(0, -22), (1, 0), (2, 72), (3, -17), (4, -139)])
def test_preimages__give_the_reference_charges_of_rough_states(k, charge):
    _, _, sign = preimages(testing.random_spins((200, 200), seed=k), 1)
    assert sign.sum() == charge


@pytest.mark.parametrize("vorticity", [1, -1, 2])
@pytest.mark.parametrize("polarity", [1, -1])
def test_preimages__count_the_vorticity_of_a_planted_texture(vorticity, polarity):
    ds = testing.planted_skyrmions([(0.0, 0.0)], radius=8, size=(40, 44), vorticity=vorticity, polarity=-polarity)
    _, _, sign = preimages(ds.spin.values[0, 0, 0], polarity)
    assert sign.sum() == -vorticity * polarity


def test_regions__wrap_around_the_torus():
    mask = np.zeros((6, 7), dtype=bool)
    mask[[0, 0, 5, 5], [0, 6, 0, 6]] = True  # one 2 × 2 block across the corner
    mask[2:4, 3] = True
    labels, offset_y, offset_x, percolates = label(mask)
    assert labels.max() == 2
    assert not percolates.any()
    assert np.ptp(offset_y[labels == 1]) == np.ptp(offset_x[labels == 1]) == 1
    np.testing.assert_allclose(shapes(labels, offset_y, offset_x, 2)[0], [1, 2])


def test_regions__do_not_connect_diagonally():
    assert label(np.eye(5, dtype=bool))[0].max() == 5


@pytest.mark.parametrize(
    "mask", [np.ones((4, 5)), np.arange(5)[:, None] == np.full(6, 2), np.arange(6) == np.full((5, 1), 2)]
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
        labels, offset_y, offset_x, percolates = label(mask)
        ratio = np.where(percolates, 0, shapes(labels, offset_y, offset_x, len(percolates))[0])
        return sorted(zip(np.bincount(labels.ravel())[1:], percolates, ratio.round(9), strict=True))

    assert summary(mask) == summary(np.roll(mask, (dy, dx), axis=(0, 1)))


@pytest.mark.parametrize("k", [1.0, 1.5, 2.0, 3.0])
def test_shapes__of_ellipses(k):
    y, x = np.mgrid[:60, :60] - 30
    labels, offset_y, offset_x, _ = label((x / k) ** 2 + y**2 < 90)
    elongation, spread = shapes(labels, offset_y, offset_x, 1)
    np.testing.assert_allclose(elongation, k, rtol=0.04)
    np.testing.assert_allclose(spread, (k + 1 / k) / 2, rtol=0.03)


def test_shapes__of_a_ring_are_round_but_spread():
    y, x = np.mgrid[:60, :60] - 30
    labels, offset_y, offset_x, _ = label(abs(np.hypot(x, y) - 15) < 3)
    elongation, spread = shapes(labels, offset_y, offset_x, 1)
    np.testing.assert_allclose(elongation, 1, rtol=0.01)
    assert spread > 2

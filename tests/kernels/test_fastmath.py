"""The Monte Carlo kernels' own functions against float64 libm, and the random numbers against published answers."""

import numpy as np
import pytest

from skylattice.kernels.fastmath import cos_sin, minus_expm1, minus_log, unit_uniform
from skylattice.kernels.philox import philox


def test_minus_expm1__is_accurate_for_small_and_large_arguments():
    x = np.geomspace(1e-12, 80, 20001).astype(np.float32)
    one_minus = np.array([minus_expm1(v)[0] for v in x], dtype=np.float64)
    exp = np.array([minus_expm1(v)[1] for v in x], dtype=np.float64)
    exact = x.astype(np.float64)
    np.testing.assert_allclose(one_minus, -np.expm1(-exact), rtol=3e-7)
    # the argument's own rounding in x·log2(e) costs exp(-x) a relative error of about x·6e-8
    assert np.max(np.abs(exp / np.exp(-exact) - 1) / (1 + exact)) < 3e-7


def test_minus_log__is_accurate_where_v_rounds_to_one():
    t = np.geomspace(1e-12, 0.29, 20001).astype(np.float32)
    value = np.array([minus_log(np.float32(1) - v, v) for v in t], dtype=np.float64)
    np.testing.assert_allclose(value, -np.log1p(-t.astype(np.float64)), rtol=3e-7)


def test_minus_log__is_accurate_for_small_v():
    v = np.geomspace(1e-30, 0.7, 20001).astype(np.float32)
    value = np.array([minus_log(x, np.float32(1) - x) for x in v], dtype=np.float64)
    np.testing.assert_allclose(value, -np.log(v.astype(np.float64)), rtol=3e-7)


def test_cos_sin__is_the_unit_circle_of_the_word():
    words = np.random.default_rng(0).integers(0, 2**32, 20001, dtype=np.uint32)
    pairs = np.array([cos_sin(word) for word in words], dtype=np.float64)
    # the low 30 bits, as a signed fraction of a quadrant, turn the axis that the top two bits choose
    t = (words << np.uint32(2)).view(np.int32).astype(np.float64) * 2.0**-32 * np.pi / 2
    swap, negative = (words & 0x40000000) != 0, (words & 0x80000000) != 0
    sign = np.where(negative, -1.0, 1.0)
    expected = sign[:, None] * np.where(swap[:, None], np.c_[np.sin(t), np.cos(t)], np.c_[np.cos(t), np.sin(t)])
    np.testing.assert_allclose(pairs, expected, atol=2e-7)


def test_cos_sin__covers_the_circle_uniformly():
    words = np.random.default_rng(1).integers(0, 2**32, 40000, dtype=np.uint32)
    c, s = np.array([cos_sin(word) for word in words], dtype=np.float64).T
    angle = np.arctan2(s, c)
    for harmonic in range(1, 9):
        assert abs(np.exp(1j * harmonic * angle).mean()) < 4 / np.sqrt(words.size)


def test_unit_uniform__lies_in_the_half_open_interval():
    assert unit_uniform(np.uint32(0)) > 0
    assert unit_uniform(np.uint32(2**32 - 1)) <= 1
    words = np.random.default_rng(2).integers(0, 2**32, 50000, dtype=np.uint32)
    u = np.array([unit_uniform(word) for word in words], dtype=np.float64)
    assert abs(u.mean() - 0.5) < 4 / np.sqrt(12 * u.size)


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((2**32 - 1,) * 4, (2**32 - 1,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    ],
)
def test_philox__gives_the_published_answers(counter, key, expected):
    words = philox(*(np.uint32(v) for v in (*counter, *key)))
    assert tuple(int(word) for word in words) == expected

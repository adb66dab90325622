"""Bond order and pair correlations of known lattices."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from test_triangulate import positions, random_points

from skylattice import schema, testing
from skylattice.defects.order import hexatic_order, pair_correlation
from skylattice.errors import SchemaError

SEEDS = st.integers(0, 2**32 - 1)


def exact_lattice(columns=7, rows=8):
    """A triangular lattice without strain: the torus has sides of irrational ratio."""
    row, column = np.divmod(np.arange(columns * rows), columns)
    points = np.column_stack([column + 0.5 * (row % 2), row * np.sqrt(3) / 2]) * 10
    return points, (rows * 5 * np.sqrt(3), columns * 10)


def test_order__of_the_perfect_lattice_is_one():
    points, size = exact_lattice()
    result = hexatic_order(positions(points), size)
    np.testing.assert_allclose([result.hexatic_order, result.local_order], 1, atol=1e-9)
    np.testing.assert_allclose(result.psi6, 1, atol=1e-9)
    np.testing.assert_allclose(result.orientation, 0, atol=1e-9)


def test_order__of_a_gas_is_small():
    result = hexatic_order(positions(random_points(0, 300, (100, 100))), (100, 100))
    assert result.hexatic_order < 0.1
    assert 0.2 < result.local_order < 0.6


@given(SEEDS)
def test_order__turns_with_the_points(seed):
    size = (40, 56)
    points = random_points(seed, 60, size)
    turned = np.column_stack([(size[0] - points[:, 1]) % size[0], points[:, 0]])
    first, second = hexatic_order(positions(points), size), hexatic_order(positions(turned), size[::-1])
    np.testing.assert_allclose(first.psi6, second.psi6, atol=1e-9)
    np.testing.assert_allclose(first.hexatic_order, second.hexatic_order, atol=1e-9)
    apart = np.exp(6j * (second.orientation - first.orientation - np.pi / 2))
    np.testing.assert_allclose(apart, 1, atol=1e-6)


def test_orientation__of_a_bicrystal_differs_by_the_misorientation():
    points, size, angle = testing.bicrystal_points(3, 2, layers=2)
    result = hexatic_order(positions(points), size)
    inner = abs(abs(points[:, 1] - size[0] / 2) - size[0] / 4) < size[0] / 12
    upper = points[:, 1] > size[0] / 2
    one, other = (result.orientation[inner & side].values for side in (upper, ~upper))
    apart = np.angle(np.exp(6j * (np.median(one) - np.median(other)))) / 6
    np.testing.assert_allclose(abs(apart), angle, atol=0.02)


def test_pair_correlation__of_a_gas_is_one():
    points = random_points(3, 2000, (100, 90))
    result = pair_correlation(positions(points), (100, 90), bin_width=3.0)
    np.testing.assert_allclose(result.pair_correlation, 1, atol=0.06)
    assert abs(result.orientation_correlation[4:]).max() < 0.02


def test_pair_correlation__counts_every_pair_by_brute_force():
    size, width = (30, 42), 1.5
    points = random_points(7, 40, size)
    result = pair_correlation(positions(points), size, bin_width=width)
    apart = points[:, None] - points
    apart -= np.array(size[::-1]) * np.round(apart / np.array(size[::-1]))
    r = np.hypot(*apart.transpose(2, 0, 1))[np.triu_indices(40, 1)]
    edges = np.arange(len(result.distance) + 1) * width
    expected = np.histogram(r, edges)[0] / (40 * 39 / 2 * np.pi * np.diff(edges**2) / (30 * 42))
    np.testing.assert_allclose(result.pair_correlation, expected)


def test_pair_correlation__of_the_perfect_lattice_peaks_at_its_shells():
    points, size = exact_lattice(14, 16)
    result = pair_correlation(positions(points), size, bin_width=0.5)
    peaks = result.distance.values[result.pair_correlation.values > 5]
    shells = 10 * np.sqrt([1, 3, 4, 7, 9, 12, 13, 16, 19, 21, 25, 27, 28, 31, 36, 37, 39, 43])
    assert len(peaks) > 8
    assert abs(peaks[:, None] - shells).min(axis=1).max() < 0.26
    np.testing.assert_allclose(result.orientation_correlation.dropna("distance"), 1, atol=1e-9)
    assert np.isinf(result.correlation_length)


def test_correlation_length__of_a_gas_is_undefined():
    assert np.isnan(pair_correlation(positions(random_points(0, 224, (120, 140))), (120, 140)).correlation_length)


def test_correlation_length__recovers_a_planted_decay():
    from skylattice.defects.order import _decay_length

    r = np.arange(120) + 0.5
    count = np.full(120, 50.0)
    np.testing.assert_allclose(_decay_length(count, count * np.exp(-r / 25), 9.3), 25, rtol=0.03)


def test_order_and_correlation__of_too_few_skyrmions_are_skipped():
    ds = testing.planted_skyrmions([(10.0, 10.0)], radius=3, size=32)
    for result in (ds.sky.hexatic_order(), ds.sky.pair_correlation()):
        assert result.status == schema.STATUS["skipped"]
    assert np.isnan(ds.sky.hexatic_order().hexatic_order)


@pytest.mark.parametrize("analysis", ["hexatic_order", "pair_correlation"])
def test_order__lazy_equals_eager(analysis):
    ds = testing.hexagonal_ensemble(6, 6, 10)
    with testing.raise_if_computes():
        lazy = getattr(ds.chunk(realization=3).sky, analysis)()
    xr.testing.assert_identical(lazy.compute(), getattr(ds.sky, analysis)())


@pytest.mark.parametrize("bin_width", [0, -1.0, 100.0])
def test_pair_correlation__names_a_bad_bin_width(bin_width):
    with pytest.raises(SchemaError, match="bin_width: expected"):
        testing.hexagonal_skyrmions(4, 4, 10).sky.pair_correlation(bin_width=bin_width)


def test_order__names_an_unknown_boundary():
    with pytest.raises(SchemaError, match="boundary: expected"):
        testing.hexagonal_skyrmions(4, 4, 10).sky.hexatic_order(boundary="hard")

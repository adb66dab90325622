"""Grains: planted bicrystals come back with their angle, their boundary and its dislocations."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from test_triangulate import positions, random_points

from skylattice import schema, testing
from skylattice.defects.classify import find_defects
from skylattice.defects.grains import _ZIGZAG, find_grains, grains, grains_of_mesh
from skylattice.defects.triangulate import triangulate
from skylattice.errors import SchemaError


@pytest.mark.parametrize(("p", "q"), [(3, 2), (4, 3), (5, 4)])
def test_grains__of_a_bicrystal(p, q):
    """One dislocation for each period on both boundaries: their spacing is a / (2 sin(θ/2))."""
    points, size, angle = testing.bicrystal_points(p, q)
    result = grains(positions(points), size)
    assert result.n_grains == 2
    np.testing.assert_allclose(result.misorientation[0], angle, rtol=0.05)
    np.testing.assert_allclose(result.boundary_length[0], 2 * size[1], rtol=0.06)
    assert result.boundary_dislocations[0] == 4
    np.testing.assert_allclose(result.dislocation_spacing[0], size[1] / 2, rtol=0.06)
    np.testing.assert_allclose(result.expected_spacing[0], size[1] / 2, rtol=0.06)
    apart = np.angle(np.exp(6j * np.diff(result.grain_orientation.values[:2]))) / 6
    np.testing.assert_allclose(abs(apart), angle, rtol=0.05)


def test_grains__are_the_two_halves_of_a_bicrystal():
    points, size, _ = testing.bicrystal_points(4, 3)
    grain = grains(positions(points), size).skyrmion_grain.values
    depth = size[0] / 4 - abs(points[:, 1] % (size[0] / 2) - size[0] / 4)
    inner, upper = depth > 15, points[:, 1] > size[0] / 2
    assert len(set(grain[inner & upper])) == len(set(grain[inner & ~upper])) == 1
    assert set(grain[inner]) == {1, 2}


def test_grains__of_a_perfect_lattice_are_one():
    result = testing.hexagonal_skyrmions(8, 8, 10).sky.grains().squeeze()
    assert result.n_grains == 1
    assert result.largest_grain == 1
    assert result.grain_size[0] == 64
    assert np.isnan(result.misorientation).all()


@given(st.floats(0, 100), st.floats(0, 100))
def test_grains__move_with_the_points(dx, dy):
    points, size, _ = testing.bicrystal_points(3, 2)
    moved = (points + np.array([dx, dy])) % size[::-1]
    first, second = grains(positions(points), size), grains(positions(moved), size)
    np.testing.assert_array_equal(first.grain_size, second.grain_size)
    np.testing.assert_allclose(first.boundary_length, second.boundary_length)


@given(st.integers(0, 2**32 - 1), st.integers(1, 30))
def test_grains__cover_all_points_and_none_is_too_small(seed, min_size):
    size = (50, 60)
    mesh = triangulate(random_points(seed, 80, size), size)
    grain = find_grains(mesh, min_size=min_size)
    count = np.bincount(grain)[1:]
    assert grain.min() == 1
    assert count.sum() == 80
    assert count.min() >= min_size
    assert (np.diff(count) <= 0).all()


def test_tolerance__decides_what_a_grain_is():
    points, size, angle = testing.bicrystal_points(4, 3)
    assert grains(positions(points), size, tolerance=1.5 * angle).n_grains == 1
    assert grains(positions(points), size, tolerance=0.5 * angle).n_grains >= 2


def test_boundary__between_three_grains_has_every_side():
    """Three grains around the torus: lengths add up over all pairs, and each pair meets once."""
    rng = np.random.default_rng(4)
    size = (60, 60)
    mesh = triangulate(rng.uniform(size=(300, 2)) * 60, size)
    result = grains(positions(mesh.points), size, min_size=20)
    n = int(result.n_grains)
    pairs = np.column_stack([result.boundary_grain, result.boundary_other_grain])
    pairs = pairs[np.isfinite(pairs[:, 0])]
    assert n > 2
    assert len({tuple(pair) for pair in pairs.tolist()}) == len(pairs)
    assert (pairs[:, 0] < pairs[:, 1]).all()
    assert (result.boundary_length.values[: len(pairs)] > 0).all()
    on_boundary = np.nansum(result.boundary_dislocations)
    assert on_boundary <= find_defects(mesh).is_dislocation.sum()


def plain_boundaries(mesh, found, grain):
    """Pairs, lengths and dislocations of the boundaries, and the order of the grains, with numpy alone."""
    a, b = grain[mesh.origin], grain[mesh.end]
    corner = (a != b).reshape(-1, 3)
    third = np.hypot(*mesh.vector.T).reshape(-1, 3)
    path = np.zeros(corner.shape)
    two, three = corner.sum(axis=1) == 2, corner.all(axis=1)
    path[two] = (third * ~corner).sum(axis=1)[two, None] / 4 * corner[two]
    path[three] = np.sqrt(2 * (third**2).sum(axis=1, keepdims=True) - 3 * third**2)[three] / 6
    path = path.ravel() + path.ravel()[mesh.twin]
    crossing = np.flatnonzero(a < b)
    pairs, which = np.unique(np.column_stack([a[crossing], b[crossing]]), axis=0, return_inverse=True)
    length = np.bincount(which.ravel(), weights=path[crossing], minlength=len(pairs)) / _ZIGZAG
    count = np.zeros(len(pairs))
    for k in np.flatnonzero(found.is_dislocation) + 1:
        leaving = found.core[mesh.origin] == k
        around = np.bincount(np.concatenate([a[leaving], b[leaving]]), minlength=grain.max() + 1)
        first, second = np.sort(np.argsort(-around, kind="stable")[:2])
        if around[first] and around[second]:
            count += (pairs == (first, second)).all(axis=1)
    on_rim = np.zeros(len(grain), dtype=bool)
    on_rim[mesh.origin[a != b]] = True
    members = [np.flatnonzero(grain == k) for k in range(1, grain.max() + 1)]
    inner = [mesh.psi6[k[~on_rim[k]]].sum() if not on_rim[k].all() else mesh.psi6[k].sum() for k in members]
    return pairs, length, count, np.angle(inner) / 6


@given(st.integers(0, 2**32 - 1), st.integers(60, 300), st.integers(1, 30))
def test_boundaries__agree_with_numpy(seed, n, min_size):
    mesh = triangulate(random_points(seed, n, (80, 90)), (80, 90))
    found = find_defects(mesh)
    result = grains_of_mesh(mesh, found, min_size=min_size)
    pairs, length, count, orientation = plain_boundaries(mesh, found, result["skyrmion_grain"])
    np.testing.assert_array_equal(np.column_stack([result["boundary_grain"], result["boundary_other_grain"]]), pairs)
    np.testing.assert_array_equal(result["boundary_dislocations"], count)
    np.testing.assert_allclose(result["boundary_length"], length, rtol=1e-12)
    np.testing.assert_allclose(np.exp(6j * (result["grain_orientation"] - orientation)), 1, rtol=1e-9)


@given(st.integers(0, 2**32 - 1), st.floats(0, 60), st.floats(0, 50))
def test_grains__do_not_depend_on_the_numbers_and_the_place_of_the_points(seed, dx, dy):
    """Small grains tie in size and in shared edges all the time."""
    size, n = (50, 60), 120
    points = random_points(seed, n, size)
    order = np.random.default_rng(seed).permutation(n)
    moved = ((points + np.array([dx, dy])) % size[::-1])[order]
    first, second = (find_grains(triangulate(p, size), min_size=6) for p in (points, moved))
    together = first[order][:, None] == first[order]
    np.testing.assert_array_equal(together, second[:, None] == second)


def test_grains__of_too_few_skyrmions_are_skipped():
    result = testing.planted_skyrmions([(10.0, 10.0)], radius=3, size=32).sky.grains()
    assert result.status == schema.STATUS["skipped"]


def test_grains__lazy_equals_eager():
    ds = testing.hexagonal_ensemble(6, 6, 10)
    with testing.raise_if_computes():
        lazy = ds.chunk(realization=3).sky.grains()
    xr.testing.assert_identical(lazy.compute(), ds.sky.grains())


@pytest.mark.parametrize("options", [{"tolerance": 0.0}, {"min_size": 0}])
def test_grains__name_a_bad_option(options):
    with pytest.raises(SchemaError, match="expected tolerance > 0 rad and min_size >= 1"):
        testing.hexagonal_skyrmions(4, 4, 10).sky.grains(**options)


def test_grains__overflow_names_the_remedy():
    points, size, _ = testing.bicrystal_points(4, 3)
    with pytest.raises(SchemaError, match="max_grains=16"):
        grains(positions(points), size, max_grains=1)

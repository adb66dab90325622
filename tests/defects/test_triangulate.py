"""Triangulation: Euler's identities, an independent oracle, and ties that follow the points."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import assume, given
from hypothesis import strategies as st

from skylattice import schema, testing
from skylattice.boundary import Boundary
from skylattice.defects.triangulate import MIN_POINTS, _by_qhull, triangulate, triangulation
from skylattice.errors import SchemaError
from skylattice.kernels.half_edges import half_edges, image, periods
from skylattice.kernels.triangulate import BEYOND, CERTAIN, CLOSE, is_certain, torus_mesh

SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.tuples(st.integers(15, 60), st.integers(15, 60))


def random_points(seed, n, size):
    return np.random.default_rng(seed).uniform(size=(n, 2)) * size[::-1]


def integer_points(seed, n, size):
    """Distinct points on whole sites: full of squares and rectangles."""
    places = np.random.default_rng(seed).choice(size[0] * size[1], n, replace=False)
    return np.column_stack([places % size[1], places // size[1]]).astype(float)


def positions(points):
    """Points of one lattice as the analyses take them."""
    return xr.Dataset(
        {
            "skyrmion_x": ("skyrmion", points[:, 0]),
            "skyrmion_y": ("skyrmion", points[:, 1]),
            "n_skyrmions": float(len(points)),
        }
    )


@given(SEEDS, st.integers(MIN_POINTS, 80), SIZES, st.booleans())
def test_torus__obeys_euler(seed, n, size, whole):
    mesh = triangulate((integer_points if whole else random_points)(seed, n, size), size)
    vertices, edges, faces = n, len(mesh.edges), len(mesh.triangles)
    assert vertices - edges + faces == 0
    assert (edges, faces) == (3 * vertices, 2 * vertices)
    assert (6 - mesh.coordination).sum() == 0
    assert not mesh.on_hull.any()


@given(SEEDS, st.integers(3, 60), SIZES)
def test_open__obeys_euler_with_its_hull(seed, n, size):
    mesh = triangulate(random_points(seed, n, size), size, "open")
    hull = mesh.on_hull.sum()
    assert n - len(mesh.edges) + len(mesh.triangles) == 1
    assert (6 - mesh.coordination).sum() == 2 * hull + 6


@given(SEEDS, st.integers(MIN_POINTS, 60), SIZES, st.sampled_from(["periodic", "open"]))
def test_mesh__is_consistent(seed, n, size, boundary):
    mesh = triangulate(random_points(seed, n, size), size, boundary)
    inner = np.flatnonzero(mesh.twin >= 0)
    np.testing.assert_array_equal(mesh.twin[mesh.twin[inner]], inner)
    np.testing.assert_array_equal(mesh.origin[mesh.twin[inner]], mesh.end[inner])
    np.testing.assert_allclose(mesh.vector[mesh.twin[inner]], -mesh.vector[inner], atol=1e-9)
    np.testing.assert_allclose(mesh.vector.reshape(-1, 3, 2).sum(axis=1), 0, atol=1e-9)
    first, second = mesh.vector[::3], mesh.vector[1::3]
    assert (first[:, 0] * second[:, 1] > first[:, 1] * second[:, 0]).all()
    period = np.array(size[::-1]) if boundary == "periodic" else np.array([1e9, 1e9])
    off = mesh.points[mesh.origin] + mesh.vector - mesh.points[mesh.end]
    np.testing.assert_allclose(off, period * np.round(off / period), atol=1e-6)


@given(SEEDS, st.integers(MIN_POINTS, 60), SIZES)
def test_torus__triangles_have_empty_circumcircles(seed, n, size):
    points = random_points(seed, n, size)
    mesh = triangulate(points, size)
    for t in range(0, len(mesh.triangles), 7):
        a = points[mesh.triangles[t, 0]]
        u, v = mesh.vector[3 * t], -mesh.vector[3 * t + 2]
        centre = np.linalg.solve([u, v], [u @ u / 2, v @ v / 2])
        radius = np.hypot(*centre)
        images = np.array([(i, j) for i in range(-3, 4) for j in range(-3, 4)]) * size[::-1]
        apart = np.hypot(*(points[:, None] + images - (a + centre)).reshape(-1, 2).T)
        assert apart.min() > radius * (1 - 1e-9)


@pytest.mark.parametrize("n", [12, 30, 120])
def test_coordination__agrees_with_freud(n):
    freud = pytest.importorskip("freud")
    for seed in range(5):
        size = (40 + seed, 55 - 2 * seed)
        points = random_points(seed, n, size)
        voronoi = freud.locality.Voronoi()
        centred = np.column_stack([points - np.array(size[::-1]) / 2, np.zeros(n)])
        voronoi.compute((freud.box.Box(size[1], size[0], is2D=True), centred))
        np.testing.assert_array_equal(triangulate(points, size).coordination, voronoi.nlist.neighbor_counts)


# Wrapping beside Qhull


def assert_qhull_agrees(points, size):
    """The same arrays, bit for bit, or no mesh from either."""
    mesh, expected = triangulate(points, size), _by_qhull(points, size, Boundary())
    assert (mesh is None) == (expected is None)
    if mesh is not None:
        for name, array in zip(("origin", "twin", "vector", "coordination", "on_hull"), expected, strict=True):
            np.testing.assert_array_equal(getattr(mesh, name), array, err_msg=name)


def outcome(points, size, margin):
    """What came of wrapping a torus, without the help of Qhull."""
    return torus_mesh(np.ascontiguousarray(points, dtype=float), float(size[1]), float(size[0]), float(margin))[1]


def test_torus__agrees_with_qhull_on_a_thousand_random_sets():
    for seed in range(1000):
        rng = np.random.default_rng(seed)
        size = tuple(int(period) for period in rng.integers(15, 120, size=2))
        assert_qhull_agrees(random_points(seed, int(rng.integers(MIN_POINTS, 120)), size), size)


@given(SEEDS, st.floats(1, 20))
def test_torus__agrees_with_qhull_on_clusters_and_voids(seed, spread):
    points = (np.random.default_rng(seed).normal(50, spread, size=(60, 2))) % 100
    assert_qhull_agrees(points, (100, 100))


@given(SEEDS, st.floats(-14, 0), st.booleans())
def test_torus__agrees_with_qhull_near_ties(seed, exponent, square):
    """Cocircular points, moved by next to nothing up to a whole site."""
    points, size = (integer_points(seed, 60, (20, 24)), (20, 24)) if square else testing.hexagonal_points(6, 6, 10)
    moved = points + 10.0**exponent * np.random.default_rng(seed).normal(size=points.shape)
    assert_qhull_agrees(moved % size[::-1] % size[::-1], size)


def test_torus__is_left_to_qhull_only_where_points_tie_or_meet():
    points, size = random_points(0, 100, (60, 60)), (60, 60)
    assert outcome(points, size, 30) == CERTAIN
    assert outcome(points, size, 3) == BEYOND
    hexagonal, period = testing.hexagonal_points()
    assert outcome(hexagonal, period, 30) == CERTAIN
    square = np.column_stack([a.ravel() for a in np.meshgrid(np.arange(6) * 10.0, np.arange(6) * 10.0)])
    assert outcome(square, size, 30) == CLOSE
    assert outcome(square + 1e-9 * points[:36], size, 30) == CLOSE
    assert outcome(square + 1e-2 * points[:36], size, 30) == CERTAIN
    assert outcome(np.vstack([points, points[0] + 1e-7]), size, 30) == CLOSE


def test_certainty__needs_empty_circumcircles_one_cover_and_a_closed_surface():
    size = (60, 60)
    mesh = triangulate(random_points(0, 100, size), size)
    assert is_certain(mesh.twin, mesh.vector, 60.0, 60.0)
    assert not is_certain(np.where(np.arange(len(mesh.twin)) == 5, -1, mesh.twin), mesh.vector, 60.0, 60.0)
    assert not is_certain(mesh.twin, mesh.vector, 60.0, 120.0)  # half a cover
    assert not is_certain(mesh.twin, mesh.vector * [-1, 1], 60.0, 60.0)  # clockwise
    assert not is_certain(mesh.twin, mesh.vector * [3, 1], 180.0, 60.0)  # stretched, no longer Delaunay


def test_mesh__does_not_depend_on_the_order_and_the_images_of_the_triangles():
    """Only on the triangulation: the same arrays from shuffled, turned and shifted triangles."""
    size, rng = (40, 50), np.random.default_rng(3)
    mesh = triangulate(random_points(3, 30, size), size)
    end = mesh.points[mesh.origin] + mesh.vector
    lies = np.stack([mesh.points[mesh.triangles[:, 0]], end[::3], end[1::3] + (end[::3] - mesh.points[mesh.end[::3]])])
    away = np.rint((lies - mesh.points[mesh.triangles.T]) / size[::-1]).astype(int)
    images = image(*np.moveaxis(away + rng.integers(-5, 5, size=(60, 2)), -1, 0)).T
    order, turn = rng.permutation(60), rng.integers(3, size=60)
    turned = (np.arange(3) + turn[:, None]) % 3
    corner, images = (np.take_along_axis(a, turned, axis=1)[order] for a in (mesh.triangles, images))
    again = half_edges(mesh.points, corner, images, 50.0, 40.0)
    for name, array in zip(("origin", "twin", "vector", "coordination", "on_hull"), again, strict=True):
        np.testing.assert_array_equal(getattr(mesh, name), array, err_msg=name)


@given(st.integers(-(10**9), 10**9), st.integers(-(10**9), 10**9))
def test_image__is_one_number_for_two(i, j):
    assert periods(image(i, j)) == (i, j)
    assert image(i, j) < image(i + 1, -j)
    assert image(i, j) < image(i, j + 1)
    assert image(i, j) - image(3, -7) == image(i - 3, j + 7)


# Ties


@given(SEEDS, st.integers(MIN_POINTS, 70), SIZES, st.integers(0, 60), st.integers(0, 60), st.booleans())
def test_coordination__moves_with_the_points_even_where_they_tie(seed, n, size, dx, dy, fractional):
    points = integer_points(seed, n, size)
    shift = np.array([dx, dy]) + (0.37 if fractional else 0)
    moved = triangulate((points + shift) % size[::-1], size)
    np.testing.assert_array_equal(triangulate(points, size).coordination, moved.coordination)


@given(SEEDS, st.integers(MIN_POINTS, 70), SIZES)
def test_coordination__turns_with_the_points_even_where_they_tie(seed, n, size):
    points = integer_points(seed, n, size)
    turned = np.column_stack([(size[0] - points[:, 1]) % size[0], points[:, 0]])
    first, second = triangulate(points, size), triangulate(turned, size[::-1])
    np.testing.assert_array_equal(first.coordination, second.coordination)


@given(SEEDS, st.integers(MIN_POINTS, 70), SIZES)
def test_coordination__does_not_depend_on_the_order_of_the_points(seed, n, size):
    points = integer_points(seed, n, size)
    order = np.random.default_rng(seed).permutation(n)
    np.testing.assert_array_equal(
        triangulate(points, size).coordination[order], triangulate(points[order], size).coordination
    )


@pytest.mark.parametrize("shift", [(0, 0), (3.3, 4.7), (9.99, 0.1)])
def test_square_lattice__is_cut_the_same_way_everywhere(shift):
    x, y = np.meshgrid(np.arange(5) * 10.0, np.arange(6) * 10.0)
    points = (np.column_stack([x.ravel(), y.ravel()]) + shift) % (50, 60)
    assert (triangulate(points, (60, 50)).coordination == 6).all()


@given(st.floats(0, 140), st.floats(0, 140))
def test_perfect_lattice__has_no_defect_under_any_translation(dx, dy):
    points, size = testing.hexagonal_points()
    assert (triangulate((points + np.array([dx, dy])) % size[::-1], size).coordination == 6).all()


def test_open__invents_defects_on_the_hull_of_a_perfect_lattice():
    points, size = testing.hexagonal_points(14, 16)
    assert (triangulate(points, size).coordination == 6).all()
    assert 40 < (triangulate(points, size, "open").coordination != 6).sum() < 60


# Where there is no triangulation


@pytest.mark.parametrize(
    "points",
    [
        np.zeros((0, 2)),
        random_points(0, MIN_POINTS - 1, (30, 30)),
        np.repeat(random_points(0, 10, (30, 30)), 2, axis=0),
    ],
    ids=["none", "few", "coinciding"],
)
def test_torus__without_a_triangulation(points):
    assert triangulate(points, (30, 30)) is None


def test_open__has_no_triangulation_of_a_line():
    assert triangulate(np.column_stack([np.arange(20), np.zeros(20)]), (30, 30), "open") is None


def test_torus__triangulates_a_single_row():
    mesh = triangulate(np.column_stack([np.arange(20) * 2.0, np.full(20, 3.0)]), (9, 40))
    assert mesh.coordination.sum() == 120


@given(SEEDS)
def test_torus__near_coincidence_is_no_crash(seed):
    points = random_points(seed, 20, (30, 30))
    points[0] = points[1] + 1e-13
    assume((points < 30).all())
    mesh = triangulate(points, (30, 30))
    assert mesh is None or mesh.coordination.sum() == 120


def test_triangulation__tells_why_there_is_none():
    few = triangulation(positions(random_points(0, 5, (30, 30))), (30, 30))
    assert few.status == schema.STATUS["skipped"]
    assert np.isnan(few.n_triangles)
    doubled = triangulation(positions(np.repeat(random_points(0, 10, (30, 30)), 2, axis=0)), (30, 30))
    assert doubled.status == schema.STATUS["failed"]
    hole = triangulation(positions(random_points(0, 20, (30, 30))).assign(n_skyrmions=np.nan), (30, 30))
    assert hole.status == schema.STATUS["empty"]


def test_triangulation__lists_each_triangle_once():
    result = testing.hexagonal_skyrmions(6, 6, 10).sky.triangulation().squeeze()
    n = int(result.n_triangles)
    triangles = result.triangles.values
    assert n == 72
    assert (triangles[:n] >= 0).all()
    assert (triangles[n:] == -1).all()
    assert len({tuple(sorted(t)) for t in triangles[:n].tolist()}) == n


def test_triangulation__lazy_equals_eager():
    ds = testing.hexagonal_ensemble(6, 6, 10)
    with testing.raise_if_computes():
        lazy = ds.chunk(realization=3).sky.triangulation()
    xr.testing.assert_identical(lazy.compute(), ds.sky.triangulation())


def test_triangulation__names_an_unknown_boundary():
    with pytest.raises(SchemaError, match="boundary: expected"):
        testing.hexagonal_skyrmions(4, 4, 10).sky.triangulation(boundary="hard")


def test_triangulation__names_what_positions_lack():
    with pytest.raises(SchemaError, match="n_skyrmions"):
        triangulation(xr.Dataset({"skyrmion_x": ("skyrmion", [1.0]), "skyrmion_y": ("skyrmion", [1.0])}), (9, 9))

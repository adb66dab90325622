"""Defects: planted ones are found, charges and Burgers vectors balance, and the symmetries hold."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from lattices import annealed
from test_triangulate import integer_points, positions, random_points

from skylattice import schema, testing
from skylattice.defects.classify import defects, find_defects
from skylattice.defects.of_spins import of_spins
from skylattice.defects.triangulate import triangulate
from skylattice.errors import SchemaError

SEEDS = st.integers(0, 2**32 - 1)
COUNTS = [
    "n_defects",
    "n_5",
    "n_7",
    "n_other",
    "n_dislocations",
    "n_disclinations",
    "n_vacancies",
    "n_interstitials",
    "n_strings",
]
PLANTED = {
    "perfect": [0, 0, 0, 0, 0, 0, 0, 0, 0],
    "pairs": [4, 2, 2, 0, 2, 0, 0, 0, 2],
    "vacancy": [4, 2, 2, 0, 2, 0, 1, 0, 1],
    "interstitial": [3, 0, 2, 1, 0, 0, 0, 1, 1],
}


def glide_pair(steps=5):
    """Two dislocations some lattice constants apart in a perfect lattice; points, size, lattice constant."""
    points, size = testing.hexagonal_points()
    a, row = size[1] / 12, size[0] / 14
    return testing.with_dislocations(points, size, (3 * a, 6.5 * row), ((3 + steps) * a, 6.5 * row), (a, 0)), size, a


@pytest.mark.parametrize("planted", PLANTED)
def test_defects__of_planted_textures(planted):
    ds = testing.hexagonal_ensemble().swap_dims(realization="planted").sel(planted=planted)
    result = ds.sky.defects()
    assert [result[name].item() for name in COUNTS] == PLANTED[planted]
    np.testing.assert_allclose(result.defect_density, result.n_defects / result.n_skyrmions)


@given(st.floats(0, 150), st.floats(0, 150), st.sampled_from(["perfect", "pairs", "vacancy"]))
def test_planted_defects__stay_under_every_translation(dx, dy, planted):
    points, size = testing.hexagonal_points()
    points = {"perfect": points, "pairs": glide_pair()[0], "vacancy": np.delete(points, 40, axis=0)}[planted]
    result = defects(positions((points + np.array([dx, dy])) % size[::-1]), size)
    assert [result[name].item() for name in COUNTS] == PLANTED[planted]


@given(SEEDS)
def test_noise__leaves_a_perfect_lattice_and_planted_pairs_alone(seed):
    shaken = np.random.default_rng(seed).normal(scale=0.35, size=(168, 2))
    points, size, _ = glide_pair()
    perfect, _ = testing.hexagonal_points()
    assert defects(positions((perfect + shaken) % size[::-1]), size).n_defects == 0
    assert defects(positions((points + shaken) % size[::-1]), size).n_dislocations == 2


# Charges and Burgers vectors


@given(SEEDS, st.integers(12, 90), st.booleans())
def test_charges__balance_on_any_torus(seed, n, whole):
    size = (40, 50)
    mesh = triangulate((integer_points if whole else random_points)(seed, n, size), size)
    found = find_defects(mesh)
    surplus = 6 - mesh.coordination
    assert surplus.sum() == found.core_charge.sum() == 0
    np.testing.assert_array_equal(found.core > 0, surplus != 0)
    np.testing.assert_array_equal(found.string > 0, surplus != 0)
    charged = found.core_charge != 0
    assert np.isnan(found.burgers[charged]).all()
    # a core lies within one string or, where its points face each other across an edge, in two
    for k in range(1, len(found.core_charge) + 1):
        assert surplus[found.core == k].sum() == found.core_charge[k - 1]


@pytest.mark.parametrize("steps", [2, 3, 5, 6])
def test_burgers__of_a_glide_pair_are_opposite_lattice_vectors(steps):
    """The sign is that of the displacement gathered on a counter-clockwise way around the core."""
    points, size, a = glide_pair(steps)
    mesh = triangulate(points, size)
    found = find_defects(mesh)
    assert found.is_dislocation.sum() == 2
    from_start_to_stop = np.argsort(found.centres(mesh)[:, 0])
    np.testing.assert_allclose(found.burgers[from_start_to_stop], [(-a, 0), (a, 0)], atol=0.06 * a)


def test_burgers__turn_with_the_lattice():
    points, size, a = glide_pair()
    turned = np.column_stack([(size[0] - points[:, 1]) % size[0], points[:, 0]])
    found = find_defects(triangulate(turned, size[::-1]))
    np.testing.assert_allclose(found.burgers[np.argsort(found.burgers[:, 1])], [(0, -a), (0, a)], atol=0.06 * a)


@pytest.mark.parametrize("direction", [0, 60, 120])
def test_burgers__follow_the_glide_direction(direction):
    """The planted vector, where the line between the dislocations runs along it: no point is lost or added."""
    points, size = testing.hexagonal_points(16, 18)
    a = size[1] / 16
    b = a * np.array([np.cos(np.radians(direction)), np.sin(np.radians(direction))])
    start = np.array([8.2 * a, 7.3 * a]) - 2 * b
    found = find_defects(triangulate(testing.with_dislocations(points, size, start, start + 4 * b, b), size))
    assert found.is_dislocation.sum() == 2
    order = np.argsort(found.burgers @ b)
    np.testing.assert_allclose(found.burgers[order], [-b, b], atol=0.1 * a)


@pytest.mark.parametrize("seed", range(4))
def test_burgers__sum_to_zero_on_the_torus(seed):
    """Several planted pairs; each vector counts in the lattice's own basis, so that the sum is exact."""
    points, size = testing.hexagonal_points(20, 24)
    a = size[1] / 20
    rng = np.random.default_rng(seed)
    for row in (4.5, 12.5, 19.5):
        start = np.array([rng.uniform(0, 20) * a, row * size[0] / 24])
        points = testing.with_dislocations(points, size, start, start + np.array([rng.integers(4, 9) * a, 0]), (a, 0))
    found = find_defects(triangulate(points, size))
    assert found.is_dislocation.sum() >= 6
    basis = np.array([[a, 0], [a / 2, size[0] / 24]])
    steps = found.burgers[found.is_dislocation] @ np.linalg.inv(basis)
    assert abs(steps - np.round(steps)).max() < 0.25
    np.testing.assert_array_equal(np.round(steps).sum(axis=0), [0, 0])


def test_burgers__of_annealed_lattices_are_lattice_vectors():
    """Mostly nearest neighbours (|b|² = 1 a²), and else farther ones (3, 4, 7)."""
    squares = []
    for D, b in ((0.6, 0.45), (0.7, 0.4), (0.8, 0.5)):
        result = annealed(D, b, size=96).sky.defects()
        length = np.hypot(result.burgers_x, result.burgers_y).values.ravel()
        a = np.sqrt(2 / np.sqrt(3) * 96 * 96 / result.n_skyrmions.item())
        squares.extend((length[np.isfinite(length)] / a) ** 2)
    assert len(squares) > 10
    assert np.mean(np.abs(np.array(squares) - 1) < 0.3) > 0.6
    assert np.isin(np.round(squares), [1, 3, 4, 7]).mean() > 0.9


def test_wide_pair__across_an_edge_is_one_dislocation():
    """Five and seven facing each other across an edge: the nearest of them pair before anything is a disclination."""
    rng = np.random.default_rng(1)
    wide = 0
    for _ in range(60):
        mesh = triangulate(rng.uniform(size=(60, 2)) * 40, (40, 40))
        found = find_defects(mesh)
        for k in np.flatnonzero(found.core_charge == 0) + 1:
            members = np.flatnonzero(found.core == k)
            joined = np.isin(mesh.origin, members) & np.isin(mesh.end, members)
            wide += len(members) == 2 and not joined.any()
    assert wide > 0


def test_dislocation__lies_between_its_points():
    points, size, a = glide_pair()
    result = defects(positions(points), size)
    places = np.column_stack([result.dislocation_x, result.dislocation_y])
    places = places[np.isfinite(places).all(axis=1)]
    expected = np.array([[3 * a, 6.5 * size[0] / 14], [8 * a, 6.5 * size[0] / 14]])
    np.testing.assert_allclose(places[np.argsort(places[:, 0])], expected, atol=0.6 * a)


# Open boundaries


def test_open__counts_the_hull_only_on_request():
    ds = testing.hexagonal_skyrmions()
    with_hull = ds.sky.defects(boundary="open", exclude_hull=False)
    without = ds.sky.defects(boundary="open")
    assert with_hull.n_defects > without.n_defects
    z, n = with_hull.coordination.values.ravel(), int(with_hull.n_skyrmions.item())
    hull = triangulate(
        np.column_stack([with_hull[f"skyrmion_{c}"].values.ravel()[:n] for c in "xy"]),
        (145, 144),
        "open",
    ).on_hull.sum()
    assert (6 - z[:n]).sum() == 2 * hull + 6
    assert with_hull.n_defects == (z[:n] != 6).sum()


@given(st.integers(0, 2**32 - 1), st.tuples(st.floats(0, 60), st.floats(0, 50)))
def test_centres__follow_the_points_around_the_torus(seed, shift):
    period = np.array([60.0, 50.0])
    points = np.random.default_rng(seed).uniform(0, period, size=(40, 2))
    moved = np.minimum((points + shift) % period, np.nextafter(period, 0))
    before, after = (
        find_defects(mesh).centres(mesh) for mesh in (triangulate(points, (50, 60)), triangulate(moved, (50, 60)))
    )
    assert len(before) == len(after)
    apart = after[:, None] - (before + shift)[None]
    distance = np.hypot(*np.moveaxis(apart - period * np.round(apart / period), -1, 0))
    assert (distance.min(axis=1) < 1e-6).all()
    assert (distance.min(axis=0) < 1e-6).all()


# Status, laziness, errors


def test_status__of_few_and_no_skyrmions():
    ds = xr.concat(
        [testing.planted_skyrmions([(20.0, 20.0)], radius=4, size=48), testing.ferromagnet(48)],
        "realization",
        join="override",
    )
    result = ds.sky.defects().squeeze()
    assert (result.status == schema.STATUS["skipped"]).all()
    assert result.n_skyrmions.values.tolist() == [1, 0]
    assert np.isnan(result.n_defects).all()
    assert (result.unexplained_charge == 0).all()


@pytest.mark.parametrize("size", [(8, 8), (11, 30), (1, 1)])
def test_status__of_small_lattices(size):
    result = testing.random(size, seed=1).sky.defects(max_skyrmions=64)
    assert result.status.item() in (schema.STATUS["skipped"], schema.STATUS["done"])


def test_holes_and_damage__leave_the_others_alone():
    ds = testing.hexagonal_ensemble(6, 6, 10)
    ds["spin"] = ds.spin.copy()
    clean = ds.sky.defects()
    ds.spin[0, 0, 1] = np.nan
    ds.spin[0, 0, 2, 3, 4] = np.nan
    result = ds.sky.defects()
    assert result.status.squeeze().values.tolist() == [schema.STATUS[k] for k in ("done", "empty", "failed", "done")]
    assert np.isnan(result.n_defects.squeeze()[1:3]).all()
    assert (result.coordination[0, 0, 1:3].isnull()).all()
    xr.testing.assert_identical(result.isel(realization=[0, 3]), clean.isel(realization=[0, 3]))


@pytest.mark.parametrize("chunks", [{"realization": 1}, {"realization": 3, "D": 1}])
def test_defects__lazy_equals_eager(chunks):
    ds = testing.hexagonal_ensemble(6, 6, 10)
    with testing.raise_if_computes():
        lazy = ds.chunk(chunks).sky.defects()
    xr.testing.assert_identical(lazy.compute(), ds.sky.defects())


def test_defects__use_the_rule_and_the_field():
    ds = annealed(0.4, 0.5, size=64)
    assert ds.sky.defects(rule="dusek2023").attrs["rule"] == "dusek2023"
    flipped = ds.spin * xr.DataArray([1.0, -1.0, -1.0], dims="component")
    result = of_spins(defects, flipped, -ds.B)
    np.testing.assert_array_equal(result.coordination, ds.sky.defects().coordination)


def test_defects__name_an_unknown_boundary():
    with pytest.raises(SchemaError, match="boundary: expected"):
        testing.hexagonal_skyrmions(4, 4, 10).sky.defects(boundary="hard")

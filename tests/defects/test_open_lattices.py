"""Skyrmions and defects of lattices with open boundaries and empty sites."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from lattices import annealed

from skylattice import schema, testing
from skylattice.boundary import Boundary
from skylattice.defects.triangulate import _by_qhull, triangulate
from skylattice.errors import SchemaError
from skylattice.kernels.regions import RUN_COLUMNS, label_regions

SEEDS = st.integers(0, 2**32 - 1)
TOKENS = ["open", "open_y", "open_x"]
EACH = pytest.mark.parametrize("token", TOKENS)


def disc(ds, radius):
    """The same in a disc around the middle, and empty around."""
    ny, nx = ds.sizes["y"], ds.sizes["x"]
    y, x = np.mgrid[:ny, :nx]
    mask = np.hypot(y - (ny - 1) / 2, x - (nx - 1) / 2) < radius
    return ds.assign(spin=ds.spin * mask[..., None], mask=(("y", "x"), mask))


def padded(ds):
    """The lattice in a frame of empty sites, which ends it as open boundaries do."""
    spin = np.pad(ds.spin.values.reshape(ds.spin.shape[-3:]), ((1, 1), (1, 1), (0, 0)))
    framed = testing.dataset(spin, D=ds.D.item(), B=ds.B.item())
    return framed.assign(mask=(("y", "x"), (spin != 0).any(axis=-1)))


# Detection


@EACH
def test_skyrmions__of_an_open_lattice_are_those_inside_a_frame_of_empty_sites(token):
    ds = annealed(0.6, 0.4).sky.with_boundary("open")
    found, framed = (d.sky.skyrmions(max_skyrmions=100).squeeze() for d in (ds, padded(ds).sky.with_boundary(token)))
    assert found.n_skyrmions == framed.n_skyrmions > 10
    for name in ("charge", "n_spins", "radius", "core_m_z", "on_boundary"):
        np.testing.assert_allclose(found[name], framed[name], atol=1e-6, err_msg=name)
    for name in ("skyrmion_x", "skyrmion_y"):
        np.testing.assert_allclose(found[name] + 1, framed[name], atol=1e-6)


@EACH
def test_skyrmions__cut_by_an_open_boundary_are_flagged_and_the_others_not(token):
    ends = Boundary.parse(token)
    ds = testing.planted_skyrmions([(1.2, 20.0), (20.0, 1.2), (20.0, 20.0)], radius=4, size=40)
    found = ds.sky.with_boundary(token).sky.skyrmions().squeeze()
    n = int(found.n_skyrmions)
    for x, y, flag in zip(
        found.skyrmion_x.values[:n], found.skyrmion_y.values[:n], found.on_boundary.values, strict=False
    ):
        assert flag == ((not ends.x and x < 5) or (not ends.y and y < 5))
    assert set(ds.sky.skyrmions().on_boundary.values.ravel().tolist()) == {0, -1}
    assert found.on_boundary.attrs["flag_meanings"] == "inside on_boundary"


def test_skyrmions__do_not_go_on_across_an_open_boundary():
    """A skyrmion on the border of the torus is two pieces, which lie at either side."""
    ds = testing.planted_skyrmions([(-0.5, 20.0)], radius=8, size=40)
    whole = ds.sky.skyrmions().squeeze()
    pieces = ds.sky.with_boundary("open_x").sky.skyrmions(rule="dusek2023").squeeze()
    assert (whole.n_skyrmions, pieces.n_skyrmions) == (1, 2)
    assert abs(pieces.skyrmion_x[0] - pieces.skyrmion_x[1]) > 35


@given(SEEDS, st.sampled_from(TOKENS), st.sampled_from([1.0, 0.7]))
def test_charge_rule__explains_all_counted_charge(seed, token, share):
    ds = testing.random((14, 12), seed=seed).sky.with_boundary(token)
    mask = np.random.default_rng(seed).random((14, 12)) < share
    ds = ds.assign(spin=ds.spin * mask[..., None], mask=(("y", "x"), mask)) if share < 1 else ds
    found = ds.sky.skyrmions(max_skyrmions=160)
    assert found.status.item() == schema.STATUS["done"]
    assert found.unexplained_charge.item() == 0


def test_stripe__of_an_open_lattice_closes_on_nothing():
    ds = testing.spiral(turns=3, size=48, B=0.1)
    assert ds.sky.skyrmions().n_stripes.item() == 3
    assert ds.sky.with_boundary("open_y").sky.skyrmions().n_stripes.item() == 0
    assert ds.sky.with_boundary("open_x").sky.skyrmions().n_stripes.item() == 3
    assert ds.sky.with_boundary("open").sky.phase().item() == schema.PHASE["spiral"]


@given(SEEDS, st.integers(1, 9), st.integers(1, 9), st.booleans(), st.booleans())
def test_regions__of_an_open_lattice_are_those_in_an_empty_frame(seed, ny, nx, y, x):
    group = (np.random.default_rng(seed).random((ny, nx)) < 0.6).astype(np.int32)
    wide = np.pad(group, ((0, 0 if y else 1), (0, 0 if x else 1)))

    def areas(group, flags):
        run, row = np.empty((group.size, RUN_COLUMNS), dtype=np.int32), np.empty(len(group) + 1, dtype=np.int32)
        percolates = label_regions(group, np.array(flags), run, row)
        labels = np.zeros(group.shape, dtype=int)
        for r in run[: row[-1]]:
            labels[r[0], r[1] : r[2]] = r[-1]
        return labels[:ny, :nx], percolates

    (found, closes), (expected, expected_closes) = areas(group, [y, x, False]), areas(wide, [True, True, False])
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(closes, expected_closes)


# Triangulation and defects


def euler(mesh):
    """V - E + F, and Σ(6 - z) - 2 h."""
    v, f, h = len(mesh.points), len(mesh.triangles), np.count_nonzero(mesh.twin < 0)
    return v - (3 * f + h) // 2 + f, (6 - mesh.coordination).sum() - 2 * h


@given(SEEDS, st.integers(12, 60), st.tuples(st.integers(10, 70), st.integers(10, 70)))
def test_cylinder__closes_along_one_axis(seed, n, size):
    points = np.random.default_rng(seed).uniform(size=(n, 2)) * size[::-1]
    for token in ("open_y", "open_x"):
        mesh = triangulate(points, size, token)
        assert euler(mesh) == (0, 0)
        assert mesh.on_hull.any()
        assert (mesh.on_boundary | ~mesh.on_hull).all()


@given(SEEDS)
def test_cylinder__is_the_middle_of_an_unrolled_one(seed):
    """Beside an open triangulation of seven periods: the same edges from the points of the middle one."""
    n, (ny, nx) = 30, (40, 30)
    points = np.random.default_rng(seed).uniform(size=(n, 2)) * (nx, ny)
    mesh = triangulate(points, (ny, nx), "open_y")
    wide = triangulate(np.concatenate([points + np.array([k * nx, 0]) for k in range(7)]), (ny, 7 * nx), "open")
    for i in range(n):
        expected, found = (m.vector[m.origin == k] for m, k in ((wide, 3 * n + i), (mesh, i)))
        np.testing.assert_allclose(found[np.lexsort(found.T)], expected[np.lexsort(expected.T)], atol=1e-9)


@EACH
def test_perfect_lattice__with_open_boundaries_has_no_defects(token):
    ds = testing.hexagonal_skyrmions().sky.with_boundary(token)
    found = ds.sky.defects().squeeze()
    assert found.n_defects == 0
    n = int(found.n_skyrmions)
    rim = found.on_boundary.values[:n] == 1
    assert 10 < rim.sum() < n / 2
    assert (found.coordination.values[:n][~rim] == 6).all()
    assert ds.sky.defects(exclude_hull=False).n_defects > 20


def test_defects__inside_are_found_whatever_ends():
    ds = testing.hexagonal_ensemble().sky.roll(x=72)  # planted on the border
    inside = disc(ds, 60)
    found = inside.sky.defects().squeeze()
    names = ds.planted.values.tolist()
    assert found.n_defects.values[names.index("perfect")] == 0
    assert found.n_vacancies.values[names.index("vacancy")] == 1
    assert found.n_interstitials.values[names.index("interstitial")] == 1
    assert (found.on_boundary == 1).any("skyrmion").all()


def test_defects__do_not_mind_single_empty_sites():
    ds = testing.hexagonal_skyrmions()
    is_background = ds.spin.values[0, 0, 0, ..., 2] > 0.5
    mask = ~is_background | (np.random.default_rng(0).random(is_background.shape) > 0.01)
    dilute = ds.assign(spin=ds.spin * mask[..., None], mask=(("y", "x"), mask)).sky.defects().squeeze()
    assert dilute.n_defects == 0
    assert (dilute.coordination.values[: int(dilute.n_skyrmions)] == 6).all()


@pytest.mark.parametrize("chunks", [{"realization": 1}, {"realization": 3}, -1])
@pytest.mark.parametrize("method", ["skyrmions", "triangulation", "defects", "hexatic_order"])
def test_ends__lazy_equals_eager(method, chunks):
    ds = disc(testing.hexagonal_ensemble(6, 6, 10), 26).sky.with_boundary("open_x")
    lazy_ds = ds.chunk(chunks)
    with testing.raise_if_computes():
        lazy = getattr(lazy_ds.sky, method)()
    xr.testing.assert_identical(lazy.compute(), getattr(ds.sky, method)())


def test_ends__name_what_needs_a_torus():
    ds = testing.hexagonal_skyrmions(6, 6, 10).sky.with_boundary("open_x")
    with pytest.raises(SchemaError, match=r"pair_correlation: expected periodic lattices.*open along x"):
        ds.sky.pair_correlation()
    with pytest.raises(SchemaError, match="grains: expected periodic lattices"):
        ds.sky.grains()
    with pytest.raises(SchemaError, match="boundary: expected the lattices' own, 'open_x'"):
        ds.sky.defects(boundary="periodic")
    assert ds.sky.defects(boundary="open").status.item() == schema.STATUS["done"]


def test_cylinder__has_no_triangulation_of_a_line():
    points = np.column_stack([np.arange(20) * 2.0, np.full(20, 3.0)])
    assert _by_qhull(points, (9, 40), Boundary(y=False, x=True)) is None
    assert triangulate(points, (9, 40), "open_y") is None

"""Detection: every charge explained, every skyrmion counted, measured and placed."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from lattices import annealed

from skylattice import schema, testing
from skylattice.boundary import TORUS
from skylattice.defects.detect import skyrmions
from skylattice.errors import SchemaError
from skylattice.kernels import detect as kernel
from skylattice.kernels.regions import RUN_COLUMNS, label_regions

SEEDS = st.integers(0, 2**32 - 1)
INTERACTIONS = [(dmi, h, s) for dmi in ("neel", "bloch", "antiskyrmion") for h, s in ((1, 1), (-1, -1), (1, -1))]


def flip(spin):
    """Turn all spins by π about x: the charge stays, S_z changes sign."""
    return spin * xr.DataArray([1.0, -1.0, -1.0], dims="component")


def found(ds, name, **options):
    """One variable of the only lattice's skyrmions, without padding."""
    values = ds.sky.skyrmions(**options)[name].squeeze()
    return values.values[: int(ds.sky.skyrmions(**options).n_skyrmions.squeeze())]


def n_regions(mask):
    """Number of 4-connected regions on the torus."""
    run, row = np.empty((mask.size, RUN_COLUMNS), dtype=np.int32), np.empty(len(mask) + 1, dtype=np.int32)
    return len(label_regions(mask.astype(np.int32), TORUS.flags, run, row))


# Charge


@pytest.mark.parametrize(("dmi", "handedness", "sign"), INTERACTIONS)
@pytest.mark.parametrize("T", [0.006, 0.1])
def test_charge_rule__explains_all_charge_and_counts_every_skyrmion(dmi, handedness, sign, T):
    for D in (0.4, 0.7, 1.0):
        for b in (0.3, 0.45, 0.65):
            ds = annealed(D, b, T, dmi=dmi, handedness=handedness, sign=sign)
            q = ds.sky.topological_charge().item()
            result = ds.sky.skyrmions()
            np.testing.assert_allclose(q, result.charge.sum() + result.stripe_charge.item(), atol=1e-6)
            assert result.unexplained_charge.item() == 0
            assert result.n_skyrmions.item() == abs(round(q)) > 0
            assert (abs(found(ds, "charge")) == 1).all()


@pytest.mark.parametrize("b", [0.1, 0.2, 0.8])
def test_charge_rule__explains_all_charge_of_stripes_and_dilute_skyrmions(b):
    for D in (0.5, 0.9):
        ds = annealed(D, b, T=0.1)
        result = ds.sky.skyrmions()
        total = result.charge.sum() + result.stripe_charge.item()
        np.testing.assert_allclose(ds.sky.topological_charge().item(), total, atol=1e-6)


@given(SEEDS)
def test_charge_rule__explains_all_charge_of_any_texture(seed):
    ds = testing.random((24, 20), seed=seed)
    result = ds.sky.skyrmions(max_skyrmions=200)
    total = result.charge.sum() + result.stripe_charge.item()
    np.testing.assert_allclose(ds.sky.topological_charge().item(), total, atol=1e-9)


def test_qc__reports_no_unexplained_charge_for_any_texture():
    ds = testing.dataset(np.stack([testing.random_spins((24, 24)), annealed(0.6, 0.3, size=24).spin.values[0, 0, 0]]))
    ds.spin[0, 0, 1, 3, 3] = np.nan
    unexplained = ds.sky.qc().unexplained_charge.squeeze()
    np.testing.assert_allclose(unexplained[0], 0, atol=1e-9)
    assert np.isnan(unexplained[1])


def test_dusek_rule__agrees_where_skyrmions_are_large_and_loses_small_ones():
    large, small = annealed(0.4, 0.4), annealed(0.9, 0.5)
    assert large.sky.skyrmions(rule="dusek2023").n_skyrmions == large.sky.skyrmions().n_skyrmions
    assert large.sky.skyrmions(rule="dusek2023").unexplained_charge == 0
    lost = small.sky.skyrmions().n_skyrmions - small.sky.skyrmions(rule="dusek2023").n_skyrmions
    assert lost.item() > 10
    np.testing.assert_allclose(small.sky.skyrmions(rule="dusek2023").unexplained_charge, -lost)


def test_dusek_rule__counts_spins_and_wraps_clusters():
    """Clusters of 6 and 7 spins, the larger one across the corner of the torus."""
    spin = testing.ferromagnet((16, 20)).spin.values[0, 0, 0].copy()
    for y, x in [(8, 5), (8, 6), (8, 7), (9, 5), (9, 6), (9, 7)]:
        spin[y, x] = 0, 0, -1
    for y, x in [(0, 0), (0, 1), (0, 19), (1, 0), (15, 0), (15, 19), (15, 1)]:
        spin[y, x] = 0, 0, -1
    result = testing.dataset(spin).sky.skyrmions(rule="dusek2023").squeeze()
    assert result.n_skyrmions == 1
    assert result.n_spins[0] == 7
    np.testing.assert_allclose([result.skyrmion_x[0], result.skyrmion_y[0]], [0, 16 - 2 / 7], atol=1e-9)


# Places and sizes


@given(st.floats(0, 48), st.floats(0, 40))
def test_centre__is_found_within_a_fiftieth_of_a_site(x, y):
    ds = testing.planted_skyrmions([(x, y)], radius=6, size=(40, 48))
    dx = (found(ds, "skyrmion_x")[0] - x + 24) % 48 - 24
    dy = (found(ds, "skyrmion_y")[0] - y + 20) % 40 - 20
    assert np.hypot(dx, dy) < 0.02
    assert 0 <= found(ds, "skyrmion_x")[0] < 48
    assert 0 <= found(ds, "skyrmion_y")[0] < 40


@given(st.integers(0, 47), st.integers(0, 47), st.booleans())
def test_skyrmions__move_with_the_lattice(dx, dy, dusek):
    ds, rule = annealed(0.6, 0.4), "dusek2023" if dusek else "charge"
    first, second = ds.sky.skyrmions(rule=rule), ds.sky.roll(x=dx, y=dy).sky.skyrmions(rule=rule)
    assert first.n_skyrmions == second.n_skyrmions

    def rows(result, shift_x, shift_y):
        frame = result.squeeze().sky.to_table()
        for name, shift in (("skyrmion_x", shift_x), ("skyrmion_y", shift_y)):
            frame[name] = (frame[name] + shift + 1e-6) % 48
        return (
            frame.drop(columns=["skyrmion", "texture", "on_boundary"])
            .round(4)
            .sort_values(["skyrmion_x", "skyrmion_y"])
            .to_numpy(dtype=float)
        )

    np.testing.assert_allclose(rows(first, dx, dy), rows(second, 0, 0), atol=2e-3)


def test_skyrmions__stay_when_spins_and_field_flip():
    ds = annealed(0.6, 0.45)
    assert (
        abs(ds.spin.sel(component="z")).min() > 2e-4
    )  # or the direction p, 1e-4 off the z axis, tells the sides apart
    first = ds.sky.skyrmions()
    second = skyrmions(flip(ds.spin), -ds.B)
    for name in ("skyrmion_x", "skyrmion_y", "n_spins", "charge", "radius", "ellipticity"):
        np.testing.assert_allclose(first[name], second[name], atol=1e-3)
    np.testing.assert_allclose(first.polarity, -second.polarity)
    np.testing.assert_allclose(first.vorticity, -second.vorticity)


@pytest.mark.parametrize("radius", [4.0, 7.0, 10.0])
def test_radius__of_a_planted_skyrmion(radius):
    ds = testing.planted_skyrmions([(31.3, 30.1)], radius=radius)
    np.testing.assert_allclose(found(ds, "radius"), radius, rtol=0.04)
    np.testing.assert_allclose(found(ds, "n_spins"), np.pi * radius**2, rtol=0.08)
    np.testing.assert_allclose(found(ds, "ellipticity"), 1, atol=0.08)


def test_ellipticity__of_a_stretched_skyrmion():
    round_one = testing.planted_skyrmions([(20.0, 20.0)], radius=8, size=40)
    stretched = round_one.spin.isel(x=np.repeat(np.arange(40), 2))
    np.testing.assert_allclose(skyrmions(stretched).ellipticity.squeeze()[0], 2, rtol=0.03)


@pytest.mark.parametrize("polarity", [1, -1])
def test_core_m_z__is_the_innermost_spin(polarity):
    ds = testing.planted_skyrmions([(20.0, 22.0)], size=40, polarity=polarity, B=-polarity)
    np.testing.assert_allclose(found(ds, "core_m_z"), polarity, atol=1e-9)


# Textures

TEXTURES = [
    (1, 0.0, "neel"),
    (1, np.pi, "neel"),
    (1, np.pi / 2, "bloch"),
    (1, -np.pi / 2, "bloch"),
    (1, np.pi / 4, "mixed"),
    (-1, 0.7, "antiskyrmion"),
    (2, 0.3, "mixed"),
]


@pytest.mark.parametrize(("vorticity", "helicity", "texture"), TEXTURES)
@pytest.mark.parametrize("background", [1, -1])
def test_texture__of_planted_skyrmions(vorticity, helicity, texture, background):
    """Q = m p and γ = m φ - Φ, equations (1.3) and (1.5)."""
    ds = testing.planted_skyrmions(
        [(20.3, 22.1)], radius=7, size=48, vorticity=vorticity, helicity=helicity, polarity=-background, B=background
    )
    assert found(ds, "vorticity") == vorticity
    assert found(ds, "polarity") == -background
    assert found(ds, "charge") == -vorticity * background
    np.testing.assert_allclose(np.exp(1j * found(ds, "helicity")), np.exp(1j * helicity), atol=0.02)
    assert schema.TEXTURE[texture] == found(ds, "texture")


@pytest.mark.parametrize(
    ("dmi", "handedness", "helicity", "texture"),
    [
        ("neel", 1, np.pi, "neel"),
        ("neel", -1, 0.0, "neel"),
        ("bloch", 1, -np.pi / 2, "bloch"),
        ("bloch", -1, np.pi / 2, "bloch"),
        ("antiskyrmion", 1, None, "antiskyrmion"),
    ],
)
def test_texture__follows_the_interaction(dmi, handedness, helicity, texture):
    ds = annealed(0.5, 0.5, dmi=dmi, handedness=handedness)
    assert (found(ds, "texture") == schema.TEXTURE[texture]).all()
    if helicity is not None:
        np.testing.assert_allclose(np.exp(1j * found(ds, "helicity")), np.exp(1j * helicity), atol=0.15)


def test_kernel__speaks_the_schema():
    assert schema.TEXTURE == {
        "neel": kernel.NEEL,
        "bloch": kernel.BLOCH,
        "antiskyrmion": kernel.ANTISKYRMION,
        "mixed": kernel.MIXED,
    }
    assert all(name in schema.VARIABLES for name in kernel.COLUMNS)


# Touching


def test_touching_skyrmions__are_cut_apart():
    """Two skyrmions, joined by spins just beyond the equator that turn out of the walls' plane."""
    ds = testing.planted_skyrmions([(20.0, 20.0), (33.0, 20.0)], radius=6, size=(40, 52))
    ds.spin[..., 20, 26:28, :] = [0, np.sqrt(0.99), -0.1]
    assert ds.sky.topological_charge().round() == -2
    assert n_regions(ds.spin.values[0, 0, 0, ..., 2] < 0) == 1
    assert found(ds, "charge").tolist() == [-1, -1]
    measured = sorted(zip(found(ds, "skyrmion_x"), found(ds, "skyrmion_y"), strict=True))
    np.testing.assert_allclose(measured, [(20, 20), (33, 20)], atol=0.1)


def test_touching_skyrmion_and_antiskyrmion__are_cut_apart():
    left, right = (
        testing.planted_skyrmions([(x, 20.0)], radius=6, size=40, vorticity=m).spin.values
        for x, m in ((18.0, 1), (29.0, -1))
    )
    spin = np.where(np.arange(40)[:, None] < 24, left, right)
    assert sorted(found(testing.dataset(spin), "charge")) == [-1, 1]


# Bad and extreme input


def test_no_skyrmions__is_a_result():
    result = testing.ferromagnet(20).sky.skyrmions().squeeze()
    assert result.n_skyrmions == 0
    assert result.unexplained_charge == 0
    assert result.status == schema.STATUS["done"]
    assert np.isnan(result.skyrmion_x).all()


def test_all_spins_down__is_one_reversed_object_without_charge():
    result = skyrmions(flip(testing.ferromagnet(20).spin), 0.1).squeeze()
    assert (result.n_skyrmions, result.n_stripes, result.stripe_charge) == (0, 1, 0)


def test_stripes__close_around_the_torus():
    result = testing.spiral(turns=3, size=48).sky.skyrmions().squeeze()
    assert (result.n_skyrmions, result.n_stripes) == (0, 3)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 3), (5, 11)])
def test_tiny_lattices__are_no_error(size):
    ds = testing.random(size)
    result = ds.sky.skyrmions()
    total = result.charge.sum() + result.stripe_charge.item()
    np.testing.assert_allclose(ds.sky.topological_charge().item(), total, atol=1e-9)


def test_holes_and_damage__leave_the_others_alone():
    ds = testing.hexagonal_ensemble(4, 4, 10)
    ds["spin"] = ds.spin.copy()
    clean = ds.sky.skyrmions()
    ds.spin[0, 0, 1] = np.nan
    ds.spin[0, 0, 2, 3, 4] = np.nan
    result = ds.sky.skyrmions()
    assert result.status.squeeze().values.tolist() == [schema.STATUS[k] for k in ("done", "empty", "failed", "done")]
    assert np.isnan(result.n_skyrmions.squeeze()[1:3]).all()
    xr.testing.assert_identical(result.isel(realization=[0, 3]), clean.isel(realization=[0, 3]))


def test_overflow__names_the_lattice_and_the_remedy():
    ds = testing.hexagonal_ensemble(4, 4, 10).assign_coords(D=[0.45])
    with pytest.raises(SchemaError, match=r"D=0.45, B=0.125, realization=0: expected at most 8 .* max_skyrmions=16"):
        ds.sky.skyrmions(max_skyrmions=8)


def test_overflow__of_the_default_flags_the_lattice_and_leaves_the_others_alone():
    """Infinite temperature has a charged object on every twelfth site, more than any lattice of skyrmions."""
    calm = testing.planted_skyrmions([(10.0, 12.0)], radius=3, size=24)
    ds = testing.dataset(np.stack([testing.random_spins((24, 24)), calm.spin.values[0, 0, 0]]))
    with pytest.warns(UserWarning, match=r"D=0.5, B=0.125, realization=0: .* max_skyrmions=\d+"):
        result = ds.sky.defects()
    assert result.status.squeeze().values.tolist() == [schema.STATUS["failed"], schema.STATUS["skipped"]]
    assert result.n_skyrmions.values.squeeze()[0] > 16
    assert result.skyrmion_x[0, 0, 0].isnull().all()
    assert result.skyrmion_x[0, 0, 1].notnull().sum() == 1
    assert (result.unexplained_charge == 0).all()


@pytest.mark.parametrize("options", [{"rule": "dusek"}, {"max_skyrmions": 0}])
def test_skyrmions__name_a_bad_option(options):
    with pytest.raises(SchemaError, match=next(iter(options))):
        testing.ferromagnet(8).sky.skyrmions(**options)


@pytest.mark.parametrize("chunks", [{"realization": 1}, {"realization": 3, "B": 1}])
def test_skyrmions__lazy_equals_eager(chunks):
    ds = testing.hexagonal_ensemble(4, 4, 10)
    with testing.raise_if_computes():
        lazy = ds.chunk(chunks).sky.skyrmions()
    xr.testing.assert_identical(lazy.compute(), ds.sky.skyrmions())


def test_skyrmions__take_any_leading_dims():
    ds = testing.hexagonal_ensemble(4, 4, 10)
    whole = ds.sky.skyrmions()
    one = skyrmions(ds.spin[0, 0, 2], 0.1)
    np.testing.assert_array_equal(one.skyrmion_x, whole.skyrmion_x[0, 0, 2])
    assert one.n_skyrmions.dims == ()

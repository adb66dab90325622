"""Topological charge and its density."""

import numpy as np
import oracles
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from skylattice import testing
from skylattice.errors import SchemaError
from skylattice.observables.topology import charge_density, topological_charge

SIZES = st.tuples(st.integers(1, 9), st.integers(1, 9))
#: Spins that meet opposite ones, where no angle is defined; and in a plane at 120°, where it is π with either sign.
AXES = np.concatenate([np.eye(3), -np.eye(3)])
STAR = np.array([[1, 0, 0], [-0.5, np.sqrt(0.75), 0], [-0.5, -np.sqrt(0.75), 0]])
DIAGONALS = pytest.mark.parametrize("diagonal", ["main", "alt"])


def array(spin):
    """One lattice as a DataArray."""
    return xr.DataArray(spin, dims=("y", "x", "component"))


def corner(a, b, c):
    """2 × 2 lattice whose plaquette (0, 0) is the triangle (a, b, c) and one without area."""
    return array([[a, b], [c, c]])


@DIAGONALS
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_charge__is_integer_on_a_torus(random_ensemble, dtype, diagonal):
    charge = topological_charge(random_ensemble.spin.astype(dtype), diagonal=diagonal)
    np.testing.assert_allclose(charge, np.rint(charge), rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("seed", "main", "alt"), [(0, -22, -21), (1, 0, 93), (2, 72, -20), (3, -17, 99), (4, -139, -76)]
)
def test_charge__of_rough_states(seed, main, alt):
    spin = array(np.random.default_rng(seed).normal(size=(200, 200, 3)))
    assert topological_charge(spin).item() == pytest.approx(main, abs=1e-9)
    assert topological_charge(spin, diagonal="alt").item() == pytest.approx(alt, abs=1e-9)


def test_charge__of_a_belavin_polyakov_skyrmion_is_minus_one():
    ds = testing.belavin_polyakov(radius=10, size=200)
    assert ds.sky.topological_charge().item() == pytest.approx(-1, abs=1e-9)


@DIAGONALS
@pytest.mark.parametrize("polarity", [1, -1])
@pytest.mark.parametrize(("vorticity", "helicity"), [(1, np.pi), (1, 0.3), (1, np.pi / 2), (-1, 0.0), (2, 0.0)])
def test_charge__counts_planted_skyrmions(vorticity, helicity, polarity, diagonal):
    centres = [(10.2, 9.7), (0.4, 30.0), (31.0, 22.5)]  # the second lies across an edge
    ds = testing.planted_skyrmions(
        centres, radius=4, size=(38, 44), vorticity=vorticity, helicity=helicity, polarity=polarity
    )
    charge = ds.sky.topological_charge(diagonal=diagonal).item()
    assert charge == pytest.approx(3 * vorticity * polarity, abs=1e-9)


@pytest.mark.parametrize(
    "ds", [testing.ferromagnet(5), testing.spiral(turns=3, size=(7, 24))], ids=["uniform", "spiral"]
)
def test_charge__of_a_texture_of_one_angle_is_zero(ds):
    assert ds.sky.topological_charge().item() == 0


@given(size=SIZES, seed=st.integers(0, 2**32), diagonal=st.sampled_from(["main", "alt"]))
def test_charge__is_the_sum_of_its_density(size, seed, diagonal):
    spin = array(testing.random_spins(size, seed))
    density = charge_density(spin, diagonal=diagonal)
    np.testing.assert_allclose(density, oracles.charge_density(spin, diagonal), rtol=0, atol=1e-12)
    charge = topological_charge(spin, diagonal=diagonal)
    np.testing.assert_allclose(charge, density.sum(), rtol=0, atol=1e-11)
    np.testing.assert_allclose(charge, np.rint(charge), rtol=0, atol=1e-9)


@pytest.mark.parametrize("directions", [AXES, STAR], ids=["opposite neighbours", "half spheres"])
@given(size=SIZES, seed=st.integers(0, 2**32), diagonal=st.sampled_from(["main", "alt"]))
def test_charge__is_the_sum_of_its_density_on_the_branch_cut(directions, size, seed, diagonal):
    spin = array(np.random.default_rng(seed).choice(directions, size))
    charge = topological_charge(spin, diagonal=diagonal)
    np.testing.assert_allclose(charge, charge_density(spin, diagonal=diagonal).sum(), rtol=0, atol=1e-11)


def test_density__on_either_side_of_half_a_sphere():
    tilt = np.array([0, 0, 1e-9])
    values = [charge_density(corner(*(STAR + sign * tilt)))[0, 0].item() for sign in (1, -1)]
    np.testing.assert_allclose(values, [0.5, -0.5], atol=1e-8)


def test_density__of_three_spins_beyond_half_a_sphere():
    angle = 2 * np.pi / 3 * np.arange(3)
    spins = np.stack([np.sqrt(0.96) * np.cos(angle), np.sqrt(0.96) * np.sin(angle), np.full(3, -0.2)], axis=-1)
    assert charge_density(corner(*spins))[0, 0].item() == pytest.approx(-0.3407783, abs=1e-7)


def test_density__of_an_octant_is_an_eighth():
    assert charge_density(corner(*np.eye(3)))[0, 0].item() == pytest.approx(1 / 8, abs=1e-15)
    assert charge_density(corner(*np.eye(3)[::-1]))[0, 0].item() == pytest.approx(-1 / 8, abs=1e-15)


@given(size=SIZES, seed=st.integers(0, 2**32))
def test_gradient_density__equals_numpy(size, seed):
    spin = array(testing.random_spins(size, seed))
    density = charge_density(spin, method="gradient")
    np.testing.assert_allclose(density, oracles.gradient_density(spin), rtol=0, atol=1e-14)
    np.testing.assert_allclose(topological_charge(spin, method="gradient"), density.sum(), rtol=0, atol=1e-14)


def test_gradient_charge__approaches_one_for_a_wide_skyrmion():
    errors = []
    for radius in (6, 12, 24):
        ds = testing.planted_skyrmions([(50, 50)], radius=radius, size=100)
        errors.append(abs(ds.sky.topological_charge(method="gradient").item() + 1))
    assert errors[0] < 0.1
    assert errors[1] < errors[0] / 3
    assert errors[2] < errors[1] / 3


@given(seed=st.integers(0, 2**32), method=st.sampled_from(["berg-luescher", "gradient"]))
def test_charge__changes_sign_with_the_spins(seed, method):
    spin = array(testing.random_spins((5, 6), seed))
    charge = topological_charge(spin, method=method)
    np.testing.assert_allclose(topological_charge(-spin, method=method), -charge, rtol=0, atol=1e-11)


@given(seed=st.integers(0, 2**32), y=st.integers(0, 5), x=st.integers(0, 6), diagonal=st.sampled_from(["main", "alt"]))
def test_density__moves_with_the_lattice(seed, y, x, diagonal):
    spin = array(testing.random_spins((5, 6), seed))
    moved = charge_density(spin.roll(y=y, x=x), diagonal=diagonal)
    np.testing.assert_array_equal(moved, charge_density(spin, diagonal=diagonal).roll(y=y, x=x))


@given(seed=st.integers(0, 2**32))
def test_charge__of_a_mirror_image_is_opposite_with_the_other_diagonal(seed):
    spin = array(testing.random_spins((5, 6), seed))
    mirrored = spin.isel(x=slice(None, None, -1))
    np.testing.assert_allclose(
        topological_charge(mirrored), -topological_charge(spin, diagonal="alt"), rtol=0, atol=1e-11
    )


@pytest.mark.parametrize("method", ["berg-luescher", "gradient"])
@pytest.mark.parametrize("chunks", [{"realization": 1}, {"D": 1, "realization": 2}, -1])
def test_charge__lazy_equals_eager(random_ensemble, chunks, method):
    with testing.raise_if_computes():  # building the graph must not compute
        lazy = random_ensemble.chunk(chunks).sky
        charge, density = lazy.topological_charge(method=method), lazy.charge_density(method=method)
    xr.testing.assert_identical(charge.compute(), random_ensemble.sky.topological_charge(method=method))
    xr.testing.assert_identical(density.compute(), random_ensemble.sky.charge_density(method=method))


def test_charge__does_not_depend_on_the_order_of_dims(random_ensemble):
    spin = random_ensemble.spin
    shuffled = topological_charge(spin.transpose("component", "D", "x", "realization", "y", "B"))
    xr.testing.assert_identical(shuffled.transpose(*spin.dims[:3]), topological_charge(spin))


@pytest.mark.parametrize("bad", [np.nan, 0.0, np.inf], ids=str)
def test_charge__of_a_bad_lattice_is_nan_and_leaves_the_others(random_ensemble, bad):
    spin = random_ensemble.spin.copy()
    spin[0, 0, 0] = np.nan  # a hole
    spin[0, 0, 1, 3, 4] = bad
    for method in ("berg-luescher", "gradient"):
        charge = topological_charge(spin, method=method).squeeze()
        density = charge_density(spin, method=method).squeeze()
        assert np.isnan(charge).values.tolist() == [True, True, False]
        assert np.isnan(density).all(("y", "x")).values.tolist() == [True, True, False]


def test_charge__says_what_it_is(random_ensemble):
    assert topological_charge(random_ensemble.spin).attrs == {"long_name": "topological charge", "units": "1"}
    assert topological_charge(random_ensemble.spin, diagonal="alt").name == "topological_charge_alt"


def test_charge__names_the_missing_dimension(one_skyrmion):
    with pytest.raises(SchemaError, match=r"missing \['x'\]"):
        topological_charge(one_skyrmion.spin.rename(x="lon"))


def test_charge__refuses_lattices_cut_into_chunks(random_ensemble):
    with pytest.raises(SchemaError, match="whole lattices"):
        topological_charge(random_ensemble.spin.chunk(x=4))


@pytest.mark.parametrize("option", [{"method": "berg-luscher"}, {"diagonal": "other"}])
@pytest.mark.parametrize("observable", [topological_charge, charge_density])
def test_charge__names_the_options(random_ensemble, observable, option):
    (name,) = option
    with pytest.raises(SchemaError, match=f"{name}: expected one of"):
        observable(random_ensemble.spin, **option)

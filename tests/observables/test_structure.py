"""Structure factor, its peak and the lattice constant."""

import numpy as np
import oracles
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from skylattice import testing
from skylattice.errors import SchemaError
from skylattice.observables.structure import lattice_constant, structure_factor

SIZES = st.tuples(st.integers(1, 9), st.integers(1, 9))


def array(spin):
    return xr.DataArray(spin, dims=("y", "x", "component"))


def wave(h, k, ny, nx):
    """Spins that turn about x with h turns along x and k along y."""
    angle = 2 * np.pi * (h * np.arange(nx)[None, :] / nx + k * np.arange(ny)[:, None] / ny)
    return array(np.stack([np.zeros_like(angle), np.sin(angle), np.cos(angle)], axis=-1))


@given(size=SIZES, seed=st.integers(0, 2**32))
def test_structure_factor__equals_the_definition(size, seed):
    spin = array(testing.random_spins(size, seed))
    found = structure_factor(spin)
    np.testing.assert_allclose(found, oracles.structure_factor(spin), atol=1e-11)
    for dim, n in zip(("q_y", "q_x"), size, strict=True):
        np.testing.assert_allclose(found[dim], 2 * np.pi * np.arange(-(n // 2), (n + 1) // 2) / n, atol=1e-15)


@given(size=SIZES, seed=st.integers(0, 2**32), dtype=st.sampled_from(["float32", "float64"]))
def test_structure_factor__obeys_the_sum_rule(size, seed, dtype):
    spin = array(testing.random_spins(size, seed, dtype))
    assert structure_factor(spin).mean().item() == pytest.approx(1, abs=1e-6 if dtype == "float32" else 1e-13)
    parts = [structure_factor(spin, component=component) for component in "xyz"]
    xr.testing.assert_allclose(sum(parts), structure_factor(spin), rtol=1e-10, atol=1e-12)
    square = float((spin[..., 2].astype(float) ** 2).mean())
    assert parts[2].mean().item() == pytest.approx(square, abs=1e-12)


@given(seed=st.integers(0, 2**32), y=st.integers(0, 5), x=st.integers(0, 6))
def test_structure_factor__does_not_see_translations(seed, y, x):
    spin = array(testing.random_spins((5, 6), seed))
    xr.testing.assert_allclose(structure_factor(spin.roll(y=y, x=x)), structure_factor(spin), rtol=1e-9, atol=1e-11)


def test_structure_factor__turns_with_the_lattice():
    ds = testing.random((5, 6), seed=2)
    turned = ds.sky.rotate90().sky.structure_factor().squeeze()
    for q_y, q_x in ((0, 1), (1, 1), (2, -1), (-1, 2)):
        before = ds.sky.structure_factor().squeeze()
        a = before.sel(q_y=2 * np.pi * q_y / 5, q_x=2 * np.pi * q_x / 6, method="nearest")
        b = turned.sel(q_y=2 * np.pi * q_x / 6, q_x=-2 * np.pi * q_y / 5, method="nearest")
        assert a.item() == pytest.approx(b.item())


def test_structure_factor__at_zero_is_the_magnetization():
    found = testing.ferromagnet((4, 6)).sky.structure_factor().squeeze()
    assert found.sel(q_y=0, q_x=0).item() == pytest.approx(24)
    assert found.sum().item() == pytest.approx(24)


@pytest.mark.parametrize(("h", "k"), [(1, 0), (0, 1), (3, 0), (2, 5), (-4, 3), (8, 0)])
def test_peak__of_a_planted_spiral_is_exact(h, k):
    ny, nx = 40, 32
    found = lattice_constant(wave(h, k, ny, nx))
    q = 2 * np.pi * np.hypot(h / nx, k / ny)
    assert found.peak_q.item() == pytest.approx(q, rel=1e-12)
    assert found.lattice_constant.item() == pytest.approx(4 * np.pi / (np.sqrt(3) * q), rel=1e-12)


def test_peak__of_a_spiral_on_a_long_strip_is_exact():
    assert lattice_constant(wave(1, 0, 3, 64)).peak_q.item() == pytest.approx(2 * np.pi / 64, rel=1e-12)


@pytest.mark.parametrize("spacing", [9.0, 12.0, 15.5])
def test_lattice_constant__of_planted_hexagonal_skyrmions(spacing):
    points, size = testing.hexagonal_points(8, 8, spacing)
    ds = testing.planted_skyrmions(points, radius=spacing / 5, size=size)
    found = ds.sky.lattice_constant()
    assert found.lattice_constant.item() == pytest.approx(spacing, rel=0.01)
    turned = ds.sky.rotate90().sky.lattice_constant()
    assert turned.lattice_constant.item() == pytest.approx(found.lattice_constant.item(), rel=1e-9)


def test_lattice_constant__of_a_disordered_lattice_matches_its_density():
    points, size = testing.hexagonal_points(8, 8, 12.0)
    shaken = points + np.random.default_rng(0).normal(scale=1.0, size=points.shape)
    ds = testing.planted_skyrmions(shaken, radius=2.4, size=size)
    density = len(points) / (size[0] * size[1])
    expected = np.sqrt(2 / (np.sqrt(3) * density))
    assert ds.sky.lattice_constant().lattice_constant.item() == pytest.approx(expected, rel=0.02)


def test_lattice_constant__of_a_uniform_lattice_is_nan():
    tilted = testing.ferromagnet(8).spin * 0 + xr.DataArray([0.6, 0.0, 0.8], dims="component")
    assert np.isnan(lattice_constant(tilted).peak_q.item())
    assert np.isnan(testing.ferromagnet(1).sky.lattice_constant().peak_q.item())


@pytest.mark.parametrize("chunks", [{"realization": 1}, {"D": 1, "realization": 2}, -1])
@pytest.mark.parametrize("name", ["structure_factor", "lattice_constant"])
@pytest.mark.parametrize("component", [None, "z"])
def test_structure__lazy_equals_eager(random_ensemble, chunks, name, component):
    with testing.raise_if_computes():
        lazy = getattr(random_ensemble.chunk(chunks).sky, name)(component=component)
    xr.testing.assert_identical(lazy.compute(), getattr(random_ensemble.sky, name)(component=component))


def test_structure__of_a_hole_is_nan_and_leaves_the_others(random_ensemble):
    spin = random_ensemble.spin.copy()
    spin[0, 0, 0] = np.nan
    spin[0, 0, 1, 2, 3] = np.nan
    power, peak = structure_factor(spin).squeeze(), lattice_constant(spin).peak_q.squeeze()
    assert np.isnan(power).all(("q_y", "q_x")).values.tolist() == [True, True, False]
    assert np.isnan(peak).values.tolist() == [True, True, False]
    xr.testing.assert_allclose(power[2], structure_factor(random_ensemble.spin).squeeze()[2])


@pytest.mark.parametrize("function", [structure_factor, lattice_constant])
def test_structure__names_the_component(random_ensemble, function):
    with pytest.raises(SchemaError, match="component: expected one of"):
        function(random_ensemble.spin, component="w")
    with pytest.raises(SchemaError, match=r"missing \['y'\]"):
        function(random_ensemble.spin.rename(y="row"))

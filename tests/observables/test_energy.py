"""Energies, effective field, local alignment and thermometer."""

import numpy as np
import oracles
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from skylattice import Hamiltonian, testing
from skylattice.errors import SchemaError
from skylattice.observables.energy import cos_theta, effective_field, energy, energy_density, temperature

SIZES = st.tuples(st.integers(1, 7), st.integers(1, 7))
HAMILTONIANS = st.builds(
    Hamiltonian,
    dmi=st.sampled_from(["neel", "bloch", "antiskyrmion"]),
    handedness=st.sampled_from([1, -1]),
    J=st.sampled_from([1.0, 0.3, -1.0]),
)
LATTICES = st.tuples(SIZES, st.integers(0, 2**32), st.floats(0, 2), st.floats(-1, 1), HAMILTONIANS)
MAPS = [energy_density, effective_field, cos_theta]


def lattice(case, dtype="float64"):
    """Spins, D, B and Hamiltonian of a drawn case."""
    size, seed, D, B, hamiltonian = case
    spin = xr.DataArray(testing.random_spins(size, seed, dtype), dims=("y", "x", "component"))
    return spin, D, B, hamiltonian


def terms(ds):
    """The four energies of a dataset as floats."""
    return np.array([float(value.item()) for value in ds.sky.energy().data_vars.values()])


@given(case=LATTICES, dtype=st.sampled_from(["float32", "float64"]))
def test_energy__equals_numpy_for_every_hamiltonian(case, dtype):
    found = energy(*lattice(case, dtype))
    assert list(found) == ["energy", "energy_exchange", "energy_dmi", "energy_zeeman"]
    np.testing.assert_allclose([found[name] for name in found], oracles.energies(*lattice(case, dtype)), atol=1e-12)


def test_energy__of_a_ferromagnet():
    np.testing.assert_allclose(terms(testing.ferromagnet((6, 5), B=0.25)), [-2.25, -2.0, 0.0, -0.25], atol=1e-14)


@pytest.mark.parametrize(("sense", "expected"), [(1, -2.1411530036), (-1, -1.6114603565)])
def test_energy__of_a_cycloid(sense, expected):
    ds = testing.spiral(turns=16, size=200, sense=sense)
    assert ds.D.item() == pytest.approx(0.5497546522, abs=1e-10)
    assert terms(ds)[0] == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("axis", ["x", "y"])
def test_energy__of_a_dimension_of_length_one_has_no_bonds(axis):
    spin = testing.random(8).spin.isel({axis: [0]})
    found = energy(spin, 0.5, 0.1, Hamiltonian())
    ring = oracles.unit(spin).reshape(8, 3)
    np.testing.assert_allclose(found.energy_exchange, -np.sum(ring * np.roll(ring, 1, 0)) / 8, atol=1e-14)
    single = energy(spin.isel(x=[0], y=[0]), 0.5, 0.1, Hamiltonian())
    assert [single.energy_exchange.item(), single.energy_dmi.item()] == [0, 0]


def test_energy__of_two_sites_doubles_exchange_and_cancels_dmi():
    spin = xr.DataArray(testing.random_spins((1, 2), 3), dims=("y", "x", "component"))
    found = energy(spin, 0.7, 0.0, Hamiltonian())
    a, b = spin.values[0]
    assert found.energy_exchange.item() == pytest.approx(-2 * (a @ b) / 2, abs=1e-15)
    assert found.energy_dmi.item() == pytest.approx(0, abs=1e-15)
    h = effective_field(spin, 0.7, 0.0, Hamiltonian())
    np.testing.assert_allclose(h[0], 2 * np.stack([b, a]), atol=1e-15)


def test_energy__of_the_relaxed_two_skyrmion_cell():
    start = testing.planted_skyrmions([(0, 0), (7, 12)], radius=3.5, size=(24, 14), D=0.5, B=0.12)
    spin = oracles.relax(start.spin.values.reshape(24, 14, 3), 0.5, 0.12, Hamiltonian())
    found = testing.dataset(spin, D=0.5, B=0.12).sky.observables()
    assert found.energy.item() == pytest.approx(-2.1462433, abs=1e-7)
    assert found.topological_charge.item() == pytest.approx(-2, abs=1e-9)
    assert found.m_z.item() == pytest.approx(0.4690147, abs=5e-7)  # where the skyrmions sit between sites moves it
    assert found.cos_theta_min.item() == pytest.approx(1, abs=1e-12)
    assert found.temperature.item() == pytest.approx(0, abs=1e-12)


@given(case=LATTICES)
def test_energy_density__is_half_of_each_bond_and_sums_to_the_energy(case):
    spin, D, B, hamiltonian = lattice(case)
    density = energy_density(spin, D, B, hamiltonian)
    assert density.mean().item() == pytest.approx(energy(spin, D, B, hamiltonian).energy.item(), abs=1e-12)
    h = oracles.field(spin, D, B, hamiltonian)
    local = -0.5 * np.sum(spin.values * (h - [0, 0, B]), axis=-1) - B * spin.values[..., 2]
    np.testing.assert_allclose(density, local, atol=1e-12)


@given(case=LATTICES, data=st.data())
def test_effective_field__is_minus_the_derivative_of_the_energy(case, data):
    spin, D, B, hamiltonian = lattice(case)
    y, x = (data.draw(st.integers(0, size - 1)) for size in spin.shape[:2])
    other = spin.copy()
    other[y, x] = -spin[y, x]
    difference = (energy(other, D, B, hamiltonian) - energy(spin, D, B, hamiltonian)).energy * spin[..., 0].size
    h = effective_field(spin, D, B, hamiltonian)[y, x]
    assert difference.item() == pytest.approx(2 * (h @ spin[y, x]).item(), abs=1e-11)


@given(case=LATTICES)
def test_effective_field__equals_numpy(case):
    np.testing.assert_allclose(effective_field(*lattice(case)), oracles.field(*lattice(case)), atol=1e-12)


@given(size=SIZES, seed=st.integers(0, 2**32), dtype=st.sampled_from(["float32", "float64"]))
def test_cos_theta__equals_numpy(size, seed, dtype):
    spin, D, B, hamiltonian = lattice((size, seed, 0.5, 0.125, Hamiltonian()), dtype)
    found = cos_theta(spin, D, B, hamiltonian)
    np.testing.assert_allclose(found, oracles.cos_theta(spin, D, B, hamiltonian), atol=1e-12)
    assert (abs(found) <= 1 + 1e-15).all()


def test_cos_theta__of_ground_states_is_one():
    np.testing.assert_allclose(testing.ferromagnet().sky.cos_theta(), 1, atol=1e-15)
    np.testing.assert_allclose(testing.spiral(turns=16, size=200).sky.cos_theta(), 1, atol=1e-12)


def test_cos_theta__without_a_field_is_zero():
    spin = testing.ferromagnet(1).spin
    assert cos_theta(spin, 0.5, 0.0, Hamiltonian()).item() == 0
    assert np.isnan(temperature(spin, 0.5, 0.0, Hamiltonian()).item())


@given(size=SIZES, seed=st.integers(0, 2**32))
def test_temperature__equals_numpy(size, seed):
    case = lattice((size, seed, 0.5, 0.125, Hamiltonian("bloch", -1)))
    assert temperature(*case).item() == pytest.approx(oracles.temperature(*case), rel=1e-9)


@pytest.mark.parametrize("T", [0.01, 0.3, 2.0])
def test_temperature__of_free_spins_in_a_field(T):
    """Without exchange the spins are independent, and their distribution exp(B S_z / T) can be drawn from exactly."""
    rng = np.random.default_rng(5)
    z = 1 + T * np.log1p(rng.random((300, 300)) * np.expm1(-2 / T))
    phi = rng.uniform(0, 2 * np.pi, z.shape)
    spin = np.stack([np.sqrt(1 - z**2) * np.cos(phi), np.sqrt(1 - z**2) * np.sin(phi), z], axis=-1)
    ds = testing.dataset(spin, D=0, B=1, T=T, hamiltonian=Hamiltonian(J=0.0))
    assert ds.sky.temperature().item() == pytest.approx(T, rel=0.02)
    assert ds.sky.qc().temperature_ratio.item() == pytest.approx(1, rel=0.02)


def test_maps__take_D_and_B_per_lattice(random_ensemble):
    """Values of D and B belong to their lattices, on the grid and along a sample dim."""
    spin = testing.random_spins((2, 3, 2, 4, 5), 1)
    D, B = [0.2, 0.9], [0.0, 0.1, -0.3]
    grid = xr.DataArray(spin, dims=("D", "B", "realization", "y", "x", "component"), coords={"D": D, "B": B})
    for stacked in (False, True):
        array = grid.stack(sample=("D", "B", "realization")).transpose("sample", ...) if stacked else grid
        for observable, oracle in ((effective_field, oracles.field), (cos_theta, oracles.cos_theta)):
            found = observable(array, array.D, array.B, Hamiltonian())
            assert found.dims[0] == array.dims[0]
            values = found.values.reshape(2, 3, 2, *found.shape[-3 if observable is effective_field else -2 :])
            for index in np.ndindex(2, 3, 2):
                expected = oracle(spin[index], D[index[0]], B[index[1]], Hamiltonian())
                np.testing.assert_allclose(values[index], expected, atol=1e-12)


@pytest.mark.parametrize("chunks", [{"realization": 1}, {"B": 1, "realization": 2}, -1])
@pytest.mark.parametrize("name", ["energy", "energy_density", "effective_field", "cos_theta", "temperature"])
def test_energies__lazy_equals_eager(random_ensemble, name, chunks):
    with testing.raise_if_computes():
        lazy = getattr(random_ensemble.chunk(chunks).sky, name)()
    xr.testing.assert_identical(lazy.compute(), getattr(random_ensemble.sky, name)())


def test_energies__may_have_lazy_parameters(random_ensemble):
    lazy = random_ensemble.chunk(realization=1)
    D = lazy.D.copy(data=lazy.D.values).drop_vars("D").chunk()
    with testing.raise_if_computes():
        found = energy_density(lazy.spin, D, lazy.B, Hamiltonian())
    xr.testing.assert_equal(found.compute(), random_ensemble.sky.energy_density())


@pytest.mark.parametrize("observable", MAPS)
@pytest.mark.parametrize("bad", [np.nan, 0.0, np.inf], ids=str)
def test_maps__of_a_bad_lattice_are_nan_and_leave_the_others(random_ensemble, observable, bad):
    spin = random_ensemble.spin.copy()
    spin[0, 0, 0] = np.nan
    spin[0, 0, 1, 5, 6] = bad
    found = observable(spin, 0.5, 0.125, Hamiltonian()).squeeze()
    dims = [dim for dim in found.dims if dim != "realization"]
    assert np.isnan(found).all(dims).values.tolist() == [True, True, False]
    assert not np.isnan(found[2]).any()


@pytest.mark.parametrize("observable", [energy, temperature, *MAPS])
def test_energies__name_the_bad_parameter(random_ensemble, observable):
    spin = random_ensemble.spin
    with pytest.raises(SchemaError, match="handedness"):
        observable(spin, -0.5, 0.1, Hamiltonian())
    with pytest.raises(SchemaError, match="B: expected finite"):
        observable(spin, 0.5, np.nan, Hamiltonian())
    with pytest.raises(SchemaError, match="D: expected numbers"):
        observable(spin, xr.DataArray(["a"], dims="D"), 0.1, Hamiltonian())
    with pytest.raises(SchemaError, match="component of length 3"):
        observable(spin.isel(component=[0, 1]), 0.5, 0.1, Hamiltonian())


def test_accessor__names_what_is_missing(random_ensemble):
    with pytest.raises(SchemaError, match=r"needs \['B'\]"):
        random_ensemble.isel(B=0, drop=True).sky.energy()
    with pytest.raises(SchemaError, match=r"needs \['spin'\]"):
        random_ensemble.rename(spin="s").sky.energy_density()
    with pytest.raises(SchemaError, match="dmi"):
        random_ensemble.drop_attrs().sky.cos_theta()
    assert random_ensemble.rename(spin="s").sky.energy(spin="s").energy.dims == ("D", "B", "realization")

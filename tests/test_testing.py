"""Known configurations are what they say, and the helper notices computation."""

import dask.array as da
import numpy as np
import pytest

from skylattice import Hamiltonian, schema, testing

CONFIGURATIONS = {
    "ferromagnet": testing.ferromagnet((5, 7), realizations=2),
    "random": testing.random((5, 7), realizations=2),
    "spiral": testing.spiral(turns=2, size=(5, 16)),
    "planted_skyrmions": testing.planted_skyrmions([(3, 4)], radius=3, size=(17, 19)),
    "belavin_polyakov": testing.belavin_polyakov(radius=3, size=(17, 19)),
}


@pytest.mark.parametrize("ds", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_configurations__follow_the_schema(ds):
    schema.check_spin(ds.spin)
    schema.check_values(ds.spin.values, where="testing", tolerance=1e-6)
    assert ds.spin.dims == (*schema.GRID_DIMS, *schema.SPIN_DIMS)
    assert ds.attrs["format_version"] == schema.FORMAT_VERSION
    assert ds.sky.hamiltonian == Hamiltonian()
    assert ds.spin.attrs["long_name"] == "unit spin"
    assert ds["D"].attrs["in_units_of"] == "J"


def test_dataset__wraps_one_lattice_or_several_without_a_copy():
    spin = testing.random_spins((2, 3, 4), 0)
    assert testing.dataset(spin).sizes["realization"] == 2
    assert testing.dataset(spin[0]).sizes["realization"] == 1
    assert np.shares_memory(testing.dataset(spin).spin.values, spin)
    ds = testing.dataset(spin, D=0.3, B=-0.1, T=0.5, hamiltonian=Hamiltonian("bloch", -1))
    assert (ds.D.item(), ds.B.item(), ds["T"].item()) == (0.3, -0.1, 0.5)
    assert ds.sky.hamiltonian == Hamiltonian("bloch", -1)


def test_random__depends_on_the_seed_and_is_isotropic():
    np.testing.assert_array_equal(testing.random_spins((4, 5), 3), testing.random_spins((4, 5), 3))
    assert (testing.random_spins((4, 5), 3) != testing.random_spins((4, 5), 4)).all()
    assert testing.random_spins((4, 5), dtype="float32").dtype == np.float32
    spin = testing.random_spins((200, 200), 0).reshape(-1, 3)
    np.testing.assert_allclose(spin.mean(axis=0), 0, atol=0.01)
    np.testing.assert_allclose(spin.T @ spin / len(spin), np.eye(3) / 3, atol=0.01)


def test_spiral__turns_as_often_as_asked_and_has_its_ground_state():
    ds = testing.spiral(turns=4, size=(3, 40))
    angle = np.unwrap(np.arctan2(*ds.spin.isel(component=[0, 2]).squeeze()[0].values.T))
    np.testing.assert_allclose(np.diff(angle), 2 * np.pi * 4 / 40)
    np.testing.assert_allclose(ds.sky.cos_theta(), 1, atol=1e-12)
    other = testing.spiral(turns=4, size=(3, 40), sense=-1)
    assert other.sky.energy().energy_dmi.item() == pytest.approx(-ds.sky.energy().energy_dmi.item())


@pytest.mark.parametrize("polarity", [1, -1])
def test_planted_skyrmions__have_their_centre_radius_and_helicity(polarity):
    ds = testing.planted_skyrmions([(30, 2)], radius=6, size=(32, 33), helicity=0.4, polarity=polarity)
    spin = ds.spin.squeeze().values * [1, 1, polarity]
    np.testing.assert_allclose(spin[2, 30], [0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(spin[8, 30, 2], 0, atol=1e-12)  # one radius up
    np.testing.assert_allclose(spin[2, 30 + 6 - 33, 2], 0, atol=1e-12)  # one radius right, around the torus
    np.testing.assert_allclose(spin[18, 14], [0, 0, -1], atol=1e-12)
    right = spin[2, 32, :2]
    assert np.arctan2(right[1], right[0]) == pytest.approx(-0.4)  # γ = m φ - Φ, at φ = 0
    assert ds.sky.topological_charge().item() == pytest.approx(polarity)  # Q = m p


def test_planted_skyrmions__wrap_around_the_torus():
    a = testing.planted_skyrmions([(0.5, 1.5)], size=(32, 36))
    b = testing.planted_skyrmions([(36.5, -30.5)], size=(32, 36))
    np.testing.assert_allclose(a.spin, b.spin, atol=1e-12)


def test_belavin_polyakov__is_the_formula():
    spin = testing.belavin_polyakov(radius=3, size=20).spin.squeeze().values
    np.testing.assert_allclose(spin[10, 10], [0, 0, -1])
    np.testing.assert_allclose(spin[10, 13], [1, 0, 0])
    np.testing.assert_allclose(spin[14, 10], [0, 24 / 25, 7 / 25])


def test_raise_if_computes__notices_computation_and_nothing_else():
    lazy = da.ones(3)
    with testing.raise_if_computes():
        total = lazy.sum()
    assert total.compute() == 3
    with pytest.raises(AssertionError, match="while its graph"), testing.raise_if_computes():
        total.compute()
    assert total.compute() == 3  # the block is over

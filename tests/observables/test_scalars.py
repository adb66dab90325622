"""All scalars in one pass, magnetization, and quality control."""

import numpy as np
import oracles
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from skylattice import Hamiltonian, schema, testing
from skylattice.errors import SchemaError
from skylattice.observables import _apply
from skylattice.observables.magnetization import m_z, magnetization
from skylattice.observables.scalars import OBSERVABLES, SCALARS, observables, qc

SIZES = st.tuples(st.integers(1, 7), st.integers(1, 7))
DMIS = st.sampled_from(["neel", "bloch", "antiskyrmion"])
CHUNKS = pytest.mark.parametrize("chunks", [{"realization": 1}, {"B": 1, "realization": 2}, -1])


def random(size, seed, dmi="neel", handedness=1, dtype="float64"):
    """A rough lattice with D, B and Hamiltonian."""
    hamiltonian = Hamiltonian(dmi, handedness)
    ds = testing.random(size, seed=seed, D=0.7, B=0.3, hamiltonian=hamiltonian)
    return ds.assign(spin=ds.spin.astype(dtype))


def expected(spin, D, B, hamiltonian):
    """The observables by plain numpy."""
    mean = oracles.unit(spin).mean(axis=(0, 1))
    cosine = oracles.cos_theta(spin, D, B, hamiltonian)
    charges = [oracles.charge_density(spin, diagonal).sum() for diagonal in ("main", "alt")]
    energies = oracles.energies(spin, D, B, hamiltonian)
    return [*charges, *mean, *energies, cosine.mean(), cosine.min(), oracles.temperature(spin, D, B, hamiltonian)]


@given(size=SIZES, seed=st.integers(0, 2**32), dmi=DMIS, dtype=st.sampled_from(["float32", "float64"]))
def test_observables__equal_numpy(size, seed, dmi, dtype):
    ds = random(size, seed, dmi, -1, dtype)
    found = ds.sky.observables()
    values = [found[name].item() for name in found]
    spin = ds.spin.values.reshape(*size, 3)
    np.testing.assert_allclose(values, expected(spin, 0.7, 0.3, Hamiltonian(dmi, -1)), rtol=1e-9, atol=1e-11)


def test_observables__are_the_contract():
    found = testing.random(8, realizations=2).sky.observables()
    assert list(found) == [
        *("topological_charge", "topological_charge_alt", "m_x", "m_y", "m_z"),
        *("energy", "energy_exchange", "energy_dmi", "energy_zeeman"),
        *("cos_theta", "cos_theta_min", "temperature"),
    ]
    for name, variable in found.items():
        assert variable.dims == ("D", "B", "realization")
        assert variable.dtype == np.float64
        assert variable.attrs == schema.VARIABLES[name].attrs()


def test_observables__equal_the_functions_for_each(random_ensemble):
    sky = random_ensemble.sky
    found = sky.observables()
    for name, other in {
        "topological_charge": sky.topological_charge(),
        "topological_charge_alt": sky.topological_charge(diagonal="alt"),
        "m_z": sky.m_z(),
        **sky.energy().data_vars,
        "cos_theta": sky.cos_theta().mean(schema.SITE_DIMS),
        "cos_theta_min": sky.cos_theta().min(schema.SITE_DIMS),
        "temperature": sky.temperature(),
    }.items():
        np.testing.assert_allclose(found[name], other, rtol=1e-13, atol=1e-13)
    np.testing.assert_array_equal(np.stack([found[f"m_{c}"] for c in "xyz"], axis=-1), sky.magnetization())


@given(size=SIZES, seed=st.integers(0, 2**32), y=st.integers(0, 6), x=st.integers(0, 6))
def test_observables__stay_under_translation(size, seed, y, x):
    ds = random(size, seed)
    xr.testing.assert_allclose(ds.sky.roll(y=y, x=x).sky.observables(), ds.sky.observables(), rtol=1e-9, atol=1e-11)


@given(size=SIZES, seed=st.integers(0, 2**32), dmi=DMIS, handedness=st.sampled_from([1, -1]), k=st.integers(-3, 3))
def test_observables__stay_under_rotation_with_the_spins(size, seed, dmi, handedness, k):
    ds = random(size, seed, dmi, handedness)
    before, after = ds.sky.observables(), ds.sky.rotate90(k).sky.observables()
    # a quarter turn swaps the diagonals, and the components in the plane turn with the spins
    if k % 2:
        charges = {"topological_charge": "topological_charge_alt", "topological_charge_alt": "topological_charge"}
        after = after.rename(charges)
    same = [name for name in OBSERVABLES if name not in ("m_x", "m_y")]
    xr.testing.assert_allclose(after[same], before[same], rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(np.hypot(after.m_x, after.m_y), np.hypot(before.m_x, before.m_y), atol=1e-12)


@given(size=SIZES, seed=st.integers(0, 2**32), dmi=DMIS)
def test_observables__under_reversal_of_spins_and_field_keep_energy_and_flip_charge(size, seed, dmi):
    ds = random(size, seed, dmi)
    before = ds.sky.observables()
    after = observables(-ds.spin, ds.D, -ds.B, ds.sky.hamiltonian)
    flipped = ["topological_charge", "topological_charge_alt", "m_x", "m_y", "m_z"]
    kept = [name for name in OBSERVABLES if name not in flipped]
    xr.testing.assert_allclose(after[kept], before[kept], rtol=1e-9, atol=1e-11)
    xr.testing.assert_allclose(after[flipped], -before[flipped], rtol=1e-9, atol=1e-11)


@given(size=SIZES, seed=st.integers(0, 2**32), dmi=DMIS, handedness=st.sampled_from([1, -1]))
def test_observables__stay_under_a_change_of_handedness(size, seed, dmi, handedness):
    ds = random(size, seed, dmi, handedness)
    other = ds.sky.to_handedness(-handedness)
    assert other.sky.hamiltonian == Hamiltonian(dmi, -handedness)
    before, after = ds.sky.observables(), other.sky.observables()
    after = after.assign(m_x=-after.m_x, m_y=-after.m_y)
    xr.testing.assert_allclose(after, before, rtol=1e-9, atol=1e-11)


def test_observables__along_a_sample_dim_equal_those_on_the_grid():
    spin = testing.random_spins((2, 3, 2, 5, 4), 4)
    grid = xr.DataArray(
        spin,
        dims=(*schema.GRID_DIMS, *schema.SPIN_DIMS),
        coords={"D": [0.2, 0.9], "B": [0.0, 0.1, -0.3], "realization": [0, 1]},
    ).to_dataset(name="spin")
    grid.attrs = Hamiltonian().to_attrs()
    flat = grid.sky.stack()
    assert flat.sky.observables().energy.dims == ("sample",)
    xr.testing.assert_allclose(flat.sky.observables().unstack("sample"), grid.sky.observables())
    for index in np.ndindex(2, 3, 2):
        values = [grid.sky.observables()[name].values[index] for name in OBSERVABLES]
        reference = expected(spin[index], grid.D.values[index[0]], grid.B.values[index[1]], Hamiltonian())
        np.testing.assert_allclose(values, reference, rtol=1e-9, atol=1e-11)


@CHUNKS
def test_observables__lazy_equals_eager(random_ensemble, chunks):
    with testing.raise_if_computes():
        lazy = random_ensemble.chunk(chunks).sky
        found = xr.merge([lazy.observables(), lazy.qc()])
        mean = lazy.magnetization()
    xr.testing.assert_identical(
        found.compute(), xr.merge([random_ensemble.sky.observables(), random_ensemble.sky.qc()])
    )
    xr.testing.assert_identical(mean.compute(), random_ensemble.sky.magnetization())


def test_observables__with_qc_run_the_kernel_once_per_chunk(random_ensemble, monkeypatch):
    calls = []

    def counted(path, *arrays, constants=()):
        calls.append(path)
        return call_kernel(path, *arrays, constants=constants)

    call_kernel = _apply.call_kernel
    monkeypatch.setattr(_apply, "call_kernel", counted)
    lazy = random_ensemble.chunk(realization=1).sky
    xr.merge([lazy.observables(), lazy.qc()]).compute(scheduler="sync")
    assert calls.count("scalars.lattice_scalars") == random_ensemble.sizes["realization"]


@pytest.mark.parametrize("bad", [np.nan, 0.0, np.inf], ids=str)
def test_observables__of_a_bad_lattice_are_nan_and_leave_the_others(random_ensemble, bad):
    ds = random_ensemble.copy(deep=True)
    ds.spin[0, 0, 0] = np.nan
    ds.spin[0, 0, 1, 3, 4, :] = bad
    for found in (ds.sky.observables(), ds.sky.qc(), ds.sky.magnetization().to_dataset("component")):
        for variable in found.values():
            assert np.isnan(variable.values.ravel()).tolist() == [True, True, False]


def test_magnetization__of_known_states():
    np.testing.assert_array_equal(testing.ferromagnet().sky.magnetization().squeeze(), [0, 0, 1])
    np.testing.assert_allclose(testing.spiral(turns=3, size=24).sky.magnetization(), 0, atol=1e-15)


@given(size=SIZES, seed=st.integers(0, 2**32), dtype=st.sampled_from(["float32", "float64"]))
def test_magnetization__equals_numpy(size, seed, dtype):
    spin = xr.DataArray(testing.random_spins(size, seed, dtype), dims=schema.SPIN_DIMS)
    found = magnetization(spin)
    assert found.component.values.tolist() == ["x", "y", "z"]
    np.testing.assert_allclose(found, oracles.unit(spin).mean(axis=(0, 1)), atol=1e-14)
    assert m_z(spin).item() == found.sel(component="z").item()
    assert m_z(spin).name == "m_z"


def test_qc__of_a_sound_lattice(one_skyrmion):
    found = one_skyrmion.assign(spin=one_skyrmion.spin.astype("float32")).sky.qc()
    assert list(found) == [
        *("spin_norm_error", "charge_error", "charge_diagonal_difference"),
        *("temperature_ratio", "energy_balance", "unexplained_charge"),
    ]
    assert (found.spin_norm_error < 1.2e-7).all()
    assert (found.charge_error < 1e-9).all()
    np.testing.assert_allclose(found.charge_diagonal_difference, 0, atol=1e-9)
    np.testing.assert_allclose(found.energy_balance, 0, atol=1e-13)
    np.testing.assert_allclose(found.unexplained_charge, 0, atol=1e-9)
    np.testing.assert_allclose(found.unexplained_charge, 0, atol=1e-9)


def test_qc__measures_each_flaw():
    ds = testing.random(16, realizations=2)
    ds.spin[0, 0, 1, 2, 3] *= 1.25
    found = ds.sky.qc().squeeze()
    np.testing.assert_allclose(found.spin_norm_error, [0, 0.25], atol=1e-15)
    difference = ds.sky.topological_charge() - ds.sky.topological_charge(diagonal="alt")
    np.testing.assert_array_equal(found.charge_diagonal_difference, difference.squeeze())
    assert (abs(found.charge_diagonal_difference) > 0.5).all()
    np.testing.assert_allclose(found.temperature_ratio, ds.sky.temperature().squeeze() / 0.006)
    assert (found.charge_error < 1e-9).all()


def test_qc__shows_a_charge_that_is_none():
    """Opposite neighbours span no triangle: what is left does not sum to an integer."""
    axes = np.concatenate([np.eye(3), -np.eye(3)])
    ds = testing.dataset(np.random.default_rng(1).choice(axes, (4, 5)))
    assert ds.sky.topological_charge().item() == pytest.approx(0.5)
    assert ds.sky.qc().charge_error.item() == pytest.approx(0.5)


@pytest.mark.parametrize("ds", [testing.random(4, T=0.0), testing.random(4).drop_vars("T")], ids=["zero", "unknown"])
def test_qc__has_no_ratio_without_a_temperature(ds):
    assert np.isnan(ds.sky.qc().temperature_ratio.item())


def test_qc__names_the_bad_temperature(random_ensemble):
    with pytest.raises(SchemaError, match="T: expected values >= 0"):
        random_ensemble.assign_coords(T=-1.0).sky.qc()


@pytest.mark.parametrize("function", [observables, qc])
def test_observables__name_the_bad_input(random_ensemble, function):
    spin = random_ensemble.spin
    with pytest.raises(SchemaError, match="handedness"):
        function(spin, -0.5, 0.1, Hamiltonian())
    with pytest.raises(SchemaError, match=r"missing \['component'\]"):
        function(spin.rename(component="c"), 0.5, 0.1, Hamiltonian())


def test_scalars__are_in_the_registry():
    assert set(SCALARS) <= set(schema.VARIABLES)

"""Symmetry operations: what they do to sites and spins. That observables keep their values is in test_scalars."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from skylattice import Hamiltonian, testing
from skylattice.errors import SchemaError
from skylattice.observables.transform import roll, rotate90, to_handedness

OPERATIONS = {
    "to_handedness": lambda ds: ds.sky.to_handedness(-1),
    "rotate90": lambda ds: ds.sky.rotate90(),
    "roll": lambda ds: ds.sky.roll(y=3, x=-2),
}
EACH = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)


def test_handedness__turns_spins_by_pi_about_z():
    ds = testing.random(4)
    other = to_handedness(ds, -1)
    np.testing.assert_array_equal(other.spin, ds.spin * [-1, -1, 1])
    assert other.attrs["handedness"] == -1
    assert ds.attrs["handedness"] == 1


def test_handedness__that_is_there_already_changes_nothing():
    ds = testing.random(4)
    xr.testing.assert_identical(to_handedness(ds, 1), ds)
    xr.testing.assert_identical(to_handedness(to_handedness(ds, -1), 1), ds)


def test_handedness__moves_a_ground_state_to_the_ground_state():
    ds = testing.spiral(turns=16, size=200)
    other = to_handedness(ds, -1)
    np.testing.assert_allclose(other.sky.cos_theta(), 1, atol=1e-12)


def test_handedness__must_be_a_sign():
    with pytest.raises(SchemaError, match="handedness: expected"):
        to_handedness(testing.random(4), 2)
    with pytest.raises(SchemaError, match="dmi"):
        to_handedness(testing.random(4).drop_attrs(), 1)


@pytest.mark.parametrize(
    ("dmi", "expected"), [("neel", [-2, 1, 3]), ("bloch", [-2, 1, 3]), ("antiskyrmion", [2, -1, 3])]
)
def test_rotation__is_counterclockwise_and_takes_the_spins_as_the_dmi_demands(dmi, expected):
    spin = np.zeros((3, 5, 3))
    spin[..., 2] = 1
    spin[1, 4] = [1, 2, 3]  # y = 1, x = 4 goes to y = 4, x = 3 - 1 - 1
    turned = rotate90(testing.dataset(spin, hamiltonian=Hamiltonian(dmi))).spin.squeeze()
    assert turned.shape == (5, 3, 3)
    np.testing.assert_array_equal(turned[4, 1], expected)
    assert (turned.sum() == spin.sum() - 6 + sum(expected)).item()


@given(k=st.integers(-5, 5), dmi=st.sampled_from(["neel", "antiskyrmion"]))
def test_rotations__compose(k, dmi):
    ds = testing.random((3, 5), seed=1, hamiltonian=Hamiltonian(dmi))
    stepwise = ds
    for _ in range(k % 4):
        stepwise = rotate90(stepwise)
    xr.testing.assert_identical(rotate90(ds, k), stepwise)
    xr.testing.assert_identical(rotate90(rotate90(ds, k), -k), ds)


@given(y=st.integers(-9, 9), x=st.integers(-9, 9))
def test_roll__moves_the_origin_there(y, x):
    ds = testing.random((4, 5), seed=3)
    moved = roll(ds, y=y, x=x)
    np.testing.assert_array_equal(moved.spin[..., y % 4, x % 5, :], ds.spin[..., 0, 0, :])
    xr.testing.assert_identical(roll(moved, y=-y, x=-x), ds)


@EACH
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_operations__keep_dims_coordinates_dtype_and_attrs(operation, dtype):
    ds = testing.random(6, realizations=2)
    ds = ds.assign(spin=ds.spin.astype(dtype))
    found = operation(ds)
    assert found.spin.dims == ds.spin.dims
    assert found.spin.dtype == dtype
    assert found.spin.attrs == ds.spin.attrs
    assert found.attrs.keys() == ds.attrs.keys()
    for name, coordinate in ds.coords.items():
        xr.testing.assert_identical(found[name], coordinate)
    assert found.coords.keys() == ds.coords.keys()


@EACH
@pytest.mark.parametrize("chunks", [{"realization": 1}, -1])
def test_operations__lazy_equals_eager_in_whole_lattices(operation, chunks):
    ds = testing.random((6, 4), realizations=2)
    with testing.raise_if_computes():
        lazy = operation(ds.chunk(chunks))
        charge = lazy.sky.topological_charge()  # refuses lattices cut into chunks
    xr.testing.assert_identical(lazy.compute(), operation(ds))
    xr.testing.assert_identical(charge.compute(), operation(ds).sky.topological_charge())


@pytest.mark.parametrize("operation", [rotate90, roll])
def test_operations__leave_out_what_belongs_to_the_sites_as_they_were(operation):
    ds = testing.random(4).assign_coords(x=np.arange(4.0))
    ds = ds.assign(charge=ds.sky.charge_density(), total=ds.sky.topological_charge())
    found = operation(ds)
    assert set(found.variables) == set(ds.variables) - {"charge", "x"}


@EACH
def test_operations__name_the_missing_dimension(operation):
    with pytest.raises(SchemaError, match="missing"):
        operation(testing.random(4).rename(x="lon"))

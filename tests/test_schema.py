"""The data model: names, attributes and checks."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from skylattice import schema, testing
from skylattice.errors import SchemaError
from skylattice.schema import VARIABLES, unit_of


def spin(shape=(2, 4, 5, 3), dims=("sample", "y", "x", "component"), dtype="float32", **coords):
    return xr.DataArray(np.zeros(shape, dtype), dims=dims, coords=coords, name="spin")


def test_registry__describes_every_variable():
    for name, variable in schema.VARIABLES.items():
        attrs = variable.attrs()
        assert attrs["long_name"]
        assert attrs["units"]
        assert np.dtype(variable.dtype).name == variable.dtype, name


def test_registry__writes_flags_as_cf_does():
    for name, flags in (("status", schema.STATUS), ("phase", schema.PHASE)):
        attrs = schema.VARIABLES[name].attrs()
        assert attrs["flag_meanings"].split() == list(flags)
        assert attrs["flag_values"].tolist() == list(flags.values())
        assert attrs["flag_values"].dtype == np.int8
    assert schema.STATUS == {"empty": 0, "done": 1, "skipped": 2, "failed": 3}


def test_registry__has_the_dims_and_dtypes_of_what_is_computed():
    ds = testing.random(6, realizations=2)
    sky = ds.sky
    found = [
        *sky.observables().values(),
        *sky.qc().values(),
        *sky.lattice_constant().values(),
        *(sky.magnetization(), sky.charge_density(), sky.energy_density(), sky.cos_theta()),
        *(sky.effective_field(), sky.structure_factor(), sky.phase()),
    ]
    for array in found:
        variable = schema.VARIABLES[array.name]
        assert array.dims == (*schema.GRID_DIMS, *variable.dims), array.name
        assert array.dtype == variable.dtype, array.name
        assert unit_of(array) == variable.units, array.name


def test_label__leaves_its_argument_alone():
    array = xr.DataArray([1.0], attrs={"old": 1}, name="q")
    labelled = schema.label(array, "topological_charge")
    assert (labelled.name, labelled.attrs) == ("topological_charge", {"long_name": "topological charge", "units": "1"})
    assert (array.name, array.attrs) == ("q", {"old": 1})


def test_label_dataset__describes_what_it_knows_and_keeps_the_rest():
    ds = xr.Dataset({"energy": ("D", [1.0], {"note": "a"}), "mine": ("D", [2.0])}, coords={"D": [0.5]})
    labelled = schema.label_dataset(ds)
    assert labelled.energy.attrs == {"note": "a"} | schema.VARIABLES["energy"].attrs()
    assert unit_of(labelled.D) == "J"
    assert labelled.mine.attrs == {}
    assert ds.energy.attrs == {"note": "a"}
    assert ds.D.attrs == {}


@pytest.mark.parametrize("dtype", ["float32", "float64", ">f4"])
def test_check_spin__accepts_the_schema(dtype):
    schema.check_spin(spin(dtype=dtype))
    schema.check_spin(spin().transpose("component", "x", "sample", "y"))
    schema.check_spin(spin((4, 5, 3), ("y", "x", "component"), component=list("xyz")))
    schema.check_spin(spin().chunk(sample=1))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros((4, 5, 3)), "expected an xarray.DataArray.*found ndarray"),
        (spin().rename(y="row", component="c"), r"found \(sample, row, x, c\); missing \['y', 'component'\]"),
        (spin((4, 5, 2), ("y", "x", "component")), "component of length 3.*found 2"),
        (spin(component=list("zyx")), "component labels"),
        (spin(dtype="float16"), "float32 or float64 spins, found float16"),
        (spin(dtype="int32"), "float32 or float64 spins, found int32"),
        (spin(dtype="complex64"), "float32 or float64 spins, found complex64"),
        (spin(dtype="longdouble"), "float32 or float64 spins"),
        (spin((0, 5, 3), ("y", "x", "component")), "at least one site"),
        (spin().chunk(x=2, component=1), r"found \['x', 'component'\] cut into \[3, 3\] chunks"),
    ],
)
def test_check_spin__names_what_is_wrong(bad, message):
    with pytest.raises(SchemaError, match=message):
        schema.check_spin(bad)
    with pytest.raises(SchemaError, match=r"^mine: "):
        schema.check_spin(bad, name="mine")


def test_check_spin__does_not_compute():
    with testing.raise_if_computes():
        schema.check_spin(spin().chunk())


@pytest.mark.parametrize("values", [0.5, [0.0, 1], np.float32(2), xr.DataArray([0.5, 0.25])])
def test_check_coordinate__returns_numbers(values):
    found = schema.check_coordinate("D", values)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("D", "half", "D: expected numbers in units of J, found 'half'"),
        ("B", ["0.5"], "B: expected numbers"),
        ("B", None, "B: expected numbers"),
        ("B", [1j], "B: expected numbers"),
        ("B", [True], "B: expected numbers"),
        ("T", [0.1, np.nan, np.inf], r"T: expected finite numbers in units of J/k_B, found \[nan, inf\]"),
        ("D", [0.5, -0.5], r"D: expected values >= 0, found \[-0.5\].*handedness"),
        ("T", -1, "T: expected values >= 0"),
    ],
)
def test_check_coordinate__names_what_is_wrong(name, values, message):
    with pytest.raises(SchemaError, match=message):
        schema.check_coordinate(name, values)


def test_check_coordinate__lets_the_field_be_negative():
    assert schema.check_coordinate("B", -0.5) == -0.5


def test_require__names_what_is_missing():
    ds = xr.Dataset({"spin": ("x", [0.0])}, coords={"D": 0.5})
    schema.require(ds, ["spin", "D"], purpose="energy")
    with pytest.raises(SchemaError, match=r"energy needs \['B', 'T'\]; the dataset has \['D', 'spin'\].*assign\(B="):
        schema.require(ds, ["spin", "B", "T"], purpose="energy")


def test_check_values__accepts_unit_spins_and_holes():
    spins = testing.random_spins((3, 4, 5), 0, "float32")
    spins[1] = np.nan
    schema.check_values(spins, where="file")
    schema.check_values(spins[0], where="file")


@pytest.mark.parametrize(("bad", "length"), [(0.9, "0.9"), (np.nan, "nan"), (0.0, "0"), (np.inf, "inf")])
def test_check_values__names_the_lattice_and_site(bad, length):
    spins = np.zeros((3, 4, 5, 3))
    spins[..., 2] = 1
    spins[2, 3, 1, 2] = bad
    spins[2, 3, 4, 2] = bad
    with pytest.raises(SchemaError, match=rf"^file: .* \|S\| = {length} at y=3, x=1 of lattice \(2,\) \(2 of 60 spins"):
        schema.check_values(spins, where="file")
    with pytest.raises(SchemaError, match="at y=3, x=1 \\(2 of 20"):
        schema.check_values(spins[2], where="file")


def test_check_values__has_a_tolerance():
    spins = np.full((2, 2, 3), [0, 0, 1.01])
    schema.check_values(spins, where="file", tolerance=0.02)
    with pytest.raises(SchemaError, match="Normalise"):
        schema.check_values(spins, where="file", tolerance=0.005)


def test_registry__has_no_variable_with_the_name_of_a_dimension_it_does_not_label():
    dims = {dim for variable in VARIABLES.values() for dim in variable.dims} | {"D", "B", "realization", "sample"}
    scalars_of_a_dimension = {"D", "B", "realization"}  # coordinates of dims of the same name
    for name, variable in VARIABLES.items():
        assert name not in dims or variable.dims == (name,) or name in scalars_of_a_dimension, name


def test_whole_numbers__are_integers_and_the_rest_has_no_negative_zeros():
    frame = pd.DataFrame(
        {"n_defects": [24.0, np.nan], "topological_charge": [-16 - 1e-9, -0.0], "unexplained_charge": [-0.0, 0.25]}
    )
    assert schema.whole_numbers(frame).to_csv(index=False).splitlines() == [
        "n_defects,topological_charge,unexplained_charge",
        "24,-16,0.0",
        ",0,0.25",
    ]

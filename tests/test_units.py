"""Units and flags as other libraries read them: pint must not take J for the joule, nor a site for nothing it knows."""

import numpy as np
import pytest
import xarray as xr

import skylattice
from skylattice import testing
from skylattice.schema import VARIABLES, label_dataset, unit_of

cf_xarray = pytest.importorskip("cf_xarray")
pytest.importorskip("pint_xarray")


def registry():
    """A dataset with every variable of the registry."""
    variables = {
        f"the_{name}": (variable.dims, np.ones((1,) * len(variable.dims), variable.dtype), variable.attrs())
        for name, variable in VARIABLES.items()
    }
    return xr.Dataset(variables)


def test_pint__quantifies_every_variable_without_dimension():
    quantified = registry().pint.quantify()
    for name, array in quantified.data_vars.items():
        units = array.pint.units
        assert units is not None, name
        assert str(units) in ("", "dimensionless", "radian"), name
    assert str(quantified.the_helicity.pint.units) == "radian"


def test_pint__quantifies_an_analysed_lattice():
    ds = testing.hexagonal_skyrmions(columns=4, rows=4)
    found = ds.sky.defects().merge(ds.sky.observables(), compat="override")
    quantified = found.pint.quantify()
    assert quantified.energy.pint.units.dimensionless
    xr.testing.assert_allclose(quantified.pint.dequantify().energy, found.energy)


def test_cf__reads_flags():
    ds = testing.hexagonal_skyrmions(columns=4, rows=4)
    phase = ds.sky.phase()
    assert phase.cf.is_flag_variable
    assert (phase.cf == "skyrmion").all()
    assert not (phase.cf == "spiral").any()


def test_units__of_people_are_in_an_attribute_of_their_own():
    ds = testing.ferromagnet(4)
    energy = ds.sky.energy().energy
    assert (energy.attrs["units"], energy.attrs["in_units_of"], unit_of(energy)) == ("1", "J/site", "J/site")
    assert unit_of(ds.sky.topological_charge()) == "1"


def test_units__of_a_store_of_version_0_1_are_understood():
    old = xr.DataArray([0.5], dims="D", attrs={"units": "J"})
    assert unit_of(old) == "J"
    assert label_dataset(xr.Dataset({"D": old})).D.attrs["units"] == "1"
    example = skylattice.open_catalog()["example"].open()
    assert example.B.attrs["units"] == "1"


def test_store__shows_the_temperature_as_a_coordinate_to_plain_xarray(tmp_path):
    path = tmp_path / "e.zarr"
    skylattice.simulate_ensemble(D=[0.5], B=[0.1], realizations=1, size=8, T=0.1, store=path, progress=False)
    plain = xr.open_zarr(path, consolidated=False)
    assert "T" in plain.coords
    assert "T" in plain.spin.coords
    assert plain["T"].item() == 0.1
    catalog = tmp_path / "catalog.yaml"
    skylattice.catalog.add_store(catalog, path, name="e")
    intake = pytest.importorskip("intake")
    assert "T" in intake.open_catalog(str(catalog))["e"].to_dask().coords

"""Results beside an ensemble, those of earlier versions included."""

from pathlib import Path

import xarray as xr

from skylattice.defects.classify import defects
from skylattice.io.results import open_results

#: One lattice of 80 × 80 sites beside the results that version 0.1 wrote of it.
LATTICE = Path(__file__).parents[1] / "data" / "results-0.1" / "lattice.zarr"


def test_results__of_version_0_1_open_under_the_names_of_today():
    results = open_results(LATTICE, "defects")
    assert {"skyrmion_x", "skyrmion_y", "skyrmion_grain"} <= set(results)
    assert results.skyrmion_x.dims[-1] == "skyrmion"
    assert not {"x", "y"} & set(results.variables)
    table = results.load().sky.to_table()
    assert table.skyrmion_x.between(0, 80).all()
    assert results.skyrmion_x.attrs["in_units_of"] == "site"
    assert results.skyrmion_x.notnull().sum() == results.n_skyrmions.sum() > 10
    again = defects(results.load(), (80, 80))
    xr.testing.assert_equal(again.coordination, results.coordination.load())

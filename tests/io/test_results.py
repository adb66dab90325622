"""Results beside an ensemble, those of earlier versions included."""

from skylattice.catalog import shipped_catalog
from skylattice.io.results import open_results

EXAMPLE = shipped_catalog().with_name("example.zarr")  # its results were written by version 0.1


def test_results__of_version_0_1_open_under_the_names_of_today():
    results = open_results(EXAMPLE, "defects")
    assert {"skyrmion_x", "skyrmion_y", "skyrmion_grain"} <= set(results)
    assert results.skyrmion_x.dims[-1] == "skyrmion"
    assert not {"x", "y"} & set(results.variables)
    table = results.load().sky.to_table()
    assert table.skyrmion_x.between(0, 80).all()
    assert results.skyrmion_x.attrs["in_units_of"] == "site"

"""Maps of one lattice: colours mean what the docstrings say, hover shows the numbers."""

import colorsys

import numpy as np
import pytest
import xarray as xr

from skylattice import testing
from skylattice.errors import SchemaError
from skylattice.report.map_figures import angle_map, site_map

ONE = {"D": 0, "B": 0, "realization": 0}


def spins(*vectors):
    return xr.DataArray(np.array([vectors], dtype=float), dims=("y", "x", "component"))


def test_angle_map__is_hsl_of_angle_and_s_z():
    spin = testing.random(8, seed=3).spin.isel(ONE)
    colours = np.asarray(angle_map(spin).data[0].z)
    for (x, y, z), colour in zip(spin.values.reshape(-1, 3), colours.reshape(-1, 3), strict=True):
        expected = colorsys.hls_to_rgb(np.arctan2(y, x) / (2 * np.pi) % 1, (1 + z) / 2, 1)
        np.testing.assert_allclose(colour, 255 * np.array(expected), atol=0.51)


def test_angle_map__turns_its_hues_with_the_spins():
    red, green = angle_map(spins((1, 0, 0), (np.cos(2 * np.pi / 3), np.sin(2 * np.pi / 3), 0))).data[0].z[0]
    assert list(red) == [255, 0, 0]
    assert list(green) == [0, 255, 0]


def test_site_map__is_symmetric_about_zero_where_both_signs_occur():
    values = xr.DataArray(np.linspace(-1, 3, 100).reshape(10, 10), dims=("y", "x"), name="q")
    trace = site_map(values).data[0]
    assert trace.zmin == -trace.zmax
    assert site_map(abs(values) + 1).data[0].zmin > 0.9


def test_site_map__log_colours_the_logarithm_and_hovers_the_value():
    values = xr.DataArray([[1e-3, 10.0], [0.0, 1.0]], dims=("y", "x"))
    trace = site_map(values, name="error", log=True).data[0]
    np.testing.assert_allclose(trace.z, [[-3, 1], [-8, 0]], atol=1e-6)
    np.testing.assert_allclose(trace.customdata, values)
    assert "customdata" in trace.hovertemplate


def test_site_map__of_holes_and_constants_still_has_a_scale():
    for fill in (np.nan, 2.0):
        trace = site_map(xr.DataArray(np.full((4, 4), fill), dims=("y", "x"), name="q")).data[0]
        assert trace.zmin < trace.zmax


@pytest.mark.parametrize("draw", [site_map, angle_map])
def test_map__of_more_than_one_lattice_is_refused(draw):
    with pytest.raises(SchemaError, match="expected dims"):
        draw(testing.random(4).spin)

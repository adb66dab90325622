"""The phase diagram, by its data."""

import numpy as np
import pytest
import xarray as xr

from skylattice.errors import SchemaError
from skylattice.report.ensemble_figures import phase_diagram

pytest.importorskip("plotly")


def charges():
    values = np.array([[[-10.0, -12.0], [np.nan, np.nan]], [[-20.0, np.nan], [0.0, 0.0]]])
    return xr.DataArray(
        values, dims=("D", "B", "realization"), coords={"D": [0.4, 0.5], "B": [0.1, 0.2]}, name="topological_charge"
    )


def test_phase_diagram__has_a_square_per_point_that_is_there():
    trace = phase_diagram(charges()).data[0]
    assert trace.marker.symbol == "square"
    assert list(zip(trace.x, trace.y, trace.marker.color, strict=True)) == [
        (0.4, 0.1, -11.0),
        (0.5, 0.1, -20.0),
        (0.5, 0.2, 0.0),
    ]
    np.testing.assert_allclose(trace.customdata, [[-11, 1, 2], [-20, 0, 1], [0, 0, 2]])


def test_phase_diagram__takes_other_orders_of_dims():
    first = phase_diagram(charges()).data[0]
    second = phase_diagram(charges().transpose("realization", "B", "D")).data[0]
    np.testing.assert_array_equal(first.marker.color, second.marker.color)


def test_phase_diagram__names_dims_it_cannot_draw():
    with pytest.raises(SchemaError, match="Reduce the others first"):
        phase_diagram(charges().expand_dims("y"))

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skylattice.errors import SchemaError, SimulationError
from skylattice.simulation.grid import grid_points


def test_grid__of_arrays_is_their_product():
    assert grid_points([0.5, 0.4], [0.1, 0.2]) == [(0.4, 0.1), (0.4, 0.2), (0.5, 0.1), (0.5, 0.2)]


def test_grid__of_points_is_sorted_and_holds_each_once():
    assert grid_points(points=[(0.5, 0.1), (0.4, 0.2), (0.5, 0.1 + 1e-9)]) == [(0.4, 0.2), (0.5, 0.1)]


@given(D=st.floats(0.2, 1.0), low=st.floats(0.1, 0.5), width=st.floats(0.2, 0.5), step=st.floats(0.001, 0.02))
def test_grid__of_limits_holds_every_multiple_of_the_step_within(D, low, width, step):
    points = grid_points([D], B_limits=(low, low + width), B_step=step)
    B = np.array([b for _, b in points])
    np.testing.assert_allclose(B / step, np.rint(B / step), atol=1e-6 / step)
    slack = 2e-6
    assert B.min() >= low * D**2 - slack
    assert B.max() <= (low + width) * D**2 + slack
    assert B.min() - step < low * D**2 + slack
    assert B.max() + step > (low + width) * D**2 - slack


def test_grid__of_limits_includes_limits_on_the_step():
    assert grid_points([0.5], B_limits=(0.4, 0.8), B_step=0.1) == [(0.5, 0.1), (0.5, 0.2)]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"D": [0.5]}, SimulationError, "D with B, or points"),
        ({"B": [0.5]}, SimulationError, "D with B, or points"),
        ({"D": [0.5], "B": [0.1], "points": [(0.5, 0.1)]}, SimulationError, "D with B, or points"),
        ({"D": [0.5], "B_limits": (0.3, 0.6)}, SimulationError, "B_step > 0"),
        ({"D": [0.5], "B_limits": (0.6, 0.3), "B_step": 0.1}, SimulationError, "B_limits"),
        ({"D": [0.1], "B_limits": (0.3, 0.6), "B_step": 0.1}, SimulationError, "at least one"),
        ({"D": ["soft"], "B": [0.1]}, SchemaError, "D: expected numbers"),
        ({"D": [-0.5], "B": [0.1]}, SchemaError, "handedness=-1"),
        ({"D": [0.5], "B": [np.inf]}, SchemaError, "B: expected finite"),
    ],
)
def test_grid__names_what_is_wrong(arguments, error, message):
    with pytest.raises(error, match=message):
        grid_points(**arguments)

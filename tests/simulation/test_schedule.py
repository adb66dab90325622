import numpy as np
import pytest

from skylattice.errors import SchemaError, SimulationError
from skylattice.simulation.schedule import Schedule, Stage


def test_geometric__starts_and_stops_where_told():
    schedule = Schedule.geometric(1.0, 0.01, steps=3, sweeps=7, over_relaxation=2)
    assert [stage.T for stage in schedule] == pytest.approx([1.0, 0.1, 0.01])
    assert pytest.approx(0.01) == schedule.T
    assert schedule.updates_per_site == 3 * 7 * 3


def test_schedule__survives_json():
    schedule = Schedule((Stage(0.5, 3, 1, "metropolis"), Stage(0.0, 2)))
    assert Schedule.from_json(schedule.to_json()) == schedule


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Stage(-0.1, 1), "T >= 0"),
        (lambda: Stage(float("nan"), 1), "T >= 0"),
        (lambda: Stage(0.1, -1), "sweeps sweeps >= 0"),
        (lambda: Stage(0.1, 1, 0.5), "over_relaxation sweeps >= 0"),
        (lambda: Stage(0.1, 1, 1, "glauber"), "glauber"),
        (lambda: Schedule(()), "at least one stage"),
        (lambda: Schedule.geometric(0.0, 0.1), "start > 0"),
        (lambda: Schedule.geometric(1.0, 0.1, steps=0), "steps: expected a whole number >= 1"),
    ],
)
def test_schedule__refuses_what_cannot_be_run(make, message):
    with pytest.raises((SimulationError, SchemaError), match=message):
        make()


def test_schedule__to_zero_ends_there():
    schedule = Schedule.geometric(1.0, 0, steps=np.int64(4), sweeps=1)
    np.testing.assert_allclose([stage.T for stage in schedule], [1.0, 1000**-0.5, 0.001, 0.0])
    assert [stage.T for stage in Schedule.geometric(1.0, 0.0, steps=1)] == [0.0]

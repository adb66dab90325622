"""Tidy tables of padded results."""

import numpy as np
import pytest

from skylattice import testing
from skylattice.errors import SchemaError


def test_table__has_a_row_for_each_skyrmion():
    ds = testing.hexagonal_ensemble(6, 6, 10)
    result = ds.sky.defects()
    frame = result.sky.to_table()
    assert len(frame) == result.n_skyrmions.sum() == 36 + 36 + 35 + 37
    assert list(frame.columns[:4]) == ["D", "B", "realization", "skyrmion"]
    assert set(frame.texture) == {"neel"}
    one = frame[(frame.realization == 2) & (frame.skyrmion == 7)].iloc[0]
    assert one.skyrmion_x == result.skyrmion_x[0, 0, 2, 7]
    assert one.coordination == result.coordination[0, 0, 2, 7]


def test_table__of_dislocations():
    frame = testing.hexagonal_ensemble().sky.defects().sky.to_table("dislocation")
    assert frame.groupby("realization").size().to_dict() == {1: 2, 2: 2}
    np.testing.assert_allclose(frame.groupby("realization").burgers_x.sum(), 0, atol=0.2)


def test_table__of_a_lazy_result():
    ds = testing.hexagonal_ensemble(6, 6, 10)
    lazy = ds.chunk(realization=1).sky.skyrmions().sky.to_table()
    assert lazy.equals(ds.sky.skyrmions().sky.to_table())


def test_table__of_nothing_is_empty():
    frame = testing.ferromagnet(16).sky.skyrmions().sky.to_table()
    assert len(frame) == 0
    assert "charge" in frame


def test_table__names_a_dim_that_is_not_there():
    with pytest.raises(SchemaError, match=r"'grain', found .*skyrmion"):
        testing.ferromagnet(16).sky.skyrmions().sky.to_table("grain")

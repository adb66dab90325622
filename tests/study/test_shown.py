"""Which lattices are shown, and what is computed of them."""

import numpy as np
import pandas as pd
import pytest

from skylattice import testing
from skylattice.errors import StoreError
from skylattice.study.shown import choose, compare, find


def test_choose__goes_from_the_fewest_to_the_most_defects():
    frame = pd.DataFrame({"n_defects": [7, 0, 3, 12, 5]})
    assert choose(frame, 3).tolist() == [1, 4, 3]
    assert choose(frame, 9).tolist() == [1, 2, 4, 0, 3]


def test_find__takes_lattices_by_their_coordinates():
    frame = pd.DataFrame({"D": [0.4, 0.5, 0.5], "B": [0.1, 0.1, 0.1], "realization": [0, 0, 1]})
    assert find(frame, [(0.5, 0.1, 1), (0.4, 0.1, 0)]).tolist() == [2, 0]
    with pytest.raises(StoreError, match=r"no skyrmion lattice at D = 0.5, B = 0.2, realization 0"):
        find(frame, [(0.5, 0.2, 0)])


def test_compare__holds_the_maps_of_the_accessor():
    ds = testing.hexagonal_ensemble(columns=6, rows=6, spacing=10).isel(D=0, B=0).rename(realization="sample")
    turned = ds.sky.roll(x=1)
    shown = compare(ds, turned.spin, list("abcd"))
    np.testing.assert_array_equal(shown.before.cos_theta, ds.sky.cos_theta())
    np.testing.assert_array_equal(shown.after.energy, turned.sky.energy_density())
    np.testing.assert_array_equal(shown.after.x, turned.spin.sel(component="x"))
    expected = ((turned.spin - ds.spin) ** 2).sum("component")
    np.testing.assert_allclose(shown.squared_error, expected)
    assert [len(mesh.points) for mesh in shown.meshes] == ds.sky.skyrmions().n_skyrmions.values.tolist()

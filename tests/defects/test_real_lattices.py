"""Lattices annealed with UppASD: charges as the program reported them, and balanced defects."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from skylattice import schema
from skylattice.data import open_example

RUN = Path(__file__).parents[1] / "data" / "uppasd" / "N64_D0.50_B0.125_s12"


@pytest.fixture(scope="module")
def large():
    return open_example().load()


def test_small_run__has_as_many_skyrmions_as_uppasd_says():
    ds = xr.open_dataset(RUN, engine="uppasd")
    charge = json.loads((RUN / "expected.json").read_text())["Q_uppasd_T_triangulation"]
    found = ds.sky.defects().squeeze()
    assert found.n_skyrmions == -round(charge)
    assert found.unexplained_charge == 0
    assert found.status == schema.STATUS["done"]
    assert ds.sky.phase().item() == schema.PHASE["skyrmion"]


def test_large_run__is_a_lattice_of_neel_skyrmions_of_handedness_minus_one(large):
    found = large.sky.skyrmions().squeeze()
    n = int(found.n_skyrmions)
    assert n == -round(large.sky.topological_charge().item()) == 200
    assert (found.texture[:n] == schema.TEXTURE["neel"]).all()
    np.testing.assert_allclose(found.helicity[:n], 0, atol=0.2)
    assert (found.ellipticity[:n] < 2).all()


def test_small_run__gives_both_rules_the_same_skyrmions():
    ds = xr.open_dataset(RUN, engine="uppasd")
    ours, thesis = (ds.sky.defects(rule=rule).sky.to_table() for rule in ("charge", "dusek2023"))
    apart = ours[["skyrmion_x", "skyrmion_y"]].to_numpy()[:, None] - thesis[["skyrmion_x", "skyrmion_y"]].to_numpy()
    apart = np.hypot(*(apart - 64 * np.round(apart / 64)).transpose(2, 0, 1))
    same = apart.argmin(axis=1)
    assert sorted(same) == list(range(20))
    assert apart.min(axis=1).max() < 0.5
    assert ours.coordination.tolist() == thesis.coordination[same].tolist()


def test_large_run__has_balanced_defects(large):
    """A lattice of many grains: 86 of its skyrmions lie in their boundaries."""
    found = large.sky.defects().squeeze()
    z = found.coordination.dropna("skyrmion")
    assert (6 - z).sum() == 0
    assert found.n_defects == found.n_5 + found.n_7 + found.n_other == (z != 6).sum()
    a = np.sqrt(2 / np.sqrt(3) * 200 * 200 / found.n_skyrmions.item())
    squares = (found.burgers_x**2 + found.burgers_y**2).dropna("dislocation") / a**2
    assert len(squares) == found.n_dislocations > 30
    assert np.isin(np.round(squares), [1, 3]).mean() > 0.9


def test_large_run__has_many_grains(large):
    found = large.sky.grains().squeeze()
    assert 3 < found.n_grains < 12
    assert found.largest_grain < 0.6
    assert np.nansum(found.grain_size) == 200


def test_large_run__loses_small_skyrmions_to_the_rule_of_the_thesis(large):
    thesis = large.sky.skyrmions(rule="dusek2023").squeeze()
    lost = 200 - thesis.n_skyrmions
    assert lost > 20
    np.testing.assert_allclose(thesis.unexplained_charge, -lost)

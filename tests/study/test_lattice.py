"""The bundle of one lattice agrees with the results of an ensemble."""

import numpy as np
import pytest
import xarray as xr

from skylattice import testing
from skylattice.errors import SchemaError
from skylattice.study.lattice import analyse_lattice, mesh_of_lattice


def test_analysis__finds_what_the_accessor_finds():
    ds = testing.hexagonal_ensemble(columns=6, rows=6, spacing=10)
    counts = ds.sky.defects().squeeze(["D", "B"])
    for k in range(ds.sizes["realization"]):
        found = analyse_lattice(ds.spin.isel(realization=k).chunk(), ds.B)
        assert len(found.points) == counts.n_skyrmions[k]
        assert found.defects.is_defect.sum() == counts.n_defects[k]
        assert found.grain.max() == ds.sky.grains().n_grains.squeeze()[k]
        np.testing.assert_array_equal(mesh_of_lattice(ds.spin.isel(realization=k), ds.B).origin, found.mesh.origin)


def test_analysis__of_a_hole_or_a_single_skyrmion_has_no_mesh():
    for spin, n in (
        (xr.full_like(testing.ferromagnet(16).spin, np.nan), 0),
        (testing.planted_skyrmions([(10.0, 12.0)], radius=4, size=32).spin, 1),
    ):
        found = analyse_lattice(spin, 0.1)
        assert len(found.points) == n
        assert found.mesh is found.defects is found.grain is None
        assert mesh_of_lattice(spin, 0.1) is None


def test_analysis__with_open_boundaries_has_no_grains():
    ds = testing.hexagonal_skyrmions(columns=4, rows=4, spacing=12)
    found = analyse_lattice(ds.spin, ds.B, boundary="open")
    assert found.mesh.on_hull.any()
    assert found.grain is None


def test_analysis__names_what_is_wrong():
    ds = testing.hexagonal_ensemble(4, 4, 10)
    with pytest.raises(SchemaError, match="expected one lattice"):
        analyse_lattice(ds.spin)
    with pytest.raises(SchemaError, match="boundary: expected"):
        analyse_lattice(ds.spin[0, 0, 0], boundary="closed")

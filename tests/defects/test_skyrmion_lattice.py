"""Everything from one triangulation is what the single analyses give, bit for bit."""

import numpy as np
import xarray as xr

from skylattice import testing
from skylattice.defects.skyrmion_lattice import skyrmion_lattice
from skylattice.testing import raise_if_computes


def found(ds):
    return ds.sky.skyrmions(), (ds.sizes["y"], ds.sizes["x"])


def test_skyrmion_lattice__equals_the_single_analyses():
    ds = testing.hexagonal_ensemble()
    together = skyrmion_lattice(*found(ds))
    for alone in (ds.sky.defects(), ds.sky.hexatic_order(), ds.sky.grains()):
        for name in set(alone) & set(together):
            xr.testing.assert_identical(together[name], alone[name])
    assert set(ds.sky.defects()) - set(ds.sky.skyrmions()) <= set(together)


def test_skyrmion_lattice__triangulates_once(monkeypatch):
    from skylattice.defects import triangulate

    meshes, original = [], triangulate.Mesh
    monkeypatch.setattr(triangulate, "Mesh", lambda *parts, **named: meshes.append(1) or original(*parts, **named))
    ds = testing.hexagonal_ensemble()
    skyrmion_lattice(*found(ds))
    assert len(meshes) == ds.sizes["realization"]


def test_skyrmion_lattice__lazy_equals_eager():
    ds = testing.hexagonal_ensemble()
    eager = skyrmion_lattice(*found(ds))
    for chunks in (1, 3, -1):
        with raise_if_computes():
            lazy = skyrmion_lattice(*found(ds.chunk(realization=chunks)))
        xr.testing.assert_identical(lazy.compute(), eager)


def test_skyrmion_lattice__too_few_points_say_so():
    together = skyrmion_lattice(*found(testing.planted_skyrmions([(10, 10), (40, 40)])))
    assert together.status.item() == 2  # skipped
    assert np.isnan(together.n_defects.item())


def test_results__merge_into_their_lattices():
    ds = testing.hexagonal_ensemble()
    merged = ds.merge(ds.sky.skyrmions()).merge(ds.sky.defects(), compat="override")
    assert merged.skyrmion_x.dims[-1] == "skyrmion"
    assert merged.sizes["x"] == ds.sizes["x"]

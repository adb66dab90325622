"""The flat view of an ensemble and the way back."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from skylattice import Hamiltonian, schema, testing
from skylattice.errors import SchemaError
from skylattice.stacking import flat, per_lattice, take, usable_lattices

D, B = [0.9, 0.2], [0.0, 0.1, -0.3]  # in no order


@pytest.fixture
def grid():
    """2 × 3 grid points of 2 lattices; one lattice and one whole row of B are holes."""
    status = np.full((2, 3, 2), schema.STATUS["done"], dtype=np.int8)
    status[0, 1, 1] = schema.STATUS["failed"]
    status[1] = schema.STATUS["skipped"]
    status[1, 1, 0] = schema.STATUS["done"]
    spin = testing.random_spins((2, 3, 2, 4, 5), 1)
    spin[status != schema.STATUS["done"]] = np.nan
    return xr.Dataset(
        {
            "spin": ((*schema.GRID_DIMS, *schema.SPIN_DIMS), spin),
            "status": (schema.GRID_DIMS, status),
            "seed": (schema.GRID_DIMS, np.arange(1, 13, dtype=np.uint64).reshape(2, 3, 2) + np.uint64(2**60)),
        },
        coords={"D": D, "B": B, "realization": [0, 1], "T": 0.006, "component": list("xyz")},
        attrs=Hamiltonian().to_attrs(),
    )


def test_stack__keeps_finished_lattices_with_their_coordinates(grid):
    flat = grid.sky.stack()
    assert flat.spin.dims == ("sample", "y", "x", "component")
    points = list(zip(flat.D.values, flat.B.values, flat.realization.values, strict=True))
    assert points == [(0.9, 0.0, 0), (0.9, 0.0, 1), (0.9, 0.1, 0), (0.9, -0.3, 0), (0.9, -0.3, 1), (0.2, 0.1, 0)]
    for k, (d, b, r) in enumerate(points):
        xr.testing.assert_equal(
            flat.spin.isel(sample=k, drop=True).reset_coords(drop=True),
            grid.spin.sel(D=d, B=b, realization=r, drop=True).reset_coords(drop=True),
        )
    assert flat.attrs == grid.attrs
    assert flat["T"].ndim == 0


def test_stack__without_a_status_keeps_all(grid):
    assert grid.drop_vars("status").sky.stack().sizes["sample"] == 12


def test_stack__does_not_read_spins(grid):
    lazy = grid.assign(spin=grid.spin.chunk(D=1, B=1))
    with testing.raise_if_computes():
        flat = lazy.sky.stack()
    xr.testing.assert_equal(flat.compute(), grid.sky.stack())
    assert max(flat.spin.chunksizes["sample"]) <= 2  # chunks do not grow to the whole ensemble


def test_stack__of_a_flat_dataset_only_drops_holes(grid):
    flat = grid.sky.stack()
    xr.testing.assert_identical(flat.sky.stack(), flat)
    marked = flat.assign(status=("sample", np.array([1, 1, 3, 1, 1, 0], dtype=np.int8)))
    assert marked.sky.stack().sizes["sample"] == 4


def test_stack__of_one_lattice_is_one_sample(grid):
    single = grid.isel(D=0, B=0, realization=0)
    flat = single.sky.stack()
    assert flat.spin.shape == (1, 4, 5, 3)
    assert flat.D.values.tolist() == [0.9]
    bare = xr.Dataset({"spin": single.spin.reset_coords(drop=True)})
    assert bare.sky.stack().spin.shape == (1, 4, 5, 3)


def test_stack__labels_dims_without_coordinates(grid):
    flat = grid.drop_vars("realization").sky.stack()
    assert flat.realization.values.tolist() == [0, 1, 0, 0, 1, 0]


@pytest.mark.parametrize("order", [("D", "B", "realization"), ("realization", "B", "D")])
def test_per_lattice__is_in_the_order_of_the_leading_dims_and_repeats_what_is_shared(grid, order):
    turned = grid.transpose(*order, ...)
    everything = flat(turned, order)
    for name in ("D", "B", "seed"):
        np.testing.assert_array_equal(per_lattice(grid[name], turned.spin), everything[name].values)
    np.testing.assert_array_equal(per_lattice(turned["T"], turned.spin), np.full(12, 0.006))
    mean = grid.spin.mean("y")
    np.testing.assert_array_equal(per_lattice(mean, turned.spin), everything.spin.mean("y").values)


def test_take__gives_lattices_by_position_lazily(grid):
    lazy = grid.assign(spin=grid.spin.chunk(D=1, B=1))
    with testing.raise_if_computes():
        few = take(lazy, np.array([8, 0]))
    assert few.spin.dims == ("sample", "y", "x", "component")
    assert list(zip(few.D.values, few.B.values, few.realization.values, strict=True)) == [(0.2, 0.1, 0), (0.9, 0.0, 0)]
    np.testing.assert_array_equal(few.spin[0], grid.spin[1, 1, 0])
    xr.testing.assert_equal(few.compute().sky.unstack(like=grid).spin[0, 0, 0], grid.spin[0, 0, 0])


def test_take__of_a_flat_dataset_takes_samples(grid):
    flat_view = grid.sky.stack()
    for one in (flat_view, flat_view.reset_index("sample")):
        few = take(one, np.array([3, 1]), ["sample"])
        np.testing.assert_array_equal(few.spin, flat_view.spin[[3, 1]])
        assert few.D.dims == ("sample",)


def test_usable_lattices__are_those_that_stack_keeps(grid):
    xr.testing.assert_equal(take(grid, usable_lattices(grid)), grid.sky.stack().reset_index("sample"))


def test_unstack__returns_what_was_stacked(grid):
    back = grid.sky.stack().sky.unstack(like=grid)
    xr.testing.assert_equal(back.spin, grid.spin)
    assert back.spin.dims == grid.spin.dims
    done = grid.status == schema.STATUS["done"]
    assert back.status.dtype == np.int8
    np.testing.assert_array_equal(back.status, np.where(done, grid.status, schema.STATUS["empty"]))
    assert back.seed.dtype == np.uint64
    np.testing.assert_array_equal(back.seed, np.where(done, grid.seed, 0))


def test_unstack__without_the_original_keeps_the_points_that_are_there(grid):
    back = grid.isel(D=[1]).sky.stack().sky.unstack()
    assert dict(back.sizes) == {"D": 1, "B": 1, "realization": 1, "y": 4, "x": 5, "component": 3}


def test_unstack__takes_results_back_to_the_grid(grid):
    results = grid.sky.stack().sky.observables()
    back = results.sky.unstack(like=grid)
    xr.testing.assert_allclose(back, grid.sky.observables())


def test_unstack__after_a_file_finds_the_grid_in_the_coordinates(grid):
    flat = grid.sky.stack()
    stored = flat.reset_index("sample")
    xr.testing.assert_equal(stored.sky.unstack(like=grid).spin, grid.spin)
    with pytest.raises(SchemaError, match="set_index"):
        stored.drop_vars(["D", "B", "realization"]).sky.unstack()


@pytest.mark.parametrize("numbers", [None, 0])
def test_unstack__numbers_the_lattices_of_a_point_where_nothing_else_does(grid, numbers):
    flat = grid.sky.stack().reset_index("sample").drop_vars("realization")
    if numbers is not None:
        flat = flat.assign_coords(realization=("sample", np.full(flat.sizes["sample"], numbers)))
    back = flat.sky.unstack()
    assert int((back.status == 1).sum()) == flat.sizes["sample"]
    last = flat.isel(sample=-1)
    found = back.spin.sel(D=last.D.item(), B=last.B.item()).values
    assert (found == last.spin.values).all(axis=(-3, -2, -1)).any()


def test_unstack__lazy_equals_eager(grid):
    flat = grid.assign(spin=grid.spin.chunk(D=1, B=1)).sky.stack()
    with testing.raise_if_computes():
        lazy = flat.sky.unstack(like=grid)
    xr.testing.assert_equal(lazy.compute(), grid.sky.stack().sky.unstack(like=grid))


def test_unstack__of_a_grid_says_so(grid):
    with pytest.raises(SchemaError, match="expected a MultiIndex"):
        grid.sky.unstack()


def test_stack__names_the_missing_dimension(grid):
    with pytest.raises(SchemaError, match=r"missing \['x'\]"):
        grid.rename(x="lon").sky.stack()


OF_SPINS = [
    *("topological_charge", "charge_density", "magnetization", "energy", "energy_density", "effective_field"),
    *("cos_theta", "temperature", "observables", "qc", "structure_factor", "phase", "skyrmions", "defects"),
    *("hexatic_order", "pair_correlation", "grains", "triangulation", "rotate90", "roll"),
]


@pytest.fixture(scope="module")
def two_lattices():
    ds = testing.planted_skyrmions([(10, 10), (30, 12), (20, 30), (8, 28)], radius=4, size=40)
    return xr.concat([ds, ds.sky.roll(y=3).assign_coords(realization=[1])], "realization")


@pytest.mark.parametrize("method", OF_SPINS)
def test_flat_view__takes_every_method_and_keeps_its_index(two_lattices, method):
    flat_view = two_lattices.sky.stack()
    found, plain = (getattr(ds.sky, method)() for ds in (flat_view, flat_view.reset_index("sample")))
    assert isinstance(found.indexes["sample"], pd.MultiIndex)
    xr.testing.assert_equal(found.reset_index("sample"), plain)


@pytest.mark.parametrize("method", ["encode", "reconstruct", "reconstruction_error"])
def test_flat_view__takes_models(two_lattices, tiny_model, method):
    flat_view = two_lattices.sky.stack()
    found, plain = (getattr(ds.sky, method)(tiny_model) for ds in (flat_view, flat_view.reset_index("sample")))
    xr.testing.assert_allclose(found.reset_index("sample"), plain)

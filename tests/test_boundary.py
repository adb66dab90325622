"""What a lattice's end may be, and how it is said."""

from contextlib import nullcontext

import numpy as np
import pytest
import xarray as xr

from skylattice import from_arrays, testing
from skylattice.boundary import Boundary, Sites
from skylattice.errors import SchemaError

TOKENS = {"periodic": (True, True), "open": (False, False), "open_y": (False, True), "open_x": (True, False)}


@pytest.mark.parametrize("token", TOKENS)
def test_boundary__has_one_token_for_its_axes(token):
    y, x = TOKENS[token]
    boundary = Boundary(y, x)
    assert str(boundary) == token
    words = tuple("periodic" if axis else "open" for axis in (y, x))
    assert all(Boundary.parse(value) == boundary for value in (token, (y, x), words, boundary))
    assert Boundary.from_attrs(boundary.to_attrs()) == boundary


def test_boundary__is_periodic_where_nothing_is_stated():
    assert Boundary.from_attrs({}) == Boundary()
    assert testing.random(4).drop_attrs().sky.boundary.is_periodic


@pytest.mark.parametrize("value", ["closed", "", ("open",), ("open", "shut"), (1, 0), None, 3])
def test_boundary__names_what_is_none(value):
    with pytest.raises(SchemaError, match="boundary: expected one of"):
        Boundary.parse(value)
    with pytest.raises(SchemaError, match="boundary: expected one of"):
        from_arrays(np.ones((4, 4, 3)) / np.sqrt(3), boundary=value)


def test_arrays__take_a_boundary():
    spin = testing.random_spins((4, 5))
    assert from_arrays(spin, boundary=("open", "periodic")).attrs["boundary"] == "open_y"
    assert from_arrays(spin).attrs["boundary"] == "periodic"


# Masks


def holed(n=3, sites=((1, 2), (3, 3))):
    """Lattices (n, 4, 5, 3), and where their sites are."""
    spin, mask = testing.random_spins((n, 4, 5)), np.ones((4, 5), bool)
    for site in sites:
        mask[site] = False
    return spin, mask


@pytest.mark.parametrize("vacuum", [0.0, np.nan])
def test_mask__is_found_where_spins_are_none(vacuum):
    spin, mask = holed()
    ds = from_arrays(np.where(mask[..., None], spin, vacuum), D=0.5, B=0.1, mask=True)
    np.testing.assert_array_equal(ds.mask, mask)
    assert ds.mask.dims == ("y", "x")
    assert (ds.spin.values[..., ~mask, :] == 0).all()
    np.testing.assert_array_equal(ds.spin.values[..., mask, :].reshape(3, -1, 3), spin[:, mask])


@pytest.mark.parametrize("given", [lambda mask: mask, lambda mask: mask.ravel(), lambda mask: np.tile(mask, (3, 1, 1))])
def test_mask__is_given_beside_any_spins(given):
    spin, mask = holed()
    ds = from_arrays(spin.reshape(3, 20, 3), D=0.5, B=0.1, size=(4, 5), mask=given(mask))
    np.testing.assert_array_equal(np.broadcast_to(ds.mask, (1, 1, 3, 4, 5)), np.broadcast_to(mask, (1, 1, 3, 4, 5)))
    assert (ds.spin.values[..., ~mask, :] == 0).all()


def test_mask__is_there_only_if_a_site_is_empty():
    spin, mask = holed(sites=())
    assert "mask" not in from_arrays(spin, mask=True)
    assert "mask" not in from_arrays(spin, mask=mask)


def test_mask__leaves_holes_and_may_differ():
    spin, mask = holed()
    spin[1] = np.nan
    spin[0, ~mask] = 0
    ds = from_arrays(spin, D=0.5, B=0.1, mask=True)
    assert ds.mask.dims == (*ds.spin.dims[:3], "y", "x")
    assert ds.mask.values.reshape(3, 20).sum(axis=1).tolist() == [18, 20, 20]
    charge = ds.sky.topological_charge().values.ravel()
    assert np.isnan(charge).tolist() == [False, True, False]


@pytest.mark.parametrize("chunks", [(1, 4, 5, 3), (2, 2, 5, 3), (3, 4, 5, 1)])
@pytest.mark.parametrize("given", [True, None])
def test_mask__lazy_equals_eager(chunks, given):
    da = pytest.importorskip("dask.array")
    spin, mask = holed()
    spin = 3.0 * np.where(mask[..., None], spin, 0)
    options = {"D": 0.5, "B": 0.1, "normalise": True, "mask": mask if given is None else given}
    cut = pytest.warns(UserWarning, match="cut into") if chunks[1] < 4 else nullcontext()
    with testing.raise_if_computes(), cut:
        lazy = from_arrays(da.from_array(spin, chunks=chunks), **options)
        charge = lazy.sky.topological_charge()
    eager = from_arrays(spin, **options)
    np.testing.assert_allclose(lazy.spin, eager.spin, rtol=0, atol=1e-15)
    np.testing.assert_array_equal(np.broadcast_to(lazy.mask, (1, 1, 3, 4, 5)), np.broadcast_to(mask, (1, 1, 3, 4, 5)))
    np.testing.assert_allclose(charge, eager.sky.topological_charge(), rtol=0, atol=1e-12)
    np.testing.assert_allclose(lazy.moment, eager.moment, rtol=1e-12)


@pytest.mark.parametrize("bad", [np.nan, 0.0])
def test_mask__is_advised_where_a_spin_lacks(bad):
    spin, mask = holed()
    spin[1, 2, 1] = bad
    with pytest.raises(SchemaError, match=r"y=2, x=1 of lattice .*Say which sites are empty, with mask="):
        from_arrays(spin)
    with pytest.raises(SchemaError, match=r"y=2, x=1 of lattice .*Say which sites are empty, with mask="):
        from_arrays(spin, mask=mask)


@pytest.mark.parametrize("bad", [np.ones((4, 5)), np.ones((5, 4), bool), np.ones((2, 4, 5), bool), "yes"])
def test_mask__names_what_is_none(bad):
    with pytest.raises(SchemaError, match=r"mask: expected True, or an array of True and False of shape \(4, 5\)"):
        from_arrays(holed()[0], mask=bad)


# Moments


def test_moment__is_kept_when_spins_are_normalised():
    spin, mask = holed()
    ds = from_arrays(spin * np.array([1, 2, 0.5])[:, None, None, None], D=0.5, B=0.1, normalise=True, mask=mask)
    np.testing.assert_allclose(ds.moment.squeeze(), [1, 2, 0.5], rtol=1e-12)
    assert ds.moment.attrs["long_name"].startswith("length of the spins")
    assert "moment" not in from_arrays(spin, normalise=True)


PI_SKYRMION = testing.planted_skyrmions([(20.2, 19.6)], radius=7, size=40)


@pytest.mark.parametrize("length", [1.1e6, 3e-9, 0.2])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_results__do_not_depend_on_the_length_of_the_spins(length, dtype):
    """Raw vectors, in A/m or whatever: every function takes directions."""
    ds = PI_SKYRMION.assign(spin=PI_SKYRMION.spin.astype(dtype))
    raw = ds.assign(spin=(ds.spin * length).astype(dtype))
    assert abs(np.linalg.norm(raw.spin, axis=-1) / length - 1).max() < 1e-6
    atol = 1e-5 if dtype == "float32" else 1e-9
    for found, expected in [
        (raw.sky.observables(), ds.sky.observables()),
        (raw.sky.skyrmions(), ds.sky.skyrmions()),
        (raw.sky.skyrmions(rule="dusek2023"), ds.sky.skyrmions(rule="dusek2023")),
        (raw.sky.lattice_constant(), ds.sky.lattice_constant()),
        (raw.sky.structure_factor().to_dataset(name="s"), ds.sky.structure_factor().to_dataset(name="s")),
        (raw.sky.phase().to_dataset(), ds.sky.phase().to_dataset()),
    ]:
        xr.testing.assert_allclose(found, expected, atol=atol, rtol=1e-5)
    assert ds.sky.skyrmions(rule="dusek2023").n_spins.values.ravel()[0] > 7
    assert raw.sky.qc().spin_norm_error.item() == pytest.approx(abs(length - 1), rel=1e-5)


def test_sites__say_what_they_are():
    mask = xr.DataArray(np.ones((4, 4), bool), dims=("y", "x"))
    assert Sites().is_whole
    assert Sites(Boundary(y=False, x=True), mask).flags.tolist() == [False, True, True]
    assert not Sites(mask=mask).is_whole

"""The door into the data model: every layout gives the same dataset, and what is not understood is named."""

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import skylattice
from skylattice import Hamiltonian, from_angles, from_arrays, testing
from skylattice.errors import SchemaError
from skylattice.io.importing import import_datasets
from skylattice.io.results import open_results
from skylattice.study.analysis import analyse_store

SIZE = (16, 20)


def spins(*leading, seed=0):
    return testing.random_spins((*leading, *SIZE), seed)


LAYOUTS = {
    "cartesian last": (lambda s: s, {}),
    "cartesian first": (lambda s: np.moveaxis(s, -1, -3), {}),
    "flat": (lambda s: s.reshape(*s.shape[:-3], -1, 3), {"size": SIZE}),
    "flat, cartesian first": (lambda s: np.moveaxis(s.reshape(*s.shape[:-3], -1, 3), -1, -2), {"size": SIZE}),
    "size as numpy integers": (lambda s: s, {"size": np.array(SIZE)}),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("lazy", [False, True], ids=["numpy", "dask"])
@pytest.mark.parametrize("leading", [(), (4,), (2, 3), (2, 3, 2)], ids=str)
def test_from_arrays__every_layout_is_the_same_dataset(layout, lazy, leading):
    expected = spins(*leading)
    arrange, options = LAYOUTS[layout]
    given = arrange(expected)
    given = da.from_array(given, chunks=(1,) * len(leading) + given.shape[len(leading) :]) if lazy else given
    ds = from_arrays(given, D=0.5, B=0.1, T=0.006, hamiltonian=Hamiltonian(), **options)
    assert ds.spin.dims == ("D", "B", "realization", "y", "x", "component")
    assert (ds.spin.chunks is not None) == lazy
    np.testing.assert_array_equal(ds.spin.values.reshape(expected.shape), expected)
    assert ds.sky.energy().energy.notnull().all()


@pytest.mark.parametrize("lazy", [False, True], ids=["numpy", "dask"])
@pytest.mark.parametrize("dtype", ["f2", "f4", ">f4", "f8", ">f8", "longdouble"])
def test_from_arrays__takes_any_precision_and_byte_order(dtype, lazy):
    given = spins(2).astype(dtype)
    ds = from_arrays(da.from_array(given) if lazy else given, normalise=True)
    assert ds.spin.dtype == ("float32" if np.dtype(dtype).itemsize <= 4 else "float64")
    assert ds.spin.dtype.isnative
    np.testing.assert_allclose(ds.spin.values.reshape(2, *SIZE, 3), spins(2), atol=1e-3 if dtype == "f2" else 1e-6)


def test_from_arrays__takes_integers_and_lists():
    up = [[[0, 0, 1]] * 4] * 5
    assert from_arrays(up).sky.m_z().item() == 1.0


def planted():
    """One Néel skyrmion of handedness +1, Q = -1."""
    return testing.planted_skyrmions([(9.0, 8.0)], radius=3, size=SIZE).spin.values[0, 0, 0]


def angles():
    s = planted()
    return np.arccos(np.clip(s[..., 2], -1, 1)), np.arctan2(s[..., 1], s[..., 0])


@pytest.mark.parametrize(
    "make",
    [
        *[lambda layout=layout: from_arrays(layout[0](planted()), **layout[1]) for layout in LAYOUTS.values()],
        lambda: from_arrays(planted().transpose(2, 1, 0), dims=("component", "x", "y")),
        lambda: from_angles(*angles()),
        lambda: from_angles(*(a.ravel() for a in angles()), size=SIZE),
        lambda: from_angles(*(da.from_array(a) for a in angles())),
    ],
)
def test_known_answer__a_skyrmion_has_charge_minus_one_through_every_layout(make):
    ds = make().load()
    assert ds.sky.topological_charge().item() == pytest.approx(-1, abs=1e-9)
    found = ds.sky.skyrmions()
    assert found.n_skyrmions.item() == 1
    assert abs(found.helicity.values.ravel()[0]) == pytest.approx(np.pi, abs=1e-6)


def test_grid__of_two_vectors():
    ds = from_arrays(spins(2, 3, 4), D=[0.4, 0.5], B=[0.1, 0.2, 0.3])
    assert ds.spin.dims[:3] == ("D", "B", "realization")
    np.testing.assert_array_equal(ds.spin.sel(D=0.5, B=0.3, realization=2), spins(2, 3, 4)[1, 2, 2])


def test_grid__of_one_vector_and_a_number():
    ds = from_arrays(spins(3, 4), D=0.5, B=[0.1, 0.2, 0.3])
    np.testing.assert_array_equal(ds.spin.sel(D=0.5, B=0.3, realization=2), spins(3, 4)[2, 2])


def test_samples__with_repeated_points_unstack_to_the_grid():
    given, B = spins(5), [0.1, 0.2, 0.1, 0.1, 0.2]
    ds = from_arrays(given, D=[0.4, 0.5, 0.4, 0.5, 0.5], B=B)
    assert ds.spin.dims[0] == "sample"
    assert ds.realization.values.tolist() == [0, 0, 1, 0, 1]
    grid = ds.sky.unstack()
    assert dict(grid.sizes) | {"y": 0, "x": 0, "component": 0} == {
        "D": 2, "B": 2, "realization": 2, "y": 0, "x": 0, "component": 0
    }  # fmt: skip
    np.testing.assert_array_equal(grid.spin.sel(D=0.4, B=0.1, realization=1), given[2])
    assert np.isnan(grid.spin.sel(D=0.4, B=0.2)).all()
    assert ds.sky.stack().spin.sizes["sample"] == 5


def test_names__of_a_dataarray_stay_with_their_labels():
    array = xr.DataArray(
        spins(3, 2),
        dims=("time", "replica", "y", "x", "component"),
        coords={
            "time": [0.0, 1.0, 2.0],
            "B": ("time", [0.1, 0.2, 0.3]),
            "D": 0.5,
            "T": 0.01,
            "note": ("replica", [7, 8]),
        },
    )
    ds = from_arrays(array)
    assert ds.spin.dims == array.dims
    assert ds.B.dims == ("time",)
    assert (ds.D.item(), ds["T"].item(), ds.note.values.tolist()) == (0.5, 0.01, [7, 8])
    assert from_arrays(array, B=0.7).B.item() == 0.7


def test_store__round_trip_of_what_came_through_the_door(tmp_path):
    given = spins(4).astype("f4")
    ds = from_arrays(given, D=0.5, B=[0.1, 0.2, 0.1, 0.2], T=0.006, hamiltonian=Hamiltonian("bloch", -1))
    store = import_datasets([ds], tmp_path / "s.zarr", progress=False)
    np.testing.assert_array_equal(store.spin.sel(B=0.2, realization=1).squeeze(), given[3])
    assert store.sky.hamiltonian == Hamiltonian("bloch", -1)


def test_unknown_interaction__leaves_what_needs_none(tmp_path):
    ds = from_arrays(planted(), D=0.5, B=0.1)
    for name in ("topological_charge", "m_z", "skyrmions", "defects", "hexatic_order", "phase", "structure_factor"):
        getattr(ds.sky, name)()
    for name in ("observables", "energy", "cos_theta", "temperature", "qc", "effective_field"):
        with pytest.raises(SchemaError, match=r"interaction of these lattices is not known.*Hamiltonian\('neel'\)"):
            getattr(ds.sky, name)()
    stated = ds.assign_attrs(Hamiltonian().to_attrs())
    assert stated.sky.energy().energy.item() < 0
    store = tmp_path / "unknown.zarr"
    import_datasets([ds], store, progress=False)
    assert skylattice.io.store.info(store)["attrs"].get("dmi") is None
    results = analyse_store(store, progress=False)
    assert results.topological_charge.item() == pytest.approx(-1)
    assert "energy" not in results
    assert open_results(store, "defects").n_skyrmions.values.item() == 1
    with pytest.raises(SchemaError.__mro__[1], match="Hamiltonian: the store has unknown"):
        import_datasets([stated.assign_coords(T=np.nan)], store, progress=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"spin": np.zeros((3, 3, 3))}, r"may be \(y, x, component\) or \(component, y, x\).*dims="),
        ({"spin": np.zeros((5, 3, 40, 3))}, r"may be .*dims="),
        ({"spin": np.zeros((40, 3))}, r"Flat lattices need size"),
        ({"spin": np.zeros((40, 3)), "size": 7}, r"size 7×7.*Name the axes"),
        ({"spin": np.zeros((4, 5))}, r"expected a shape"),
        ({"spin": np.zeros((4, 5, 3), complex)}, "expected real numbers, found complex128"),
        ({"spin": np.zeros((4, 5, 3), bool)}, "found bool"),
        ({"spin": np.array([["a", "b", "c"]])}, "found <U1"),
        ({"spin": [None]}, "found object"),
        ({"dims": ("y", "x")}, "a name for each of 3 axes"),
        ({"dims": ("y", "x", "c")}, "'component'"),
        ({"dims": ("component", "y", "x")}, "three components"),
        ({"size": 5}, "size 5×5"),
        ({"size": "16"}, "expected N or"),
        ({"size": 2.5}, "expected N or"),
        ({"size": 0}, "expected N or"),
        ({"D": -0.5}, "handedness"),
        ({"D": np.nan}, "finite"),
        ({"B": "much"}, "expected numbers"),
        ({"T": -1.0}, "values >= 0"),
        ({"T": [0.1, 0.2]}, "one temperature"),
        ({"boundary": "closed"}, "'open_y'"),
        ({"spin": testing.random_spins((2, 4, 5)), "B": [0.1, 0.2, 0.3]}, r"leading shape \(2,\)"),
        ({"spin": testing.random_spins((2, 3, 4, 5)), "D": [0.5, 0.5], "B": [1, 2, 3]}, "each value once"),
        ({"spin": 2 * testing.random_spins((4, 5))}, r"\|S\| = 2 at y=.*Normalise"),
        ({"spin": np.where(np.arange(60).reshape(4, 5, 3) == 59, 7, testing.random_spins((4, 5)))}, "at y=3, x=4"),
        ({"spin": np.zeros((4, 5, 3)), "normalise": True}, r"\|S\| = 0 at y=0, x=0"),
    ],
    ids=str,
)
def test_errors__name_what_is_wrong_and_what_to_do(options, message):
    with pytest.raises(SchemaError, match=message):
        from_arrays(**{"spin": testing.random_spins((4, 5)), **options})


def test_errors__of_lazy_spins_come_when_they_are_computed():
    with testing.raise_if_computes():
        ds = from_arrays(da.from_array(2 * spins(3), chunks=(1, *SIZE, 3)))
    with pytest.raises(SchemaError, match=r"\|S\| = 2"):
        ds.load()
    with pytest.warns(UserWarning, match=r"cut into \d × \d chunks \(y × x\), which are joined"):
        whole = from_arrays(da.from_array(2 * spins(3), chunks=(1, 4, 4, 3)), normalise=True)
    np.testing.assert_allclose(whole.spin.values.reshape(3, *SIZE, 3), spins(3))


def test_holes__stay_holes():
    given = spins(2)
    given[1] = np.nan
    ds = from_arrays(given, D=0.5, B=0.1)
    assert np.isnan(ds.sky.topological_charge().values).tolist() == [[[False, True]]]
    given[0, 3, 4] = np.nan
    with pytest.raises(SchemaError, match="nan at y=3, x=4 of lattice"):
        from_arrays(given, D=0.5, B=0.1)


def test_angles__of_different_shapes_are_refused():
    with pytest.raises(SchemaError, match="one shape"):
        from_angles(np.zeros((4, 4)), np.zeros((4, 5)))


@given(
    leading=st.lists(st.integers(1, 3), max_size=3),
    ny=st.integers(1, 6),
    nx=st.integers(1, 6),
    order=st.randoms(use_true_random=False),
)
def test_dims__name_any_order_of_axes(leading, ny, nx, order):
    names = [f"a{k}" for k in range(len(leading))]
    spin = testing.random_spins((*leading, ny, nx), 1)
    array = xr.DataArray(spin, dims=(*names, "y", "x", "component"))
    shuffled = list(array.dims)
    order.shuffle(shuffled)
    moved = array.transpose(*shuffled)
    by_names, by_labels = from_arrays(moved.values, dims=shuffled), from_arrays(moved)
    expected = array.transpose(*[d for d in shuffled if d in names], "y", "x", "component")
    for found in (by_names, by_labels):
        if leading:
            np.testing.assert_array_equal(found.spin, expected)
        else:
            np.testing.assert_array_equal(found.spin.values.reshape(expected.shape), expected)


def test_holes__stay_holes_in_a_store(tmp_path):
    spin = spins(3)
    spin[1] = np.nan
    stored = import_datasets([from_arrays(spin, D=0.5, B=0.1)], tmp_path / "holes.zarr", progress=False)
    assert stored.status.values.ravel().tolist() == [1, 0, 1]


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_normalise__keeps_directions_of_any_length(scale):
    np.testing.assert_allclose(from_arrays(scale * spins(2), normalise=True).spin, spins(2), atol=1e-14)


@pytest.mark.parametrize("bad", [np.inf, 0.0])
def test_normalise__makes_no_hole_of_what_has_no_direction(bad):
    with pytest.raises(SchemaError, match="expected unit spins"):
        from_arrays(np.full((*SIZE, 3), bad), normalise=True)


@pytest.mark.parametrize("of", [np.asarray, da.from_array], ids=["numpy", "dask"])
def test_angles__in_degrees_are_refused(of):
    with pytest.raises(SchemaError, match="deg2rad"):
        from_angles(of(np.full(SIZE, 90.0)), np.zeros(SIZE)).load()


def test_names__of_a_dim_want_a_value_for_each_index():
    with pytest.raises(SchemaError, match="D: expected"):
        from_arrays(spins(2, 3), D=0.5, dims=("D", "run", "y", "x", "component"))

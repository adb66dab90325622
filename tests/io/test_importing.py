import numpy as np
import pytest
import xarray as xr

from skylattice import Hamiltonian, from_arrays, open_ensemble, testing
from skylattice.errors import SchemaError, StoreError
from skylattice.io.importing import import_datasets
from skylattice.io.store import info
from skylattice.io.writing import create_store


def run(D=0.5, B=0.1, seed=0, n=1, **parameters):
    return testing.dataset(testing.random_spins((n, 6, 8), seed, "float32"), D=D, B=B, **parameters)


def lattice(ds, index=0):
    return ds.spin.values[0, 0, index]


@pytest.fixture
def store(tmp_path):
    return tmp_path / "runs.zarr"


def test_import__puts_runs_on_one_grid(store):
    runs = [run(0.5, 0.1, 1), run(0.4, 0.2, 2), run(0.5, 0.1, 3), run(0.5, 0.1 + 1e-9, 4)]
    ds = import_datasets(runs, store, progress=False)
    assert dict(ds.sizes) == {"D": 2, "B": 2, "realization": 3, "y": 6, "x": 8, "component": 3}
    for realization, k in enumerate((0, 2, 3)):
        np.testing.assert_array_equal(ds.spin.sel(D=0.5, B=0.1)[realization], lattice(runs[k]))
    np.testing.assert_array_equal(ds.spin.sel(D=0.4, B=0.2)[0], lattice(runs[1]))
    assert int((ds.status == 1).sum()) == 4


def test_import__extends_a_store(store):
    import_datasets([run(seed=1)], store, progress=False)
    ds = import_datasets([run(seed=2), run(0.6, 0.1, 3)], store, progress=False)
    np.testing.assert_array_equal(ds.spin.sel(D=0.5, B=0.1)[0], lattice(run(seed=1)))
    np.testing.assert_array_equal(ds.spin.sel(D=0.5, B=0.1)[1], lattice(run(seed=2)))
    assert info(store)["lattices"]["done"] == 3


def test_import__takes_replicas_as_realizations_and_leaves_holes_out(store):
    ds = run(n=3)
    ds["spin"][0, 0, 1] = np.nan
    ds["status"] = (("D", "B", "realization"), np.array([[[1, 0, 1]]], dtype=np.int8))
    found = import_datasets([ds], store, progress=False)
    assert found.sizes["realization"] == 2
    np.testing.assert_array_equal(found.spin.sel(D=0.5, B=0.1)[1], lattice(ds, 2))


def test_import__reads_lazy_spins_when_it_writes_them(store):
    with testing.raise_if_computes():
        lazy = run(n=2).chunk(realization=1)
    found = import_datasets([lazy], store, progress=False)
    xr.testing.assert_equal(found.spin.load(), lazy.spin.load())


@pytest.mark.parametrize(
    "other",
    [
        run(T=0.1),
        run(hamiltonian=Hamiltonian("bloch")),
        run(hamiltonian=Hamiltonian(handedness=-1)),
        testing.random((4, 4)),
    ],
)
def test_import__of_lattices_that_do_not_belong_together_writes_nothing(store, other):
    with pytest.raises(StoreError, match="one size, temperature, Hamiltonian and boundary"):
        import_datasets([run(), other], store, progress=False)
    assert not store.exists()
    import_datasets([run()], store, progress=False)
    with pytest.raises(StoreError, match="one size, temperature, Hamiltonian and boundary"):
        import_datasets([run(seed=1), other], store, progress=False)
    assert info(store)["lattices"]["done"] == 1


def test_import__names_what_is_missing(store):
    with pytest.raises(StoreError, match="found none"):
        import_datasets([], store)
    with pytest.raises(SchemaError, match="'T'"):
        import_datasets([run().drop_vars("T")], store)
    bad = run()
    bad["spin"][0, 0, 0, 2, 3] = 0
    with pytest.raises(SchemaError, match=r"D=0.5, B=0.1.*y=2, x=3"):
        import_datasets([bad], store, progress=False)


def test_import__does_not_take_a_point_for_its_neighbour(tmp_path):
    """Coordinates are appended unsorted; the second run lands between the first ones."""
    store = tmp_path / "grid.zarr"
    create_store(store, D=[0.6, 0.4], B=[0.3, 0.1], realizations=1, layout=_layout())
    ds = import_datasets([run(0.5, 0.2, 7)], store, progress=False)
    np.testing.assert_array_equal(ds.spin.sel(D=0.5, B=0.2)[0], lattice(run(seed=7)))
    assert open_ensemble(store)["D"].values.tolist() == [0.4, 0.5, 0.6]


def _layout():
    from skylattice.io.importing import layout_of

    return layout_of(run())


def lattices_of_two_shapes():
    """Two lattices at one point, the first in a disc, both of spins of length 3."""
    y, x = np.mgrid[:20, :20]
    there = np.stack([np.hypot(y - 10, x - 10) < 8, np.ones((20, 20), bool)])
    spin = 3.0 * testing.random_spins((2, 20, 20), 4) * there[..., None]
    options = {"D": [0.5, 0.5], "B": [0.1, 0.1], "T": 0.006, "hamiltonian": Hamiltonian(), "normalise": True}
    return from_arrays(spin, dims=("sample", "y", "x", "component"), mask=there, **options), there


def test_import__keeps_the_mask_of_each_lattice_and_the_length_that_spins_had(tmp_path):
    ds, there = lattices_of_two_shapes()
    stored = import_datasets([ds], tmp_path / "a.zarr", progress=False)
    np.testing.assert_array_equal(stored.mask.values[0, 0], there)
    np.testing.assert_allclose(stored.moment.values[0, 0], [3.0, 3.0])
    np.testing.assert_allclose(
        stored.sky.topological_charge().values.ravel(), ds.sky.topological_charge().values, rtol=0, atol=1e-5
    )


def test_import__into_a_store_that_keeps_no_moment_says_so(tmp_path):
    spin = testing.random_spins((1, 8, 8), 1)
    options = {"dims": ("sample", "y", "x", "component"), "D": [0.5], "T": 0.006, "hamiltonian": Hamiltonian()}
    import_datasets([from_arrays(spin, B=[0.1], **options)], tmp_path / "a.zarr", progress=False)
    long = from_arrays(2 * spin, B=[0.2], normalise=True, **options)
    with pytest.warns(UserWarning, match="moment"):
        import_datasets([long], tmp_path / "a.zarr", progress=False)

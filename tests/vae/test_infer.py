import dask
import numpy as np
import pytest
import xarray as xr
from tiny_vae import TINY, awaken

from skylattice import Hamiltonian, testing
from skylattice.errors import ModelError, SchemaError
from skylattice.testing import raise_if_computes
from skylattice.vae import blocks, build, infer, save

TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}


@pytest.fixture(scope="module")
def model_folder(tiny_model, tmp_path_factory):
    return save(tiny_model, tmp_path_factory.mktemp("models") / "tiny")


def test_encode__equals_the_model_in_memory(ensemble, tiny_model):
    latent = ensemble.sky.encode(tiny_model)
    point = ensemble.isel(D=1, B=0)
    mu, log_var = tiny_model.encode(point.spin.values, np.zeros((3, 2)))
    np.testing.assert_allclose(latent.mu.isel(D=1, B=0), mu, **TOLERANCE)
    np.testing.assert_allclose(latent.log_var.isel(D=1, B=0), log_var, **TOLERANCE)
    assert latent.mu.dims == ("D", "B", "realization", "latent")
    assert latent.sizes["latent"] == tiny_model.spec.latents((20, 20)) == 104


def test_reconstruct__decodes_what_encode_gives(ensemble, tiny_model):
    point = ensemble.isel(D=1, B=0)
    output = point.sky.reconstruct(tiny_model).spin
    expected = tiny_model.decode(point.sky.encode(tiny_model).mu.values, np.zeros((3, 2)), size=20)
    np.testing.assert_allclose(output, expected, **TOLERANCE)
    np.testing.assert_allclose(np.linalg.norm(output, axis=-1), 1, atol=1e-5)


def test_reconstruct__keeps_coordinates_and_follows_the_schema(ensemble, tiny_model):
    output = ensemble.sky.reconstruct(tiny_model)
    assert output.spin.dims == ensemble.spin.dims
    assert list(output.component.values) == ["x", "y", "z"]
    xr.testing.assert_identical(output.status, ensemble.status)
    assert output.attrs["model"] == "periodic"
    output.isel(D=0).sky.topological_charge()  # the result is an ensemble like any other


@pytest.mark.parametrize("chunks", [{"D": 1}, {"B": 1, "realization": 2}, {"D": 2, "realization": 1}, {}])
def test_inference__is_the_same_for_any_chunking(ensemble, model_folder, chunks):
    with raise_if_computes():
        chunked = ensemble.chunk(chunks)
        lazy = chunked.sky.reconstruction_error(model_folder), chunked.sky.encode(model_folder)
    lazy = dask.compute(*lazy, scheduler="threads")
    eager = ensemble.sky.reconstruction_error(model_folder), ensemble.sky.encode(model_folder)
    for result, expected in zip(lazy, eager, strict=True):
        xr.testing.assert_allclose(result, expected, **TOLERANCE)


def test_inference__is_the_same_on_processes(ensemble, model_folder, tiny_model):
    chunked = ensemble.chunk(D=2)
    expected = ensemble.sky.encode(model_folder)
    lazy = chunked.sky.encode(tiny_model)
    xr.testing.assert_allclose(lazy.compute(scheduler="processes", num_workers=1), expected, **TOLERANCE)


def test_inference__is_the_same_on_a_cluster_that_loads_the_model_once(ensemble, tiny_model):
    from distributed import Client, LocalCluster

    expected = ensemble.sky.reconstruct(tiny_model).spin
    with (
        LocalCluster(n_workers=1, threads_per_worker=2, processes=True, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        output = ensemble.chunk(D=1, B=1).sky.reconstruct(tiny_model).spin.compute()
        loads = client.run(lambda: __import__("skylattice.vae.blocks").vae.blocks._runners.keys())
    xr.testing.assert_allclose(output, expected, **TOLERANCE)
    assert [len(keys) for keys in loads.values()] == [1]


def test_inference__loads_a_model_once_in_a_process(ensemble, model_folder, monkeypatch):
    calls = []
    restore = blocks.artifact.restore
    monkeypatch.setattr(blocks.artifact, "restore", lambda *a, **k: calls.append(a) or restore(*a, **k))
    blocks._runners.clear()
    for _ in range(2):
        ensemble.chunk(D=1, realization=1).sky.encode(model_folder).compute(scheduler="threads", num_workers=4)
    assert len(calls) == 1


def test_inference__holes_stay_holes_and_are_not_computed(ensemble, tiny_model, monkeypatch):
    batches = []
    encode = blocks._encode
    monkeypatch.setattr(blocks, "_encode", lambda *a: batches.append(len(a[1])) or encode(*a))
    result = ensemble.sky.reconstruction_error(tiny_model)
    is_hole = ensemble.status == 0
    for name in ("mse", "energy_difference", "cos_theta_difference"):
        np.testing.assert_array_equal(np.isnan(result[name]), is_hole)
    assert np.isnan(result.squared_error.where(is_hole, drop=True)).all()
    assert sum(batches) == int((~is_hole).sum())


def test_inference__a_lattice_with_one_nan_spin_becomes_nan_alone(ensemble, tiny_model):
    damaged = ensemble.copy(deep=True)
    damaged.spin[0, 0, 1, 5, 7, 2] = np.nan
    result = damaged.sky.encode(tiny_model).mu
    assert np.isnan(result[0, 0, 1]).all()
    np.testing.assert_allclose(result[0, 0, 0], ensemble.sky.encode(tiny_model).mu[0, 0, 0], **TOLERANCE)


def test_reconstruction__matches_its_definition(ensemble, tiny_model):
    result = ensemble.sky.reconstruction_error(tiny_model)
    output = ensemble.sky.reconstruct(tiny_model)
    squared = ((output.spin - ensemble.spin) ** 2).sum("component", skipna=False)
    np.testing.assert_allclose(result.squared_error, squared, **TOLERANCE)
    np.testing.assert_allclose(result.mse, squared.mean(("y", "x"), skipna=False) / 3, **TOLERANCE)
    energy = output.sky.energy().energy - ensemble.sky.energy().energy
    np.testing.assert_allclose(result.energy_difference, energy, **TOLERANCE)
    alignment = output.sky.cos_theta().mean(("y", "x")) - ensemble.sky.cos_theta().mean(("y", "x"))
    np.testing.assert_allclose(result.cos_theta_difference, alignment, **TOLERANCE)


def test_reconstruction__of_a_perfect_model_is_zero(ensemble, tiny_model, monkeypatch):
    monkeypatch.setattr(infer, "reconstruct", lambda spin, *a, **k: spin)
    result = ensemble.isel(D=0).sky.reconstruction_error(tiny_model)
    for name in result.data_vars:
        np.testing.assert_allclose(result[name], 0, atol=1e-6)


@pytest.mark.parametrize("dmi", ["neel", "bloch", "antiskyrmion"])
def test_inference__converts_handedness_and_back(ensemble, dmi):
    model = awaken(build("periodic", size=20, dmi=dmi, **TINY))
    ds = ensemble.isel(D=0, B=0).assign_attrs(Hamiltonian(dmi).to_attrs())
    other = ds.sky.to_handedness(-1)
    here, there = ds.sky.reconstruct(model), other.sky.reconstruct(model)
    np.testing.assert_allclose(there.sky.to_handedness(1).spin, here.spin, **TOLERANCE)
    assert there.attrs["handedness"] == -1
    assert "turned by pi" in there.attrs["model_handedness"]
    assert "model_handedness" not in here.attrs
    np.testing.assert_allclose(other.sky.encode(model).mu, ds.sky.encode(model).mu, **TOLERANCE)


def test_inference__one_process_takes_several_sizes(tiny_model):
    for size in ((20, 20), (40, 60), (20, 20), (60, 40)):
        ds = testing.random(size, realizations=3)
        mu, _ = tiny_model.encode(ds.spin.values[0, 0], np.zeros((3, 2)))
        np.testing.assert_allclose(ds.sky.encode(tiny_model).mu[0, 0], mu, **TOLERANCE)
        output = tiny_model.decode(mu, np.zeros((3, 2)), size=size)
        np.testing.assert_allclose(ds.sky.reconstruct(tiny_model).spin[0, 0], output, rtol=1e-5, atol=2e-5)


def test_inference__rejects_another_dmi_symmetry(ensemble, tiny_model):
    with pytest.raises(ModelError, match="trained on the neel DMI, the lattices have the bloch one"):
        ensemble.assign_attrs(dmi="bloch").sky.encode(tiny_model)


def test_inference__rejects_a_size_that_the_model_cannot_take(tiny_model):
    with pytest.raises(ModelError, match="divisible by 20, found 24×32"):
        testing.random((24, 32)).sky.encode(tiny_model)


def test_inference__rejects_an_unknown_model_and_lists_the_shipped_ones(ensemble):
    with pytest.raises(ModelError, match="found no model there"):
        ensemble.sky.encode("no-such-model")


def test_inference__needs_the_parameters_of_a_conditioned_model(ensemble):
    model = awaken(build("periodic", size=20, condition=True, **TINY))
    with pytest.raises(ModelError, match="have no D"):
        ensemble.isel(D=0, drop=True).sky.encode(model)
    with pytest.raises(SchemaError):
        ensemble.isel(D=0, drop=True).sky.reconstruction_error(model)


def test_inference__gives_each_lattice_its_own_parameters(ensemble):
    model = awaken(build("periodic", size=20, condition=True, **TINY))
    expected, _ = model.encode(ensemble.spin.values[2, 1, :1], [[0.6, 0.15]])
    for ds in (ensemble, ensemble.chunk(D=1), ensemble.transpose("realization", "B", "D", ...)):
        mu = ds.sky.encode(model).mu.isel(D=2, B=1, realization=0)
        np.testing.assert_allclose(mu, expected[0], **TOLERANCE)


@pytest.mark.parametrize("leading", [(), ("sample",)])
def test_inference__takes_any_leading_dims(ensemble, tiny_model, leading):
    flat = ensemble.sky.stack()
    ds = flat if leading else ensemble.isel(D=0, B=0, realization=0)
    mu = ds.sky.encode(tiny_model).mu
    assert mu.dims == (*leading, "latent")
    reference = ensemble.sky.encode(tiny_model).mu[0, 0, 0]
    np.testing.assert_allclose(mu[0] if leading else mu, reference, **TOLERANCE)
    expected = ensemble.sky.reconstruct(tiny_model).spin[0, 0, 0]
    output = ds.sky.reconstruct(tiny_model).spin
    np.testing.assert_allclose(output[0] if leading else output, expected, **TOLERANCE)


def test_batch_size__uses_powers_of_two_within_the_limit():
    assert [blocks._batch_size(n, sites=200 * 200) for n in (1, 5, 16, 100)] == [1, 4, 16, 16]
    assert blocks._batch_size(3, sites=10**7) == 1


def test_inference__holds_one_copy_of_a_model_in_its_graph(ensemble, tiny_model):
    lazy = ensemble.chunk(D=1, B=1, realization=1).sky.encode(tiny_model).mu
    holders = [key for key in dict(dask.base.collections_to_expr(lazy.data).__dask_graph__()) if "model-" in str(key)]
    assert len(holders) == 1

import numpy as np
import pytest
from tiny_vae import make_ensemble

from skylattice import Hamiltonian, testing
from skylattice.errors import ModelError
from skylattice.stacking import usable_lattices
from skylattice.vae.data import (
    LatticeBatches,
    data_fingerprint,
    lattice_parameters,
    split_ensemble,
    transform_lattice,
)


@pytest.mark.parametrize("dmi", ["neel", "bloch", "antiskyrmion"])
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_transform_lattice__keeps_energy_and_charge(dmi, turns):
    hamiltonian = Hamiltonian(dmi)
    ds = testing.random((12, 12), D=0.6, B=0.2, hamiltonian=hamiltonian)
    spin = transform_lattice(
        ds.spin.values[0, 0, 0], shift=(5, -3), quarter_turns=turns, rotation_sign=hamiltonian.rotation_sign
    )
    moved = testing.dataset(spin, D=0.6, B=0.2, hamiltonian=hamiltonian)
    before, after = ds.sky.observables(), moved.sky.observables()
    np.testing.assert_allclose(after.energy, before.energy, atol=1e-9)
    np.testing.assert_allclose(after.energy_dmi, before.energy_dmi, atol=1e-9)
    # Rough lattices depend on the diagonal that cuts the plaquettes, and a quarter turn swaps the two.
    name = "topological_charge_alt" if turns % 2 else "topological_charge"
    np.testing.assert_allclose(after[name], before.topological_charge, atol=1e-9)


@pytest.mark.parametrize("dmi", ["neel", "antiskyrmion"])
def test_transform_lattice__equals_the_operations_on_datasets(dmi):
    ds = testing.random((6, 8), hamiltonian=Hamiltonian(dmi))
    expected = ds.sky.roll(y=2, x=1).sky.rotate90(1).spin.values[0, 0, 0]
    sign = Hamiltonian(dmi).rotation_sign
    spin = transform_lattice(ds.spin.values[0, 0, 0], shift=(2, 1), quarter_turns=1, rotation_sign=sign)
    np.testing.assert_allclose(spin, expected)


def test_transform_lattice__the_wrong_sense_breaks_the_energy():
    ds = testing.planted_skyrmions([(10, 10)], size=20, D=0.6)
    wrong = transform_lattice(ds.spin.values[0, 0, 0], shift=(0, 0), quarter_turns=1, rotation_sign=-1)
    assert abs(float((testing.dataset(wrong, D=0.6).sky.energy().energy - ds.sky.energy().energy).item())) > 0.01


def test_usable_lattices__follows_status_and_without_it_nan(ensemble):
    assert len(usable_lattices(ensemble)) == 17
    np.testing.assert_array_equal(usable_lattices(ensemble.drop_vars("status")), usable_lattices(ensemble))
    np.testing.assert_array_equal(usable_lattices(ensemble.assign(status=ensemble.status * 3)), [])


def test_lattice_parameters__follow_the_order_of_the_leading_dims(ensemble):
    D, B = lattice_parameters(ensemble).T.reshape(2, 3, 2, 3)
    np.testing.assert_allclose(D[:, 1, 2], [0.4, 0.5, 0.6])
    np.testing.assert_allclose(B[1, :, 0], [0.075, 0.15])
    stacked = ensemble.sky.stack()
    np.testing.assert_allclose(lattice_parameters(stacked), lattice_parameters(ensemble)[:17])


@pytest.fixture(scope="module")
def many_points():
    """40 points of 3 realizations; a split reads no spins."""
    grid = {"D": np.linspace(0.3, 0.6, 8), "B": np.linspace(0.05, 0.2, 5)}
    ds = testing.ferromagnet(20, realizations=3).reindex(grid, fill_value=1.0)
    return ds.assign_coords(T=0.006)


def test_split__parts_are_disjoint_complete_and_apart_in_parameters(many_points):
    split = split_ensemble(many_points, test=0.2, validation=0.2, test_seeds=0.1)
    parts = [split.train, split.validation, split.test, split.test_seeds]
    assert sorted(np.concatenate(parts)) == list(range(120))
    parameters = lattice_parameters(many_points)
    points = [{tuple(p) for p in parameters[part]} for part in parts]
    assert not points[0] & points[1]
    assert not points[0] & points[2]
    assert not points[1] & points[2]
    assert points[3] <= points[0]
    assert all(len(part) for part in parts)


def test_split__of_a_point_is_the_same_in_every_ensemble(many_points):
    def tested(ds):
        return {tuple(p) for p in lattice_parameters(ds)[split_ensemble(ds, test=0.3).test].round(6)}

    subset = many_points.isel(D=slice(None, None, 2), B=[3, 1], realization=[0])
    here = {tuple(p) for p in lattice_parameters(subset).round(6)}
    assert tested(subset) == tested(many_points) & here


def test_split__smaller_training_sets_are_within_larger_ones(many_points):
    small, large = (split_ensemble(many_points, n_train=n) for n in (10, 50))
    assert (len(small.train), len(large.train)) == (10, 50)
    assert set(small.train) < set(large.train)
    np.testing.assert_array_equal(small.test, large.test)


def test_split__is_recorded(many_points):
    split = split_ensemble(many_points, test=0.2)
    record = split.describe(many_points)
    assert record["n_train"] == len(split.train)
    assert len(record["test_points"]) * 3 == record["n_test"]
    assert record["fingerprint"] == split_ensemble(many_points, test=0.2).fingerprint()
    assert record["fingerprint"] != split_ensemble(many_points, test=0.2, seed=1).fingerprint()


def test_split__says_when_nothing_is_left_to_train_on(ensemble):
    with pytest.raises(ModelError, match="training split: expected at least one lattice, found none"):
        split_ensemble(ensemble, test=0.999)
    with pytest.raises(ModelError, match="0 lattices at 0"):
        split_ensemble(ensemble.assign(status=ensemble.status * 0))


def test_fingerprint__changes_with_the_lattices_and_only_with_them(ensemble):
    same = ensemble.assign_attrs(note="else").chunk(D=1)
    assert data_fingerprint(same) == data_fingerprint(ensemble)
    assert data_fingerprint(ensemble.assign_coords(D=ensemble.D + 0.01)) != data_fingerprint(ensemble)
    assert data_fingerprint(ensemble.assign_attrs(dmi="bloch")) != data_fingerprint(ensemble)


def test_batches__without_augmentation_are_the_lattices_in_order(ensemble):
    positions = usable_lattices(ensemble)
    flat = ensemble.sky.stack().spin.values
    for ds in (ensemble, ensemble.chunk(D=1, B=1)):
        batches = LatticeBatches(ds, positions, batch_size=4)
        assert len(batches) == 5
        read = [batches[i][0] for i in range(5)]
        np.testing.assert_array_equal(np.concatenate([b["spin"] for b in read]), flat)
        expected = lattice_parameters(ensemble)[positions].astype(np.float32)
        np.testing.assert_array_equal(np.concatenate([b["parameters"] for b in read]), expected)


def test_batches__augmented_ones_keep_the_energy_of_each_lattice(ensemble):
    batches = LatticeBatches(ensemble, usable_lattices(ensemble), batch_size=8, augment=True)
    energies = ensemble.sky.energy().energy.values.ravel()
    ((batch),) = batches[0]
    for spin, (D, B) in zip(batch["spin"], batch["parameters"], strict=True):
        energy = testing.dataset(spin, D=D, B=B).sky.energy().energy.item()
        assert np.nanmin(np.abs(energies - energy)) < 1e-6
    assert not any((spin == ensemble.spin.values).all(axis=(-3, -2, -1)).any() for spin in batch["spin"])


def test_batches__see_every_lattice_once_in_an_epoch_in_an_order_of_its_own(ensemble):
    batches = LatticeBatches(ensemble, np.arange(16), batch_size=4, augment=True)
    epochs = []
    for _ in range(2):
        m_z = np.concatenate([batches[i][0]["spin"][..., 2].mean(axis=(1, 2)) for i in range(len(batches))])
        epochs.append(m_z)
        batches.on_epoch_end()
    np.testing.assert_allclose(np.sort(epochs[0]), np.sort(epochs[1]), atol=1e-6)
    assert np.abs(epochs[0] - epochs[1]).max() > 1e-3


def test_batches__depend_on_seed_and_epoch_alone(ensemble):
    def batch(seed, epoch):
        batches = LatticeBatches(ensemble, np.arange(16), batch_size=4, augment=True, seed=seed)
        batches.epoch = epoch
        return batches[1][0]["spin"]

    np.testing.assert_array_equal(batch(0, 3), batch(0, 3))
    assert np.abs(batch(0, 3) - batch(0, 4)).max() > 0
    assert np.abs(batch(0, 3) - batch(1, 3)).max() > 0


def test_batches__cache_no_more_than_allowed(ensemble, monkeypatch):
    lattice = 20 * 20 * 3 * 4
    batches = LatticeBatches(ensemble, np.arange(8), batch_size=4, cache_bytes=3 * lattice)
    loaded = []
    load = batches._load
    monkeypatch.setattr(batches, "_load", lambda positions: loaded.extend(positions) or load(positions))
    for _ in range(2):
        for i in range(2):
            batches[i]
    assert loaded == [0, 1, 2, 3, 4, 5, 6, 7, 3, 4, 5, 6, 7]


def test_batches__non_square_lattices_turn_by_halves_only():
    ds = testing.random((20, 40), realizations=8)
    batches = LatticeBatches(ds, np.arange(8), batch_size=8, augment=True)
    assert batches[0][0]["spin"].shape == (8, 20, 40, 3)


def test_batches__name_the_lattice_with_nan_spins():
    ds = make_ensemble(D=(0.5,), b=(0.4,))
    ds.spin[0, 0, 2, 3, 3] = np.nan
    with pytest.raises(ModelError, match=r"lattice \(0, 0, 2\) at D = 0.5, B = 0.1 has NaN spins"):
        LatticeBatches(ds, [0, 2], batch_size=2)[0]


def test_batches__in_a_field_along_minus_z_are_those_of_the_opposite_field(ensemble):
    opposite = ensemble.assign(spin=-ensemble.spin).assign_coords(B=-ensemble.B)
    (expected,), (batch,) = (LatticeBatches(ds, np.arange(5), batch_size=5)[0] for ds in (ensemble, opposite))
    for name in ("spin", "parameters"):
        np.testing.assert_array_equal(batch[name], expected[name])

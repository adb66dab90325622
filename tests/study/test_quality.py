import numpy as np
import pytest
import xarray as xr

from skylattice import testing
from skylattice.latent.correlations import Estimate
from skylattice.study.quality import Reference, measure, nearest_distance, quality_table


def ensemble(n=24, seed=0, jitter=1.0):
    """Skyrmions on jittered hexagonal points, one lattice after the other, at a few (D, B)."""
    rng = np.random.default_rng(seed)
    points, size = testing.hexagonal_points(4, 4, 12)
    parts = []
    for _ in range(n):
        moved = (points + rng.uniform(0, 48, 2) + jitter * rng.normal(size=points.shape)) % (size[1], size[0])
        D, B = rng.choice([0.45, 0.5, 0.55]), rng.choice([0.1, 0.12, 0.14])
        ds = testing.planted_skyrmions(moved, radius=2.5, size=size, D=D, B=B).isel(D=0, B=0)
        parts.append(ds.rename(realization="sample"))
    return xr.concat(parts, "sample", coords="different", compat="equals", join="override", data_vars="minimal")


@pytest.fixture(scope="module")
def lattices():
    return ensemble()


@pytest.fixture(scope="module")
def measured(lattices):
    return measure(lattices)


def test_measure__agrees_with_the_accessor(lattices, measured):
    np.testing.assert_array_equal(measured.n_skyrmions, 16)
    np.testing.assert_allclose(measured.energy, lattices.sky.energy().energy)
    power = lattices.sky.structure_factor()
    n = power.sizes["q_x"] * power.sizes["q_y"]
    assert (abs(measured.modes) ** 2).sum(("component", "k_y", "k_x")).max() <= 1 + 1e-6
    assert n * (abs(measured.modes[0, :, 0, 0].values) ** 2).sum() == pytest.approx(
        power.sel(q_x=0, q_y=0)[0].item(), rel=1e-4
    )


def test_distance__of_a_shifted_copy_is_zero_and_of_another_lattice_is_not(lattices, measured):
    moved = measure(lattices.isel(sample=[0]).sky.roll(y=5, x=17))
    size = tuple(measured.attrs["size"])
    others = measured.modes.values
    assert nearest_distance(moved.modes.values, others[None, :1], size)[0] < 1e-5
    assert nearest_distance(moved.modes.values, others[None, 1:], size)[0] > 0.01


def test_distance__is_the_smallest_mean_squared_difference_over_all_shifts(lattices, measured):
    a, b = (measured.modes.values[k] for k in (0, 1))
    size = tuple(measured.attrs["size"])

    def smooth(modes):
        full = np.zeros((3, *size), dtype=complex)
        rows, columns = (np.unique(np.r_[:13, n - 12 : n]) for n in size)
        full[:, rows[:, None], columns] = modes
        return np.fft.ifft2(full, norm="forward").real

    first, second = smooth(a), smooth(b)
    brute = min(((first - np.roll(second, shift, axis=(1, 2))) ** 2).mean() for shift in np.ndindex(*size))
    assert nearest_distance(a[None], b[None, None], size)[0] == pytest.approx(brute, rel=1e-4)


def test_quality__of_the_data_against_themselves_is_near_nothing(measured):
    row = Reference(measured).data_row()
    assert row["abs_unexplained_charge"] == 0
    assert abs(row["energy_excess"]) < 1e-2
    assert row["n"] == 12


def test_quality__tells_disordered_and_copied_lattices(measured):
    reference = Reference(measured)
    copied, rough = reference.row(measured.copy()), reference.row(measure(ensemble(12, seed=1, jitter=3.0)))
    assert copied["distance_to_data"] < 1e-5 < rough["distance_to_data"]
    assert rough["n_defects"] > copied["n_defects"] + 2
    assert rough["ks_defects"].value > copied["ks_defects"].value
    assert rough["structure_factor_distance"] > copied["structure_factor_distance"]


def test_quality__table_writes_intervals(measured):
    row = Reference(measured).row(measured, seconds=0.5)
    table = quality_table({"copies": row})
    assert table["lattices"].tolist() == ["copies"]
    assert table["ms_per_lattice"][0] == 500
    assert isinstance(row["ks_energy"], Estimate)
    assert "[" in table["ks_energy"][0]

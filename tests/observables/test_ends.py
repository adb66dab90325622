"""Open boundaries and empty sites: bonds and plaquettes that are there count, and no others."""

import lattices_with_ends as slow
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from skylattice import Hamiltonian, from_arrays, schema, testing
from skylattice.errors import SchemaError
from skylattice.observables.scalars import observables

SIZES = st.tuples(st.integers(1, 6), st.integers(1, 6))
SEEDS = st.integers(0, 2**32 - 1)
TOKENS = st.sampled_from(slow.TOKENS)
SHARES = st.sampled_from([1.0, 0.8, 0.4])
EACH = pytest.mark.parametrize("token", slow.TOKENS)
RUN = "tests/data/uppasd/N64_D0.50_B0.125_s12"


@pytest.fixture(scope="module")
def run():
    """A simulated skyrmion lattice of 64 × 64, periodic as UppASD had it."""
    return xr.open_dataset(RUN, engine="uppasd", dtype="float64").load()


def alone(result):
    """The result of the only lattice."""
    return result.isel(D=0, B=0, realization=0)


def chunked(ds):
    """Three lattices of one kind, in one dataset."""
    spins = [ds.spin.values.reshape(ds.spin.shape[-3:]) * sign for sign in (1, -1, 1)]
    several = testing.dataset(np.stack(spins)).assign_attrs(ds.attrs)
    return several.assign(mask=ds.mask) if "mask" in ds else several


# Known answers


@pytest.mark.parametrize(("token", "bonds"), [("periodic", 60), ("open", 49), ("open_y", 55), ("open_x", 54)])
def test_energy__of_a_ferromagnet_counts_its_bonds(token, bonds):
    found = testing.ferromagnet((6, 5), B=0.25).sky.with_boundary(token).sky.energy()
    assert found.energy.item() == pytest.approx(-bonds / 30 - 0.25, abs=1e-14)


def test_energy__of_a_simulated_lattice_with_open_boundaries(run):
    assert run.sky.energy().energy.item() == pytest.approx(-2.14384579, abs=1e-8)
    assert run.sky.with_boundary("open").sky.energy().energy.item() == pytest.approx(-2.111466569, abs=1e-9)


@pytest.mark.parametrize("diagonal", ["main", "alt"])
@EACH
def test_charge__of_a_whole_skyrmion_is_one_whatever_ends(token, diagonal):
    ds = testing.planted_skyrmions([(20.3, 17.6)], radius=5, size=40).sky.with_boundary(token)
    assert ds.sky.topological_charge(diagonal=diagonal).item() == pytest.approx(-1, abs=1e-9)


def test_charge__of_half_a_skyrmion_is_half():
    """A skyrmion centred on the last row of plaquettes' edge: the upper half of it is cut off."""
    ds = testing.planted_skyrmions([(20.0, 20.0)], radius=6, size=41, helicity=np.pi / 2).isel(y=slice(None, 21))
    assert ds.sky.with_boundary("open").sky.topological_charge().item() == pytest.approx(-0.5, abs=1e-9)


def test_charge__in_a_disc_does_not_depend_on_the_diagonal():
    ds = testing.planted_skyrmions([(31.2, 30.7)], radius=6, size=64)
    mask = slow.disc(25, 64)
    masked = ds.assign(spin=ds.spin.where(mask, 0), mask=mask)
    main, alt = (masked.sky.topological_charge(diagonal=diagonal).item() for diagonal in ("main", "alt"))
    assert main == pytest.approx(-1, abs=1e-9)
    assert main == pytest.approx(alt, abs=1e-9)
    small = ds.assign(spin=ds.spin.where(slow.disc(8, 64), 0), mask=slow.disc(8, 64))
    main, alt = (small.sky.topological_charge(diagonal=diagonal).item() for diagonal in ("main", "alt"))
    assert -0.9 < main < -0.3
    assert main == pytest.approx(alt, abs=1e-9)


# Independent references


@given(SIZES, SEEDS, TOKENS, SHARES, st.sampled_from(["neel", "bloch", "antiskyrmion"]), st.sampled_from([1.0, -0.5]))
def test_observables__equal_those_site_by_site(size, seed, token, share, dmi, J):
    ds = slow.lattice(size, seed, token, share, D=0.7, B=-0.2, hamiltonian=Hamiltonian(dmi, -1, J))
    spin, mask, _ = slow.parts(ds)
    found = alone(ds.sky.observables())
    names = ["energy", "energy_exchange", "energy_dmi", "energy_zeeman"]
    np.testing.assert_allclose([found[name] for name in names], slow.energies(ds), atol=1e-12)
    np.testing.assert_allclose([found[f"m_{c}"] for c in "xyz"], spin.sum(axis=(0, 1)) / mask.sum(), atol=1e-13)
    np.testing.assert_allclose(alone(ds.sky.magnetization()), spin.sum(axis=(0, 1)) / mask.sum(), atol=1e-13)
    h = slow.field(ds)
    np.testing.assert_allclose(alone(ds.sky.effective_field()), h, atol=1e-12)
    along, strength = (spin * h).sum(axis=-1), np.linalg.norm(h, axis=-1)
    cosine = np.divide(along, strength, out=np.zeros_like(along), where=strength > 0)
    np.testing.assert_allclose(alone(ds.sky.cos_theta()), cosine, atol=1e-12)
    np.testing.assert_allclose(found.cos_theta, cosine[mask].mean(), atol=1e-12)
    np.testing.assert_allclose(found.cos_theta_min, cosine[mask].min(), atol=1e-12)
    torque = (np.cross(spin, h) ** 2).sum()
    if abs(along.sum()) > 1e-3:
        np.testing.assert_allclose(found.temperature, torque / (2 * along.sum()), rtol=1e-9)
    density = alone(ds.sky.energy_density())
    np.testing.assert_allclose(density.sum() / mask.sum(), found.energy, atol=1e-12)
    assert (density.values[~mask] == 0).all()


@given(SIZES, SEEDS, TOKENS, SHARES, st.sampled_from(["main", "alt"]))
def test_charge__is_that_of_whole_plaquettes(size, seed, token, share, diagonal):
    ds = slow.lattice(size, seed, token, share)
    expected = slow.charge_density(ds, diagonal)
    np.testing.assert_allclose(alone(ds.sky.charge_density(diagonal=diagonal)), expected, atol=1e-12)
    np.testing.assert_allclose(ds.sky.topological_charge(diagonal=diagonal).item(), expected.sum(), atol=1e-11)
    name = "topological_charge" if diagonal == "main" else "topological_charge_alt"
    np.testing.assert_allclose(ds.sky.observables()[name].item(), expected.sum(), atol=1e-11)


@given(SEEDS, TOKENS, SHARES)
def test_gradient_density__is_one_sided_at_ends(seed, token, share):
    ds = slow.lattice((5, 6), seed, token, share)
    spin, mask, boundary = slow.parts(ds)
    expected = np.zeros(mask.shape)
    for site in map(tuple, np.argwhere(mask)):
        slopes = []
        for dy, dx in ((0, 1), (1, 0)):
            ahead, behind = (slow.step(site, k * dy, k * dx, mask, boundary) for k in (1, -1))
            ends = [spin[s] if s is not None else spin[site] for s in (behind, ahead)]
            slopes.append((ends[1] - ends[0]) / max(1, sum(s is not None for s in (behind, ahead))))
        expected[site] = spin[site] @ np.cross(*slopes) / (4 * np.pi)
    np.testing.assert_allclose(alone(ds.sky.charge_density(method="gradient")), expected, atol=1e-13)


@given(SEEDS, TOKENS, SHARES)
def test_structure_factor__sums_over_the_sites_that_are_there(seed, token, share):
    ds = slow.lattice((5, 6), seed, token, share)
    spin, mask, _ = slow.parts(ds)
    expected = np.abs(np.fft.fft2(spin, axes=(0, 1))) ** 2
    np.testing.assert_allclose(
        alone(ds.sky.structure_factor()), np.fft.fftshift(expected.sum(axis=-1)) / mask.sum(), atol=1e-12
    )
    assert ds.sky.structure_factor().mean().item() == pytest.approx(1, abs=1e-12)


# Laws


@given(SIZES, SEEDS, SHARES, st.integers(-4, 4), st.integers(-4, 4), st.sampled_from(["periodic", "open_y", "open_x"]))
def test_observables__stay_under_a_shift_along_a_periodic_axis(size, seed, share, dy, dx, token):
    ds = slow.lattice(size, seed, token, share)
    moved = ds.sky.roll(y=0 if token == "open_y" else dy, x=0 if token == "open_x" else dx)
    xr.testing.assert_allclose(moved.sky.observables(), ds.sky.observables(), rtol=1e-9, atol=1e-11)


@given(SIZES, SEEDS, SHARES, TOKENS, st.integers(-3, 3), st.sampled_from(["neel", "bloch", "antiskyrmion"]))
def test_observables__stay_under_rotation_with_boundary_and_mask(size, seed, share, token, k, dmi):
    ds = slow.lattice(size, seed, token, share, hamiltonian=Hamiltonian(dmi))
    before, after = ds.sky.observables(), ds.sky.rotate90(k).sky.observables()
    if k % 2:
        charges = {"topological_charge": "topological_charge_alt", "topological_charge_alt": "topological_charge"}
        after = after.rename(charges)
    same = [name for name in before if name not in ("m_x", "m_y")]
    xr.testing.assert_allclose(after[same], before[same], rtol=1e-9, atol=1e-11)


@given(SEEDS, SHARES, TOKENS)
def test_observables__stay_when_empty_sites_are_put_around(seed, share, token):
    """A frame of empty sites makes a periodic lattice of an open one."""
    ds = slow.lattice((5, 4), seed, "open", share)
    spin, mask, _ = slow.parts(ds)
    wide = testing.dataset(np.pad(spin, ((1, 1), (2, 1), (0, 0)))).sky.with_boundary(token)
    wide = wide.assign(mask=(("y", "x"), np.pad(mask, ((1, 1), (2, 1)))))
    xr.testing.assert_allclose(wide.sky.observables(), ds.sky.observables(), rtol=1e-9, atol=1e-11)


@given(SIZES, SEEDS, TOKENS, SHARES)
def test_qc__closes_the_edges_of_open_lattices(size, seed, token, share):
    found = slow.lattice(size, seed, token, share).sky.qc()
    assert abs(found.charge_error.item()) < 1e-9
    assert abs(found.energy_balance.item()) < 1e-12
    assert found.unexplained_charge.item() == pytest.approx(0, abs=1e-9)


def test_qc__shows_a_charge_that_is_none_in_an_open_lattice():
    axes = np.concatenate([np.eye(3), -np.eye(3)])
    ds = testing.dataset(np.random.default_rng(3).choice(axes, (6, 7))).sky.with_boundary("open")
    assert ds.sky.qc().charge_error.item() > 0.1


@pytest.mark.parametrize("chunks", [{"realization": 1}, {"D": 1, "realization": 2}, -1])
@pytest.mark.parametrize("share", [1.0, 0.7])
def test_ends__lazy_equals_eager(chunks, share):
    ds = chunked(slow.lattice((6, 7), 3, "open_x", share))
    names = ["observables", "qc", "magnetization", "charge_density", "effective_field", "phase", "structure_factor"]
    lazy_ds = ds.chunk(chunks)
    with testing.raise_if_computes():
        lazy = [getattr(lazy_ds.sky, name)() for name in names]
    for name, result in zip(names, lazy, strict=True):
        xr.testing.assert_identical(result.compute(), getattr(ds.sky, name)())


def test_masks__may_differ_from_lattice_to_lattice():
    parts = [slow.lattice((5, 6), seed, "open", 0.6) for seed in range(3)]
    spin = np.stack([part.spin.values.reshape(5, 6, 3) for part in parts])
    mask = (("realization", "y", "x"), np.stack([part.mask.values for part in parts]))
    together = testing.dataset(spin).sky.with_boundary("open").assign(mask=mask)
    found = together.sky.observables().squeeze()
    for k, part in enumerate(parts):
        expected = part.sky.observables().squeeze()
        xr.testing.assert_allclose(
            found.isel(realization=k).drop_vars("realization"), expected.drop_vars("realization")
        )
    flat = together.chunk(realization=1).sky.stack()
    np.testing.assert_array_equal(flat.sky.energy().energy, found.energy)


# Bad input


@pytest.mark.parametrize("bad", [np.nan, 0.0, np.inf], ids=str)
def test_ends__a_site_that_is_there_needs_a_spin(bad):
    ds = chunked(slow.lattice((6, 7), 3, "open", 0.7)).copy(deep=True)
    y, x = np.argwhere(ds.mask.values)[4]
    ds.spin[0, 0, 0] = np.nan
    ds.spin[0, 0, 1, y, x] = bad
    for found in (ds.sky.observables(), ds.sky.magnetization().to_dataset("component")):
        for variable in found.values():
            assert np.isnan(variable.values.ravel()).tolist() == [True, True, False]
    found = ds.sky.skyrmions().status.values.ravel().tolist()
    assert found == [schema.STATUS[name] for name in ("empty", "failed", "done")]
    assert (np.isnan(ds.sky.structure_factor()).all(("q_y", "q_x"))).values.ravel().tolist() == [True, True, False]


def test_ends__a_lattice_without_a_site_is_none():
    ds = testing.ferromagnet(4)
    empty = ds.assign(spin=0 * ds.spin, mask=(("y", "x"), np.zeros((4, 4), bool)))
    assert np.isnan(empty.sky.energy().energy.item())
    assert empty.sky.phase().item() == schema.PHASE["empty"]


def test_ends__name_what_is_wrong():
    ds = testing.ferromagnet(4)
    with pytest.raises(SchemaError, match="boundary: expected one of"):
        ds.assign_attrs(boundary="torus").sky.energy()
    with pytest.raises(SchemaError, match=r"mask: expected bool with dims"):
        ds.assign(mask=(("y", "x"), np.ones((4, 4)))).sky.energy()
    with pytest.raises(SchemaError, match=r"mask: expected the lengths of the spins"):
        observables(ds.spin, 0.5, 0.1, Hamiltonian(), slow.sites(slow.lattice((5, 4), 0, share=0.5)))
    with pytest.raises(SchemaError, match="roll: expected no shift along y"):
        ds.sky.with_boundary("open_y").sky.roll(y=1)


@pytest.mark.parametrize("method", ["encode", "reconstruct", "reconstruction_error", "generate"])
@pytest.mark.parametrize("ds", [slow.lattice((20, 20), 0, "open_x"), slow.lattice((20, 20), 0, "periodic", 0.5)])
def test_models__refuse_lattices_that_end(ds, method):
    with pytest.raises(SchemaError, match="models: expected periodic lattices without empty sites"):
        getattr(ds.sky, method)("periodic")


def test_observables__of_spins_of_any_length_are_those_of_unit_spins():
    ds = testing.planted_skyrmions([(20, 20)], radius=6, size=40)
    found = from_arrays(1.1e6 * ds.spin.values, D=0.5, B=0.125, hamiltonian=Hamiltonian(), normalise=True)
    np.testing.assert_allclose(found.sky.energy().energy, ds.sky.energy().energy, rtol=1e-12)

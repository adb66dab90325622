"""The phase label."""

import numpy as np
import pytest
import xarray as xr

from skylattice import Hamiltonian, schema, testing
from skylattice.errors import SchemaError
from skylattice.kernels import phase as kernel
from skylattice.observables.phase import phase
from skylattice.simulation.engine import anneal, random_lattice
from skylattice.simulation.schedule import Schedule


def triangular(**parameters):
    """A dense lattice of planted skyrmions: 8 of them on 48 × 56."""
    centres = [(14 * i + 7 * (j % 2), 12 * j) for j in range(4) for i in range(4)]
    return testing.planted_skyrmions(centres, radius=3.4, size=(48, 56), **parameters)


def name(flag):
    """The meaning of a single flag."""
    return {value: meaning for meaning, value in schema.PHASE.items()}[np.asarray(flag).item()]


def flip(spin):
    """Turn all spins by π about x: the charge stays, S_z changes sign."""
    return spin * xr.DataArray([1.0, -1.0, -1.0], dims="component")


def curled_stripe(width=5.0):
    """One long stripe wound up as a spiral: a single region of charge -1, as wide as it is high, as in a labyrinth."""
    turn = np.linspace(2 * np.pi, 8 * np.pi, 1500)
    path = np.stack([48 + 1.6 * turn * np.cos(turn), 48 + 1.6 * turn * np.sin(turn)], axis=-1)
    sites = np.stack(np.mgrid[:96, :96], axis=-1).reshape(-1, 1, 2)
    away = sites - path[None]
    nearest = np.argmin((away**2).sum(-1), axis=1)
    away = away[np.arange(len(away)), nearest]
    distance = np.linalg.norm(away, axis=-1)
    theta = np.pi * np.clip(1 - distance / width, 0, 1)
    plane = -away[:, ::-1] / np.maximum(distance, 1e-9)[:, None]
    spin = np.c_[np.sin(theta)[:, None] * plane, np.cos(theta)].reshape(96, 96, 3)
    return testing.dataset(spin)


CASES = {
    "ferromagnet": testing.ferromagnet(32),
    "spiral": testing.spiral(turns=4, size=64),
    "skyrmion": triangular(),
    "mixed": testing.planted_skyrmions([(20.0, 20.0)], radius=4, size=64),  # one skyrmion is no lattice
}


def test_kernel__speaks_the_schema():
    assert schema.PHASE == {
        "empty": kernel.EMPTY,
        "ferromagnet": kernel.FERROMAGNET,
        "spiral": kernel.SPIRAL,
        "skyrmion": kernel.SKYRMION,
        "mixed": kernel.MIXED,
        "disordered": kernel.DISORDERED,
    }


@pytest.mark.parametrize("expected", CASES)
def test_phase__of_textbook_states(expected):
    assert name(CASES[expected].sky.phase()) == expected


@pytest.mark.parametrize(("vorticity", "helicity"), [(1, np.pi), (1, 0.0), (1, np.pi / 2), (-1, 0.0)])
def test_phase__of_skyrmions_of_any_texture(vorticity, helicity):
    assert name(triangular(vorticity=vorticity, helicity=helicity).sky.phase()) == "skyrmion"


def test_phase__of_half_skyrmions_half_stripes_is_mixed():
    skyrmions, stripes = triangular().spin.values[0, 0, 0], testing.spiral(4, (48, 56)).spin.values[0, 0, 0]
    spin = np.concatenate([skyrmions, skyrmions, stripes])
    assert name(testing.dataset(spin).sky.phase()) == "mixed"


def test_phase__of_a_curled_stripe_is_not_skyrmion():
    ds = curled_stripe()
    assert round(ds.sky.topological_charge().item()) == -1
    assert name(ds.sky.phase()) == "spiral"


@pytest.mark.parametrize("scale", [0.1, 0.2])
def test_phase__does_not_mind_thermal_noise(scale):
    spin = triangular().spin + np.random.default_rng(0).normal(scale=scale, size=(48, 56, 3))
    ds = testing.dataset((spin / np.sqrt((spin**2).sum("component"))).values)
    assert name(ds.sky.phase()) == "skyrmion"


def test_phase__of_a_ferromagnet_against_the_field_is_ferromagnet():
    assert name(phase(flip(testing.ferromagnet().spin), 0.1)) == "ferromagnet"


@pytest.mark.parametrize("expected", CASES)
def test_phase__stays_when_spins_and_field_flip(expected):
    ds = CASES[expected]
    assert name(phase(flip(ds.spin), -ds.B)) == expected


@pytest.mark.parametrize("expected", CASES)
def test_phase__stays_under_translation_and_rotation(expected):
    spin = CASES[expected].spin
    assert name(phase(spin.roll(x=7, y=3))) == expected
    turn = xr.DataArray([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]], dims=("component", "old"))
    turned = xr.dot(turn, spin.rename(component="old"), dim="old").isel(y=slice(None, None, -1))
    assert name(phase(turned.rename(x="y", y="x"))) == expected


def annealed(T, D=0.5, B=0.125, size=96):
    """A lattice cooled from high temperature to T."""
    start, sweeps = np.random.SeedSequence(1).spawn(2)
    schedule = Schedule.geometric(1.0, T, steps=10, sweeps=10)
    spin = anneal(random_lattice((size, size), start), schedule, D=D, B=B, hamiltonian=Hamiltonian(), seed=sweeps)
    return testing.dataset(spin, D=D, B=B)


@pytest.mark.parametrize(("T", "expected"), [(0.1, "skyrmion"), (0.3, "skyrmion"), (0.5, "disordered")])
def test_phase__of_a_molten_lattice_is_disordered(T, expected):
    assert name(annealed(T).sky.phase()) == expected


@pytest.mark.parametrize("T", [0.1, 0.3])
def test_phase__of_a_ferromagnet_along_any_direction(T):
    """Without DMI and field the magnetization lies along no axis; here it is turned into the plane."""
    ds = annealed(T, D=0.0, B=0.0)
    mean = ds.sky.magnetization().values.ravel()
    assert np.linalg.norm(mean) > 0.7
    frame, _ = np.linalg.qr(np.column_stack([mean, np.eye(3)[:2].T]))
    for axis in range(3):  # the magnetization along x, y and z
        turned = np.roll(ds.spin.values @ frame, axis, axis=-1)
        assert name(ds.assign(spin=(ds.spin.dims, turned)).sky.phase()) == "ferromagnet"


@pytest.mark.parametrize("axis", [0, 1])
def test_skyrmions__in_a_background_in_the_plane_are_those_in_one_along_z(axis):
    """The same texture with all spins turned: charge, places and sizes stay."""
    ds = testing.planted_skyrmions([(10.3, 12.0), (30.0, 25.5)], radius=4, size=40, B=0.0)
    turned = ds.assign(spin=(ds.spin.dims, np.roll(ds.spin.values, axis + 1, axis=-1)))
    found, expected = turned.sky.skyrmions(), ds.sky.skyrmions()
    assert found.n_skyrmions.item() == 2
    for variable in ("charge", "skyrmion_x", "skyrmion_y", "n_spins", "radius"):
        np.testing.assert_allclose(found[variable], expected[variable], atol=1e-4)
    assert abs(found.core_m_z.values.ravel()[:2]).max() < 0.4  # that of the spin as it is, in the plane
    assert turned.sky.qc().unexplained_charge.item() == pytest.approx(0, abs=1e-9)


def test_phase__takes_the_background_from_the_magnetization_without_a_field():
    assert name(phase(flip(triangular().spin), 0.0)) == "skyrmion"


def test_phase__of_a_hole_is_empty():
    spin = testing.random(16, realizations=2).spin
    spin[0, 0, 1] = np.nan
    flags = phase(spin)
    assert flags.dtype == np.int8
    assert flags[0, 0, 0] != -1
    assert flags[0, 0, 1] == -1


@pytest.mark.parametrize("chunks", [{"realization": 1}, {"B": 1, "realization": 3}])
def test_phase__lazy_equals_eager(chunks):
    ds = testing.dataset(np.stack([case.spin.values[0, 0, 0, :32, :32] for case in CASES.values()]))
    with testing.raise_if_computes():
        lazy = ds.chunk(chunks).sky.phase()
    xr.testing.assert_identical(lazy.compute(), ds.sky.phase())


def test_phase__names_the_missing_dimension():
    with pytest.raises(SchemaError, match=r"missing \['x'\]"):
        phase(testing.ferromagnet().spin.rename(x="lon"))

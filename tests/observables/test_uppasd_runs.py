"""Observables of a lattice from UppASD, against what UppASD itself reported about it."""

import json
from pathlib import Path

import numpy as np
import pytest

from skylattice import Hamiltonian, testing

RUN = Path(__file__).parents[1] / "data/uppasd/N64_D0.50_B0.125_s12"


@pytest.fixture(scope="module")
def reported():
    return json.loads((RUN / "expected.json").read_text())


@pytest.fixture(scope="module")
def lattice(reported):
    rows = np.loadtxt(RUN / "restart.skx.out", skiprows=7)
    spin = rows[:, 4:7].reshape(reported["N"], reported["N"], 3)
    parameters = {key: reported[key] for key in ("D", "B", "T")}
    return testing.dataset(spin, **parameters, hamiltonian=Hamiltonian("neel", -1))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_observables__of_a_real_lattice(lattice, reported, dtype):
    found = lattice.assign(spin=lattice.spin.astype(dtype)).sky.observables().squeeze()
    terms = reported["energy_terms_per_spin_J"]
    expected = {
        "energy": reported["energy_per_spin_J"],
        **{f"energy_{term}": terms[term] for term in ("exchange", "dmi", "zeeman")},
        **dict(zip(("m_x", "m_y", "m_z"), reported["mean_m"], strict=True)),
    }
    for name, value in expected.items():
        assert found[name].item() == pytest.approx(value, abs=1e-6 if dtype == "float64" else 2e-6), name
    assert found.topological_charge.item() == pytest.approx(reported["Q_uppasd_T_triangulation"], abs=1e-9)
    assert found.topological_charge_alt.item() == pytest.approx(found.topological_charge.item(), abs=1e-9)


def test_gradient_charge__of_a_real_lattice(lattice, reported):
    found = lattice.sky.topological_charge(method="gradient").item()
    assert found == pytest.approx(reported["Q_uppasd_Y_central_difference"], abs=1e-7)


def test_energy__with_the_wrong_handedness_is_off_by_twice_the_dmi_term(lattice):
    right = lattice.sky.energy()
    wrong = lattice.assign_attrs(handedness=1).sky.energy()
    np.testing.assert_allclose(wrong.energy - right.energy, -2 * right.energy_dmi, rtol=1e-9)
    assert right.energy_dmi.item() < -0.1


def test_thermometer__of_a_real_lattice(lattice):
    """One lattice of 64 × 64 scatters by 1/64."""
    assert lattice.sky.temperature().item() == pytest.approx(0.006, rel=0.05)
    assert lattice.sky.qc().temperature_ratio.item() == pytest.approx(1, rel=0.05)
    cosine = lattice.sky.cos_theta()
    assert 1 - cosine.mean().item() == pytest.approx(0.00142, rel=0.05)
    assert cosine.min().item() > 0.98


def test_lattice_constant__of_a_real_lattice_matches_its_density(lattice, reported):
    density = abs(reported["Q_uppasd_T_triangulation"]) / reported["N"] ** 2
    found = lattice.sky.lattice_constant().lattice_constant.item()
    assert found == pytest.approx(np.sqrt(2 / (np.sqrt(3) * density)), rel=0.01)

"""Conventions of the Hamiltonian, and its conversions to other programs' units."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import constants

from skylattice import Hamiltonian, testing
from skylattice.errors import SchemaError

DMIS = ["neel", "bloch", "antiskyrmion"]
MRY_MEV, MU_B_MEV, K_B_MEV = 13.605693, 0.0578838, 0.0861733
PARAMETERS = st.fixed_dictionaries(
    {"D": st.floats(0, 3), "B": st.floats(-2, 2), "T": st.floats(0, 5), "moment": st.floats(0.1, 4)}
)


@pytest.mark.parametrize(
    ("dmi", "along_x", "along_y"),
    [("neel", (0, 1), (-1, 0)), ("bloch", (1, 0), (0, 1)), ("antiskyrmion", (0, 1), (1, 0))],
)
def test_directions__are_those_of_the_convention(dmi, along_x, along_y):
    np.testing.assert_array_equal(Hamiltonian(dmi).dmi_directions, [along_x, along_y])
    np.testing.assert_array_equal(Hamiltonian(dmi, -1).dmi_directions, -np.array([along_x, along_y]))


def test_directions__of_neel_are_z_cross_r_and_of_bloch_along_r():
    bonds = np.eye(3)[:2]
    np.testing.assert_array_equal(Hamiltonian("neel").dmi_directions, np.cross([0, 0, 1], bonds)[:, :2])
    np.testing.assert_array_equal(Hamiltonian("bloch").dmi_directions, bonds[:, :2])


@pytest.mark.parametrize("dmi", DMIS)
def test_rotation_sign__turns_the_directions_with_the_bonds(dmi):
    """After a quarter turn of lattice and spins, D of the old +x bond is that of a +y bond, of +y that of -x."""
    hamiltonian = Hamiltonian(dmi)
    along_x, along_y = hamiltonian.dmi_directions
    quarter = hamiltonian.rotation_sign * np.array([[0, -1], [1, 0]])
    np.testing.assert_array_equal(quarter @ along_x, along_y)
    np.testing.assert_array_equal(quarter @ along_y, -along_x)


@pytest.mark.parametrize("handedness", [1, -1])
@pytest.mark.parametrize(
    ("dmi", "vorticity", "helicity"), [("neel", 1, np.pi), ("bloch", 1, -np.pi / 2), ("antiskyrmion", -1, np.pi)]
)
def test_skyrmion_charge__is_that_of_the_skyrmion_of_lowest_energy(dmi, vorticity, helicity, handedness):
    """Of all vorticities and helicities, those of the table have the lowest DMI energy."""
    hamiltonian = Hamiltonian(dmi, handedness)
    energy = {}
    for m in (1, -1):
        for gamma in np.pi * np.array([0, 0.5, 1, -0.5]):
            ds = testing.planted_skyrmions(
                [(16, 16)], radius=5, size=32, vorticity=m, helicity=gamma, hamiltonian=hamiltonian
            )
            energy[m, gamma] = ds.sky.energy().energy_dmi.item(), round(ds.sky.topological_charge().item())
    lowest = min(energy, key=lambda texture: energy[texture][0])
    turned = helicity if handedness == 1 else helicity - np.pi
    assert lowest[0] == vorticity
    assert np.exp(1j * lowest[1]) == pytest.approx(np.exp(1j * turned))
    assert energy[lowest][1] == hamiltonian.skyrmion_charge


def test_hamiltonian__survives_attributes():
    for hamiltonian in (Hamiltonian(), Hamiltonian("bloch", -1, 2.0), Hamiltonian("antiskyrmion", J=-1.0)):
        assert Hamiltonian.from_attrs(hamiltonian.to_attrs()) == hamiltonian
    stored = {"dmi": "neel", "handedness": np.int64(-1), "other": 3}
    found = Hamiltonian.from_attrs(stored)
    assert found == Hamiltonian("neel", -1)
    assert type(found.handedness) is int
    assert type(found.J) is float


def test_hamiltonian__may_change_hands():
    assert Hamiltonian("bloch", 1, 2.0).with_handedness(-1) == Hamiltonian("bloch", -1, 2.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dmi": "Neel"}, "dmi: expected one of"),
        ({"dmi": None}, "dmi: expected one of"),
        ({"handedness": 0}, "handedness: expected"),
        ({"handedness": 1.5}, "handedness: expected"),
        ({"handedness": "left"}, "handedness: expected"),
        ({"J": np.nan}, "J: expected a finite number"),
        ({"J": "one"}, "J: expected a finite number"),
    ],
)
def test_hamiltonian__names_the_bad_parameter(options, message):
    with pytest.raises(SchemaError, match=message):
        Hamiltonian(**options)
    with pytest.raises(SchemaError, match=message):
        Hamiltonian.from_attrs({**Hamiltonian().to_attrs(), **options})


@pytest.mark.parametrize("missing", ["dmi", "handedness"])
def test_attributes__cannot_be_guessed(missing):
    attrs = Hamiltonian().to_attrs()
    del attrs[missing]
    with pytest.raises(SchemaError, match=missing):
        Hamiltonian.from_attrs(attrs)


@pytest.mark.parametrize(("D", "B", "T"), [(0.5, 0.125, 0.006), (0.7, 0.245, 0.006)])
def test_uppasd__run_has_the_parameters_that_it_was_made_for(D, B, T):
    """The runs in the test data state 235.05175500 tesla and 157.88756468 kelvin per J of 1 mRy."""
    found = Hamiltonian("neel", -1).from_uppasd(
        J_mRy=0.5, D_mRy=0.5 * D, B_tesla=235.05175500 * B, T_kelvin=157.88756468 * T
    )
    assert found[:3] == pytest.approx((D, B, T), rel=1e-6)
    assert found.J_meV == pytest.approx(MRY_MEV, rel=1e-6)


def test_uppasd__counts_each_bond_twice():
    found = Hamiltonian().from_uppasd(J_mRy=2.0, D_mRy=1.0, B_tesla=10.0, T_kelvin=5.0, moment=1.5)
    J = 2 * 2.0 * MRY_MEV
    assert found[0] == pytest.approx(0.5)
    assert found[1] == pytest.approx(1.5 * MU_B_MEV * 10 / J, rel=1e-6)
    assert found[2] == pytest.approx(K_B_MEV * 5 / J, rel=1e-6)


def test_spirit__counts_each_bond_once():
    found = Hamiltonian().from_spirit(J_meV=4.0, D_meV=-2.0, B_tesla=10.0, T_kelvin=5.0, moment=1.5)
    assert found == pytest.approx((0.5, 1.5 * MU_B_MEV * 10 / 4, K_B_MEV * 5 / 4, 4.0), rel=1e-6)


def test_constants__are_codata():
    found = Hamiltonian().from_spirit(J_meV=1.0, D_meV=0.0, B_tesla=1.0, T_kelvin=1.0)
    assert found[1] == pytest.approx(constants.value("Bohr magneton") / constants.milli / constants.e, rel=1e-10)
    assert found[2] == pytest.approx(constants.k / constants.milli / constants.e, rel=1e-10)
    rydberg = Hamiltonian().from_uppasd(J_mRy=0.5, D_mRy=0, B_tesla=0, T_kelvin=0).J_meV
    assert rydberg == pytest.approx(constants.Rydberg * constants.h * constants.c / constants.e, rel=1e-10)


@given(parameters=PARAMETERS, J=st.sampled_from([1.0, 0.5, -1.0]), scale=st.floats(0.01, 50))
def test_units__there_and_back(parameters, J, scale):
    hamiltonian = Hamiltonian(J=J)
    expected = pytest.approx((parameters["D"], parameters["B"], parameters["T"]), rel=1e-12, abs=1e-15)
    assert hamiltonian.from_uppasd(**hamiltonian.to_uppasd(**parameters, J_mRy=J * scale))[:3] == expected
    assert hamiltonian.from_spirit(**hamiltonian.to_spirit(**parameters, J_meV=J * scale))[:3] == expected


def test_units__agree_between_programs():
    """Same physics: a UppASD exchange of j is a Spirit exchange of 2j."""
    spirit = Hamiltonian().to_spirit(D=0.5, B=0.125, T=0.006, J_meV=10.0)
    uppasd = Hamiltonian().to_uppasd(D=0.5, B=0.125, T=0.006, J_mRy=10.0 / MRY_MEV / 2)
    for key in ("B_tesla", "T_kelvin"):
        assert uppasd[key] == pytest.approx(spirit[key], rel=1e-6)


@pytest.mark.parametrize("J", [0.0, -1.0])
def test_units__need_an_exchange_of_the_right_sign(J):
    with pytest.raises(SchemaError, match="J: expected an exchange of the sign"):
        Hamiltonian().from_uppasd(J_mRy=J, D_mRy=0.1, B_tesla=0, T_kelvin=0)
    with pytest.raises(SchemaError, match="J: expected an exchange of the sign"):
        Hamiltonian().from_spirit(J_meV=J, D_meV=0.1, B_tesla=0, T_kelvin=0)


@pytest.mark.parametrize(
    ("chirality", "D", "expected"),
    [
        (2, 1.0, Hamiltonian("neel", -1)),
        (-2, 1.0, Hamiltonian("neel", 1)),
        (2, -1.0, Hamiltonian("neel", 1)),
        (1, 1.0, Hamiltonian("bloch", 1)),
        (-1, 1.0, Hamiltonian("bloch", -1)),
        (-1, -1.0, Hamiltonian("bloch", 1)),
    ],
)
def test_spirit__chirality_gives_symmetry_and_handedness(chirality, D, expected):
    assert Hamiltonian.of_spirit(chirality, D) == expected


def test_spirit__chirality_is_one_of_four():
    with pytest.raises(SchemaError, match="dm_chirality"):
        Hamiltonian.of_spirit(3)

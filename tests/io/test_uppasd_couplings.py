"""jfile and dmfile become J, D, symmetry and handedness, or a named error."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from uppasd_runs import DMFILE, JFILE, write_run

from skylattice import Hamiltonian
from skylattice.errors import FormatError
from skylattice.io.uppasd.couplings import read_couplings
from skylattice.io.uppasd.deck import read_deck

ONE_BOND = "1 1 1 0 0 0.5\n"


def couplings(folder, *, dmi_sign="-", **options):
    return read_couplings(read_deck(write_run(folder, **options) / "inpsd.dat"), dmi_sign=dmi_sign)


def dmfile(hamiltonian, D, scale=1.0):
    """The rows that mean ``hamiltonian``, for ordered pairs in mRy."""
    (xx, xy), (yx, yy) = scale * D * hamiltonian.dmi_directions
    table = [(1, 0, xx, xy), (-1, 0, -xx, -xy), (0, 1, yx, yy), (0, -1, -yx, -yy)]
    return "".join(f"1 1 {x} {y} 0  {dx:.12f} {dy:.12f} 0.0\n" for x, y, dx, dy in table)


@pytest.mark.parametrize("dmi", ["neel", "bloch", "antiskyrmion"])
@pytest.mark.parametrize("handedness", [1, -1])
@pytest.mark.parametrize("sign", ["-", "+"])
def test_dmi__round_trips_for_every_symmetry(tmp_path, dmi, handedness, sign):
    hamiltonian = Hamiltonian(dmi, handedness)
    table = dmfile(hamiltonian, 0.3, -1 if sign == "+" else 1)
    found = couplings(tmp_path, dmfile=table, dmi_sign=sign)
    assert found.hamiltonian == hamiltonian
    np.testing.assert_allclose([found.J_mRy, found.D_mRy], [0.5, 0.3])


@given(D=st.floats(1e-6, 1e3), J=st.floats(1e-6, 1e3), row=st.permutations(range(4)))
def test_couplings__do_not_depend_on_the_order_of_rows(tmp_path_factory, D, J, row):
    exchange = [line.replace("0.5", repr(J)) for line in JFILE.splitlines()]
    table = dmfile(Hamiltonian("bloch"), D).splitlines()
    shuffled = {"jfile": "\n".join(exchange[i] for i in row), "dmfile": "\n".join(table[i] for i in row)}
    found = couplings(tmp_path_factory.mktemp("run"), **shuffled)
    np.testing.assert_allclose([found.J_mRy, found.D_mRy], [J, D], rtol=1e-5)


def test_hamiltonian_round_trip__gives_back_the_reduced_parameters(tmp_path):
    """`Hamiltonian.to_uppasd` writes what this importer reads."""
    hamiltonian = Hamiltonian("neel", 1)
    stated = hamiltonian.to_uppasd(D=0.7, B=0.2, T=0.01, J_mRy=0.8, moment=1.5)
    found = couplings(
        tmp_path, jfile=JFILE.replace("0.5", repr(stated["J_mRy"])), dmfile=dmfile(hamiltonian, stated["D_mRy"])
    )
    reduced = hamiltonian.from_uppasd(**{**stated, "J_mRy": found.J_mRy, "D_mRy": found.D_mRy})
    np.testing.assert_allclose(reduced[:3], [0.7, 0.2, 0.01])


@pytest.mark.parametrize("sym", [1, 2])
def test_sym__completes_the_exchange_but_not_the_dmi(tmp_path, sym):
    found = couplings(tmp_path, jfile=ONE_BOND, replace=[("Sym 0", f"Sym {sym}")])
    assert found.J_mRy == 0.5
    assert found.has_interlayer == (sym == 1)
    with pytest.raises(FormatError, match=r"dmfile: expected the DMI of all four"):
        couplings(tmp_path, jfile=ONE_BOND, dmfile=DMFILE.splitlines()[0], replace=[("Sym 0", f"Sym {sym}")])


def test_sym_4__reads_the_operations(tmp_path):
    run = write_run(tmp_path, jfile=ONE_BOND, replace=[("Sym 0", "Sym 4")])
    deck = read_deck(run / "inpsd.dat")
    with pytest.raises(FormatError, match=r"inpsd.dat:7 \(sym 4\): expected a file .*sym.mat"):
        read_couplings(deck, dmi_sign="-")
    rotations = "4\n1 0 0\n0 1 0\n0 0 1\n-1 0 0\n0 -1 0\n0 0 1\n0 1 0\n-1 0 0\n0 0 1\n0 -1 0\n1 0 0\n0 0 1\n"
    (run / "sym.mat").write_text(rotations)
    assert read_couplings(deck, dmi_sign="-").J_mRy == 0.5
    (run / "sym.mat").write_text("2\n1 0 0\n0 1 0\n0 0 1\n0 1 0\n-1 0 0\n0 0 1\n")  # the lines are where x, y, z go
    with pytest.raises(FormatError, match=r"found none for \[\(-1, 0, 0\), \(0, -1, 0\)\]"):
        read_couplings(deck, dmi_sign="-")
    (run / "sym.mat").write_text(rotations.replace("4", "5", 1))
    with pytest.raises(FormatError, match=r"sym.mat: expected 45 numbers"):
        read_couplings(deck, dmi_sign="-")


@pytest.mark.parametrize("sym", [3, 5])
def test_sym__of_other_lattices_is_an_error(tmp_path, sym):
    with pytest.raises(FormatError, match=rf"inpsd.dat:7: expected sym 0, 1, 2 or 4 .* found {sym}"):
        couplings(tmp_path, replace=[("Sym 0", f"Sym {sym}")])


CELL = "cell 1.0 0.0 0.0\n     0.0 1.0 0.0\n     0.0 0.0 1.0"
BIG_CELL = "cell 2.5 0.0 0.0\n     0.0 2.5 0.0\n     0.0 0.0 9.0"


def test_maptype__says_what_the_vectors_are_measured_in(tmp_path):
    cartesian = {"jfile": JFILE.replace(" 1 0 ", " 2.5 0 ").replace("-1", "-2.5").replace("0 1 0", "0 2.5 0")}
    cartesian["dmfile"] = DMFILE.replace("1 1 1", "1 1 2.5").replace("-1", "-2.5").replace(" 0 1 0 ", " 0 2.5 0 ")
    replace = [(CELL, BIG_CELL)]
    assert couplings(tmp_path, replace=replace, **cartesian).D_mRy == 0.25
    assert couplings(tmp_path, replace=[*replace, ("Sym 0", "Sym 0\nmaptype 2")]).D_mRy == 0.25
    assert couplings(tmp_path, replace=[*replace, ("Sym 0", "Sym 0\nposfiletype D")]).D_mRy == 0.25
    with pytest.raises(FormatError, match=r"jfile:1: expected a nearest neighbour"):
        couplings(tmp_path, replace=replace)
    with pytest.raises(FormatError, match=r"expected maptype 1 or 2, found 3"):
        couplings(tmp_path, replace=[("Sym 0", "Sym 0\nmaptype 3")])


def test_scales__multiply(tmp_path):
    found = couplings(tmp_path, replace=[("Sym 0", "jij_scale 3\ndm_scale 0.5")])
    assert (found.J_mRy, found.D_mRy) == (1.5, 0.125)


def test_no_dmi__is_d_zero(tmp_path):
    assert couplings(tmp_path, replace=[("dm ./dmfile\n", "")]).D_mRy == 0
    assert couplings(tmp_path, dmfile="1 1 1 0 0 0 0 0\n").D_mRy == 0


def test_zero_couplings__beyond_nearest_neighbours_are_no_harm(tmp_path):
    found = couplings(tmp_path, jfile=JFILE + "1 1 1 1 0 0.0\n", dmfile=DMFILE + "1 1 2 0 0 0 0 0\n")
    assert (found.J_mRy, found.D_mRy) == (0.5, 0.25)


def test_repeated_bond__the_last_one_counts(tmp_path):
    assert couplings(tmp_path, jfile=JFILE.replace("0.5", "9") + JFILE).J_mRy == 0.5


@pytest.mark.parametrize(
    ("jfile", "message"),
    [
        (JFILE + "1 1 1 1 0 0.1\n", r"jfile:5: expected a nearest neighbour .* found the vector \[1. 1. 0.\]"),
        (JFILE + "1 1 2 0 0 0.1\n", r"jfile:5: expected a nearest neighbour"),
        (JFILE + "1 1 0.5 0.5 0 0.1\n", r"jfile:5: expected a nearest neighbour"),
        (JFILE + "1 1 0 0 0 0.1\n", r"jfile:5: expected a nearest neighbour"),
        (JFILE.replace("0 1 0 0.5", "0 1 0 0.6"), r"jfile: expected the same exchange .* \(0, 1\): 0.6"),
        (JFILE.replace("0.5", "-0.5"), r"jfile: expected a ferromagnetic exchange > 0, found -0.5"),
        (ONE_BOND, r"jfile: expected the exchange of all four .* \[\(-1, 0, 0\), \(0, 1, 0\), \(0, -1, 0\)\]"),
        ("1 1 1 0 0\n", r"jfile:1: expected 6 numbers in this row"),
        ("", r"jfile: expected text, found an empty file"),
    ],
)
def test_exchange__of_another_model_is_a_named_error(tmp_path, jfile, message):
    with pytest.raises(FormatError, match=message):
        couplings(tmp_path, jfile=jfile)


@pytest.mark.parametrize(
    ("dmfile", "message"),
    [
        (DMFILE + "1 1 0 0 1 0 0 0.1\n", r"dmfile:5: expected a nearest neighbour"),
        (DMFILE.replace("0 0.25 0", "0 -0.25 0"), r"dmfile: expected opposite DMI vectors"),
        (DMFILE.replace("0.25 0 0", "0.2 0 0"), r"dmfile: expected DMI vectors of Néel, Bloch or antiskyrmion"),
        (DMFILE.replace("0.25 0\n", "0.25 0.1\n").replace("0 0.25 0.1", "0 0.25 -0.1"), r"symmetry, found \[ 0"),
        ("\n".join(DMFILE.splitlines()[:3]), r"dmfile: expected the DMI of all four"),
    ],
)
def test_dmi__of_another_model_is_a_named_error(tmp_path, dmfile, message):
    with pytest.raises(FormatError, match=message):
        couplings(tmp_path, dmfile=dmfile)


@pytest.mark.parametrize(
    "line",
    ["anisotropy ./kfile", "do_dip 1", "pd ./pdfile", "do_ralloy 1", "aunits Y", "temperature ./t", "do_jtensor 1"],
)
def test_foreign_terms__are_a_named_error(tmp_path, line):
    with pytest.raises(FormatError, match=rf"inpsd.dat:7: expected exchange, DMI .*{line.split()[0]}.*D=, B=, T="):
        couplings(tmp_path, replace=[("Sym 0", line)])


@pytest.mark.parametrize("line", ["do_dip 0", "do_lsf N", "do_ewald N", "ea_model F", "ea_model .false.", "demag N"])
def test_foreign_terms__that_are_switched_off_are_no_harm(tmp_path, line):
    assert couplings(tmp_path, replace=[("Sym 0", line)]).J_mRy == 0.5


@pytest.mark.parametrize(
    "cell",
    [
        "cell 1 0 0 0.5 0.8660254 0 0 0 1",
        "cell 1 0 0 0 2 0 0 0 1",
        "cell 0 1 0 -1 0 0 0 0 1",
        "cell 0 0 0 0 0 0 0 0 1",
        "cell 1 0 0 0 1 0 0 0 0",
    ],
)
def test_cell__that_is_not_square_is_an_error(tmp_path, cell):
    with pytest.raises(FormatError, match=r"inpsd.dat:4: expected a square cell"):
        couplings(tmp_path, replace=[(CELL, cell)])


def test_several_atoms_per_cell__are_an_error(tmp_path):
    run = write_run(tmp_path)
    (run / "posfile").write_text("1 1 0 0 0\n2 1 0.5 0.5 0\n")
    with pytest.raises(FormatError, match=r"inpsd.dat:8: expected one atom per cell, found 2"):
        read_couplings(read_deck(run / "inpsd.dat"), dmi_sign="-")


def test_positions_and_moments__may_stand_in_the_input(tmp_path):
    found = couplings(tmp_path, replace=[("posfile ./posfile", "positions 1\n1 1 0 0 0")])
    assert found.J_mRy == 0.5

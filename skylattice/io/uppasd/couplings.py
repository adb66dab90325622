"""Exchange and DMI of a UppASD run: from the files that ``inpsd.dat`` names to the one Hamiltonian of skylattice.

Only what that Hamiltonian has is accepted: one atom in a square cell, nearest neighbours, one J for all bonds, and a
DMI vector in the plane that turns with the bond. Everything else is an error that names the line, because energies and
fields of such a run would come out wrong.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import get_args

import numpy as np

from skylattice.hamiltonian import Dmi, Hamiltonian
from skylattice.io.bounded import read_lines
from skylattice.io.problems import LocatedError
from skylattice.io.uppasd.deck import Deck, parse_integers, parse_numbers

#: A bond in lattice constants: (Δx, Δy, Δz).
Bond = tuple[int, int, int]

_IN_PLANE: tuple[Bond, ...] = ((1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0))

_OVERRIDE = "To import the spins anyway, state the reduced parameters yourself: D=, B=, T=, dmi=, handedness=."

#: Keywords that add terms or randomness to the energy, and how to call them.
_FOREIGN_FILES = {
    "anisotropy": "an anisotropy",
    "pd": "a pseudo-dipolar coupling",
    "sa": "a symmetric anisotropic exchange",
    "bq": "a biquadratic exchange",
    "biqdm": "a biquadratic DMI",
    "ring": "a ring exchange",
    "chir": "a scalar chiral interaction",
    "fourx": "a four-site interaction",
    "exchangedlm": "a second set of exchange couplings",
    "locfield": "local fields",
    "siteatomfield": "local fields",
    "temperature": "a temperature that varies in space",
}
_FOREIGN_SWITCHES = {
    "do_anisotropy": "an anisotropy",
    "random_anisotropy": "a random anisotropy",
    "do_dip": "dipolar interactions",
    "do_ewald": "dipolar interactions",
    "do_jtensor": "tensorial exchange",
    "do_tensor": "tensorial exchange",
    "do_ralloy": "a random alloy",
    "do_lsf": "longitudinal fluctuations",
    "ind_mom_flag": "induced moments",
    "ea_model": "random exchange",
    "rdm_model": "random DMI",
    "do_bpulse": "a field pulse",
    "demag": "a demagnetising field",
    "gradient": "a temperature that varies in space",
    "aunits": "atomic units",
}


@dataclass(frozen=True)
class Couplings:
    """Nearest-neighbour couplings as UppASD's files state them: for ordered pairs, in mRy.

    Attributes
    ----------
    J_mRy, D_mRy
        Exchange, and the magnitude of the DMI.
    hamiltonian
        Symmetry and handedness of the DMI; the default one if there is no DMI.
    has_interlayer
        Whether there is exchange along z as well.
    """

    J_mRy: float
    D_mRy: float
    hamiltonian: Hamiltonian
    has_interlayer: bool


def read_couplings(deck: Deck, *, dmi_sign: str) -> Couplings:
    """Exchange, DMI magnitude, symmetry and handedness of a run.

    Parameters
    ----------
    deck
        The run's ``inpsd.dat``.
    dmi_sign
        ``"-"`` if the program's DMI energy is -D·(S_i × S_j), ``"+"`` if it is +D·(S_i × S_j).

    Raises
    ------
    LocatedError
        If a file is missing or malformed, or the run has interactions that skylattice's Hamiltonian does not.
    """
    _check_terms(deck)
    lattice_constant(deck)
    with np.errstate(all="ignore"):  # numbers near the largest float end in one of the errors below, not in a warning
        J_mRy, has_interlayer = _exchange(deck)
        D_mRy, hamiltonian = _dmi(deck, sign=-1 if dmi_sign == "+" else 1)
    return Couplings(J_mRy, D_mRy, hamiltonian, has_interlayer)


def lattice_constant(deck: Deck) -> float:
    """Lattice constant of the square cell, in the units of ``cell``.

    Raises
    ------
    LocatedError
        If the cell is not square with its vectors along x and y, or holds several atoms.
    """
    a = check_cell(deck)
    n_atoms = n_atoms_per_cell(deck)
    if n_atoms != 1:
        where = deck.where("positions" if "positions" in deck else "posfile")
        raise LocatedError(
            where, f"expected one atom per cell, found {n_atoms}.", "Only simple square lattices are read."
        )
    return a


def check_cell(deck: Deck) -> float:
    """Lattice constant of a cell that is square with its vectors along x and y; how many atoms it holds is not read.

    Raises
    ------
    LocatedError
        If it is another.
    """
    first, second, third = _cell(deck)
    a = float(first[0])
    if a <= 0 or not np.allclose([first, second], [[a, 0, 0], [0, a, 0]], rtol=0, atol=1e-5 * abs(a)) or third[2] == 0:
        raise LocatedError(
            deck.where("cell"),
            f"expected a square cell, (a, 0, 0) and (0, a, 0), found {first} and {second}.",
            "skylattice holds square lattices only.",
        )
    return a


def _cell(deck: Deck) -> np.ndarray:
    """The lattice vectors, as rows."""
    return np.reshape(deck.floats("cell", (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)), (3, 3))


def n_atoms_per_cell(deck: Deck) -> int:
    """Rows of the position table, in ``inpsd.dat`` itself or in the posfile."""
    if "positions" in deck:
        return len(deck.entries["positions"].rows)
    return len(deck.table("posfile", "posfile", 5))


def moment_muB(deck: Deck) -> float:
    """Magnetic moment of the atom in Bohr magnetons.

    Raises
    ------
    LocatedError
        If it is missing, or not positive.
    """
    if "moments" in deck and deck.entries["moments"].rows:
        where = deck.where("moments")
        moment = parse_numbers(deck.entries["moments"].rows[0], 3, where=where, what="in the first row")[2]
    else:
        where, row = deck.table("momfile", "momfile", 3)[0]
        moment = row[2]
    if moment <= 0:
        raise LocatedError(where, f"expected a positive moment, found {moment:g}.", "Correct the third column.")
    return moment


def _check_terms(deck: Deck) -> None:
    """Raise if the run has interactions that skylattice's Hamiltonian does not."""
    foreign = [(word, term) for word, term in _FOREIGN_FILES.items() if word in deck]
    foreign += [(word, term) for word, term in _FOREIGN_SWITCHES.items() if deck.flag(word)]
    if foreign:
        keyword, term = foreign[0]
        raise LocatedError(
            deck.where(keyword),
            f"expected exchange, DMI and a field along z only, found {term} ({keyword!r}).",
            f"Remove the line if the term is zero. {_OVERRIDE}",
        )


def _exchange(deck: Deck) -> tuple[float, bool]:
    """J in mRy, the same for all four nearest neighbours, and whether layers are coupled."""
    bonds: dict[Bond, float] = {}
    (scale,) = deck.floats("jij_scale", (1.0,))
    operations = _symmetry_operations(deck)
    for where, row in deck.table("exchange", "jfile", 6):
        if row[5] != 0:
            for operation in operations:  # of a bond that stands twice, the last one counts
                bonds[_bond(deck, where, operation @ row[2:5])] = row[5] * scale
    where = str(deck.file("exchange", "jfile"))
    _require_all_bonds(where, list(bonds), "exchange")
    values = np.array([bonds[bond] for bond in _IN_PLANE])
    if not np.allclose(values, values[0], rtol=1e-6, atol=0):
        found = ", ".join(f"{bond[:2]}: {bonds[bond]:g}" for bond in _IN_PLANE)
        raise LocatedError(where, f"expected the same exchange on all four bonds, found {found} mRy.", _OVERRIDE)
    if not 0 < values[0] < np.inf:
        raise LocatedError(
            where, f"expected a ferromagnetic exchange > 0, found {values[0]:g} mRy.", "D, B and T are measured in it."
        )
    return float(values[0]), len(bonds) > len(_IN_PLANE)


def _dmi(deck: Deck, *, sign: int) -> tuple[float, Hamiltonian]:
    """D in mRy, and the symmetry and handedness of the DMI. UppASD applies ``sym`` to the exchange only."""
    if "dm" not in deck:
        return 0.0, Hamiltonian()
    vectors: dict[Bond, np.ndarray] = {}
    (scale,) = deck.floats("dm_scale", (1.0,))
    for where, row in deck.table("dm", "dmfile", 8):
        if any(row[5:8]):
            vectors[_bond(deck, where, np.array(row[2:5]), in_plane=True)] = sign * scale * np.array(row[5:8])
    where = str(deck.file("dm", "dmfile"))
    if not vectors or scale == 0:
        return 0.0, Hamiltonian()
    _require_all_bonds(where, list(vectors), "DMI")
    x, back_x, y, back_y = (vectors[bond] for bond in _IN_PLANE)
    D = float(np.linalg.norm(x))
    if not np.allclose([back_x, back_y], [-x, -y], rtol=0, atol=1e-6 * D):
        raise LocatedError(
            where,
            "expected opposite DMI vectors on opposite bonds, D(-r) = -D(r), found others.",
            "Correct the signs: sym does not apply to the DMI, so that all four bonds stand in the file.",
        )
    for dmi in get_args(Dmi):
        for handedness in (1, -1):
            hamiltonian = Hamiltonian(dmi, handedness)
            if np.allclose([x, y], np.pad(D * hamiltonian.dmi_directions, ((0, 0), (0, 1))), rtol=0, atol=1e-6 * D):
                return D, hamiltonian
    raise LocatedError(
        where,
        f"expected DMI vectors of Néel, Bloch or antiskyrmion symmetry, found {x} on the +x and {y} on the +y bond.",
        _OVERRIDE,
    )


def _bond(deck: Deck, where: str, vector: np.ndarray, *, in_plane: bool = False) -> Bond:
    """The nearest-neighbour bond, or the bond along z, that a row's vector means; raise if it is another one."""
    (maptype,) = deck.integers("maptype", (1,))
    if maptype not in (1, 2):
        raise LocatedError(deck.where("maptype"), f"expected maptype 1 or 2, found {maptype}.", _OVERRIDE)
    if maptype == 2 or deck.word("posfiletype", "C").upper().startswith("D"):
        cells = vector
    else:
        cells = np.linalg.solve(_cell(deck).T, vector)
    x, y, z = np.rint(cells)
    is_neighbour = (x, y, z) in _IN_PLANE or (x == y == 0 != z and not in_plane)
    if not is_neighbour or not np.allclose(cells, [x, y, z], rtol=0, atol=1e-3):
        raise LocatedError(
            where,
            f"expected a nearest neighbour of the square lattice, found the vector {vector}.",
            f"Remove the row if it is not needed. {_OVERRIDE}",
        )
    return int(x), int(y), int(z)


def _require_all_bonds(where: str, bonds: list[Bond], name: str) -> None:
    missing = [bond for bond in _IN_PLANE if bond not in bonds]
    if missing:
        raise LocatedError(
            where,
            f"expected the {name} of all four nearest neighbours, found none for {missing}.",
            "List the missing ones: UppASD adds up directed bonds, and half of them give no valid dynamics.",
        )


def _symmetry_operations(deck: Deck) -> np.ndarray:
    """The operations that ``sym`` applies to each exchange vector, shape (n, 3, 3)."""
    (sym,) = deck.integers("sym", (0,))
    if sym == 0:
        return np.eye(3)[None]
    if sym == 4:
        return _read_operations(deck)
    if sym not in (1, 2):
        raise LocatedError(
            deck.where("sym"), f"expected sym 0, 1, 2 or 4 for a square lattice, found {sym}.", _OVERRIDE
        )
    # Permutations of the axes, with all signs. For a square, UppASD leaves z alone; that a bond along z would come with
    # its opposite here makes no difference, because only its presence is of interest.
    axes = itertools.permutations(range(3)) if sym == 1 else [(0, 1, 2), (1, 0, 2)]
    signs = list(itertools.product((1, -1), repeat=3))
    return np.array([np.diag(sign) @ np.eye(3)[list(axis)] for axis in axes for sign in signs])


def _read_operations(deck: Deck) -> np.ndarray:
    """The operations of ``sym.mat``, which stands in the run folder: their number, then three rows for each."""
    path = deck.path.parent / "sym.mat"
    tokens = " ".join(read_lines(path, named_by=f"{deck.where('sym')} (sym 4)")).split()
    (count,) = parse_integers(tokens, 1, where=str(path), what="of operations in the first line")
    numbers = parse_numbers(tokens[1:], 9 * max(count, 1), where=str(path), what="after the first line")
    return np.reshape(numbers, (-1, 3, 3)).transpose(0, 2, 1)  # UppASD reads column by column

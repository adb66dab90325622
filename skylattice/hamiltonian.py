"""The Hamiltonian: conventions, and conversions to and from the units of UppASD and Spirit.

On a periodic square lattice of unit spins, each nearest-neighbour bond <ij> counted once, with r_ij pointing from i
to j along +x or +y::

    H = -J Σ_<ij> S_i·S_j - Σ_<ij> D_ij·(S_i × S_j) - B Σ_i S_i^z

``D`` is the magnitude of D_ij and never negative; ``handedness`` = ±1 multiplies D_ij:

============== ================== ================== ==========================================
dmi            D_ij on a +x bond  D_ij on a +y bond  skyrmion, B > 0 and handedness +1
============== ================== ================== ==========================================
neel           (0, +D, 0)         (-D, 0, 0)         Q = -1, helicity π (in-plane spins inward)
bloch          (+D, 0, 0)         (0, +D, 0)         Q = -1, helicity -π/2
antiskyrmion   (0, +D, 0)         (+D, 0, 0)         Q = +1
============== ================== ================== ==========================================

The charge Q = m p is that of vorticity m and polarity p, the sign of S_z in the core; the helicity is γ = m φ - Φ for
the in-plane angle Φ of the spins at the polar angle φ. A dimension of length 1 has no bonds: a site is not its own
neighbour.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from skylattice.errors import SchemaError

Dmi = Literal["neel", "bloch", "antiskyrmion"]

#: Direction of D_ij for handedness +1: rows are the +x and the +y bond, columns the x and y component.
_DIRECTIONS: dict[str, tuple[tuple[int, int], tuple[int, int]]] = {
    "neel": ((0, 1), (-1, 0)),
    "bloch": ((1, 0), (0, 1)),
    "antiskyrmion": ((0, 1), (1, 0)),
}


class ReducedParameters(NamedTuple):
    """D, B and T in units of J, and the exchange constant ``J_meV`` (each bond once) that they are measured in."""

    D: float
    B: float
    T: float
    J_meV: float


@dataclass(frozen=True)
class Hamiltonian:
    """Everything about the interaction that does not vary over the (D, B) plane.

    Parameters
    ----------
    dmi
        Symmetry of the Dzyaloshinskii-Moriya interaction: ``"neel"`` (C_nv, interfacial), ``"bloch"`` or
        ``"antiskyrmion"`` (D_2d).
    handedness
        +1 or -1, multiplies D_ij.
    J
        Exchange constant in the unit of all energies. 1 in every ensemble of skylattice; other values scale it
        against D, B and T, and negative ones make an antiferromagnet.

    Examples
    --------
    >>> from skylattice import Hamiltonian
    >>> Hamiltonian("neel").dmi_directions
    array([[ 0.,  1.],
           [-1.,  0.]])
    """

    dmi: Dmi = "neel"
    handedness: int = 1
    J: float = 1.0

    def __post_init__(self) -> None:
        if self.dmi not in get_args(Dmi):
            raise SchemaError(f"dmi: expected one of {get_args(Dmi)}, found {self.dmi!r}.")
        if self.handedness not in (1, -1):
            raise SchemaError(f"handedness: expected +1 or -1, found {self.handedness!r}.")
        if not (isinstance(self.J, (int, float, np.number)) and np.isfinite(self.J)):
            raise SchemaError(f"J: expected a finite number, found {self.J!r}.")
        object.__setattr__(self, "handedness", int(self.handedness))  # files hand out numpy's integers
        object.__setattr__(self, "J", float(self.J))

    @property
    def dmi_directions(self) -> np.ndarray:
        """D_ij / D, shape (2, 2): rows are the +x and the +y bond, columns the x and y component."""
        return self.handedness * np.array(_DIRECTIONS[self.dmi], dtype=np.float64)

    @property
    def skyrmion_charge(self) -> int:
        """Charge of the skyrmion that the interaction favours for B > 0; B < 0 changes its sign."""
        return +1 if self.dmi == "antiskyrmion" else -1

    @property
    def rotation_sign(self) -> int:
        """By how many quarter turns the spins go along with a quarter turn of the lattice: +1, antiskyrmion -1."""
        return -1 if self.dmi == "antiskyrmion" else +1

    def with_handedness(self, handedness: int) -> Hamiltonian:
        """The same interaction with the other sign of D_ij."""
        return replace(self, handedness=handedness)

    def to_attrs(self) -> dict[str, Any]:
        """Attributes to write with a dataset: ``dmi``, ``handedness``, ``J``."""
        return asdict(self)

    @classmethod
    def from_attrs(cls, attrs: Mapping[Any, Any]) -> Hamiltonian:
        """Read what :meth:`to_attrs` wrote.

        Raises
        ------
        SchemaError
            If ``dmi`` or ``handedness`` is missing, because neither can be guessed from the spins, or a value is bad.
        """
        missing = [key for key in ("dmi", "handedness") if key not in attrs]
        if missing:
            raise SchemaError(
                f"attrs: expected the Hamiltonian's {missing}, found {sorted(map(str, attrs))}: the interaction of "
                "these lattices is not known, and energies, fields, temperatures and models depend on it. State it: "
                "ds.sky.with_hamiltonian(skylattice.Hamiltonian('neel')). Charge, magnetization, skyrmions, "
                "defects, order, phase and structure factor need none."
            )
        return cls(attrs["dmi"], attrs["handedness"], attrs.get("J", 1.0))

    @classmethod
    def if_stated(cls, attrs: Mapping[Any, Any]) -> Hamiltonian | None:
        """As :meth:`from_attrs`, or None where the attributes say nothing of an interaction."""
        return cls.from_attrs(attrs) if "dmi" in attrs or "handedness" in attrs else None

    # Units of other programs. Their constants are CODATA's, from scipy.

    def from_uppasd(
        self, *, J_mRy: float, D_mRy: float, B_tesla: float, T_kelvin: float, moment: float = 1.0
    ) -> ReducedParameters:
        """Reduced parameters of a UppASD run.

        Parameters
        ----------
        J_mRy, D_mRy
            Exchange and DMI magnitude as in jfile and dmfile. UppASD sums over ordered pairs, so that the bond
            energies are twice these numbers.
        B_tesla, T_kelvin
            ``hfield`` along z and ``temp``.
        moment
            Magnetic moment of a site in Bohr magnetons.

        Examples
        --------
        >>> p = Hamiltonian("neel", -1).from_uppasd(J_mRy=0.5, D_mRy=0.25, B_tesla=29.381469, T_kelvin=0.94732539)
        >>> round(p.D, 6), round(p.B, 6), round(p.T, 6)
        (0.5, 0.125, 0.006)
        """
        return self._reduce(2 * J_mRy * _mRy(), 2 * D_mRy * _mRy(), B_tesla, T_kelvin, moment)

    def to_uppasd(self, *, D: float, B: float, T: float, J_mRy: float = 0.5, moment: float = 1.0) -> dict[str, float]:
        """Keywords of :meth:`from_uppasd` that give (D, B, T) for a jfile value of ``J_mRy``."""
        J_meV = 2 * J_mRy * _mRy()
        return {"J_mRy": J_mRy, "D_mRy": D * J_mRy / self.J, **self._restore(J_meV, B, T, moment)}

    def from_spirit(
        self, *, J_meV: float, D_meV: float, B_tesla: float, T_kelvin: float, moment: float = 1.0
    ) -> ReducedParameters:
        """Reduced parameters of a Spirit run, which counts each pair once and states energies in meV.

        The magnitude of D is all that enters; :meth:`of_spirit` gives symmetry and handedness.
        """
        return self._reduce(J_meV, abs(D_meV), B_tesla, T_kelvin, moment)

    def to_spirit(self, *, D: float, B: float, T: float, J_meV: float = 1.0, moment: float = 1.0) -> dict[str, float]:
        """Keywords of :meth:`from_spirit` that give (D, B, T) for an exchange of ``J_meV``."""
        return {"J_meV": J_meV, "D_meV": D * J_meV / self.J, **self._restore(J_meV, B, T, moment)}

    @classmethod
    def of_spirit(cls, dm_chirality: int, D_meV: float = 1.0) -> Hamiltonian:
        """Symmetry and handedness of Spirit's ``dm_chirality`` (±1 Bloch, ±2 Néel) and the sign of its DMI.

        Raises
        ------
        SchemaError
            For another chirality.
        """
        if dm_chirality not in (1, -1, 2, -2):
            raise SchemaError(f"dm_chirality: expected 1, -1, 2 or -2, found {dm_chirality!r}.")
        sign = (1 if dm_chirality > 0 else -1) * (1 if D_meV >= 0 else -1)
        return cls("bloch", sign) if abs(dm_chirality) == 1 else cls("neel", -sign)

    def _reduce(self, J_meV: float, D_meV: float, B_tesla: float, T_kelvin: float, moment: float) -> ReducedParameters:
        if not J_meV * self.J > 0:
            raise SchemaError(
                f"J: expected an exchange of the sign of Hamiltonian.J = {self.J:g}, found {J_meV:g} meV; "
                "D, B and T are measured in it."
            )
        unit = J_meV / self.J
        return ReducedParameters(D_meV / unit, moment * _mu_B() * B_tesla / unit, _k_B() * T_kelvin / unit, J_meV)

    def _restore(self, J_meV: float, B: float, T: float, moment: float) -> dict[str, float]:
        unit = J_meV / self.J
        return {"B_tesla": B * unit / (moment * _mu_B()), "T_kelvin": T * unit / _k_B(), "moment": moment}


def _mRy() -> float:
    """One millirydberg in meV."""
    from scipy.constants import physical_constants

    return physical_constants["Rydberg constant times hc in eV"][0]


def _mu_B() -> float:
    """The Bohr magneton in meV / T."""
    from scipy.constants import physical_constants

    return 1e3 * physical_constants["Bohr magneton in eV/T"][0]


def _k_B() -> float:
    """The Boltzmann constant in meV / K."""
    from scipy.constants import physical_constants

    return 1e3 * physical_constants["Boltzmann constant in eV/K"][0]

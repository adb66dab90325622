"""Whether the spins of a run fit the sign of the DMI that it is read with, where no file says which version made it.

UppASD changed the sign of its DMI energy on 2023-05-25. A run of the other version comes in with the wrong handedness,
and with energies that are off by twice the DMI term, while every file is as it should be: only the spins can tell.
"""

from __future__ import annotations

import numpy as np

from skylattice.boundary import Boundary
from skylattice.hamiltonian import Hamiltonian
from skylattice.io.problems import LocatedError

#: So many standard errors of the mean must the DMI energy lie above 0 to be no chance; neighbours are not independent.
_CHANCE = 8.0


def check_sign(spin: np.ndarray, D: float, B: float, hamiltonian: Hamiltonian, boundary: str, *, where: str) -> None:
    """Raise if the other sign of the DMI gives lower energy and better alignment with the field.

    Parameters
    ----------
    spin
        One lattice, shape (y, x, 3).
    D, B, hamiltonian, boundary
        As the run is read.
    where
        What to name.

    Raises
    ------
    LocatedError
        With both energies and alignments, and the option that states the sign.
    """
    spin = spin.astype(np.float64, copy=False)
    bonds = _bonds(spin, Boundary.parse(boundary))
    per_bond = [
        -D * np.einsum("yxc,c->yx", np.cross(spin, neighbour)[..., :2], direction) * is_there
        for (neighbour, is_there), direction in zip(bonds, hamiltonian.dmi_directions, strict=True)
    ]
    local = sum(per_bond)
    dmi = float(local.mean())
    if dmi <= 0 or dmi < _CHANCE * float(local.std()) / np.sqrt(local.size):
        return
    exchange = -sum(float((np.einsum("yxc,yxc->yx", spin, s) * there).mean()) for s, there in bonds)
    rest = hamiltonian.J * exchange - B * float(spin[..., 2].mean())
    now, other = (
        _alignment(spin, D, B, one, bonds)
        for one in (hamiltonian, hamiltonian.with_handedness(-hamiltonian.handedness))
    )
    if other > now:
        raise LocatedError(
            where,
            f"expected spins that the sign of the DMI favours, found energy {rest + dmi:.6g} J/site and mean cosθ "
            f"{now:.6g}, against {rest - dmi:.6g} and {other:.6g} with the other sign.",
            "No file says which version of UppASD made it. State the sign of its DMI energy: dmi_sign='+' for versions "
            "before 2023-05-25, dmi_sign='-' to keep the present one.",
        )


def _bonds(spin: np.ndarray, boundary: Boundary) -> list[tuple[np.ndarray, np.ndarray]]:
    """The neighbours along +x and +y, shape (y, x, 3), and where they are ones, shape (y, x)."""
    found = []
    for axis, is_periodic in ((1, boundary.x), (0, boundary.y)):
        there = np.ones(spin.shape[:2])
        if not is_periodic or spin.shape[axis] == 1:
            there[(slice(None),) * axis + (-1,)] = 0.0
        found.append((np.roll(spin, -1, axis), there))
    return found


def _alignment(
    spin: np.ndarray, D: float, B: float, hamiltonian: Hamiltonian, bonds: list[tuple[np.ndarray, np.ndarray]]
) -> float:
    """Mean cosine of the angle between spin and effective field."""
    field = np.zeros_like(spin)
    field[..., 2] = B
    for axis, (neighbour, there), direction in zip((1, 0), bonds, hamiltonian.dmi_directions, strict=True):
        vector = D * np.array([*direction, 0.0])
        field += (hamiltonian.J * neighbour + np.cross(neighbour, vector)) * there[..., None]
        before = (hamiltonian.J * spin - np.cross(spin, vector)) * there[..., None]
        field += np.roll(before, 1, axis)
    length = np.sqrt(np.einsum("yxc,yxc->yx", field, field))
    return float((np.einsum("yxc,yxc->yx", spin, field) / np.where(length > 0, length, 1.0)).mean())

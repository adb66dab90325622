"""Plain numpy forms of every observable, written from the definitions, and one slow minimiser. One lattice each."""

import numpy as np

#: D_ij / D for handedness +1, as the table in skylattice.hamiltonian states it: the +x bond, the +y bond.
BONDS = {
    "neel": ((0, 1, 0), (-1, 0, 0)),
    "bloch": ((1, 0, 0), (0, 1, 0)),
    "antiskyrmion": ((0, 1, 0), (1, 0, 0)),
}


def unit(spin):
    """float64 unit vectors."""
    spin = np.asarray(spin, dtype=np.float64)
    return spin / np.linalg.norm(spin, axis=-1, keepdims=True)


def bonds(spin, D, hamiltonian):
    """(axis, D_ij) of the bonds that the lattice has: none along a dimension of length 1."""
    vectors = hamiltonian.handedness * D * np.array(BONDS[hamiltonian.dmi], dtype=float)
    return [(axis, vector) for axis, vector in zip((1, 0), vectors, strict=True) if spin.shape[axis] > 1]


def energies(spin, D, B, hamiltonian):
    """Energy per site: total, exchange, DMI, Zeeman."""
    spin = unit(spin)
    exchange = dmi = 0.0
    for axis, vector in bonds(spin, D, hamiltonian):
        neighbour = np.roll(spin, -1, axis)
        exchange -= hamiltonian.J * np.sum(spin * neighbour)
        dmi -= np.sum(np.cross(spin, neighbour) * vector)
    terms = np.array([exchange, dmi, -B * np.sum(spin[..., 2])]) / (spin.shape[0] * spin.shape[1])
    return terms.sum(), *terms


def field(spin, D, B, hamiltonian):
    """-∂H/∂S: the energy is linear in each spin, so its coefficients are the field."""
    spin = unit(spin)
    h = np.zeros_like(spin)
    h[..., 2] = B
    for axis, vector in bonds(spin, D, hamiltonian):
        ahead, behind = np.roll(spin, -1, axis), np.roll(spin, 1, axis)
        h += hamiltonian.J * (ahead + behind)
        h += np.cross(ahead, vector)  # S·(ahead × D) = D·(S × ahead)
        h += np.cross(vector, behind)  # S·(D × behind) = D·(behind × S)
    return h


def cos_theta(spin, D, B, hamiltonian):
    """S·h / |h|."""
    h = field(spin, D, B, hamiltonian)
    return np.sum(unit(spin) * h, axis=-1) / np.linalg.norm(h, axis=-1)


def temperature(spin, D, B, hamiltonian):
    """<|S × h|²> / 2<S·h>."""
    h, spin = field(spin, D, B, hamiltonian), unit(spin)
    return np.sum(np.cross(spin, h) ** 2) / (2 * np.sum(spin * h))


def triangle_charge(a, b, c):
    """Solid angle of spherical triangles over 4π."""
    triple = np.sum(a * np.cross(b, c), axis=-1)
    return 2 * np.arctan2(triple, 1 + np.sum(a * b + b * c + c * a, axis=-1)) / (4 * np.pi)


def charge_density(spin, diagonal="main"):
    """Berg-Lüscher charge of the plaquettes to the upper right of each site."""
    here = unit(spin)
    right, above = np.roll(here, -1, 1), np.roll(here, -1, 0)
    across = np.roll(right, -1, 0)
    if diagonal == "main":
        return triangle_charge(here, right, across) + triangle_charge(here, across, above)
    return triangle_charge(here, right, above) + triangle_charge(right, across, above)


def gradient_density(spin):
    """S·(∂_x S × ∂_y S) / 4π with central differences."""
    spin = unit(spin)
    dx, dy = ((np.roll(spin, -1, axis) - np.roll(spin, 1, axis)) / 2 for axis in (1, 0))
    return np.sum(spin * np.cross(dx, dy), axis=-1) / (4 * np.pi)


def structure_factor(spin):
    """|Σ S exp(-iq·r)|² / N from the definition, with q_y and q_x in increasing order."""
    spin = np.asarray(spin, dtype=np.float64)
    ny, nx, _ = spin.shape
    waves = [2 * np.pi * np.arange(-(n // 2), (n + 1) // 2) / n for n in (ny, nx)]
    phase_y, phase_x = (np.exp(-1j * np.outer(q, np.arange(len(q)))) for q in waves)
    amplitude = np.einsum("ay,bx,yxc->abc", phase_y, phase_x, spin)
    return np.sum(np.abs(amplitude) ** 2, axis=-1) / (ny * nx)


def relax(spin, D, B, hamiltonian, tolerance=1e-10):
    """Lower the energy of a lattice of even sizes to a minimum: each sublattice in turn follows its field."""
    spin = unit(spin)
    black = np.indices(spin.shape[:2]).sum(0) % 2 == 0
    while np.abs(np.cross(spin, field(spin, D, B, hamiltonian))).max() > tolerance:
        for _ in range(50):
            for sites in (black, ~black):
                spin[sites] = unit(field(spin, D, B, hamiltonian)[sites])
    return spin

"""Plain numpy forms of the Hamiltonian, written from its definition, for tests of the Monte Carlo."""

import numpy as np

from skylattice import Hamiltonian


def field(spin, D, B, hamiltonian=None):
    """h_i = -∂H/∂S_i from J Σ S_j + Σ S_j × D_ij over the bonds of i, plus B along z."""
    hamiltonian = hamiltonian or Hamiltonian()
    spin = np.asarray(spin, dtype=np.float64)
    h = np.zeros_like(spin)
    h[..., 2] += B
    for axis, (a, b) in ((1, hamiltonian.dmi_directions[0]), (0, hamiltonian.dmi_directions[1])):
        if spin.shape[axis] == 1:
            continue
        vector = D * np.array([a, b, 0.0])
        ahead, behind = np.roll(spin, -1, axis), np.roll(spin, 1, axis)
        h += hamiltonian.J * (ahead + behind) + np.cross(ahead, vector) - np.cross(behind, vector)
    return h


def energy(spin, D, B, hamiltonian=None):
    """Energy per site."""
    hamiltonian = hamiltonian or Hamiltonian()
    spin = np.asarray(spin, dtype=np.float64)
    total = -B * spin[..., 2].sum()
    for axis, (a, b) in ((1, hamiltonian.dmi_directions[0]), (0, hamiltonian.dmi_directions[1])):
        if spin.shape[axis] == 1:
            continue
        ahead = np.roll(spin, -1, axis)
        total -= hamiltonian.J * (spin * ahead).sum() + D * (np.cross(spin, ahead) @ [a, b, 0.0]).sum()
    return total / (spin.shape[0] * spin.shape[1])


def thermometer(spin, D, B, hamiltonian=None):
    """<|S × h|²> / (2 <S·h>), which is T in equilibrium."""
    h = field(spin, D, B, hamiltonian)
    spin = np.asarray(spin, dtype=np.float64)
    return (np.cross(spin, h) ** 2).sum() / (2 * (spin * h).sum())


def ring_energy(L, T, D, B):
    """Mean energy per site of a ring of L spins with exchange 1, Néel DMI and field, by its transfer matrix.

    The kernel exp(-βE_bond) is sampled on Gauss-Legendre × uniform points of the sphere, symmetric in the field; the
    mean energy is -d(log Z)/dβ by central differences of log Tr K^L.
    """
    z, wz = np.polynomial.legendre.leggauss(24)
    phi = 2 * np.pi * np.arange(24) / 24
    r = np.sqrt(1 - z**2)
    s = np.stack([np.outer(r, np.cos(phi)), np.outer(r, np.sin(phi)), np.outer(z, np.ones_like(phi))], -1).reshape(
        -1, 3
    )
    weight = np.repeat(wz, len(phi)) / (2 * len(phi))

    def log_z(beta):
        bond = s @ s.T + D * (np.outer(s[:, 2], s[:, 0]) - np.outer(s[:, 0], s[:, 2]))  # ŷ·(S × S')
        kernel = np.exp(beta * (bond + B / 2 * (s[:, 2][:, None] + s[:, 2][None, :])))
        kernel *= np.sqrt(weight[:, None] * weight[None, :])
        return np.log(np.trace(np.linalg.matrix_power(kernel, L)))

    beta, step = 1 / T, 1e-4
    return -(log_z(beta + step) - log_z(beta - step)) / (2 * step) / L

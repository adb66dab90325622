"""Plain numpy forms of the Hamiltonian, written from its definition, for tests of the Monte Carlo."""

import math

import numpy as np

from skylattice import Hamiltonian
from skylattice.kernels.philox import philox


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


def plane_sweep(spin, D, B, beta=None, sweep=0, seed=None):
    """One sweep over the four sublattices, site by site in float64: a heat bath, or over-relaxation without ``beta``.

    Which words a site gets is counted along the sublattice's rows with a ghost site at either end, from the first site:
    of each 512 positions, one Philox block serves the k-th of the first half and the k-th of the second.
    """
    spin = np.array(spin, dtype=np.float64)
    rows, width = spin.shape[0] // 2, spin.shape[1] // 2 + 2
    for q, (py, px) in enumerate(((0, 0), (0, 1), (1, 1), (1, 0))):
        h = field(spin, D, B)[py::2, px::2]
        for i, k in np.ndindex(rows, width - 2):
            s = spin[2 * i + py, 2 * k + px]
            if beta is None:
                s[:] = 2 * (s @ h[i, k]) / (h[i, k] @ h[i, k]) * h[i, k] - s
                continue
            block, at = divmod(i * width + k, 512)
            half = (min(512, rows * width - 2 - 512 * block) + 1) // 2
            counter = q * (rows + 2) * width + width + 1 + 512 * block + at % half
            words = philox(*(np.uint32(v) for v in (counter, sweep, seed[2], seed[3], seed[0], seed[1])))
            s[:] = boltzmann_spin(h[i, k], beta, int(words[at // half]), int(words[2 + at // half]))
    return spin


def boltzmann_spin(h, beta, polar, azimuth):
    """A spin drawn from exp(beta h·S), from two words of 32 bits."""
    length = math.sqrt(h @ h)
    n = h / length
    r = (polar >> 1) * 2.0**-31 + 2.0**-32
    w = -math.log1p((1 - r) * math.expm1(-2 * beta * length)) / (beta * length)
    t = azimuth << 2 & 0xFFFFFFFF
    angle = (t - 2**32 * (t >> 31)) * 2.0**-32 * math.pi / 2  # within ±π/4 of an axis that the top two bits choose
    c, s = math.cos(angle), math.sin(angle)
    c, s = (s, c) if azimuth & 0x40000000 else (c, s)
    c, s = (-c, -s) if azimuth & 0x80000000 else (c, s)
    sign = math.copysign(1.0, n[2])
    a = -1 / (sign + n[2])
    first = np.array([1 + sign * n[0] ** 2 * a, sign * n[0] * n[1] * a, -sign * n[0]])
    second = np.array([n[0] * n[1] * a, sign + n[1] ** 2 * a, -n[1]])
    return (1 - w) * n + math.sqrt(max(w * (2 - w), 0.0)) * (c * first + s * second)

"""Monte Carlo sweeps site by site, for lattices of any size: the plain form of :mod:`skylattice.kernels.checkerboard`.

Sites are visited row by row, in float64 and with the functions of libm. Each update keeps the Boltzmann distribution
of its site, so the sweep does whatever the sizes are. The frame is that of the Néel interaction, handedness +1.
"""

from __future__ import annotations

import math

import numpy as np

from skylattice.kernels._jit import jit
from skylattice.kernels.philox import philox

OVER_RELAXATION, HEAT_BATH, METROPOLIS = 0, 1, 2


@jit
def _field(spin, y, x, coupling):
    """Effective field on one site; ``coupling`` is (jx, jy, dx, dy, b)."""
    ny, nx, _ = spin.shape
    jx, jy, dx, dy, b = coupling
    left, right = spin[y, x - 1 if x > 0 else nx - 1], spin[y, x + 1 if x + 1 < nx else 0]
    down, up = spin[y - 1 if y > 0 else ny - 1, x], spin[y + 1 if y + 1 < ny else 0, x]
    hx = jx * (left[0] + right[0]) + jy * (up[0] + down[0]) - dx * (right[2] - left[2])
    hy = jx * (left[1] + right[1]) + jy * (up[1] + down[1]) - dy * (up[2] - down[2])
    hz = jx * (left[2] + right[2]) + jy * (up[2] + down[2]) + dx * (right[0] - left[0]) + dy * (up[1] - down[1]) + b
    return hx, hy, hz


@jit
def _uniform(word):
    """Uniform in (0, 1) from a uint32."""
    return (float(word) + 0.5) * 2.0**-32


@jit
def _boltzmann(hx, hy, hz, beta, polar, azimuth):
    """A spin drawn from exp(beta h·S), given two uniform numbers."""
    length = math.sqrt(hx * hx + hy * hy + hz * hz)
    a = max(beta * length, 1e-12)
    w = min(-math.log1p((1.0 - polar) * math.expm1(-2.0 * a)) / a, 2.0)
    nx, ny, nz = (hx / length, hy / length, hz / length) if length > 0 else (0.0, 0.0, 1.0)
    radius = math.sqrt(w * (2.0 - w))
    c, s = radius * math.cos(2 * math.pi * azimuth), radius * math.sin(2 * math.pi * azimuth)
    sign = math.copysign(1.0, nz)
    q = -1.0 / (sign + nz)
    return (
        nx - nx * w + c * (1.0 + sign * nx * nx * q) + s * nx * ny * q,
        ny - ny * w + c * sign * nx * ny * q + s * (sign + ny * ny * q),
        nz - nz * w - c * sign * nx - s * ny,
    )


@jit
def sweep_raster(spin, coupling, beta, sweep, seed, method):
    """Visit every site once, in place, and return how many spins were given a new value.

    Parameters
    ----------
    spin
        float64, shape (ny, nx, 3).
    coupling
        float64 (jx, jy, dx, dy, b).
    beta
        Inverse temperature.
    sweep, seed
        Number of the sweep and four uint32 words: they determine the random numbers.
    method
        ``OVER_RELAXATION``, ``HEAT_BATH`` or ``METROPOLIS`` (trial spins uniform on the sphere).
    """
    ny, nx, _ = spin.shape
    changed = 0
    for y in range(ny):
        for x in range(nx):
            hx, hy, hz = _field(spin, y, x, coupling)
            s = spin[y, x]
            if method == OVER_RELAXATION:
                factor = 2.0 * (s[0] * hx + s[1] * hy + s[2] * hz) / (hx * hx + hy * hy + hz * hz + 1e-300)
                s[0], s[1], s[2] = factor * hx - s[0], factor * hy - s[1], factor * hz - s[2]
                changed += 1
                continue
            w0, w1, w2, _ = philox(np.uint32(y * nx + x), np.uint32(sweep), seed[2], seed[3], seed[0], seed[1])
            if method == HEAT_BATH:
                s[0], s[1], s[2] = _boltzmann(hx, hy, hz, beta, _uniform(w0), _uniform(w1))
                changed += 1
                continue
            z = 2.0 * _uniform(w0) - 1.0
            radius = math.sqrt(1.0 - z * z)
            tx = radius * math.cos(2 * math.pi * _uniform(w1))
            ty = radius * math.sin(2 * math.pi * _uniform(w1))
            gain = hx * (tx - s[0]) + hy * (ty - s[1]) + hz * (z - s[2])
            if gain >= 0.0 or _uniform(w2) < math.exp(beta * gain):
                s[0], s[1], s[2] = tx, ty, z
                changed += 1
    return changed


@jit
def run_raster(spin, coupling, beta, first_sweep, n_sweeps, n_over_relaxation, seed, method):
    """``n_sweeps`` times one ``method`` sweep and ``n_over_relaxation`` over-relaxation sweeps, in place.

    Returns the number of the next sweep.
    """
    for sweep in range(first_sweep, first_sweep + n_sweeps):
        sweep_raster(spin, coupling, beta, sweep, seed, method)
        for _ in range(n_over_relaxation):
            sweep_raster(spin, coupling, beta, sweep, seed, OVER_RELAXATION)
    return first_sweep + n_sweeps

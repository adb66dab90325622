"""Wave number of the strongest ring of a structure factor."""

from __future__ import annotations

import math

import numpy as np

from skylattice.kernels._jit import gujit, jit

#: Half width of the window around the ring, relative to its radius. The next ring of a hexagonal lattice lies at √3
#: times the radius, that of a spiral at 2 or 3 times.
WINDOW = 1.0 / 3.0
#: Share of the power that must lie outside q = 0: less is rounding.
CONTRAST = 1e-12
#: The mean over the window moves the window; it settles in a few steps.
STEPS = 30


@jit
def _strongest_ring(power, q, width):
    """Mean |q| of the ring with the largest mean power per mode, of all rings of a given width."""
    n_rings = int(q.max() / width + 1.5)
    sums, moments, modes = np.zeros(n_rings), np.zeros(n_rings), np.zeros(n_rings)
    for k in range(q.size):
        ring = int(q[k] / width + 0.5)
        sums[ring] += power[k]
        moments[ring] += power[k] * q[k]
        modes[ring] += 1.0
    ring = np.argmax(sums / np.maximum(modes, 1.0))
    return moments[ring] / sums[ring]


@jit
def _window_mean(power, q, centre):
    """Mean |q| in the window around ``centre``, weighted with the power."""
    total = moment = 0.0
    for k in range(q.size):
        if abs(q[k] - centre) <= WINDOW * centre:
            total += power[k]
            moment += power[k] * q[k]
    return moment / total


@gujit(["(float64[:,:], float64[:], float64[:], float64[:])"], "(y,x),(y),(x)->()")
def peak_wave_number(structure_factor, q_y, q_x, out):
    """Mean |q| of the strongest ring; NaN for a hole, or a uniform lattice, which has none."""
    ny, nx = structure_factor.shape
    q, power = np.empty(ny * nx), np.empty(ny * nx)
    uniform = 0.0
    for j in range(ny):
        for i in range(nx):
            k = j * nx + i
            q[k] = math.hypot(q_y[j], q_x[i])
            power[k] = structure_factor[j, i]
            if q[k] == 0.0:
                uniform, power[k] = power[k], 0.0
    if not power.sum() > CONTRAST * uniform:
        out[0] = np.nan
        return
    peak = _strongest_ring(power, q, 2.0 * math.pi / max(ny, nx))
    for _ in range(STEPS):
        peak, previous = _window_mean(power, q, peak), peak
        if abs(peak - previous) <= 1e-12 * peak:
            break
    out[0] = peak

"""Spins as the observables' kernels read them: float64 unit vectors, one plane per component, in a periodic frame."""

from __future__ import annotations

import math

import numpy as np
from numba import uint64

from skylattice.kernels._jit import jit


@jit
def row(unit, y, x):
    """The x, y and z components of as many sites as a lattice is wide, from site (y, x) on; -1 <= y <= ny, |x| <= 1."""
    n = unit.shape[2] - 2
    j, i = y + 1, x + 1
    return unit[0, j, i : i + n], unit[1, j, i : i + n], unit[2, j, i : i + n]


@jit
def _close(unit):
    """Fill the frame with the opposite edges."""
    _, height, width = unit.shape
    for plane in unit:
        for j in range(1, height - 1):
            plane[j, 0], plane[j, width - 1] = plane[j, width - 2], plane[j, 1]
        for i in range(width):
            plane[0, i], plane[height - 1, i] = plane[height - 2, i], plane[1, i]


@jit
def unit_frame(spin):
    """Directions of the spins of one lattice, inside a frame of one site that repeats the opposite edges.

    Spins are renormalised in float64, so that float32 rounding does not reach the results. The planes are contiguous
    and need no modulus at the edges: loops over a :func:`row` vectorise.

    Parameters
    ----------
    spin
        Shape (y, x, 3).

    Returns
    -------
    Shape (3, y + 2, x + 2); and the largest | |S| - 1 |, which is NaN for a hole, and for a lattice with a spin that
    is not finite or of length 0. The frame is then not to be read.
    """
    ny, nx, _ = spin.shape
    unit = np.empty((3, ny + 2, nx + 2))
    length, norm_error = np.empty(nx), np.zeros(nx)
    for j in range(ny):
        x, y, z = row(unit, j, 0)
        for i in range(nx):
            x[i], y[i], z[i] = spin[j, i, 0], spin[j, i, 1], spin[j, i, 2]
        is_bad = False
        for i in range(uint64(nx)):
            r = math.sqrt(x[i] * x[i] + y[i] * y[i] + z[i] * z[i])
            length[i] = r
            is_bad |= (r != r) | (r == 0.0) | (r == np.inf)  # unlike < and >, == of a NaN raises no warning
        if is_bad:
            return unit, np.nan
        for i in range(uint64(nx)):
            error = abs(length[i] - 1.0)
            norm_error[i] = error if error > norm_error[i] else norm_error[i]
            scale = 1.0 / length[i]
            x[i] *= scale
            y[i] *= scale
            z[i] *= scale
    _close(unit)
    return unit, norm_error.max()


@jit
def add_row(unit, y, sum_x, sum_y, sum_z):
    """Add the spins of row ``y`` to sums per column: a fixed order of additions that still vectorises."""
    sx, sy, sz = row(unit, y, 0)
    for i in range(uint64(sum_x.size)):
        sum_x[i] += sx[i]
        sum_y[i] += sy[i]
        sum_z[i] += sz[i]

"""Spins as the observables' kernels read them: float64 unit vectors, one plane per component, in a frame.

Where there is no site, beyond an open boundary or inside, there is a vector of length 0: bonds to it have no energy.
"""

from __future__ import annotations

import math

import numpy as np
from numba import uint64

from skylattice.kernels._jit import jit

#: Places in the argument ``sites`` of kernels, :attr:`skylattice.boundary.Sites.flags`.
PERIODIC_Y, PERIODIC_X, HAS_EMPTY = range(3)


@jit
def row(unit, y, x):
    """The x, y and z components of as many sites as a lattice is wide, from site (y, x) on; -1 <= y <= ny, |x| <= 1."""
    n = unit.shape[2] - 2
    j, i = y + 1, x + 1
    return unit[0, j, i : i + n], unit[1, j, i : i + n], unit[2, j, i : i + n]


@jit
def _close(unit, sites):
    """Fill the frame with the opposite edges, or along open axes with zeros."""
    _, height, width = unit.shape
    for plane in unit:
        for j in range(1, height - 1):
            plane[j, 0], plane[j, width - 1] = plane[j, width - 2], plane[j, 1]
            if not sites[PERIODIC_X]:
                plane[j, 0] = plane[j, width - 1] = 0.0
        for i in range(width):
            plane[0, i], plane[height - 1, i] = plane[height - 2, i], plane[1, i]
            if not sites[PERIODIC_Y]:
                plane[0, i] = plane[height - 1, i] = 0.0


@jit
def is_there(unit, y, x):
    """Whether there is a site at (y, x); -1 <= y <= ny, -1 <= x <= nx."""
    return unit[0, y + 1, x + 1] != 0.0 or unit[1, y + 1, x + 1] != 0.0 or unit[2, y + 1, x + 1] != 0.0


@jit
def has_corners(unit, y, x):
    """Whether all corners of the plaquette of (y, x), (y + 1, x + 1) are there."""
    is_low = is_there(unit, y, x) and is_there(unit, y, x + 1)
    return is_low and is_there(unit, y + 1, x) and is_there(unit, y + 1, x + 1)


@jit
def is_whole(sites):
    """Whether every site is there, on a torus."""
    return sites[PERIODIC_Y] and sites[PERIODIC_X] and not sites[HAS_EMPTY]


@jit
def unit_frame(spin, sites):
    """Directions of the spins of one lattice, inside a frame of one site that repeats the opposite edges.

    Spins are renormalised in float64, so that float32 rounding does not reach the results. The planes are contiguous
    and need no modulus at the edges: loops over a :func:`row` vectorise.

    Parameters
    ----------
    spin
        Shape (y, x, 3).
    sites
        Periodic along y, along x, and whether spins of length 0 are empty sites; bool, shape (3,).

    Returns
    -------
    Shape (3, y + 2, x + 2), 0 where no site is; the largest | |S| - 1 |, which is NaN for a hole, for a lattice with a
    spin that is not finite or of length 0, and for one without a site: the frame is then not to be read; and the number
    of sites.
    """
    ny, nx, _ = spin.shape
    n_sites = ny * nx
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
        if is_bad and sites[HAS_EMPTY]:
            is_bad = False
            for i in range(nx):
                r = length[i]
                is_bad |= (r != r) | (r == np.inf)
                if r == 0.0:
                    n_sites -= 1
                    length[i] = 1.0
        if is_bad:
            return unit, np.nan, 0
        for i in range(uint64(nx)):
            error = abs(length[i] - 1.0)
            norm_error[i] = error if error > norm_error[i] else norm_error[i]
            scale = 1.0 / length[i]
            x[i] *= scale
            y[i] *= scale
            z[i] *= scale
    if n_sites == 0:
        return unit, np.nan, 0
    _close(unit, sites)
    return unit, norm_error.max(), n_sites


@jit
def add_row(unit, y, sum_x, sum_y, sum_z):
    """Add the spins of row ``y`` to sums per column: a fixed order of additions that still vectorises."""
    sx, sy, sz = row(unit, y, 0)
    for i in range(uint64(sum_x.size)):
        sum_x[i] += sx[i]
        sum_y[i] += sy[i]
        sum_z[i] += sz[i]

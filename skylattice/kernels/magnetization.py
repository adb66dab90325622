"""Mean spin of a lattice."""

from __future__ import annotations

import math

import numpy as np
from numba import uint64

from skylattice.kernels._jit import gujit, jit
from skylattice.kernels.frame import row, unit_frame


@jit
def add_spins(unit, y, m_x, m_y, m_z):
    """Add the spins of row ``y`` to sums per column: a fixed order of additions that still vectorises."""
    sx, sy, sz = row(unit, y, 0)
    for i in range(uint64(m_x.size)):
        m_x[i] += sx[i]
        m_y[i] += sy[i]
        m_z[i] += sz[i]


@gujit(["(float32[:,:,:], float64[:])", "(float64[:,:,:], float64[:])"], "(y,x,c)->(c)")
def magnetization(spin, out):
    """Mean of the spins' directions; NaN for a hole."""
    unit, norm_error = unit_frame(spin)
    if math.isnan(norm_error):
        out[:] = np.nan
        return
    ny, nx, _ = spin.shape
    sums = np.zeros((3, nx))
    for j in range(ny):
        add_spins(unit, j, sums[0], sums[1], sums[2])
    for c in range(3):
        out[c] = sums[c].sum() / (ny * nx)

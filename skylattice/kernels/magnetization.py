"""Mean spin of a lattice."""

from __future__ import annotations

import math

import numpy as np

from skylattice.kernels._jit import gujit
from skylattice.kernels.frame import add_row, unit_frame


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
        add_row(unit, j, sums[0], sums[1], sums[2])
    for c in range(3):
        out[c] = sums[c].sum() / (ny * nx)

"""Mean spin of a lattice."""

from __future__ import annotations

import math

import numpy as np

from skylattice.kernels._jit import gujit
from skylattice.kernels.frame import add_row, unit_frame


@gujit(["(float32[:,:,:], boolean[:], float64[:])", "(float64[:,:,:], boolean[:], float64[:])"], "(y,x,c),(k)->(c)")
def magnetization(spin, sites, out):
    """Mean of the directions of the spins that are there; NaN for a hole."""
    unit, norm_error, n_sites = unit_frame(spin, sites)
    if math.isnan(norm_error):
        out[:] = np.nan
        return
    ny, nx, _ = spin.shape
    sums = np.zeros((3, nx))
    for j in range(ny):
        add_row(unit, j, sums[0], sums[1], sums[2])
    for c in range(3):
        out[c] = sums[c].sum() / n_sites

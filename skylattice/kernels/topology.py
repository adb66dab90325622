"""Topological charge of periodic lattices: Berg-Lüscher solid angles, and the gradient formula."""

from __future__ import annotations

import math

import numpy as np
from numba import uint64

from skylattice.kernels._jit import gujit, jit
from skylattice.kernels.frame import row, unit_frame
from skylattice.kernels.winding import corners, half_angles, winding


@gujit(["(float32[:,:,:], boolean, float64[:])", "(float64[:,:,:], boolean, float64[:])"], "(y,x,c),()->()")
def topological_charge(spin, alternate, out):
    """Berg-Lüscher charge: :func:`winding`; NaN for a hole."""
    unit, norm_error = unit_frame(spin)
    out[0] = np.nan if math.isnan(norm_error) else winding(unit, alternate)


@gujit(["(float32[:,:,:], boolean, float64[:,:])", "(float64[:,:,:], boolean, float64[:,:])"], "(y,x,c),()->(y,x)")
def charge_density(spin, alternate, out):
    """Berg-Lüscher charge of each plaquette, at its corner of smallest y and x; NaN for a hole."""
    unit, norm_error = unit_frame(spin)
    if math.isnan(norm_error):
        out[:] = np.nan
        return
    ny, nx, _ = spin.shape
    real, imag = np.empty((2, nx)), np.empty((2, nx))
    for j in range(ny):
        half_angles(corners(unit, j, alternate), real, imag)
        for i in range(nx):
            out[j, i] = (math.atan2(imag[0, i], real[0, i]) + math.atan2(imag[1, i], real[1, i])) / (2.0 * math.pi)


@jit
def _gradient_row(here, left, right, below, above, out):
    """S·(∂_x S × ∂_y S) / 4π with central differences."""
    (x, y, z), (lx, ly, lz), (rx, ry, rz), (bx, by, bz), (ax, ay, az) = here, left, right, below, above
    for i in range(uint64(x.size)):
        gx_x, gx_y, gx_z = rx[i] - lx[i], ry[i] - ly[i], rz[i] - lz[i]
        gy_x, gy_y, gy_z = ax[i] - bx[i], ay[i] - by[i], az[i] - bz[i]
        triple = x[i] * (gx_y * gy_z - gx_z * gy_y)
        triple += y[i] * (gx_z * gy_x - gx_x * gy_z)
        triple += z[i] * (gx_x * gy_y - gx_y * gy_x)
        out[i] = triple / (16.0 * math.pi)


@gujit(["(float32[:,:,:], float64[:,:])", "(float64[:,:,:], float64[:,:])"], "(y,x,c)->(y,x)")
def gradient_density(spin, out):
    """Charge of each site from central differences; NaN for a hole."""
    unit, norm_error = unit_frame(spin)
    if math.isnan(norm_error):
        out[:] = np.nan
        return
    for j in range(spin.shape[0]):
        _gradient_row(
            row(unit, j, 0), row(unit, j, -1), row(unit, j, 1), row(unit, j - 1, 0), row(unit, j + 1, 0), out[j]
        )

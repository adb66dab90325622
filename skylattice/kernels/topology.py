"""Topological charge of lattices: Berg-Lüscher solid angles, and the gradient formula."""

from __future__ import annotations

import math

import numpy as np
from numba import uint64

from skylattice.kernels._jit import gujit, jit
from skylattice.kernels.frame import is_there, is_whole, row, unit_frame
from skylattice.kernels.winding import corners, half_angles, leave_out_cut_plaquettes, winding

_SPIN_TO_NUMBER = [
    "(float32[:,:,:], boolean, boolean[:], float64[:])",
    "(float64[:,:,:], boolean, boolean[:], float64[:])",
]
_SPIN_TO_SITES = [signature.replace("float64[:])", "float64[:,:])") for signature in _SPIN_TO_NUMBER]


@gujit(_SPIN_TO_NUMBER, "(y,x,c),(),(k)->()")
def topological_charge(spin, alternate, sites, out):
    """Berg-Lüscher charge: :func:`winding`; NaN for a hole."""
    unit, norm_error, _ = unit_frame(spin, sites)
    out[0] = np.nan if math.isnan(norm_error) else winding(unit, alternate, is_whole(sites))


@gujit(_SPIN_TO_SITES, "(y,x,c),(),(k)->(y,x)")
def charge_density(spin, alternate, sites, out):
    """Berg-Lüscher charge of each plaquette, at its corner of smallest y and x; 0 for none, NaN for a hole."""
    unit, norm_error, _ = unit_frame(spin, sites)
    if math.isnan(norm_error):
        out[:] = np.nan
        return
    ny, nx, _ = spin.shape
    real, imag = np.empty((2, nx)), np.empty((2, nx))
    for j in range(ny):
        half_angles(corners(unit, j, alternate), real, imag)
        if not is_whole(sites):
            leave_out_cut_plaquettes(unit, j, real, imag)
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


@jit
def _one_sided(unit, y):
    """Rows to the left, right, below and above a row, shape (4, 3, x), where a site is missing extrapolated to it.

    A central difference then is the one-sided one; without a neighbour on either side it is 0.
    """
    near = np.empty((4, 3, unit.shape[2] - 2))
    for i in range(near.shape[2]):
        around = ((y, i - 1), (y, i + 1), (y - 1, i), (y + 1, i))
        for side in range(4):
            (v, u), (other_v, other_u) = around[side], around[side ^ 1]
            for c in range(3):
                here = unit[c, y + 1, i + 1]
                if is_there(unit, v, u):
                    near[side, c, i] = unit[c, v + 1, u + 1]
                elif is_there(unit, other_v, other_u):
                    near[side, c, i] = 2.0 * here - unit[c, other_v + 1, other_u + 1]
                else:
                    near[side, c, i] = here
    return near


@gujit(
    ["(float32[:,:,:], boolean[:], float64[:,:])", "(float64[:,:,:], boolean[:], float64[:,:])"], "(y,x,c),(k)->(y,x)"
)
def gradient_density(spin, sites, out):
    """Charge of each site from central differences, one-sided ones at edges; 0 for no site, NaN for a hole."""
    unit, norm_error, _ = unit_frame(spin, sites)
    if math.isnan(norm_error):
        out[:] = np.nan
        return
    for j in range(spin.shape[0]):
        here = row(unit, j, 0)
        if is_whole(sites):
            below, above = row(unit, j - 1, 0), row(unit, j + 1, 0)
            _gradient_row(here, row(unit, j, -1), row(unit, j, 1), below, above, out[j])
        else:
            left, right, below, above = _one_sided(unit, j)
            _gradient_row(here, left, right, below, above, out[j])

"""Effective field and local energy, in the conventions of :mod:`skylattice.hamiltonian`."""

from __future__ import annotations

import math

import numpy as np
from numba import uint64

from skylattice.kernels._jit import gujit, jit
from skylattice.kernels.frame import row, unit_frame


@jit
def bond_couplings(ny, nx, D, directions, J):
    """(J, D_x, D_y) of the +x bond and of the +y bond; zero along a dimension of length 1."""
    x_J, y_J = (J if nx > 1 else 0.0), (J if ny > 1 else 0.0)
    x_D, y_D = (D if nx > 1 else 0.0), (D if ny > 1 else 0.0)
    return (x_J, x_D * directions[0, 0], x_D * directions[0, 1]), (y_J, y_D * directions[1, 0], y_D * directions[1, 1])


@jit
def field_row(unit, y, couplings, B, out_x, out_y, out_z):
    """h = -∂H/∂S on row ``y``, for the couplings of :func:`bond_couplings` and the field B along z.

    Along each axis with the forward neighbour f and the backward neighbour b, h = J (S_f + S_b) + (S_f - S_b) × D.
    """
    (jx, dx_x, dx_y), (jy, dy_x, dy_y) = couplings
    lx, ly, lz = row(unit, y, -1)
    rx, ry, rz = row(unit, y, 1)
    bx, by, bz = row(unit, y - 1, 0)
    ax, ay, az = row(unit, y + 1, 0)
    for i in range(uint64(out_x.size)):
        exchange = jx * (rx[i] + lx[i]) + jy * (ax[i] + bx[i])
        out_x[i] = exchange - dx_y * (rz[i] - lz[i]) - dy_y * (az[i] - bz[i])
    for i in range(uint64(out_y.size)):
        exchange = jx * (ry[i] + ly[i]) + jy * (ay[i] + by[i])
        out_y[i] = exchange + dx_x * (rz[i] - lz[i]) + dy_x * (az[i] - bz[i])
    for i in range(uint64(out_z.size)):
        exchange = jx * (rz[i] + lz[i]) + jy * (az[i] + bz[i])
        twist_x = dx_y * (rx[i] - lx[i]) - dx_x * (ry[i] - ly[i])
        twist_y = dy_y * (ax[i] - bx[i]) - dy_x * (ay[i] - by[i])
        out_z[i] = exchange + twist_x + twist_y + B


_SPIN_TO_SITES = [
    "(float32[:,:,:], float64, float64, float64[:,:], float64, float64[:,:])",
    "(float64[:,:,:], float64, float64, float64[:,:], float64, float64[:,:])",
]
_SPIN_TO_VECTORS = [signature.replace("float64[:,:])", "float64[:,:,:])") for signature in _SPIN_TO_SITES]


@gujit(_SPIN_TO_VECTORS, "(y,x,c),(),(),(b,d),()->(y,x,c)")
def effective_field(spin, D, B, directions, J, out):
    """h = -∂H/∂S on each site; NaN for a hole."""
    unit, norm_error = unit_frame(spin)
    if math.isnan(norm_error):
        out[:] = np.nan
        return
    ny, nx, _ = spin.shape
    couplings = bond_couplings(ny, nx, D, directions, J)
    hx, hy, hz = np.empty(nx), np.empty(nx), np.empty(nx)
    for j in range(ny):
        field_row(unit, j, couplings, B, hx, hy, hz)
        for i in range(nx):
            out[j, i, 0], out[j, i, 1], out[j, i, 2] = hx[i], hy[i], hz[i]


@gujit(_SPIN_TO_SITES, "(y,x,c),(),(),(b,d),()->(y,x)")
def energy_density(spin, D, B, directions, J, out):
    """Half of each bond's energy to each end, and the Zeeman energy: -S·(h - B ẑ) / 2 - B S_z; NaN for a hole."""
    unit, norm_error = unit_frame(spin)
    if math.isnan(norm_error):
        out[:] = np.nan
        return
    ny, nx, _ = spin.shape
    couplings = bond_couplings(ny, nx, D, directions, J)
    hx, hy, hz = np.empty(nx), np.empty(nx), np.empty(nx)
    for j in range(ny):
        field_row(unit, j, couplings, B, hx, hy, hz)
        x, y, z = row(unit, j, 0)
        for i in range(nx):
            out[j, i] = -0.5 * (x[i] * hx[i] + y[i] * hy[i] + z[i] * (hz[i] + B))


@gujit(_SPIN_TO_SITES, "(y,x,c),(),(),(b,d),()->(y,x)")
def cos_theta(spin, D, B, directions, J, out):
    """S·h / |h| on each site, 0 where no field acts; NaN for a hole."""
    unit, norm_error = unit_frame(spin)
    if math.isnan(norm_error):
        out[:] = np.nan
        return
    ny, nx, _ = spin.shape
    couplings = bond_couplings(ny, nx, D, directions, J)
    hx, hy, hz = np.empty(nx), np.empty(nx), np.empty(nx)
    for j in range(ny):
        field_row(unit, j, couplings, B, hx, hy, hz)
        x, y, z = row(unit, j, 0)
        for i in range(nx):
            strength = math.sqrt(hx[i] * hx[i] + hy[i] * hy[i] + hz[i] * hz[i])
            along = x[i] * hx[i] + y[i] * hy[i] + z[i] * hz[i]
            out[j, i] = along / (1.0 if strength == 0.0 else strength)

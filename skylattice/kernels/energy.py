"""Effective field, local energy and alignment, in the conventions of :mod:`skylattice.hamiltonian`."""

from __future__ import annotations

import math

import numpy as np

from skylattice.kernels._jit import gujit
from skylattice.kernels.field import NO_FIELD, bond_couplings, field_row, leave_out_empty_sites
from skylattice.kernels.frame import row, unit_frame

_SPIN_TO_SITES = [
    "(float32[:,:,:], float64, float64, float64[:,:], float64, boolean[:], float64[:,:])",
    "(float64[:,:,:], float64, float64, float64[:,:], float64, boolean[:], float64[:,:])",
]
_SPIN_TO_VECTORS = [signature.replace("float64[:,:])", "float64[:,:,:])") for signature in _SPIN_TO_SITES]


@gujit(_SPIN_TO_VECTORS, "(y,x,c),(),(),(b,d),(),(k)->(y,x,c)")
def effective_field(spin, D, B, directions, J, sites, out):
    """h = -∂H/∂S on each site; 0 for no site, NaN for a hole."""
    unit, norm_error, n_sites = unit_frame(spin, sites)
    if math.isnan(norm_error):
        out[:] = np.nan
        return
    ny, nx, _ = spin.shape
    couplings = bond_couplings(ny, nx, D, directions, J)
    hx, hy, hz = field = np.empty(nx), np.empty(nx), np.empty(nx)
    for j in range(ny):
        field_row(unit, j, couplings, B, field)
        if n_sites < ny * nx:
            leave_out_empty_sites(unit, j, field)
        for i in range(nx):
            out[j, i, 0], out[j, i, 1], out[j, i, 2] = hx[i], hy[i], hz[i]


@gujit(_SPIN_TO_SITES, "(y,x,c),(),(),(b,d),(),(k)->(y,x)")
def energy_density(spin, D, B, directions, J, sites, out):
    """Half of each bond's energy to each end, and the Zeeman energy, -S·(h - B ẑ) / 2 - B S_z; as :func:`cos_theta`."""
    unit, norm_error, n_sites = unit_frame(spin, sites)
    if math.isnan(norm_error):
        out[:] = np.nan
        return
    ny, nx, _ = spin.shape
    couplings = bond_couplings(ny, nx, D, directions, J)
    hx, hy, hz = field = np.empty(nx), np.empty(nx), np.empty(nx)
    for j in range(ny):
        field_row(unit, j, couplings, B, field)
        if n_sites < ny * nx:
            leave_out_empty_sites(unit, j, field)
        x, y, z = row(unit, j, 0)
        for i in range(nx):
            out[j, i] = -0.5 * (x[i] * hx[i] + y[i] * hy[i] + z[i] * (hz[i] + B))


@gujit(_SPIN_TO_SITES, "(y,x,c),(),(),(b,d),(),(k)->(y,x)")
def cos_theta(spin, D, B, directions, J, sites, out):
    """S·h / |h| on each site; 0 where no field acts or no site is, NaN for a hole."""
    unit, norm_error, n_sites = unit_frame(spin, sites)
    if math.isnan(norm_error):
        out[:] = np.nan
        return
    ny, nx, _ = spin.shape
    couplings = bond_couplings(ny, nx, D, directions, J)
    hx, hy, hz = field = np.empty(nx), np.empty(nx), np.empty(nx)
    for j in range(ny):
        field_row(unit, j, couplings, B, field)
        if n_sites < ny * nx:
            leave_out_empty_sites(unit, j, field)
        x, y, z = row(unit, j, 0)
        for i in range(nx):
            strength = math.sqrt(hx[i] * hx[i] + hy[i] * hy[i] + hz[i] * hz[i])
            along = x[i] * hx[i] + y[i] * hy[i] + z[i] * hz[i]
            out[j, i] = along / max(strength, NO_FIELD)

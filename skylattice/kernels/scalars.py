"""All scalars of a lattice in one pass over its spins."""

from __future__ import annotations

import math

import numpy as np
from numba import uint64

from skylattice.kernels._jit import gujit, jit
from skylattice.kernels.field import NO_FIELD, bond_couplings, field_row, leave_out_empty_sites
from skylattice.kernels.frame import add_row, is_there, is_whole, row, unit_frame
from skylattice.kernels.winding import lid_charge, winding

# Sums are kept per column, and over the columns at the end: additions in a fixed order that still vectorise.


@jit
def _add_bonds(unit, y, couplings, exchange, dmi):
    """Add the energies of the bonds from row ``y`` to the right and upwards, so that each bond counts once."""
    (jx, dx_x, dx_y), (jy, dy_x, dy_y) = couplings
    sx, sy, sz = row(unit, y, 0)
    rx, ry, rz = row(unit, y, 1)
    ax, ay, az = row(unit, y + 1, 0)
    for i in range(uint64(exchange.size)):
        exchange[i] -= jx * (sx[i] * rx[i] + sy[i] * ry[i] + sz[i] * rz[i])
        exchange[i] -= jy * (sx[i] * ax[i] + sy[i] * ay[i] + sz[i] * az[i])
    for i in range(uint64(dmi.size)):
        dmi[i] -= dx_x * (sy[i] * rz[i] - sz[i] * ry[i]) + dx_y * (sz[i] * rx[i] - sx[i] * rz[i])
        dmi[i] -= dy_x * (sy[i] * az[i] - sz[i] * ay[i]) + dy_y * (sz[i] * ax[i] - sx[i] * az[i])


@jit
def _add_alignment(unit, y, field, along, torque, cosine, smallest):
    """Add S·h, |S × h|² and cosθ of row ``y``, and keep the smallest cosθ."""
    sx, sy, sz = row(unit, y, 0)
    hx, hy, hz = field
    for i in range(uint64(along.size)):
        dot = sx[i] * hx[i] + sy[i] * hy[i] + sz[i] * hz[i]
        tx = sy[i] * hz[i] - sz[i] * hy[i]
        ty = sz[i] * hx[i] - sx[i] * hz[i]
        tz = sx[i] * hy[i] - sy[i] * hx[i]
        strength = math.sqrt(hx[i] * hx[i] + hy[i] * hy[i] + hz[i] * hz[i])
        c = dot / max(strength, NO_FIELD)
        along[i] += dot
        torque[i] += tx * tx + ty * ty + tz * tz
        cosine[i] += c
        smallest[i] = c if c < smallest[i] else smallest[i]


@gujit(
    [
        "(float32[:,:,:], float64, float64, float64[:,:], float64, float64[:], boolean[:], float64[:])",
        "(float64[:,:,:], float64, float64, float64[:,:], float64, float64[:], boolean[:], float64[:])",
    ],
    "(y,x,c),(),(),(b,d),(),(k),(s)->(k)",
)
def lattice_scalars(spin, D, B, directions, J, slots, sites, out):
    """Scalars of a lattice, in the order of :data:`skylattice.observables.scalars.SCALARS`; NaN for a hole.

    The values of ``slots`` do not matter: a gufunc takes the length of its output from its inputs.
    """
    unit, norm_error, n_sites = unit_frame(spin, sites)
    if math.isnan(norm_error):
        out[:] = np.nan
        return
    ny, nx, _ = spin.shape
    couplings = bond_couplings(ny, nx, D, directions, J)
    field = np.empty(nx), np.empty(nx), np.empty(nx)
    sums, smallest = np.zeros((8, nx)), np.full(nx, np.inf)
    for j in range(ny):
        add_row(unit, j, sums[0], sums[1], sums[2])
        _add_bonds(unit, j, couplings, sums[3], sums[4])
        field_row(unit, j, couplings, B, field)
        before = smallest
        if n_sites < ny * nx:
            leave_out_empty_sites(unit, j, field)
            before = smallest.copy()
        _add_alignment(unit, j, field, sums[5], sums[6], sums[7], smallest)
        if n_sites < ny * nx:  # the 0 of an empty site is no alignment
            for i in range(nx):
                smallest[i] = smallest[i] if is_there(unit, j, i) else before[i]
    means = np.empty(8)
    for k in range(8):
        means[k] = sums[k].sum() / n_sites
    m_x, m_y, m_z, exchange, dmi, along, torque, cosine = means

    for k in range(2):
        out[k] = winding(unit, k == 1, is_whole(sites))
    out[2], out[3], out[4] = m_x, m_y, m_z
    out[5], out[6], out[7], out[8] = exchange + dmi - B * m_z, exchange, dmi, -B * m_z
    out[9], out[10] = cosine, smallest.min()
    out[11] = torque / (2.0 * along) if along != 0.0 else np.nan
    out[12] = norm_error
    # the energy summed over bonds, each once, minus the local energies -S·(h - B ẑ) / 2 - B S_z summed over sites
    out[13] = out[5] + 0.5 * (along + B * m_z)
    out[14] = 0.0 if is_whole(sites) else lid_charge(unit)

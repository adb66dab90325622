"""Effective field of a row of sites, in the conventions of :mod:`skylattice.hamiltonian`."""

from __future__ import annotations

from numba import uint64

from skylattice.kernels._jit import jit
from skylattice.kernels.frame import is_there, row

#: Stands for a field of 0 in denominators: LLVM divides before it chooses between two of them.
NO_FIELD = 1e-300


@jit
def bond_couplings(ny, nx, D, directions, J):
    """(J, D_x, D_y) of the +x bond and of the +y bond.

    A dimension of length 1 has no bonds; only the exchange has to be told, since S × S = 0.
    """
    x_J, y_J = (J if nx > 1 else 0.0), (J if ny > 1 else 0.0)
    return (x_J, D * directions[0, 0], D * directions[0, 1]), (y_J, D * directions[1, 0], D * directions[1, 1])


@jit
def field_row(unit, y, couplings, B, out):
    """h = -∂H/∂S on row ``y``, three arrays, for the couplings of :func:`bond_couplings` and the field B along z.

    Along each axis with the forward neighbour f and the backward neighbour b, h = J (S_f + S_b) + (S_f - S_b) × D.
    """
    (jx, dx_x, dx_y), (jy, dy_x, dy_y) = couplings
    out_x, out_y, out_z = out
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


@jit
def leave_out_empty_sites(unit, y, field):
    """Set the field on the empty sites of a row to 0."""
    hx, hy, hz = field
    for i in range(hx.size):
        if not is_there(unit, y, i):
            hx[i] = hy[i] = hz[i] = 0.0

"""Solid angles of the triangles of a lattice, and their sum by counting turns instead of taking arctangents."""

from __future__ import annotations

import math

import numpy as np
from numba import uint64

from skylattice.kernels._jit import jit
from skylattice.kernels.frame import has_corners, row

#: Off every symmetry axis, so that no edge of a textbook texture passes through it or its opposite.
_APEX = (0.29, 0.46, math.sqrt(1.0 - 0.29**2 - 0.46**2))


@jit
def corners(unit, y, alternate):
    """Corners of a row of plaquettes, counterclockwise from an end of the diagonal that cuts them.

    The diagonal runs from the first corner to the third: (0, 0)-(1, 1), or (1, 0)-(0, 1) if ``alternate``.
    """
    here, right, above, across = row(unit, y, 0), row(unit, y, 1), row(unit, y + 1, 0), row(unit, y + 1, 1)
    return (right, across, above, here) if alternate else (here, right, across, above)


@jit
def half_angles(plaquettes, real, imag):
    """Numbers whose argument is half the solid angle of the triangles (a, b, c) and (a, c, d) of each plaquette.

    For unit vectors 1 + a·b + b·c + c·a + i a·(b×c) has this argument, between -π and π. Both outputs are (2, x).
    """
    (ax, ay, az), (bx, by, bz), (cx, cy, cz), (dx, dy, dz) = plaquettes
    lower_real, upper_real, lower_imag, upper_imag = real[0], real[1], imag[0], imag[1]
    for i in range(uint64(lower_real.size)):
        shared = 1.0 + ax[i] * cx[i] + ay[i] * cy[i] + az[i] * cz[i]
        sum_x, sum_y, sum_z = ax[i] + cx[i], ay[i] + cy[i], az[i] + cz[i]
        normal_x = ay[i] * cz[i] - az[i] * cy[i]
        normal_y = az[i] * cx[i] - ax[i] * cz[i]
        normal_z = ax[i] * cy[i] - ay[i] * cx[i]
        lower_real[i] = shared + bx[i] * sum_x + by[i] * sum_y + bz[i] * sum_z
        upper_real[i] = shared + dx[i] * sum_x + dy[i] * sum_y + dz[i] * sum_z
        # 0 - ... and 0 + ... turn a negative zero positive: an angle of π keeps its sign in every formula below
        lower_imag[i] = 0.0 - (bx[i] * normal_x + by[i] * normal_y + bz[i] * normal_z)
        upper_imag[i] = 0.0 + (dx[i] * normal_x + dy[i] * normal_y + dz[i] * normal_z)


@jit
def leave_out_cut_plaquettes(unit, y, real, imag):
    """Set the angles of the plaquettes of a row to 0 that lack a corner."""
    for i in range(real.shape[1]):
        if not has_corners(unit, y, i):
            real[:, i], imag[:, i] = 1.0, 0.0


@jit
def _turn(product_real, product_imag, turns, real, imag):
    """Multiply each product by a complex number, and count how often its argument leaves (-π, π].

    The argument of the product plus 2π times the count is the sum of the arguments of all factors. Whether a sum of
    two arguments leaves the interval shows in the signs alone: both must lie on the same side of the real axis and
    the product on the other (or all the way around, if both lie left of the imaginary axis). Zero has no argument
    (neighbours point in opposite directions) and counts as 1, as atan2(0, 0) = 0 does.
    """
    for i in range(uint64(turns.size)):
        a, b, c, d = product_real[i], product_imag[i], real[i], imag[i]
        c = 1.0 if (c == 0.0) & (d == 0.0) else c
        re = a * c - b * d
        im = a * d + b * c
        over = (b >= 0.0) & (d >= 0.0) & ((im < 0.0) | ((a < 0.0) & (c < 0.0)))
        under = (b < 0.0) & (d < 0.0) & (im >= 0.0)
        turns[i] += (1.0 if over else 0.0) - (1.0 if under else 0.0)
        scale = 1.0 / (abs(re) + abs(im))
        product_real[i] = re * scale
        product_imag[i] = im * scale


@jit
def _triangle(r, unit, ay, ax, by, bx):
    """Charge of the triangle of the vector r and the spins at two sites."""
    a, b = unit[:, ay + 1, ax + 1], unit[:, by + 1, bx + 1]
    triple = r[0] * (a[1] * b[2] - a[2] * b[1]) + r[1] * (a[2] * b[0] - a[0] * b[2])
    triple += r[2] * (a[0] * b[1] - a[1] * b[0])
    real = 1.0 + a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
    for c in range(3):
        real += r[c] * (a[c] + b[c])
    return math.atan2(triple, real) / (2.0 * math.pi)


@jit
def lid_charge(unit):
    """Charge of triangles that close the surface of all whole plaquettes, from each free edge to one direction.

    With them the charge is an integer, also where the lattice has open boundaries or empty sites.
    """
    ny, nx = unit.shape[1] - 2, unit.shape[2] - 2
    whole = np.empty((ny, nx), dtype=np.bool_)
    for j in range(ny):
        for i in range(nx):
            whole[j, i] = has_corners(unit, j, i)
    total = 0.0
    for j in range(ny):
        for i in range(nx):
            if whole[j, i]:  # its edges, clockwise
                if not whole[j - 1, i]:
                    total += _triangle(_APEX, unit, j, i + 1, j, i)
                if not whole[j, i - 1]:
                    total += _triangle(_APEX, unit, j, i, j + 1, i)
                if not whole[(j + 1) % ny, i]:
                    total += _triangle(_APEX, unit, j + 1, i, j + 1, i + 1)
                if not whole[j, (i + 1) % nx]:
                    total += _triangle(_APEX, unit, j + 1, i + 1, j, i + 1)
    return total


@jit
def winding(unit, alternate, whole):
    """Berg-Lüscher charge of a lattice given by :func:`skylattice.kernels.frame.unit_frame`, over whole plaquettes.

    The half angles of each column of plaquettes are summed as a product of complex numbers: one arctangent per
    column instead of two per plaquette, in loops that vectorise. ``whole`` says that no plaquette lacks a corner.
    """
    ny, nx = unit.shape[1] - 2, unit.shape[2] - 2
    real, imag = np.empty((2, nx)), np.empty((2, nx))
    product_real, product_imag, turns = np.ones(nx), np.zeros(nx), np.zeros(nx)
    for j in range(ny):
        half_angles(corners(unit, j, alternate), real, imag)
        if not whole:
            leave_out_cut_plaquettes(unit, j, real, imag)
        _turn(product_real, product_imag, turns, real[0], imag[0])
        _turn(product_real, product_imag, turns, real[1], imag[1])
    total = 0.0
    for i in range(nx):
        total += turns[i] + math.atan2(product_imag[i], product_real[i]) / (2.0 * math.pi)
    return total

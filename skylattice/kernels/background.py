"""The background of a lattice, and which of its sites point against it."""

from __future__ import annotations

import math

import numpy as np
from numba import uint64

from skylattice.kernels._jit import jit
from skylattice.kernels.frame import HAS_EMPTY
from skylattice.schema import LENGTH_TOLERANCE

#: x and y of the direction p; its z is minus the background. Off every symmetry axis, so that no spin, and no great
#: circle through two spins, of a textbook texture hits it.
TARGET = (1.1315e-4, 4.913e-5)
#: Bits of a site's code: with positive depth; on one or the other side of two planes through p; without a spin.
REVERSED, _RIGHT, _LEFT, _ABOVE, _BELOW, EMPTY_SITE = 1, 2, 4, 8, 16, 32
SIDES = _RIGHT | _LEFT | _ABOVE | _BELOW
#: How far off a plane a spin must be to count as on one side, whatever rounding does.
_OFF = 1e-12
#: Mean spin in the plane from which a background lies in the plane.
IN_PLANE = 0.3


@jit
def background_sign(spin, field):
    """Direction of the background along z: the sign of the field, or of the mean S_z without one; +1 or -1."""
    if field == 0.0 or np.isnan(field):
        field = 0.0
        for y in range(spin.shape[0]):
            for x in range(spin.shape[1]):
                field += spin[y, x, 2]
    return -1.0 if field < 0.0 else 1.0


@jit
def spin_at(spin, y, x):
    """The spin of a site in double precision."""
    return np.float64(spin[y, x, 0]), np.float64(spin[y, x, 1]), np.float64(spin[y, x, 2])


@jit
def depth(s, background):
    """S·p of a spin: 1 against the background (+1 or -1), -1 along it.

    p is tilted off the z axis by 1e-4. A triangle that contains p has a corner with positive depth, exactly.
    """
    scale = 1.0 / math.sqrt(1.0 + TARGET[0] ** 2 + TARGET[1] ** 2)
    return scale * TARGET[0] * s[0] + scale * TARGET[1] * s[1] - scale * background * s[2]


@jit
def _scan(spin, background, code):
    """Note for each site whether it has positive depth and on which sides of p it lies.

    Parameters
    ----------
    spin
        Shape (y, x, 3), float32 or float64.
    background
        +1 or -1, along z.
    code
        Output, uint8, shape (y, x).

    Returns
    -------
    Whether all spins are finite; whether they are all of unit length; and their sum, three numbers.
    """
    ny, nx = code.shape
    sx, sy, sz, d, bits = np.empty(nx), np.empty(nx), np.empty(nx), np.empty(nx), np.empty(nx, dtype=np.int64)
    total = np.zeros((3, nx))
    total_x, total_y, total_z = total
    scale = 1.0 / math.sqrt(1.0 + TARGET[0] ** 2 + TARGET[1] ** 2)
    px, py, pz = scale * TARGET[0], scale * TARGET[1], scale * background
    lean_x, lean_y = background * TARGET[0], background * TARGET[1]
    n_off = 0
    for y in range(ny):
        for x in range(nx):  # component by component and with unsigned indices, the loops below vectorise
            sx[x], sy[x], sz[x] = spin[y, x, 0], spin[y, x, 1], spin[y, x, 2]
        n_odd = 0
        for i in range(uint64(nx)):
            d[i] = px * sx[i] + py * sy[i] - pz * sz[i]
            n_odd += (d[i] != d[i]) | (abs(d[i]) == np.inf)
        if n_odd > 0:  # and no comparison with a NaN below, which would set off numpy's warning
            return False, False, 0.0, 0.0, 0.0
        for i in range(uint64(nx)):
            right, above = sx[i] + lean_x * sz[i], sy[i] + lean_y * sz[i]
            bits[i] = (
                (REVERSED if d[i] > 0.0 else 0)
                | (_RIGHT if right > _OFF else 0)
                | (_LEFT if right < -_OFF else 0)
                | (_ABOVE if above > _OFF else 0)
                | (_BELOW if above < -_OFF else 0)
            )
        for i in range(uint64(nx)):
            n_off += abs(sx[i] * sx[i] + sy[i] * sy[i] + sz[i] * sz[i] - 1.0) > 2.0 * LENGTH_TOLERANCE
        for i in range(uint64(nx)):
            total_x[i] += sx[i]
            total_y[i] += sy[i]
            total_z[i] += sz[i]
        for x in range(nx):
            code[y, x] = bits[x]
    return True, n_off == 0, total_x.sum(), total_y.sum(), total_z.sum()


@jit
def reversed_sites(code, group):
    """1 for the sites with positive depth by their codes, else 0; both of shape (y, x)."""
    for y in range(code.shape[0]):
        for x in range(code.shape[1]):
            group[y, x] = code[y, x] & REVERSED


@jit
def _unit_spins(spin, sites):
    """A copy with spins of unit length, the number of sites, and whether every site has a spin of finite length."""
    ny, nx, _ = spin.shape
    out = np.zeros_like(spin)
    n_sites = 0
    for y in range(ny):
        for x in range(nx):
            a, b, c = spin_at(spin, y, x)
            length = math.sqrt(a * a + b * b + c * c)
            if length == np.inf or (length == 0.0 and not sites[HAS_EMPTY]):
                return out, 0, False
            if length > 0.0:
                n_sites += 1
                out[y, x, 0], out[y, x, 1], out[y, x, 2] = a / length, b / length, c / length
    return out, n_sites, n_sites > 0


@jit
def _turned(spin, n_x, n_y, n_z):
    """A copy with the spins turned so that the direction n, which is not -z, comes to lie along z."""
    out = np.empty_like(spin)
    k = 1.0 / (1.0 + n_z)
    for y in range(spin.shape[0]):
        for x in range(spin.shape[1]):
            a, b, c = spin_at(spin, y, x)
            along = n_x * a + n_y * b
            out[y, x, 0] = a - n_x * (c + k * along)
            out[y, x, 1] = b - n_y * (c + k * along)
            out[y, x, 2] = along + n_z * c
    return out


@jit
def survey(spin, field, sites, code):
    """Find the background of a lattice, and which sites point against it.

    The background lies along z, by the sign of the field or, without one, of the mean S_z; but where the spins on the
    whole point along a direction in the plane, it is that. Spins are then turned with it, which changes no charge.

    Parameters
    ----------
    spin
        Shape (y, x, 3), float32 or float64.
    field
        Field along z; only its sign matters.
    sites
        Flags as in :mod:`skylattice.kernels.frame`.
    code
        Output, uint8, shape (y, x): :func:`_scan`, and where no site is.

    Returns
    -------
    The spins, or a copy of unit length that is turned so that the background lies along z; the background, +1 or -1
    along z; the direction that z has become; the number of sites; and whether all is well: with a spin that is not
    finite, or of length 0 where a site is, the rest means nothing.
    """
    ny, nx, _ = spin.shape
    n_sites = ny * nx
    background, z = background_sign(spin, field), (0.0, 0.0, 1.0)
    is_fine, is_unit, m_x, m_y, m_z = _scan(spin, background, code)
    if is_fine and not is_unit:
        spin, n_sites, is_fine = _unit_spins(spin, sites)
        background = background_sign(spin, field)
        _, _, m_x, m_y, m_z = _scan(spin, background, code)
    if not is_fine:
        return spin, background, z, 0, False
    in_plane = math.hypot(m_x, m_y)
    if in_plane > IN_PLANE * n_sites and in_plane > abs(m_z):
        length = math.hypot(in_plane, m_z)
        n_x, n_y, n_z = m_x / length, m_y / length, m_z / length
        spin, background, z = _turned(spin, n_x, n_y, n_z), 1.0, (-n_x, -n_y, n_z)
        _scan(spin, background, code)
    if n_sites < ny * nx:
        for y in range(ny):
            for x in range(nx):
                if spin[y, x, 0] == 0.0 and spin[y, x, 1] == 0.0 and spin[y, x, 2] == 0.0:
                    code[y, x] = EMPTY_SITE
    return spin, background, z, n_sites, True

"""Monte Carlo sweeps of lattices with even sizes, vectorised.

The lattice is held as four interpenetrating planes, one per parity of (y, x): ``planes[py, px, c, i, k]`` is component
c of the spin at y = 2(i-1) + py, x = 2(k-1) + px, inside a frame of ghost sites that repeats the opposite edge. The
neighbours of a plane's sites then lie in two other planes at constant offsets, so that every inner loop runs over
contiguous float32 arrays, and a plane's sites, which do not interact, may be updated together.

Everything is in the frame of the Néel interaction with handedness +1, to which every other is rotated exactly
(:mod:`skylattice.simulation.engine`). The effective field on a site with neighbours r, l, u, d is::

    h_x = jx (l_x + r_x) + jy (u_x + d_x) - dx (r_z - l_z)
    h_y = jx (l_y + r_y) + jy (u_y + d_y) - dy (u_z - d_z)
    h_z = jx (l_z + r_z) + jy (u_z + d_z) + dx (r_x - l_x) + dy (u_y - d_y) + b
"""

from __future__ import annotations

import numpy as np
from numba import uint64

from skylattice.kernels._jit import fastjit
from skylattice.kernels.fastmath import cos_sin, minus_expm1, minus_log, unit_uniform
from skylattice.kernels.philox import philox

#: Sites per block: the block's scratch rows stay in the first-level cache.
BLOCK = 512
_TINY = np.float32(1e-30)


@fastjit
def _field_in_plane(h, left, right, up, down, back_z, front_z, jx, jy, d):
    for k in range(uint64(h.size)):
        h[k] = jx * (left[k] + right[k]) + jy * (up[k] + down[k]) - d * (front_z[k] - back_z[k])


@fastjit
def _field_z(h, left, right, up, down, left_x, right_x, up_y, down_y, jx, jy, dx, dy, b):
    for k in range(uint64(h.size)):
        exchange = jx * (left[k] + right[k]) + jy * (up[k] + down[k])
        h[k] = exchange + dx * (right_x[k] - left_x[k]) + dy * (up_y[k] - down_y[k]) + b


@fastjit
def _field(h, row, column, left, down, width, n, coupling):
    """Effective field on ``n`` sites; the left and right neighbours lie in ``row``, those down and up in ``column``."""
    jx, jy, dx, dy, b = coupling[0], coupling[1], coupling[2], coupling[3], coupling[4]
    right, up = left + 1, down + width
    lx, rx = row[0, left : left + n], row[0, right : right + n]
    ly, ry = row[1, left : left + n], row[1, right : right + n]
    lz, rz = row[2, left : left + n], row[2, right : right + n]
    bx, tx = column[0, down : down + n], column[0, up : up + n]
    by, ty = column[1, down : down + n], column[1, up : up + n]
    bz, tz = column[2, down : down + n], column[2, up : up + n]
    _field_in_plane(h[0, :n], lx, rx, tx, bx, lz, rz, jx, jy, dx)
    _field_in_plane(h[1, :n], ly, ry, ty, by, bz, tz, jx, jy, dy)
    _field_z(h[2, :n], lz, rz, tz, bz, lx, rx, ty, by, jx, jy, dx, dy, b)


@fastjit
def _reflection_factor(factor, x, y, z, hx, hy, hz):
    for k in range(uint64(factor.size)):
        dot = x[k] * hx[k] + y[k] * hy[k] + z[k] * hz[k]
        factor[k] = np.float32(2.0) * dot / (hx[k] * hx[k] + hy[k] * hy[k] + hz[k] * hz[k] + _TINY)


@fastjit
def _reflect(s, h, factor):
    for k in range(uint64(s.size)):
        s[k] = factor[k] * h[k] - s[k]


@fastjit
def _over_relax(x, y, z, h, scratch, n):
    """Turn each spin by π about its field, which keeps the energy."""
    factor = scratch[0, :n]
    _reflection_factor(factor, x, y, z, h[0, :n], h[1, :n], h[2, :n])
    _reflect(x, h[0, :n], factor)
    _reflect(y, h[1, :n], factor)
    _reflect(z, h[2, :n], factor)


@fastjit
def _random_words(u0, u1, v0, v1, position, sweep, seed):
    """One Philox block for two sites: a word each for the polar and the azimuthal angle."""
    for k in range(uint64(u0.size)):
        u0[k], u1[k], v0[k], v1[k] = philox(
            np.uint32(position + k), np.uint32(sweep), seed[2], seed[3], seed[0], seed[1]
        )


@fastjit
def _polar(w, length, hx, hy, hz, word, beta):
    """Sample w = 1 - cos(angle to the field) from its Boltzmann distribution, and the field's length."""
    for k in range(uint64(w.size)):
        length[k] = np.sqrt(hx[k] * hx[k] + hy[k] * hy[k] + hz[k] * hz[k] + _TINY)
    for k in range(uint64(w.size)):
        a = max(beta * length[k], np.float32(1e-12))
        r = unit_uniform(word[k])
        one_minus_e, e = minus_expm1(np.float32(2.0) * a)
        t = (np.float32(1.0) - r) * one_minus_e
        w[k] = min(minus_log(r * one_minus_e + e, t) / a, np.float32(2.0))


@fastjit
def _azimuth(cosine, sine, w, word):
    """In-plane components of the new spin in the frame of its field."""
    for k in range(uint64(w.size)):
        c, s = cos_sin(word[k])
        radius = np.sqrt(w[k] * (np.float32(2.0) - w[k]))
        cosine[k] = radius * c
        sine[k] = radius * s


@fastjit
def _unit_field(hx, hy, hz, length, a):
    """Normalise the field, and prepare ``a`` of the orthonormal frame (T. Duff et al., JCGT 6, 1 (2017))."""
    for k in range(uint64(a.size)):
        inverse = np.float32(1.0) / length[k]
        hx[k] *= inverse
        hy[k] *= inverse
        hz[k] *= inverse
    for k in range(uint64(a.size)):
        a[k] = np.float32(-1.0) / (np.copysign(np.float32(1.0), hz[k]) + hz[k])


@fastjit
def _new_x(x, nx, ny, nz, a, w, cosine, sine):
    for k in range(uint64(x.size)):
        sign = np.copysign(np.float32(1.0), nz[k])
        first = np.float32(1.0) + sign * nx[k] * nx[k] * a[k]
        x[k] = nx[k] - nx[k] * w[k] + cosine[k] * first + sine[k] * (nx[k] * ny[k] * a[k])


@fastjit
def _new_y(y, nx, ny, nz, a, w, cosine, sine):
    for k in range(uint64(y.size)):
        sign = np.copysign(np.float32(1.0), nz[k])
        second = sign + ny[k] * ny[k] * a[k]
        y[k] = ny[k] - ny[k] * w[k] + cosine[k] * (sign * nx[k] * ny[k] * a[k]) + sine[k] * second


@fastjit
def _new_z(z, nx, ny, nz, w, cosine, sine):
    for k in range(uint64(z.size)):
        sign = np.copysign(np.float32(1.0), nz[k])
        z[k] = nz[k] - nz[k] * w[k] - cosine[k] * sign * nx[k] - sine[k] * ny[k]


@fastjit
def _heat_bath(x, y, z, h, scratch, words, beta, position, sweep, seed, n):
    """Draw each spin from its Boltzmann distribution in its field."""
    half = (n + 1) // 2
    _random_words(
        words[0, :half], words[0, half : 2 * half], words[1, :half], words[1, half : 2 * half], position, sweep, seed
    )
    w, length, cosine, sine = scratch[0, :n], scratch[1, :n], scratch[2, :n], scratch[3, :n]
    hx, hy, hz = h[0, :n], h[1, :n], h[2, :n]
    _polar(w, length, hx, hy, hz, words[0, :n], beta)
    _azimuth(cosine, sine, w, words[1, :n])
    a = scratch[4, :n]
    _unit_field(hx, hy, hz, length, a)
    _new_x(x, hx, hy, hz, a, w, cosine, sine)
    _new_y(y, hx, hy, hz, a, w, cosine, sine)
    _new_z(z, hx, hy, hz, w, cosine, sine)


@fastjit
def fill_ghosts(plane):
    """Repeat the opposite edges of ``plane``, shape (3, rows + 2, columns + 2), in its frame."""
    rows, columns = plane.shape[1] - 2, plane.shape[2] - 2
    for c in range(3):
        for i in range(rows + 2):
            plane[c, i, 0] = plane[c, i, columns]
            plane[c, i, columns + 1] = plane[c, i, 1]
        for k in range(columns + 2):
            plane[c, 0, k] = plane[c, rows, k]
            plane[c, rows + 1, k] = plane[c, 1, k]


@fastjit
def sweep_planes(planes, coupling, beta, sweep, seed, heat_bath):
    """Update every spin once, in place.

    Parameters
    ----------
    planes
        float32, shape (2, 2, 3, ny/2 + 2, nx/2 + 2), ghosts filled.
    coupling
        float32 (jx, jy, dx, dy, b).
    beta
        Inverse temperature, float32.
    sweep
        Number of this sweep: with ``seed``, uint32 of shape (4,), it determines the random numbers.
    heat_bath
        Heat bath if true, else over-relaxation (which needs neither ``beta`` nor ``seed``).
    """
    width = planes.shape[4]
    size = planes.shape[3] * width
    flat = planes.reshape((2, 2, 3, size))
    h = np.empty((3, BLOCK), np.float32)
    scratch = np.empty((5, BLOCK), np.float32)
    words = np.empty((2, BLOCK + 1), np.uint32)
    for q in range(4):
        py, px = q // 2, (q % 2) ^ (q // 2)  # the order 00, 01, 11, 10 alternates the checkerboard's colours
        plane = flat[py, px]
        start, stop = width + 1, size - width - 1
        while start < stop:
            n = min(BLOCK, stop - start)
            left, down = start - 1 + px, start - width + py * width
            _field(h, flat[py, 1 - px], flat[1 - py, px], left, down, width, n, coupling)
            x, y, z = plane[0, start : start + n], plane[1, start : start + n], plane[2, start : start + n]
            if heat_bath:
                _heat_bath(x, y, z, h, scratch, words, beta, q * size + start, sweep, seed, n)
            else:
                _over_relax(x, y, z, h, scratch, n)
            start += n
        fill_ghosts(planes[py, px])


@fastjit
def run_planes(planes, coupling, beta, first_sweep, n_heat_bath, n_over_relaxation, seed):
    """``n_heat_bath`` times one heat-bath sweep and ``n_over_relaxation`` over-relaxation sweeps, in place.

    Returns the number of the next heat-bath sweep.
    """
    for sweep in range(first_sweep, first_sweep + n_heat_bath):
        sweep_planes(planes, coupling, beta, sweep, seed, True)
        for _ in range(n_over_relaxation):
            sweep_planes(planes, coupling, beta, sweep, seed, False)
    return first_sweep + n_heat_bath


def to_planes(spin: np.ndarray) -> np.ndarray:
    """Split a lattice (ny, nx, 3) of even sizes into its four planes, as float32 with ghosts filled."""
    ny, nx, _ = spin.shape
    planes = np.empty((2, 2, 3, ny // 2 + 2, nx // 2 + 2), np.float32)
    for py in range(2):
        for px in range(2):
            planes[py, px, :, 1:-1, 1:-1] = np.moveaxis(spin[py::2, px::2], -1, 0)
            fill_ghosts(planes[py, px])
    return planes


def from_planes(planes: np.ndarray) -> np.ndarray:
    """Join what :func:`to_planes` split: a float32 lattice (ny, nx, 3)."""
    spin = np.empty((2 * (planes.shape[3] - 2), 2 * (planes.shape[4] - 2), 3), np.float32)
    for py in range(2):
        for px in range(2):
            spin[py::2, px::2] = np.moveaxis(planes[py, px, :, 1:-1, 1:-1], 0, -1)
    return spin

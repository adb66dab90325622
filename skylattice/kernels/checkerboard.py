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

An update is one loop that reads the neighbours and writes the spins. Where the lattice leaves the cache, several
over-relaxation sweeps pass over it together, a band of rows at a time.
"""

from __future__ import annotations

import numpy as np
from numba import uint64

from skylattice.kernels._jit import fastjit, restrict
from skylattice.kernels.fastmath import cos_sin, minus_expm1, minus_log, unit_uniform
from skylattice.kernels.philox import philox

#: Which random words a site gets is counted in blocks of so many sites of a plane: part of what a seed means.
WORD_BLOCK = 512
#: Sites per block of a heat bath: their words stay in the first-level cache.
BLOCK = 4 * WORD_BLOCK
#: Lattices of more bytes take several over-relaxation sweeps per visit.
CACHE = 1 << 20
SWEEPS_PER_VISIT = 4
#: Rows by which the bands of such a visit advance.
BAND = 16
_TINY = np.float32(1e-30)


@fastjit
def _field(row, column, k, width, coupling):
    """Effective field on site ``k``; neighbours left and right lie in ``row``, those down and up in ``column``."""
    jx, jy, dx, dy, b = coupling
    (row_x, row_y, row_z), (column_x, column_y, column_z) = row, column
    right, up = k + uint64(1), k + uint64(width)
    x = jx * (row_x[k] + row_x[right]) + jy * (column_x[k] + column_x[up]) - dx * (row_z[right] - row_z[k])
    y = jx * (row_y[k] + row_y[right]) + jy * (column_y[k] + column_y[up]) - dy * (column_z[up] - column_z[k])
    z = b + jx * (row_z[k] + row_z[right]) + jy * (column_z[k] + column_z[up])
    z += dx * (row_x[right] - row_x[k]) + dy * (column_y[up] - column_y[k])
    return x, y, z


@fastjit
def _over_relax(site, row, column, width, coupling):
    """Turn each spin by π about its field, which keeps the energy."""
    restrict()
    x, y, z = site
    for k in range(uint64(x.size)):
        hx, hy, hz = _field(row, column, k, width, coupling)
        dot = x[k] * hx + y[k] * hy + z[k] * hz
        factor = np.float32(2.0) * dot / (_TINY + hx * hx + hy * hy + hz * hz)
        x[k] = factor * hx - x[k]
        y[k] = factor * hy - y[k]
        z[k] = factor * hz - z[k]


@fastjit
def _random_words(u0, u1, v0, v1, position, sweep, seed):
    """One Philox block for two sites: a word each for the polar and the azimuthal angle."""
    restrict()
    s0, s1, s2, s3 = seed
    for k in range(uint64(u0.size)):
        u0[k], u1[k], v0[k], v1[k] = philox(np.uint32(position + k), np.uint32(sweep), s2, s3, s0, s1)


@fastjit
def _heat_bath(site, row, column, words, width, coupling, beta):
    """Draw each spin from its Boltzmann distribution in its field.

    w = 1 - cos(angle to the field) is sampled from its distribution, and turned about the field in the orthonormal
    frame of T. Duff et al., JCGT 6, 1 (2017).
    """
    restrict()
    x, y, z = site
    polar, azimuth = words
    one, two = np.float32(1.0), np.float32(2.0)
    temperature = one / beta
    for k in range(uint64(x.size)):
        hx, hy, hz = _field(row, column, k, width, coupling)
        square = _TINY + hx * hx + hy * hy + hz * hz
        inverse = one / np.sqrt(square)
        r = unit_uniform(polar[k])
        one_minus_e, e = minus_expm1(two * max(beta * (square * inverse), np.float32(1e-12)))
        t = (one - r) * one_minus_e
        w = min(minus_log(r * one_minus_e + e, t) * min(temperature * inverse, np.float32(1e12)), two)
        cosine, sine = cos_sin(azimuth[k])
        radius = np.sqrt(w * (two - w))
        hx, hy, hz = hx * inverse, hy * inverse, hz * inverse
        sign = np.copysign(one, hz)
        cosine, sine = radius * cosine, radius * sine
        along = sign * cosine * hx + sine * hy
        turned = one - w
        a = -along / (sign + hz)
        x[k] = turned * hx + cosine + a * hx
        y[k] = turned * hy + sign * sine + a * hy
        z[k] = turned * hz - along


@fastjit
def _components(plane, start, stop):
    return plane[0, start:stop], plane[1, start:stop], plane[2, start:stop]


@fastjit
def _sites(planes, q, start, stop):
    """Components of sites ``start`` to ``stop`` of the plane visited as number ``q``, and of their neighbours."""
    width = planes.shape[4]
    flat = planes.reshape((2, 2, 3, planes.shape[3] * width))
    py, px = q // 2, (q % 2) ^ (q // 2)  # the order 00, 01, 11, 10 alternates the checkerboard's colours
    left, down = start - 1 + px, start - width + py * width
    n = stop - start
    return (
        _components(flat[py, px], start, stop),
        _components(flat[py, 1 - px], left, left + n + 1),
        _components(flat[1 - py, px], down, down + n + width),
    )


@fastjit
def _close(planes, q, first, stop):
    """Repeat the opposite edges of the plane visited as number ``q`` beside its rows ``first`` to ``stop``."""
    rows, width = planes.shape[3] - 2, planes.shape[4]
    plane = planes[q // 2, (q % 2) ^ (q // 2)]
    for c in range(3):
        flat = plane[c].reshape((rows + 2) * width)
        for k in range(uint64(first * width), uint64(stop * width), uint64(width)):
            flat[k] = flat[k + uint64(width - 2)]
            flat[k + uint64(width - 1)] = flat[k + uint64(1)]
        if first == 1 or stop == rows + 1:
            for k in range(uint64(width)):
                flat[k] = flat[uint64(rows * width) + k]
                flat[uint64(rows * width + width) + k] = flat[uint64(width) + k]


@fastjit
def heat_bath_sweep(planes, coupling, beta, sweep, seed):
    """Draw every spin once from its Boltzmann distribution, in place.

    Parameters
    ----------
    planes
        float32, shape (2, 2, 3, ny/2 + 2, nx/2 + 2), ghosts filled.
    coupling
        Five float32: jx, jy, dx, dy, b.
    beta
        Inverse temperature, float32.
    sweep
        Number of this sweep: with ``seed``, four uint32, and the site it determines the random numbers.
    """
    width = planes.shape[4]
    size = planes.shape[3] * width
    couplings = coupling[0], coupling[1], coupling[2], coupling[3], coupling[4]
    key = seed[0], seed[1], seed[2], seed[3]
    words = np.empty((2, BLOCK + 1), np.uint32)
    for q in range(4):
        end = size - width - 1
        for start in range(width + 1, end, BLOCK):
            stop = min(start + BLOCK, end)
            for first in range(start, stop, WORD_BLOCK):
                n, at = min(WORD_BLOCK, stop - first), first - start
                middle = at + (n + 1) // 2
                after = 2 * middle - at
                u0, u1 = words[0, at:middle], words[0, middle:after]
                v0, v1 = words[1, at:middle], words[1, middle:after]
                _random_words(u0, u1, v0, v1, q * size + first, sweep, key)
            site, row, column = _sites(planes, q, start, stop)
            drawn = words[0, : stop - start], words[1, : stop - start]
            _heat_bath(site, row, column, drawn, width, couplings, beta)
        _close(planes, q, 1, planes.shape[3] - 1)


@fastjit
def over_relaxation_sweeps(planes, coupling, n_sweeps, band):
    """Turn every spin ``n_sweeps`` times by π about its field, in place.

    With ``band`` = 0 plane after plane, else in one pass over the lattice: a band of rows goes through all stages (one
    plane of one sweep each) before the next, ``band`` rows on. The third stage of each four reads the row above of the
    plane just updated, so a band's upper edge recedes by one row there; the first reads the row below, so the lower
    edge of the first band does. A site finds its neighbours as they are plane after plane: the same spins bit by bit.
    """
    width, rows = planes.shape[4], planes.shape[3] - 2
    couplings = coupling[0], coupling[1], coupling[2], coupling[3], coupling[4]
    n_stages = 4 * n_sweeps
    start, end = 1, 1 + 2 * n_sweeps + band  # the first band narrows from both sides
    in_bands = band > 0 and end <= rows
    if not in_bands:
        end = rows + 1
    while start <= rows:
        for stage in range(n_stages):
            lead, lag = (stage // 4, (stage + 2) // 4) if in_bands else (0, 0)
            first = start + lead if start == 1 else start - lag
            last = end - lag if end <= rows else end + lead
            while first < last:
                stop = min(last, rows + 1)
                site, row, column = _sites(planes, stage % 4, first * width + 1, stop * width - 1)
                _over_relax(site, row, column, width, couplings)
                _close(planes, stage % 4, first, stop)
                first, last = 1, last - rows  # what lies beyond the last row
        start, end = end, min(end + band, rows + 1)


@fastjit
def run_planes(planes, coupling, beta, first_sweep, n_heat_bath, n_over_relaxation, seed):
    """``n_heat_bath`` times one heat-bath sweep and ``n_over_relaxation`` over-relaxation sweeps, in place.

    Returns the number of the next heat-bath sweep.
    """
    band = BAND if planes.size * 4 > CACHE else 0
    for sweep in range(first_sweep, first_sweep + n_heat_bath):
        heat_bath_sweep(planes, coupling, beta, sweep, seed)
        for done in range(0, n_over_relaxation, SWEEPS_PER_VISIT):
            over_relaxation_sweeps(planes, coupling, min(SWEEPS_PER_VISIT, n_over_relaxation - done), band)
    return first_sweep + n_heat_bath


def to_planes(spin: np.ndarray) -> np.ndarray:
    """Split a lattice (ny, nx, 3) of even sizes into its four planes, as float32 with ghosts filled."""
    ny, nx, _ = spin.shape
    planes = np.empty((2, 2, 3, ny // 2 + 2, nx // 2 + 2), np.float32)
    planes[..., 1:-1, 1:-1] = spin.reshape(ny // 2, 2, nx // 2, 2, 3).transpose(1, 3, 4, 0, 2)
    planes[..., 0], planes[..., -1] = planes[..., -2], planes[..., 1]
    planes[..., 0, :], planes[..., -1, :] = planes[..., -2, :], planes[..., 1, :]
    return planes


def from_planes(planes: np.ndarray) -> np.ndarray:
    """Join what :func:`to_planes` split: a float32 lattice (ny, nx, 3)."""
    inner = planes[..., 1:-1, 1:-1].transpose(3, 0, 4, 1, 2)
    return inner.reshape(2 * inner.shape[0], 2 * inner.shape[2], 3)

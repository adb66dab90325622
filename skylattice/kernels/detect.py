"""Skyrmions as regions of spins against the background: split where they touch, and measured one by one."""

from __future__ import annotations

import math

import numpy as np

from skylattice.kernels._jit import jit
from skylattice.kernels.phase import background_sign
from skylattice.kernels.regions import count_preimages, depth, label_regions, shapes
from skylattice.kernels.union_find import root
from skylattice.schema import TEXTURE

#: Columns of the table that :func:`detect` returns, one row per skyrmion.
COLUMNS = (
    "skyrmion_x",
    "skyrmion_y",
    "n_spins",
    "charge",
    "radius",
    "ellipticity",
    "vorticity",
    "polarity",
    "helicity",
    "core_m_z",
    "texture",
)
_X, _Y, _N, _Q, _R, _ELLIPTICITY, _M, _P, _GAMMA, _CORE, _TEXTURE = range(len(COLUMNS))

NEEL, BLOCH, ANTISKYRMION, MIXED = (TEXTURE[name] for name in ("neel", "bloch", "antiskyrmion", "mixed"))
#: How much less deep than the shallower of two maxima the saddle between them must be to keep them apart.
SEPARATION = 0.25
#: Coherence of the in-plane angle below which a texture has no helicity worth naming.
COHERENT = 0.5
#: The thesis' rule: at least so many spins below this S_z.
DUSEK_SPINS, DUSEK_DEPTH = 7, 0.8


@jit
def split_region(against, sites, preimages, group, first):
    """Cut a region along the saddles between its deep maxima, so that each part carries its own charge.

    Sites join in the order of decreasing depth. Two maxima that meet stay apart if the saddle lies SEPARATION below the
    shallower one; parts without charge then join the neighbour that they touch deepest.

    Parameters
    ----------
    against
        Depth, shape (y, x).
    sites
        Flat indices of the region's sites.
    preimages
        Signed preimages at each site, shape (y * x,).
    group
        In: this region's number at its sites, less than ``first``. Out: the parts' numbers, from ``first`` on.

    Returns
    -------
    The next free number.
    """
    ny, nx = against.shape
    n = len(sites)
    values = np.empty(n)
    for i in range(n):
        values[i] = -against[sites[i] // nx, sites[i] % nx]
    order = np.argsort(values)
    parent, charge = np.arange(n), np.zeros(n, dtype=np.int64)
    n_basins = 0
    peak = np.empty(n)
    for i in order:
        y, x = sites[i] // nx, sites[i] % nx
        basin = -1
        for v, u in ((y, (x + 1) % nx), (y, (x - 1) % nx), ((y + 1) % ny, x), ((y - 1) % ny, x)):
            if group[v, u] < first:
                continue
            other = root(parent, group[v, u] - first)
            if basin < 0:
                basin = other
            elif other != basin:
                low, high = (basin, other) if peak[basin] < peak[other] else (other, basin)
                if peak[low] + values[i] < SEPARATION:
                    parent[low] = high
                    charge[high] += charge[low]
                basin = high
        if basin < 0:
            basin = n_basins
            n_basins += 1
            peak[basin] = -values[i]
        group[y, x] = first + basin
        charge[basin] += preimages[sites[i]]
    for i in order:
        y, x = sites[i] // nx, sites[i] % nx
        for v, u in ((y, (x + 1) % nx), (y, (x - 1) % nx), ((y + 1) % ny, x), ((y - 1) % ny, x)):
            if group[v, u] < first or against[v, u] < against[y, x]:
                continue
            a, b = root(parent, group[y, x] - first), root(parent, group[v, u] - first)
            if a != b and (charge[a] == 0 or charge[b] == 0):
                parent[a] = b
                charge[b] += charge[a]
    for i in range(n):
        y, x = sites[i] // nx, sites[i] % nx
        group[y, x] = first + root(parent, group[y, x] - first)
    return first + n_basins


@jit
def _separate(against, group, label, site, sign, n_preimages):
    """Number the objects: regions, and the parts of those whose preimages say that they hold more than one skyrmion.

    A region is cut if its charge is beyond ±1, or if it is neutral and preimages of both signs cancel in it.

    Returns
    -------
    Whether any region was cut; ``group`` then holds the parts.
    """
    ny, nx = against.shape
    n_regions = label.max()
    charge, count = np.zeros(n_regions + 1, dtype=np.int64), np.zeros(n_regions + 1, dtype=np.int64)
    for k in range(n_preimages):
        region = label[site[k] // nx, site[k] % nx]
        charge[region] += sign[k]
        count[region] += 1
    holds_more = (np.abs(charge) > 1) | ((charge == 0) & (count > 0))
    if not holds_more.any():
        return False

    preimages = np.zeros(ny * nx, dtype=np.int64)
    for k in range(n_preimages):
        preimages[site[k]] += sign[k]
    group[:] = label
    free = n_regions + 1
    for region in np.flatnonzero(holds_more):
        sites = np.flatnonzero(label.ravel() == region).astype(np.int32)
        free = split_region(against, sites, preimages, group, free)
    return True


@jit
def _wrapped(position, period):
    """The position in [0, period): the remainder of a tiny negative number rounds to the period itself."""
    position %= period
    return position if position < period else 0.0


@jit
def _measure_centres(spin, background, label, offset_y, offset_x, weighted, table):
    """Fill number of spins, centre (relative to the first site, then on the torus) and core of each region."""
    ny, nx = label.shape
    n = len(table)
    first = np.full(n, -1)
    weight = np.zeros(n)
    table[:, _X], table[:, _Y], table[:, _N] = 0.0, 0.0, 0.0
    table[:, _CORE] = 2.0 * background
    for y in range(ny):
        for x in range(nx):
            k = label[y, x] - 1
            if k < 0:
                continue
            if first[k] < 0:
                first[k] = y * nx + x
            w = max(-background * spin[y, x, 2], 0.0) if weighted else 1.0
            weight[k] += w
            table[k, _X] += w * offset_x[y, x]
            table[k, _Y] += w * offset_y[y, x]
            table[k, _N] += 1.0
            if background * spin[y, x, 2] < background * table[k, _CORE]:
                table[k, _CORE] = spin[y, x, 2]
    centre = np.empty((n, 2))
    for k in range(n):
        # a region of spins just off the equator has no weight: its first site must do
        centre[k, 0] = table[k, _X] / weight[k] if weight[k] > 0.0 else 0.0
        centre[k, 1] = table[k, _Y] / weight[k] if weight[k] > 0.0 else 0.0
        table[k, _X] = _wrapped(first[k] % nx + centre[k, 0], nx)
        table[k, _Y] = _wrapped(first[k] // nx + centre[k, 1], ny)
        table[k, _R] = math.sqrt(table[k, _N] / math.pi)
    return centre


@jit
def _measure_textures(spin, background, label, offset_y, offset_x, centre, table):
    """Fill vorticity, polarity, helicity and texture of each region from its charge and its in-plane spins.

    Q = m p with p the sign of the core's S_z, and γ = m φ - Φ with φ the direction from the centre and Φ that of the
    spin: equations (1.3) and (1.5) of the thesis. Each spin adds sin θ exp(iγ) to the region's mean.
    """
    ny, nx = label.shape
    n = len(table)
    phase, total = np.zeros(n, dtype=np.complex128), np.zeros(n)
    for y in range(ny):
        for x in range(nx):
            k = label[y, x] - 1
            if k < 0:
                continue
            dx, dy = offset_x[y, x] - centre[k, 0], offset_y[y, x] - centre[k, 1]
            r = math.sqrt(dx * dx + dy * dy)
            if r == 0.0:  # no direction from the centre
                continue
            outward = complex(dx / r, dy / r if background * table[k, _Q] < 0 else -dy / r)
            turned = complex(spin[y, x, 0], -spin[y, x, 1])
            for _ in range(int(abs(table[k, _Q]))):
                turned *= outward
            phase[k] += turned
            total[k] += math.sqrt(spin[y, x, 0] ** 2 + spin[y, x, 1] ** 2)
    for k in range(n):
        vorticity = -background * table[k, _Q]
        coherent = abs(phase[k]) > COHERENT * total[k]
        gamma = math.atan2(phase[k].imag, phase[k].real)
        table[k, _M], table[k, _P] = vorticity, -background
        table[k, _GAMMA] = gamma if coherent else np.nan
        table[k, _TEXTURE] = MIXED
        if coherent and vorticity == -1.0:
            table[k, _TEXTURE] = ANTISKYRMION
        elif coherent and vorticity == 1.0 and abs(math.cos(gamma)) > math.cos(math.pi / 8):
            table[k, _TEXTURE] = NEEL
        elif coherent and vorticity == 1.0 and abs(math.sin(gamma)) > math.cos(math.pi / 8):
            table[k, _TEXTURE] = BLOCH


def scratch(ny, nx):
    """Arrays for :func:`detect` to work in, which it overwrites: depths, labels and offsets, preimages.

    Fresh ones for every lattice cost as much time as the labelling, most of all where the allocator returns memory at
    once, as in the workers of a cluster.
    """
    return np.empty((ny, nx)), np.empty((4, ny, nx), dtype=np.int32), np.empty((2, 2 * ny * nx), dtype=np.int32)


@jit
def detect(spin, field, by_charge, against, maps, preimages):
    """Detect and measure the skyrmions of one lattice.

    Parameters
    ----------
    spin
        Shape (y, x, 3), float64 unit spins.
    field
        Field along z; only its sign matters.
    by_charge
        True: every charged object. False: the thesis' rule, clusters of spins far against the background.
    against, maps, preimages
        From :func:`scratch`.

    Returns
    -------
    Table of shape (skyrmions, columns), in the order of their first sites; number and charge of the objects that close
    around the torus; and the topological charge.
    """
    ny, nx, _ = spin.shape
    background = background_sign(spin, field)
    depth(spin, background, against)
    site, sign = preimages[0], preimages[1]
    n_preimages = count_preimages(spin, against, background, site, sign)

    group, label, offset_y, offset_x = maps[0], maps[1], maps[2], maps[3]
    for y in range(ny):
        for x in range(nx):
            group[y, x] = against[y, x] > 0.0 if by_charge else -background * spin[y, x, 2] > DUSEK_DEPTH
    percolates = label_regions(group, label, offset_y, offset_x)
    if by_charge and _separate(against, group, label, site, sign, n_preimages):
        percolates = label_regions(group, label, offset_y, offset_x)

    n_regions = len(percolates)
    table = np.zeros((n_regions, len(COLUMNS)))
    for k in range(n_preimages):
        region = label[site[k] // nx, site[k] % nx] - 1
        if region >= 0:
            table[region, _Q] += sign[k]
    centre = _measure_centres(spin, background, label, offset_y, offset_x, by_charge, table)
    table[:, _ELLIPTICITY], _ = shapes(label, offset_y, offset_x, n_regions)
    _measure_textures(spin, background, label, offset_y, offset_x, centre, table)
    is_skyrmion = (table[:, _Q] != 0.0) if by_charge else (table[:, _N] >= DUSEK_SPINS)
    return (
        table[is_skyrmion & ~percolates],
        percolates.sum(),
        table[percolates, _Q].sum(),
        sign[:n_preimages].sum(),
    )

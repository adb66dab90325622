"""Skyrmions as regions of spins against the background: split where they touch, and measured one by one."""

from __future__ import annotations

import math

import numpy as np

from skylattice.kernels._jit import jit
from skylattice.kernels.background import EMPTY_SITE, depth, reversed_sites, spin_at, survey
from skylattice.kernels.frame import PERIODIC_X, PERIODIC_Y, is_whole
from skylattice.kernels.regions import (
    BEGIN,
    END,
    OFFSET_X,
    OFFSET_Y,
    REGION,
    RUN_COLUMNS,
    Y,
    count_preimages,
    label_regions,
    region_at,
    shapes,
)
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
    "on_boundary",
)
_X, _Y, _N, _Q, _R, _ELLIPTICITY, _M, _P, _GAMMA, _CORE, _TEXTURE, _ON_BOUNDARY = range(len(COLUMNS))

NEEL, BLOCH, ANTISKYRMION, MIXED = (TEXTURE[name] for name in ("neel", "bloch", "antiskyrmion", "mixed"))
#: How much less deep than the shallower of two maxima the saddle between them must be to keep them apart.
SEPARATION = 0.25
#: Coherence of the in-plane angle below which a texture has no helicity worth naming.
COHERENT = 0.5
#: The thesis' rule: at least so many spins below this S_z.
DUSEK_SPINS, DUSEK_DEPTH = 7, 0.8


@jit
def _neighbour(y, x, side, ny, nx, sites):
    """The neighbour of a site to the right, left, above or below; (-1, -1) beyond an open boundary."""
    if side < 2:
        u = x + 1 if side == 0 else x - 1
        return (y, u % nx) if sites[PERIODIC_X] or 0 <= u < nx else (-1, -1)
    v = y + 1 if side == 2 else y - 1
    return (v % ny, x) if sites[PERIODIC_Y] or 0 <= v < ny else (-1, -1)


@jit
def split_region(spin, background, sites, members, preimages, group, first):
    """Cut a region along the saddles between its deep maxima, so that each part carries its own charge.

    Sites join in the order of decreasing depth. Two maxima that meet stay apart if the saddle lies SEPARATION below the
    shallower one; parts without charge then join the neighbour that they touch deepest.

    Parameters
    ----------
    spin, background
        Shape (y, x, 3), and +1 or -1: they give the depth.
    sites
        Flags as in :mod:`skylattice.kernels.frame`.
    members
        Flat indices of the region's sites.
    preimages
        Signed preimages at each site, shape (y * x,).
    group
        In: this region's number at its sites, less than ``first``. Out: the parts' numbers, from ``first`` on.

    Returns
    -------
    The next free number.
    """
    ny, nx = group.shape
    n = len(members)
    values = np.empty(n)
    for i in range(n):
        values[i] = -depth(spin_at(spin, members[i] // nx, members[i] % nx), background)
    order = np.argsort(values)
    parent, charge = np.arange(n), np.zeros(n, dtype=np.int64)
    n_basins = 0
    peak = np.empty(n)
    for i in order:
        y, x = members[i] // nx, members[i] % nx
        basin = -1
        for side in range(4):
            v, u = _neighbour(y, x, side, ny, nx, sites)
            if v < 0 or group[v, u] < first:
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
        charge[basin] += preimages[members[i]]
    for i in order:
        y, x = members[i] // nx, members[i] % nx
        for side in range(4):
            v, u = _neighbour(y, x, side, ny, nx, sites)
            if v < 0 or group[v, u] < first or -depth(spin_at(spin, v, u), background) > values[i]:
                continue
            a, b = root(parent, group[y, x] - first), root(parent, group[v, u] - first)
            if a != b and (charge[a] == 0 or charge[b] == 0):
                parent[a] = b
                charge[b] += charge[a]
    for i in range(n):
        y, x = members[i] // nx, members[i] % nx
        group[y, x] = first + root(parent, group[y, x] - first)
    return first + n_basins


@jit
def _separate(spin, background, sites, group, run, row, n_regions, site, sign, n_preimages):
    """Number the objects: regions, and the parts of those whose preimages say that they hold more than one skyrmion.

    A region is cut if its charge is beyond ±1, or if it is neutral and preimages of both signs cancel in it.

    Returns
    -------
    Whether any region was cut; ``group`` then holds the parts.
    """
    ny, nx = group.shape
    charge, count = np.zeros(n_regions + 1, dtype=np.int64), np.zeros(n_regions + 1, dtype=np.int64)
    for k in range(n_preimages):
        region = region_at(run, row, site[k] // nx, site[k] % nx)
        charge[region] += sign[k]
        count[region] += 1
    n_cut = 0
    for region in range(1, n_regions + 1):
        n_cut += abs(charge[region]) > 1 or (charge[region] == 0 and count[region] > 0)
    if n_cut == 0:
        return False

    preimages = np.zeros(ny * nx, dtype=np.int64)
    for k in range(n_preimages):
        preimages[site[k]] += sign[k]
    start = np.zeros(n_regions + 2, dtype=np.int64)
    for r in range(row[ny]):
        group[run[r, Y], run[r, BEGIN] : run[r, END]] = run[r, REGION]
        start[run[r, REGION] + 1] += run[r, END] - run[r, BEGIN]
    for region in range(n_regions + 1):
        start[region + 1] += start[region]
    members, free = np.empty(start[n_regions + 1], dtype=np.int32), start.copy()
    for r in range(row[ny]):
        for x in range(run[r, BEGIN], run[r, END]):
            members[free[run[r, REGION]]] = run[r, Y] * nx + x
            free[run[r, REGION]] += 1
    number = n_regions + 1
    for region in range(1, n_regions + 1):
        if abs(charge[region]) > 1 or (charge[region] == 0 and count[region] > 0):
            of_region = members[start[region] : start[region + 1]]
            number = split_region(spin, background, sites, of_region, preimages, group, number)
    return True


@jit
def _wrapped(position, period):
    """The position in [0, period): the remainder of a tiny negative number rounds to the period itself."""
    position %= period
    return position if position < period else 0.0


@jit
def _measure_centres(spin, background, z, run, n_runs, weighted, table):
    """Fill number of spins, centre (relative to the first site, then on the torus) and core of each region."""
    ny, nx, _ = spin.shape
    n = len(table)
    deepest = np.full(n, 2.0 * background)
    first = np.full(n, -1)
    weight = np.zeros(n)
    for r in range(n_runs):
        k = run[r, REGION] - 1
        if first[k] < 0:
            first[k] = r
        for x in range(run[r, BEGIN], run[r, END]):
            s_z = np.float64(spin[run[r, Y], x, 2])
            w = max(-background * s_z, 0.0) if weighted else 1.0
            weight[k] += w
            table[k, _X] += w * (run[r, OFFSET_X] + x - run[r, BEGIN])
            table[k, _Y] += w * run[r, OFFSET_Y]
            table[k, _N] += 1.0
            if background * s_z < background * deepest[k]:
                s_x, s_y, s_z = spin_at(spin, run[r, Y], x)
                deepest[k], table[k, _CORE] = s_z, z[0] * s_x + z[1] * s_y + z[2] * s_z
    centre = np.empty((n, 2))
    for k in range(n):
        # a region of spins just off the equator has no weight: its first site must do
        centre[k, 0] = table[k, _X] / weight[k] if weight[k] > 0.0 else 0.0
        centre[k, 1] = table[k, _Y] / weight[k] if weight[k] > 0.0 else 0.0
        table[k, _X] = _wrapped(run[first[k], BEGIN] + centre[k, 0], nx)
        table[k, _Y] = _wrapped(run[first[k], Y] + centre[k, 1], ny)
        table[k, _R] = math.sqrt(table[k, _N] / math.pi)
    return centre


@jit
def _measure_textures(spin, background, run, n_runs, centre, table):
    """Fill vorticity, polarity, helicity and texture of each region from its charge and its in-plane spins.

    Q = m p with p the sign of the core's S_z, and γ = m φ - Φ with φ the direction from the centre and Φ that of the
    spin: equations (1.3) and (1.5) of the thesis. Each spin adds sin θ exp(iγ) to the region's mean.
    """
    n = len(table)
    phase, total = np.zeros(n, dtype=np.complex128), np.zeros(n)
    for r in range(n_runs):
        k = run[r, REGION] - 1
        dy = run[r, OFFSET_Y] - centre[k, 1]
        for x in range(run[r, BEGIN], run[r, END]):
            dx = run[r, OFFSET_X] + x - run[r, BEGIN] - centre[k, 0]
            distance = math.sqrt(dx * dx + dy * dy)
            if distance == 0.0:  # no direction from the centre
                continue
            s_x, s_y, _ = spin_at(spin, run[r, Y], x)
            outward = complex(dx / distance, dy / distance if background * table[k, _Q] < 0 else -dy / distance)
            turned = complex(s_x, -s_y)
            for _ in range(int(abs(table[k, _Q]))):
                turned *= outward
            phase[k] += turned
            total[k] += math.sqrt(s_x**2 + s_y**2)
    for k in range(n):
        vorticity = -background * table[k, _Q]
        coherent = abs(phase[k]) > COHERENT * total[k]
        gamma = math.atan2(phase[k].imag, phase[k].real)
        gamma = math.pi if gamma == -math.pi else gamma
        table[k, _M], table[k, _P] = vorticity, -background
        table[k, _GAMMA] = gamma if coherent else np.nan
        table[k, _TEXTURE] = MIXED
        if coherent and vorticity == -1.0:
            table[k, _TEXTURE] = ANTISKYRMION
        elif coherent and vorticity == 1.0 and abs(math.cos(gamma)) > math.cos(math.pi / 8):
            table[k, _TEXTURE] = NEEL
        elif coherent and vorticity == 1.0 and abs(math.sin(gamma)) > math.cos(math.pi / 8):
            table[k, _TEXTURE] = BLOCH


@jit
def _mark_boundary(code, sites, run, n_runs, table):
    """Fill whether a region touches an open boundary or an empty site."""
    ny, nx = code.shape
    for r in range(n_runs):
        k, y = run[r, REGION] - 1, run[r, Y]
        for x in range(run[r, BEGIN], run[r, END]):
            for side in range(4):
                v, u = _neighbour(y, x, side, ny, nx, sites)
                if v < 0 or code[v, u] == EMPTY_SITE:
                    table[k, _ON_BOUNDARY] = 1.0


def scratch(ny, nx):
    """Arrays for :func:`detect` to work in, which it overwrites: codes, groups, runs and preimages.

    Fresh ones for every lattice cost as much time as the labelling, most of all where the allocator returns memory at
    once, as in the workers of a cluster.
    """
    return (
        np.empty((ny, nx), dtype=np.uint8),
        np.empty((ny, nx), dtype=np.int32),
        np.empty((ny * nx, RUN_COLUMNS), dtype=np.int32),
        np.empty((2, 2 * ny * nx), dtype=np.int32),
    )


@jit
def detect(spin, field, by_charge, sites, code, group, run, preimages):
    """Detect and measure the skyrmions of one lattice.

    Parameters
    ----------
    spin
        Shape (y, x, 3), float32 or float64.
    field
        Field along z; only its sign matters.
    by_charge
        True: every charged object. False: the thesis' rule, clusters of spins far against the background.
    sites
        Flags as in :mod:`skylattice.kernels.frame`.
    code, group, run, preimages
        From :func:`scratch`.

    Returns
    -------
    Table of shape (skyrmions, columns), in the order of their first sites; number and charge of the objects that close
    across periodic boundaries; the topological charge; and whether all sites have a spin, without which the rest is
    empty.
    """
    ny, nx, _ = spin.shape
    spin, background, z, _, is_fine = survey(spin, field, sites, code)
    if not is_fine:
        return np.empty((0, len(COLUMNS))), 0, 0.0, 0, False
    site, sign = preimages[0], preimages[1]
    n_preimages = count_preimages(spin, background, code, sites, site, sign)
    if by_charge:
        reversed_sites(code, group)
    else:
        for y in range(ny):
            for x in range(nx):
                group[y, x] = -background * np.float64(spin[y, x, 2]) > DUSEK_DEPTH
    row = np.empty(ny + 1, dtype=np.int32)
    percolates = label_regions(group, sites, run, row)
    if by_charge and _separate(spin, background, sites, group, run, row, len(percolates), site, sign, n_preimages):
        percolates = label_regions(group, sites, run, row)

    table, charge = np.zeros((len(percolates), len(COLUMNS))), 0
    for k in range(n_preimages):
        region = region_at(run, row, site[k] // nx, site[k] % nx) - 1
        charge += sign[k]
        if region >= 0:
            table[region, _Q] += sign[k]
    centre = _measure_centres(spin, background, z, run, row[ny], by_charge, table)
    _, elongation, _ = shapes(run, row[ny], len(percolates))
    _measure_textures(spin, background, run, row[ny], centre, table)
    if not is_whole(sites):
        _mark_boundary(code, sites, run, row[ny], table)
    n_skyrmions, n_stripes, stripe_charge = 0, 0, 0.0
    for k in range(len(table)):
        if percolates[k]:
            n_stripes += 1
            stripe_charge += table[k, _Q]
        elif table[k, _Q] != 0.0 if by_charge else table[k, _N] >= DUSEK_SPINS:
            table[k, _ELLIPTICITY] = elongation[k]
            for column in range(len(COLUMNS)):
                table[n_skyrmions, column] = table[k, column]
            n_skyrmions += 1
    return table[:n_skyrmions].copy(), n_stripes, stripe_charge, charge, True

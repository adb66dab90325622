"""The magnetic phase of a lattice, from the regions that point against the background."""

from __future__ import annotations

import math

import numpy as np

from skylattice.kernels._jit import gujit, jit
from skylattice.kernels.background import reversed_sites, survey
from skylattice.kernels.field import NO_FIELD
from skylattice.kernels.frame import PERIODIC_X, PERIODIC_Y
from skylattice.kernels.regions import (
    RUN_COLUMNS,
    count_preimages,
    label_regions,
    region_at,
    shapes,
)
from skylattice.schema import PHASE

EMPTY, FERROMAGNET = PHASE["empty"], PHASE["ferromagnet"]
SPIRAL, SKYRMION, MIXED, DISORDERED = (PHASE[name] for name in ("spiral", "skyrmion", "mixed", "disordered"))

#: Spread from which a region is a stripe rather than a skyrmion: that of an ellipse with axes as 1 to 2.4.
STRIPE = 1.4
#: Mean alignment of spins with the sum of their neighbours below which a lattice is molten: it is 0.998 at T = 0.006,
#: 0.92 at 0.3 and 0.85 at 0.5, whatever D is, and charge freezes at 0.38.
ORDERED = 0.87
#: Reversed share of the area below which nothing but noise is left, and above which skyrmions are dense.
DILUTE, DENSE = 0.01, 0.05
#: Share of the reversed area inside skyrmions from which the lattice counts as skyrmions, and up to which as spiral.
MOSTLY, HARDLY = 0.75, 0.25


@jit
def _alignment(spin, sites, n_sites):
    """Mean cosine of the angles between the spins and the sums of their neighbours, which no smooth texture lowers."""
    ny, nx, _ = spin.shape
    total = 0.0
    for y in range(ny):
        up = (y + 1) % ny if y + 1 < ny or sites[PERIODIC_Y] else -1
        down = (y - 1) % ny if y > 0 or sites[PERIODIC_Y] else -1
        for x in range(nx):
            right = (x + 1) % nx if x + 1 < nx or sites[PERIODIC_X] else -1
            left = (x - 1) % nx if x > 0 or sites[PERIODIC_X] else -1
            h_x = h_y = h_z = 0.0
            for v, u in ((y, right), (y, left), (up, x), (down, x)):
                if v >= 0 and u >= 0:
                    h_x, h_y, h_z = h_x + spin[v, u, 0], h_y + spin[v, u, 1], h_z + spin[v, u, 2]
            along = spin[y, x, 0] * h_x + spin[y, x, 1] * h_y + spin[y, x, 2] * h_z
            total += along / max(math.sqrt(h_x * h_x + h_y * h_y + h_z * h_z), NO_FIELD)
    return total / n_sites


@jit
def _phase_of_regions(spin, code, sites, n_sites, site, sign, n_preimages):
    """The phase of a lattice by the codes of its sites and its preimages: see :mod:`skylattice.kernels.regions`."""
    ny, nx = code.shape
    group = np.empty((ny, nx), dtype=np.int32)
    reversed_sites(code, group)
    run, row = np.empty((ny * (nx // 2 + 1), RUN_COLUMNS), dtype=np.int32), np.empty(ny + 1, dtype=np.int32)
    percolates = label_regions(group, sites, run, row)
    n_regions = len(percolates)
    charge = np.zeros(n_regions + 1, dtype=np.int32)
    for k in range(n_preimages):
        charge[region_at(run, row, site[k] // nx, site[k] % nx)] += sign[k]
    area, _, spread = shapes(run, row[ny], n_regions)

    reversed_area, compact_area, is_charged = 0, 0, False
    for k in range(n_regions):
        reversed_area += area[k]
        is_charged |= charge[k + 1] != 0
        if abs(charge[k + 1]) == 1 and not percolates[k] and spread[k] < STRIPE:
            compact_area += area[k]
    share = reversed_area / n_sites
    if not is_charged and (share < DILUTE or share > 1.0 - DILUTE):
        return FERROMAGNET
    if _alignment(spin, sites, n_sites) < ORDERED:
        return DISORDERED
    if compact_area >= MOSTLY * reversed_area and share >= DENSE:
        return SKYRMION
    return SPIRAL if compact_area <= HARDLY * reversed_area else MIXED


@gujit(
    ["(float32[:,:,:], float64, boolean[:], int8[:])", "(float64[:,:,:], float64, boolean[:], int8[:])"],
    "(y,x,c),(),(k)->()",
)
def phase(spin, field, sites, out):
    """Flag of each lattice's phase in the field along z; -1 for a hole, or a lattice with a NaN."""
    out[0] = EMPTY
    if np.isnan(spin[0, 0, 0]):
        return
    ny, nx, _ = spin.shape
    code = np.empty((ny, nx), dtype=np.uint8)
    spin, background, _, n_sites, is_fine = survey(spin, field, sites, code)
    if is_fine:
        site, sign = np.empty(2 * ny * nx, dtype=np.int32), np.empty(2 * ny * nx, dtype=np.int32)
        n_preimages = count_preimages(spin, background, code, sites, site, sign)
        out[0] = _phase_of_regions(spin, code, sites, n_sites, site, sign, n_preimages)

"""The magnetic phase of a lattice, from the regions that point against the background."""

from __future__ import annotations

import numpy as np

from skylattice.kernels._jit import gujit, jit
from skylattice.kernels.regions import count_preimages, depth, label_regions, shapes
from skylattice.schema import PHASE

EMPTY, FERROMAGNET = PHASE["empty"], PHASE["ferromagnet"]
SPIRAL, SKYRMION, MIXED = PHASE["spiral"], PHASE["skyrmion"], PHASE["mixed"]

#: Spread from which a region is a stripe rather than a skyrmion: that of an ellipse with axes as 1 to 2.4.
STRIPE = 1.4
#: Reversed share of the area below which nothing but noise is left, and above which skyrmions are dense.
DILUTE, DENSE = 0.01, 0.05
#: Share of the reversed area inside skyrmions from which the lattice counts as skyrmions, and up to which as spiral.
MOSTLY, HARDLY = 0.75, 0.25


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
def phase_of_lattice(spin, field):
    """The phase of one lattice of float64 spins, shape (y, x, 3), in the field along z."""
    ny, nx, _ = spin.shape
    background = background_sign(spin, field)
    against = np.empty((ny, nx))
    depth(spin, background, against)
    label = np.empty((ny, nx), dtype=np.int32)
    offset_y, offset_x = np.empty_like(label), np.empty_like(label)
    percolates = label_regions(against > 0.0, label, offset_y, offset_x)
    site, sign = np.empty(2 * ny * nx, dtype=np.int32), np.empty(2 * ny * nx, dtype=np.int32)
    n_preimages = count_preimages(spin, against, background, site, sign)

    n_regions = len(percolates)
    charge = np.zeros(n_regions, dtype=np.int32)
    for k in range(n_preimages):
        charge[label[site[k] // nx, site[k] % nx] - 1] += sign[k]
    area = np.bincount(label.ravel(), minlength=n_regions + 1)[1:]
    _, spread = shapes(label, offset_y, offset_x, n_regions)
    compact = (np.abs(charge) == 1) & ~percolates & (spread < STRIPE)

    reversed_area = area.sum()
    share = reversed_area / (ny * nx)
    if not charge.any() and (share < DILUTE or share > 1.0 - DILUTE):
        return FERROMAGNET
    skyrmions = area[compact].sum() / reversed_area
    if skyrmions >= MOSTLY and share >= DENSE:
        return SKYRMION
    return SPIRAL if skyrmions <= HARDLY else MIXED


@gujit(["(float32[:,:,:], float64, int8[:])", "(float64[:,:,:], float64, int8[:])"], "(y,x,c),()->()")
def phase(spin, field, out):
    """Flag of :func:`phase_of_lattice`; -1 for a hole, or a lattice with a NaN."""
    if np.isnan(spin[0, 0, 0]):
        out[0] = EMPTY
        return
    wide = spin.astype(np.float64)
    out[0] = EMPTY if np.isnan(wide).any() else phase_of_lattice(wide, field)

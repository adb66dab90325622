"""Grains: neighbouring points of one orientation."""

from __future__ import annotations

import math

import numpy as np

from skylattice.kernels._jit import jit
from skylattice.kernels.union_find import root


@jit
def misorientation(a, b):
    """Angle between two lattices with ψ6 = a and b, in [0, π/6]; zero for an undefined orientation."""
    turned = a * b.conjugate()
    return abs(math.atan2(turned.imag, turned.real)) / 6.0


@jit
def grow_grains(origin, end, psi6, tolerance, min_size):
    """Number the grains, from 1 in the order of decreasing size.

    Neighbours join in the order of their misorientation, as long as the mean orientations of the two grains that they
    belong to differ by less than the tolerance. Grains below the minimum size then join the neighbour that they share
    most edges with, smallest first.

    Parameters
    ----------
    origin, end
        Points at the two ends of each half-edge.
    psi6
        Order parameter of each point, averaged over its surroundings.
    tolerance
        In rad.
    min_size
        Number of points.
    """
    n = len(psi6)
    parent, size, mean = np.arange(n), np.ones(n, dtype=np.int64), psi6.copy()
    angle = np.empty(len(origin))
    for h in range(len(origin)):
        angle[h] = misorientation(psi6[origin[h]], psi6[end[h]])
    order = np.argsort(angle, kind="mergesort")
    changed = True
    while changed:
        changed = False
        for h in order:
            a, b = root(parent, origin[h]), root(parent, end[h])
            if a != b and misorientation(mean[a], mean[b]) < tolerance:
                parent[b] = a
                size[a] += size[b]
                mean[a] += mean[b]
                changed = True
    _absorb_small(origin, end, parent, size, min_size)

    roots = np.array([i for i in range(n) if parent[i] == i])
    rank = np.argsort(-size[roots], kind="mergesort")
    number = np.zeros(n, dtype=np.int32)
    for k in range(len(roots)):
        number[roots[rank[k]]] = k + 1
    label = np.empty(n, dtype=np.int32)
    for i in range(n):
        label[i] = number[root(parent, i)]
    return label


@jit
def _absorb_small(origin, end, parent, size, min_size):
    """Join grains below the minimum size, smallest first, with the neighbour that shares most edges with them."""
    n = len(parent)
    shared = np.zeros(n, dtype=np.int64)
    while True:
        smallest = -1
        for i in range(n):
            if parent[i] == i and size[i] < min_size and (smallest < 0 or size[i] < size[smallest]):
                smallest = i
        if smallest < 0:
            return
        shared[:] = 0
        for h in range(len(origin)):
            if root(parent, origin[h]) == smallest:
                shared[root(parent, end[h])] += 1
        shared[smallest] = 0
        host = np.argmax(shared)
        if shared[host] == 0:  # the whole lattice is smaller than a grain
            return
        parent[smallest] = host
        size[host] += size[smallest]

"""Grains: neighbouring points of one orientation, and the boundaries between them."""

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
def grow_grains(origin, end, twin, psi6, tolerance, min_size):
    """Number the grains, from 1 in the order of decreasing size.

    Neighbours join in the order of their misorientation, as long as the mean orientations of the two grains that they
    belong to differ by less than the tolerance. Grains below the minimum size then join the neighbour that they share
    most edges with, smallest first. Where this ties, the grain of less order goes first, and to the neighbour of the
    nearest orientation: the numbers of points and half-edges have no say.

    Parameters
    ----------
    origin, end, twin
        Points at the two ends of each half-edge, and its other half or -1.
    psi6
        Order parameter of each point, averaged over its surroundings.
    tolerance
        In rad.
    min_size
        Number of points.
    """
    n = len(psi6)
    parent, size, mean = np.arange(n), np.ones(n, dtype=np.int64), psi6.copy()
    edges, angle = np.empty(len(origin), dtype=np.int64), np.empty(len(origin))
    n_edges = 0
    for h in range(len(origin)):
        if twin[h] < h:  # one half of each edge
            edges[n_edges], angle[n_edges] = h, misorientation(psi6[origin[h]], psi6[end[h]])
            n_edges += 1
    order = np.argsort(angle[:n_edges], kind="mergesort")
    changed = True
    while changed:
        changed = False
        for i in order:
            a, b = root(parent, origin[edges[i]]), root(parent, end[edges[i]])
            if a != b and misorientation(mean[a], mean[b]) < tolerance:
                _merge(parent, size, mean, a, b)
                changed = True
    _absorb_small(origin, end, parent, size, mean, min_size)

    number = np.zeros(n, dtype=np.int32)
    n_grains = 0
    while True:
        largest = -1
        for i in range(n):
            if parent[i] == i and number[i] == 0 and (largest < 0 or size[i] > size[largest]):
                largest = i
        if largest < 0:
            break
        n_grains += 1
        number[largest] = n_grains
    label = np.empty(n, dtype=np.int32)
    for i in range(n):
        label[i] = number[root(parent, i)]
    return label


@jit
def _merge(parent, size, mean, a, b):
    """Join two grains; their first point represents them."""
    a, b = min(a, b), max(a, b)
    parent[b] = a
    size[a] += size[b]
    mean[a] += mean[b]


@jit
def _absorb_small(origin, end, parent, size, mean, min_size):
    """Join grains below the minimum size, smallest first, with the neighbour that shares most edges with them."""
    n = len(parent)
    shared = np.zeros(n, dtype=np.int64)
    while True:
        smallest = -1
        for i in range(n):
            if parent[i] == i and size[i] < min_size:
                is_first = smallest < 0 or size[i] < size[smallest]
                if is_first or (size[i] == size[smallest] and abs(mean[i]) < abs(mean[smallest])):
                    smallest = i
        if smallest < 0:
            return
        shared[:] = 0
        for h in range(len(origin)):
            if root(parent, origin[h]) == smallest:
                shared[root(parent, end[h])] += 1
        shared[smallest] = 0
        host, turn = -1, 0.0
        for i in range(n):
            if shared[i] > 0:
                to_i = misorientation(mean[smallest], mean[i])
                if host < 0 or shared[i] > shared[host] or (shared[i] == shared[host] and to_i < turn):
                    host, turn = i, to_i
        if host < 0:  # the whole lattice is smaller than a grain
            return
        _merge(parent, size, mean, host, smallest)


@jit
def smooth_psi6(origin, end, psi6):
    """ψ6 of each point averaged with its neighbours'."""
    total, count = psi6.copy(), np.ones(len(psi6))
    for h in range(len(origin)):
        total[origin[h]] += psi6[end[h]]
        count[origin[h]] += 1.0
    for i in range(len(total)):
        total[i] /= count[i]
    return total


@jit
def grain_order(origin, end, psi6, grain, n_grains):
    """Sum of ψ6 over the points of each grain, those on its rim left out unless it has no others; shape (grains,)."""
    on_rim = np.zeros(len(grain), dtype=np.bool_)
    for h in range(len(origin)):
        if grain[origin[h]] != grain[end[h]]:
            on_rim[origin[h]] = True
    inner, whole = np.zeros(n_grains, dtype=np.complex128), np.zeros(n_grains, dtype=np.complex128)
    for i in range(len(grain)):
        whole[grain[i] - 1] += psi6[i]
        if not on_rim[i]:
            inner[grain[i] - 1] += psi6[i]
    for k in range(n_grains):
        if inner[k] == 0.0:
            inner[k] = whole[k]
    return inner


@jit
def _paths(vector, crosses, out):
    """Length of the boundary's path from the middle of each half-edge that crosses it into the half-edge's triangle.

    A triangle between two grains has two such half-edges; the path joins their middles, half as long as the third
    edge. Between three grains it leads from each middle to the centroid.
    """
    for h in range(0, len(crosses), 3):
        n_crossing, third, squares = 0, 0.0, 0.0
        for k in range(h, h + 3):
            length = math.hypot(vector[k, 0], vector[k, 1])
            squares += length * length
            n_crossing += crosses[k]
            third += 0.0 if crosses[k] else length
        for k in range(h, h + 3):
            out[k] = 0.0
            if n_crossing == 2 and crosses[k]:
                out[k] = third / 4.0
            elif n_crossing == 3:
                square = vector[k, 0] ** 2 + vector[k, 1] ** 2
                out[k] = math.sqrt(max(2.0 * squares - 3.0 * square, 0.0)) / 6.0


@jit
def _two_grains(origin, end, grain, edges, link, around):
    """The two grains that most edges of a list touch, in order; -1 if they touch one only. ``around`` is zero again."""
    h = edges
    while h >= 0:
        around[grain[origin[h]]] += 1
        around[grain[end[h]]] += 1
        h = link[h]
    first, second, h = 0, 0, edges
    while h >= 0:
        for g in (grain[origin[h]], grain[end[h]]):
            if around[g] > around[first] or (around[g] == around[first] and g < first):
                first, second = g, first
            elif g != first and (around[g] > around[second] or (around[g] == around[second] and g < second)):
                second = g
        h = link[h]
    h = edges
    while h >= 0:
        around[grain[origin[h]]] = around[grain[end[h]]] = 0
        h = link[h]
    return (min(first, second), max(first, second)) if second > 0 else (-1, -1)


@jit
def boundaries(origin, end, twin, vector, grain, n_grains, core, is_dislocation):
    """Every two grains that touch: length of the boundary between them along the edges of the mesh, dislocations on it.

    Parameters
    ----------
    origin, end, twin, vector
        The mesh.
    grain, n_grains
        Number of the grain of each point, from 1; and of grains.
    core
        Number of the core of each point, from 1; 0 for none.
    is_dislocation
        Whether a core is a dislocation, shape (cores,). It lies on the boundary of the two grains that most edges at
        its points touch.

    Returns
    -------
    pairs
        Shape (boundaries, 2), in order, the smaller number first.
    length, count
        Shape (boundaries,): from middle to middle of the edges that cross, by way of the triangles; dislocations.
    """
    size = len(origin)
    crosses, path = np.empty(size, dtype=np.bool_), np.empty(size)
    for h in range(size):
        crosses[h] = grain[origin[h]] != grain[end[h]]
    _paths(vector, crosses, path)

    # boundaries and the half-edges at each core as linked lists, the former sorted
    first, link = np.full(n_grains + 1, -1), np.empty(size, dtype=np.int64)
    other, length, count = np.empty(size, dtype=np.int64), np.zeros(size), np.zeros(size)
    at_core, next_at_core = np.full(len(is_dislocation) + 1, -1), np.empty(size, dtype=np.int64)
    n = 0
    for h in range(size):
        a, b = grain[origin[h]], grain[end[h]]
        next_at_core[h], at_core[core[origin[h]]] = at_core[core[origin[h]]], h
        if a >= b:
            continue
        before, k = -1, first[a]
        while k >= 0 and other[k] < b:
            before, k = k, link[k]
        if k < 0 or other[k] != b:
            other[n], link[n] = b, k
            if before < 0:
                first[a] = n
            else:
                link[before] = n
            k, n = n, n + 1
        length[k] += path[h] + (path[twin[h]] if twin[h] >= 0 else 0.0)
    around = np.zeros(n_grains + 1, dtype=np.int64)
    for core_k in range(len(is_dislocation)):
        if is_dislocation[core_k]:
            a, b = _two_grains(origin, end, grain, at_core[core_k + 1], next_at_core, around)
            k = first[a] if a > 0 else -1
            while k >= 0:
                count[k] += other[k] == b
                k = link[k]
    pairs, sorted_length, sorted_count = np.empty((n, 2), dtype=np.int64), np.empty(n), np.empty(n)
    place = 0
    for a in range(1, n_grains + 1):
        k = first[a]
        while k >= 0:
            pairs[place, 0], pairs[place, 1] = a, other[k]
            sorted_length[place], sorted_count[place] = length[k], count[k]
            place, k = place + 1, link[k]
    return pairs, sorted_length, sorted_count

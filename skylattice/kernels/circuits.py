"""Lattice circuits around groups of points of a triangulation, and the defects that they find."""

from __future__ import annotations

import math

import numpy as np

from skylattice.kernels._jit import jit
from skylattice.kernels.half_edges import following
from skylattice.kernels.union_find import root


@jit
def connected(origin, end, is_member):
    """Number the groups of members joined by edges: 0 for a point that is no member, then 1, 2, ...

    Parameters
    ----------
    origin, end
        Points at the two ends of each edge.
    is_member
        Which points belong to a group.
    """
    n = len(is_member)
    parent = np.arange(n)
    for h in range(len(origin)):
        if is_member[origin[h]] and is_member[end[h]]:
            a, b = root(parent, origin[h]), root(parent, end[h])
            parent[max(a, b)] = min(a, b)  # the root is a group's first point
    group = np.zeros(n, dtype=np.int64)
    n_groups = 0
    for i in range(n):
        if is_member[i]:
            first = root(parent, i)
            if first == i:
                n_groups += 1
                group[i] = n_groups
            else:
                group[i] = group[first]
    return group


@jit
def _star(origin, group, k, by_origin, start, inside):
    """Mark the triangles with a corner in group k; returns their number."""
    n_triangles = 0
    for i in range(len(group)):
        if group[i] == k:
            for j in range(start[i], start[i + 1]):
                if not inside[by_origin[j] // 3]:
                    inside[by_origin[j] // 3] = True
                    n_triangles += 1
    return n_triangles


@jit
def _walk(twin, vector, inside, h0):
    """Walk once around marked triangles, from half-edge h0 back to it, drawing the same turns on a perfect lattice.

    Returns
    -------
    Number of edges; turn in units of 60°, 6 for a flat interior; displacement on the perfect lattice as a complex
    number in lattice constants; enclosed area there in triangles; best rotation and scale from there to the points.
    """
    h, heading, turned, n = h0, 0, 0, 0
    u, v, area = 0, 0, 0
    position, rotation = 0.0j, 0.0j
    while True:
        # steps along the six lattice directions, in the basis (1, exp(iπ/3))
        step_u = (1, 0, -1, -1, 0, 1)[heading]
        step_v = (0, 1, 1, 0, -1, -1)[heading]
        area += u * step_v - v * step_u
        u, v = u + step_u, v + step_v
        step = complex(step_u + 0.5 * step_v, 0.5 * math.sqrt(3.0) * step_v)
        position += step
        rotation += step.conjugate() * complex(vector[h, 0], vector[h, 1])
        n += 1
        h, corners = following(h), 1
        while twin[h] >= 0 and inside[twin[h] // 3]:
            h, corners = following(twin[h]), corners + 1
        turned += 3 - corners
        heading = (heading + 3 - corners) % 6
        if h == h0:
            return n, turned, position, area, rotation / n


@jit
def circuits(origin, twin, vector, group, n_groups):
    """Burgers vector and excess of points of each group, by a lattice circuit around it.

    The circuit runs counter-clockwise along the rim of the triangles that touch the group. Drawn with the same steps
    and turns on a perfect triangular lattice it need not close: the Burgers vector leads from its finish to its start,
    turned and scaled onto the points around the group. Where it closes, its area tells how many points a perfect
    lattice has inside.

    Returns
    -------
    burgers
        Shape (groups, 2), in the unit of ``vector``; NaN for a group with a net disclination charge, on a hull, or
        whose triangles are not a disc, such as a grain boundary around the torus.
    excess
        Points inside minus those of the perfect lattice; NaN where the circuit does not close.
    """
    n = len(group)
    start = np.zeros(n + 2, dtype=np.int64)  # of each point's half-edges in by_origin, one place further until filled
    for h in range(len(origin)):
        start[origin[h] + 2] += 1
    for i in range(n):
        start[i + 2] += start[i + 1]
    by_origin = np.empty(len(origin), dtype=np.int64)
    for h in range(len(origin)):
        by_origin[start[origin[h] + 1]] = h
        start[origin[h] + 1] += 1
    burgers, excess = np.full((n_groups, 2), np.nan), np.full(n_groups, np.nan)
    inside = np.zeros(len(origin) // 3, dtype=np.bool_)
    for k in range(1, n_groups + 1):
        inside[:] = False
        n_triangles = _star(origin, group, k, by_origin, start, inside)
        n_rim, first, is_open = 0, -1, False
        for h in range(len(origin)):
            if inside[h // 3]:
                is_open |= twin[h] < 0
                if twin[h] < 0 or not inside[twin[h] // 3]:
                    n_rim += 1
                    first = h
        if is_open or first < 0:
            continue
        n_walked, turned, position, area, rotation = _walk(twin, vector, inside, first)
        # one rim and a full turn less the disclination charge inside make a disc
        if n_walked != n_rim or turned != 6:
            continue
        b = -rotation * position
        burgers[k - 1, 0], burgers[k - 1, 1] = b.real, b.imag
        if abs(position) < 0.5:
            burgers[k - 1] = 0.0
            excess[k - 1] = 0.5 * (n_triangles - area)
    return burgers, excess

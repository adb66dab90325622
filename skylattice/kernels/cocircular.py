"""Qhull's triangles on the torus or with a hull, with cells of cocircular points cut by a rule of our own."""

from __future__ import annotations

import math

import numpy as np

from skylattice.kernels._jit import jit
from skylattice.kernels.triangulate import COCIRCULAR

#: Relative difference below which two lengths, or two directions, count as equal.
EQUAL = 1e-9


@jit
def _circumcircle(a, b, c):
    """Centre and radius of the circle through three points; infinite if they lie on a line."""
    bx, by, cx, cy = b[0] - a[0], b[1] - a[1], c[0] - a[0], c[1] - a[1]
    twice_area = bx * cy - by * cx
    if twice_area == 0.0:
        return a[0], a[1], np.inf
    b2, c2 = bx * bx + by * by, cx * cx + cy * cy
    x, y = (cy * b2 - by * c2) / (2.0 * twice_area), (bx * c2 - cx * b2) / (2.0 * twice_area)
    return a[0] + x, a[1] + y, math.hypot(x, y)


@jit
def _is_cocircular(a, b, c, d):
    """Whether d lies on the circle through a, b, c, where edge a-b separates c and d.

    The angles at c and d then add up to π, so that the sine of their sum vanishes.
    """
    ux, uy, vx, vy = a[0] - c[0], a[1] - c[1], b[0] - c[0], b[1] - c[1]
    sx, sy, tx, ty = b[0] - d[0], b[1] - d[1], a[0] - d[0], a[1] - d[1]
    cos_c, sin_c = ux * vx + uy * vy, ux * vy - uy * vx
    cos_d, sin_d = sx * tx + sy * ty, sx * ty - sy * tx
    sine = sin_c * cos_d + cos_c * sin_d
    return abs(sine) <= COCIRCULAR * math.hypot(cos_c, sin_c) * math.hypot(cos_d, sin_d)


@jit
def _cells(coordinates, simplices, neighbors, members, start):
    """Triangles with one circumcircle form a cell: list the triangles cell by cell, and where each cell starts.

    Returns
    -------
    The number of cells.
    """
    n = len(simplices)
    is_listed = np.zeros(n, dtype=np.bool_)
    n_cells, head, tail = 0, 0, 0
    for first in range(n):
        if is_listed[first]:
            continue
        start[n_cells] = tail
        is_listed[first], members[tail] = True, first
        tail += 1
        while head < tail:
            t = members[head]
            head += 1
            for k in range(3):
                other = neighbors[t, k]  # across the edge opposite to corner k
                if other < 0 or is_listed[other]:
                    continue
                apex = 0
                while neighbors[other, apex] != t:
                    apex += 1
                if _is_cocircular(
                    coordinates[simplices[t, (k + 1) % 3]],
                    coordinates[simplices[t, (k + 2) % 3]],
                    coordinates[simplices[t, k]],
                    coordinates[simplices[other, apex]],
                ):
                    is_listed[other], members[tail] = True, other
                    tail += 1
        n_cells += 1
    start[n_cells] = tail
    return n_cells


@jit
def _crowding(points, i, width, height):
    """How close the other points crowd around point i: a smooth sum over minimum images; any isometry keeps it."""
    scale = 0.5 * len(points) / (width * height)
    total = 0.0
    for j in range(len(points)):
        dx, dy = points[j, 0] - points[i, 0], points[j, 1] - points[i, 1]
        dx -= width * np.round(dx / width)
        dy -= height * np.round(dy / height)
        total += math.exp(-scale * (dx * dx + dy * dy))
    return total


@jit
def _is_before(a, b):
    """Whether chord key a comes before b: lexicographic, where nearly equal entries count as equal."""
    for k in range(len(a)):
        if abs(a[k] - b[k]) > EQUAL * (abs(a[k]) + abs(b[k])):
            return a[k] < b[k]
    return False


@jit
def _chord_key(p, q, crowding):
    """What decides between the diagonals of a cocircular cell: length, crowding at the ends, direction."""
    dx, dy = q[0] - p[0], q[1] - p[1]
    angle = math.atan2(dy, dx) % math.pi
    if angle > math.pi * (1.0 - EQUAL):
        angle = 0.0
    return math.hypot(dx, dy), crowding, 1.0 + angle


@jit
def _cut_cell(coordinates, polygon, crowding, out):
    """Triangulate a convex cocircular polygon: the best chord first, then the best in each part.

    The choice depends on lengths and surroundings alone, so that it follows translations, rotations and reflections.
    Only where the surroundings are symmetric as well, the direction decides.

    Returns
    -------
    The number of triangles written to ``out``.
    """
    size = len(polygon)
    part, length = np.empty((size, size), dtype=np.int32), np.empty(size, dtype=np.int32)
    part[0], length[0] = polygon, size
    n_parts, n = 1, 0
    while n_parts > 0:
        corners, size = part[n_parts - 1, : length[n_parts - 1]].copy(), length[n_parts - 1]
        n_parts -= 1
        if size == 3:
            for k in range(3):
                out[n, k] = corners[k]
            n += 1
            continue
        best, best_i, best_j = (np.inf, np.inf, np.inf), 0, 0
        for i in range(size):
            for j in range(i + 2, size - (1 if i == 0 else 0)):
                a, b = corners[i], corners[j]
                key = _chord_key(coordinates[a], coordinates[b], crowding[a] + crowding[b])
                if best_j == 0 or _is_before(key, best):
                    best, best_i, best_j = key, i, j
        for begin, count in ((best_i, best_j - best_i + 1), (best_j, size - best_j + best_i + 1)):
            for k in range(count):
                part[n_parts, k] = corners[(begin + k) % size]
            length[n_parts] = count
            n_parts += 1
    return n


@jit
def _polygon(coordinates, simplices, triangles):
    """Distinct corners of a cocircular cell, counter-clockwise."""
    corners, angle = np.empty(len(triangles) + 2, dtype=np.int32), np.empty(len(triangles) + 2)
    n, x, y = 0, 0.0, 0.0
    for t in triangles:
        for k in range(3):
            c, is_new = simplices[t, k], True
            for i in range(n):
                is_new &= corners[i] != c
            if is_new and n < len(corners):
                corners[n] = c
                n, x, y = n + 1, x + coordinates[c, 0], y + coordinates[c, 1]
    for m in range(n):
        c = corners[m]
        turn = math.atan2(coordinates[c, 1] - y / n, coordinates[c, 0] - x / n)
        k = m
        while k > 0 and angle[k - 1] > turn:
            corners[k], angle[k] = corners[k - 1], angle[k - 1]
            k -= 1
        corners[k], angle[k] = c, turn
    return corners[:n]


@jit
def _is_home(source, corners):
    """Whether this is the one image of a cell to keep: its first corner, by point and then image, is no ghost."""
    first = corners[0]
    for c in corners:
        if source[c, 0] < source[first, 0] or (source[c, 0] == source[first, 0] and source[c, 1] < source[first, 1]):
            first = c
    return source[first, 1] == 0


@jit
def _half_chord(r, centre, low, high):
    """Half the extent of a circle within a strip from ``low`` to ``high``, along the strip."""
    apart = max(low - centre, centre - high, 0.0)
    return r if apart == 0.0 else math.sqrt(max(r * r - apart * apart, 0.0))


@jit
def canonical_triangles(points, coordinates, source, simplices, neighbors, width, height, margin_x, margin_y):
    """One image of each triangle, with cocircular cells cut in a way that does not depend on Qhull's order.

    Parameters
    ----------
    points
        Shape (n, 2), without ghosts.
    coordinates, source
        From :func:`skylattice.kernels.half_edges.with_ghosts`.
    simplices, neighbors
        Qhull's Delaunay triangulation of ``coordinates``: corners of each triangle, counter-clockwise, and the triangle
        opposite to each corner.
    width, height
        Periods along x and y.
    margin_x, margin_y
        Width of the ghosts' rim along each axis; 0 along an open one.

    Returns
    -------
    Indices into ``coordinates``, shape (triangles, 3), counter-clockwise; and whether every circumcircle lies within
    the rim, as far as there are points beyond it, which makes the triangles those of the infinite periodic set.
    """
    low_x, high_x, low_y, high_y = -np.inf, np.inf, -np.inf, np.inf
    if margin_x == 0.0:
        low_x, high_x = coordinates[:, 0].min(), coordinates[:, 0].max()
    if margin_y == 0.0:
        low_y, high_y = coordinates[:, 1].min(), coordinates[:, 1].max()
    members, start = np.empty(len(simplices), dtype=np.int32), np.empty(len(simplices) + 1, dtype=np.int32)
    crowding = np.zeros(len(coordinates))
    out = np.empty((len(simplices), 3), dtype=np.int32)
    n = 0
    for cell in range(_cells(coordinates, simplices, neighbors, members, start)):
        triangles = members[start[cell] : start[cell + 1]]
        corners = _polygon(coordinates, simplices, triangles)
        if not _is_home(source, corners):
            continue
        x, y, r = _circumcircle(coordinates[corners[0]], coordinates[corners[1]], coordinates[corners[2]])
        along_x, along_y = _half_chord(r, y, low_y, high_y), _half_chord(r, x, low_x, high_x)
        if margin_x > 0.0 and not (x - along_x >= -margin_x and x + along_x <= width + margin_x):
            return out[:0], False
        if margin_y > 0.0 and not (y - along_y >= -margin_y and y + along_y <= height + margin_y):
            return out[:0], False
        if len(corners) > 3:
            for c in corners:
                crowding[c] = _crowding(points, source[c, 0], width, height)
        n += _cut_cell(coordinates, corners, crowding, out[n:])
    return out[:n], True

"""Delaunay triangulation of points on the torus by wrapping: each edge looks for its apex in a grid of cells.

Nothing here needs exact arithmetic. A closed surface of counter-clockwise triangles that covers the torus once is the
Delaunay triangulation, and the only one, if at every edge the two angles that face it sum to less than π. This is
checked in the end with more room than rounding takes, and more than points that count as cocircular have: whatever is
closer is left to Qhull and to the cutting of cocircular cells, in :mod:`skylattice.kernels.cocircular`.
"""

from __future__ import annotations

import math

import numpy as np

from skylattice.kernels._jit import jit
from skylattice.kernels.half_edges import following, half_edges, periods, with_ghosts

#: Sine of the angle by which two triangles may miss a common circumcircle and still count as cocircular.
COCIRCULAR = 1e-9
#: Sine of the angle by which every edge must miss a common circumcircle of its triangles to be certain.
CLEAR = 10.0 * COCIRCULAR
#: Shortest edge over the longer period for which rounded coordinates keep sines well within CLEAR.
SHORTEST = 1e-5
#: What came of a torus: the one triangulation, a circumcircle that leaves the rim of ghosts, or a close call.
CERTAIN, BEYOND, CLOSE = range(3)


@jit
def _cells(coordinates, width, height, margin, side):
    """Sort points into square cells, row by row: where each cell starts, cells per row, then the points in order."""
    columns, rows = int((width + 2.0 * margin) / side) + 1, int((height + 2.0 * margin) / side) + 1
    size = len(coordinates)
    start, cell = np.zeros(rows * columns + 2, dtype=np.int32), np.empty(size, dtype=np.int32)
    for i in range(size):
        row, column = int((coordinates[i, 1] + margin) / side), int((coordinates[i, 0] + margin) / side)
        cell[i] = row * columns + column
        start[cell[i] + 2] += 1
    for k in range(1, rows * columns + 2):
        start[k] += start[k - 1]
    x, y, index = np.empty(size), np.empty(size), np.empty(size, dtype=np.int32)
    for i in range(size):
        k = start[cell[i] + 1]
        start[cell[i] + 1] += 1
        x[k], y[k], index[k] = coordinates[i, 0], coordinates[i, 1], i
    return start, columns, x, y, index


@jit
def _circle(ax, ay, dx, dy, t):
    """Centre and radius of the circle through a and a + d whose centre is t times |d| to the left of the edge."""
    return ax + 0.5 * dx - t * dy, ay + 0.5 * dy + t * dx, math.sqrt((0.25 + t * t) * (dx * dx + dy * dy))


@jit
def _apex(ax, ay, bx, by, width, height, margin, side, cells):
    """Point to the left of the edge from a to b whose circle with them is empty; -1 if the circle leaves the rim.

    Number the circles through a and b by their centre's distance to the left of the edge, in edges: the points to the
    left inside circle t are those that lie on a circle of a lower number. So one look into circle t settles it, or
    shows the circle to look into next, or that t was too small.
    """
    start, columns, xs, ys, index = cells
    rows = (len(start) - 2) // columns
    dx, dy = bx - ax, by - ay
    t = 0.5
    while True:
        x, y, r = _circle(ax, ay, dx, dy, t)
        left, right = max(int((x - r + margin) / side), 0), min(int((x + r + margin) / side), columns - 1)
        low, high = max(int((y - r + margin) / side), 0), min(int((y + r + margin) / side), rows - 1)
        apex, lowest = -1, np.inf
        for row in range(low, high + 1):
            for k in range(start[row * columns + left], start[row * columns + right + 1]):
                ux, uy = xs[k] - ax, ys[k] - ay
                cross = dx * uy - dy * ux
                if cross > 0.0:
                    number = 0.5 * (ux * (ux - dx) + uy * (uy - dy)) / cross
                    if number < lowest:
                        apex, lowest = index[k], number
        if lowest <= t:
            x, y, r = _circle(ax, ay, dx, dy, lowest)
            is_inside = x - r >= -margin and x + r <= width + margin and y - r >= -margin and y + r <= height + margin
            return apex if is_inside else -1
        if r > 2.0 * (width + height + margin):
            return -1
        t = min(lowest, 4.0 * t)


@jit
def _nearest(coordinates):
    """The point nearest to the first one."""
    nearest, least = 0, np.inf
    for i in range(1, len(coordinates)):
        dx, dy = coordinates[i, 0] - coordinates[0, 0], coordinates[i, 1] - coordinates[0, 1]
        if dx * dx + dy * dy < least:
            nearest, least = i, dx * dx + dy * dy
    return nearest


@jit
def wrap_torus(points, width, height, margin):
    """Triangles on the torus, grown from an edge to the nearest neighbour, which every Delaunay triangulation has.

    Parameters
    ----------
    points
        Shape (n, 2), in [0, width) and [0, height).
    width, height
        Periods along x and y.
    margin
        Width of the rim of ghosts.

    Returns
    -------
    Corners, counter-clockwise, and their images, both of shape (triangles, 3) with two triangles for each point; and
    what came of it. The triangles are all there unless that is BEYOND or CLOSE.
    """
    n = len(points)
    coordinates, source = with_ghosts(points, width, height, margin, margin)
    side = math.sqrt(width * height / n)
    cells = _cells(coordinates, width, height, margin, side)
    corner, images = np.zeros((2 * n, 3), dtype=np.int32), np.zeros((2 * n, 3), dtype=np.int64)
    # the half-edges so far, linked by origin
    last, before = np.full(n, -1, dtype=np.int32), np.empty(6 * n, dtype=np.int32)
    end, step = np.empty(6 * n, dtype=np.int32), np.empty(6 * n, dtype=np.int64)
    nearest = _nearest(coordinates)
    a, b, to_b = np.int32(0), np.int32(source[nearest, 0]), source[nearest, 1]
    size, done = 0, -1
    while True:
        h = last[a]
        while h >= 0 and not (end[h] == b and step[h] == to_b):
            h = before[h]
        if h < 0:  # the edge from a to b has no triangle yet
            if size == 2 * n:
                return corner, images, CLOSE
            i, j = periods(to_b)
            bx, by = points[b, 0] + i * width, points[b, 1] + j * height
            apex = _apex(points[a, 0], points[a, 1], bx, by, width, height, margin, side, cells)
            if apex < 0:
                return corner, images, BEYOND
            corner[size, 0], corner[size, 1], corner[size, 2] = a, b, source[apex, 0]
            images[size, 1], images[size, 2] = to_b, source[apex, 1]
            for k in range(3):
                m = k + 1 if k < 2 else 0
                h = 3 * size + k
                end[h], step[h] = corner[size, m], images[size, m] - images[size, k]
                before[h], last[corner[size, k]] = last[corner[size, k]], h
            size += 1
        done += 1  # and next the other side of half-edge number done
        if done == 3 * size:
            return corner, images, CERTAIN if size == 2 * n else CLOSE
        a, b, to_b = end[done], corner[done // 3, done % 3], -step[done]


@jit
def is_certain(twin, vector, width, height):
    """Whether a mesh is the Delaunay triangulation of the torus, and the only one, with room to spare.

    Counter-clockwise triangles that close to a surface cover the torus as often as their area says.
    """
    shortest = SHORTEST * max(width, height)
    area = 0.0
    for h in range(len(twin)):
        g = twin[h]
        x, y = vector[h, 0], vector[h, 1]
        if g < 0 or x * x + y * y < shortest * shortest:
            return False
        p, q = following(h), following(g)
        # of the triangle on each side the edges from the end of the shared one, and back to its start
        ux, uy, vx, vy = vector[p, 0], vector[p, 1], -x - vector[p, 0], -y - vector[p, 1]
        sx, sy, tx, ty = vector[q, 0], vector[q, 1], x - vector[q, 0], y - vector[q, 1]
        cos_h, sin_h = -(ux * vx + uy * vy), ux * vy - uy * vx
        cos_g, sin_g = -(sx * tx + sy * ty), sx * ty - sy * tx
        sine = sin_h * cos_g + cos_h * sin_g
        room = CLEAR * math.sqrt((cos_h * cos_h + sin_h * sin_h) * (cos_g * cos_g + sin_g * sin_g))
        if not (sin_h > 0.0 and sine > room):
            return False
        area += sin_h
    return abs(area / 6.0 - width * height) < 0.5 * width * height


@jit
def torus_mesh(points, width, height, margin):
    """Half-edge mesh of the torus as :func:`skylattice.kernels.half_edges.half_edges` gives it, and what came of it.

    The mesh is a triangulation only if that is CERTAIN.
    """
    corner, images, outcome = wrap_torus(points, width, height, margin)
    mesh = half_edges(points, corner, images, width, height)
    if outcome == CERTAIN and not is_certain(mesh[1], mesh[2], width, height):
        outcome = CLOSE
    return mesh, outcome

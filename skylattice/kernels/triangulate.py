"""Combinatorics of triangulations: from Qhull's triangles to a half-edge mesh, on the torus or with a hull.

Half-edge h belongs to triangle h // 3 and runs from ``origin[h]`` to ``origin[following(h)]``, counter-clockwise around
the triangle; ``twin[h]`` is the same edge the other way round, or -1 on a hull. On the torus two points may be joined
by several edges, told apart by the image (in periods along x and y) that they lead to.
"""

from __future__ import annotations

import math

import numpy as np

from skylattice.kernels._jit import jit

#: Sine of the angle by which two triangles may miss a common circumcircle and still count as cocircular.
COCIRCULAR = 1e-9
#: Relative difference below which two lengths, or two directions, count as equal.
EQUAL = 1e-9


@jit
def following(h):
    """The next half-edge around h's triangle."""
    return h - 2 if h % 3 == 2 else h + 1


@jit
def with_ghosts(points, width, height, margin):
    """Points on the torus together with their images up to ``margin`` outside.

    Returns
    -------
    Coordinates of shape (k, 2), and for each the point's index and its image along x and y, shape (k, 3). The points
    themselves come first.
    """
    n = len(points)
    reach_x, reach_y = math.ceil(margin / width), math.ceil(margin / height)
    size = n * (2 * reach_x + 1) * (2 * reach_y + 1)
    coordinates, source = np.empty((size, 2)), np.zeros((size, 3), dtype=np.int32)
    coordinates[:n] = points
    source[:n, 0] = np.arange(n)
    k = n
    for image_y in range(-reach_y, reach_y + 1):
        for image_x in range(-reach_x, reach_x + 1):
            if image_x == 0 and image_y == 0:
                continue
            for i in range(n):
                x, y = points[i, 0] + image_x * width, points[i, 1] + image_y * height
                if -margin <= x <= width + margin and -margin <= y <= height + margin:
                    coordinates[k, 0], coordinates[k, 1] = x, y
                    source[k, 0], source[k, 1], source[k, 2] = i, image_x, image_y
                    k += 1
    return coordinates[:k], source[:k]


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
def _cells(coordinates, simplices, neighbors):
    """Number of the cell of each triangle: triangles with one circumcircle form a cell."""
    n = len(simplices)
    cell = np.full(n, -1, dtype=np.int32)
    stack = np.empty(n, dtype=np.int32)
    n_cells = 0
    for start in range(n):
        if cell[start] >= 0:
            continue
        cell[start] = n_cells
        stack[0], top = start, 1
        while top > 0:
            top -= 1
            t = stack[top]
            for k in range(3):
                other = neighbors[t, k]  # across the edge opposite to corner k
                if other < 0 or cell[other] >= 0:
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
                    cell[other] = n_cells
                    stack[top] = other
                    top += 1
        n_cells += 1
    return cell, n_cells


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
    return np.array([math.hypot(dx, dy), crowding, 1.0 + angle])


@jit
def _cut_cell(coordinates, polygon, crowding, out):
    """Triangulate a convex cocircular polygon: the best chord first, then the best in each part.

    The choice depends on lengths and surroundings alone, so that it follows translations, rotations and reflections.
    Only where the surroundings are symmetric as well, the direction decides.
    """
    pending = [polygon]
    n = 0
    while len(pending) > 0:
        part = pending.pop()
        size = len(part)
        if size == 3:
            out[n] = part
            n += 1
            continue
        best, best_i, best_j = np.full(3, np.inf), 0, 0
        for i in range(size):
            for j in range(i + 2, size - (1 if i == 0 else 0)):
                key = _chord_key(coordinates[part[i]], coordinates[part[j]], crowding[part[i]] + crowding[part[j]])
                if best_j == 0 or _is_before(key, best):
                    best, best_i, best_j = key, i, j
        pending.append(part[best_i : best_j + 1].copy())
        pending.append(np.concatenate((part[best_j:], part[: best_i + 1])))
    return n


@jit
def _polygon(coordinates, corners):
    """Distinct corners of a cocircular cell, counter-clockwise."""
    corners = np.unique(corners)
    x, y = coordinates[corners, 0].mean(), coordinates[corners, 1].mean()
    angle = np.arctan2(coordinates[corners, 1] - y, coordinates[corners, 0] - x)
    return corners[np.argsort(angle)]


@jit
def _is_home(source, corners):
    """Whether this is the one image of a cell to keep: its first corner, by index and then image, is no ghost."""
    first = corners[0]
    for c in corners:
        for k in range(3):
            if source[c, k] != source[first, k]:
                if source[c, k] < source[first, k]:
                    first = c
                break
    return source[first, 1] == 0 and source[first, 2] == 0


@jit
def canonical_triangles(points, coordinates, source, simplices, neighbors, width, height, margin):
    """One image of each triangle, with cocircular cells cut in a way that does not depend on Qhull's order.

    Parameters
    ----------
    points
        Shape (n, 2), without ghosts.
    coordinates, source
        From :func:`with_ghosts`.
    simplices, neighbors
        Qhull's Delaunay triangulation of ``coordinates``: corners of each triangle, counter-clockwise, and the triangle
        opposite to each corner.
    width, height
        Periods along x and y.
    margin
        Width of the ghosts' rim; infinite without ghosts.

    Returns
    -------
    Indices into ``coordinates``, shape (triangles, 3), counter-clockwise; and whether every circumcircle lies within
    the rim, which makes the triangles those of the infinite periodic set.
    """
    cell, n_cells = _cells(coordinates, simplices, neighbors)
    count = np.bincount(cell, minlength=n_cells)
    start = np.zeros(n_cells + 1, dtype=np.int64)
    start[1:] = np.cumsum(count)
    members = np.argsort(cell, kind="mergesort")
    crowding = np.zeros(len(coordinates))
    out = np.empty((len(simplices), 3), dtype=np.int32)
    n = 0
    for k in range(n_cells):
        triangles = members[start[k] : start[k + 1]]
        t = triangles[0]
        corners = simplices[t] if len(triangles) == 1 else _polygon(coordinates, simplices[triangles].copy().ravel())
        if not _is_home(source, corners):
            continue
        x, y, r = _circumcircle(coordinates[corners[0]], coordinates[corners[1]], coordinates[corners[2]])
        if not (x - r >= -margin and x + r <= width + margin and y - r >= -margin and y + r <= height + margin):
            return out[:0], False
        if len(triangles) == 1:
            out[n] = corners
            n += 1
        else:
            for c in corners:
                crowding[c] = _crowding(points, source[c, 0], width, height)
            n += _cut_cell(coordinates, corners, crowding, out[n:])
    return out[:n], True


@jit
def half_edges(coordinates, source, triangles, n):
    """Half-edge mesh of oriented triangles.

    Returns
    -------
    origin, twin
        Shape (3 · triangles,), int32.
    vector
        From origin to end, shape (3 · triangles, 2).
    coordination
        Number of edges at each point, shape (n,).
    on_hull
        Whether a point lies on a hull, shape (n,).
    """
    size = 3 * len(triangles)
    origin, twin = np.empty(size, dtype=np.int32), np.full(size, -1, dtype=np.int32)
    vector, image = np.empty((size, 2)), np.empty((size, 2), dtype=np.int32)
    leaving = np.zeros(n + 1, dtype=np.int64)
    for h in range(size):
        a, b = triangles[h // 3, h % 3], triangles[h // 3, (h + 1) % 3]
        origin[h] = source[a, 0]
        for k in range(2):
            vector[h, k] = coordinates[b, k] - coordinates[a, k]
            image[h, k] = source[b, k + 1] - source[a, k + 1]
        leaving[origin[h] + 1] += 1
    coordination = leaving[1:].copy()
    start = np.cumsum(leaving)
    by_origin = np.argsort(origin, kind="mergesort")
    on_hull = np.zeros(n, dtype=np.bool_)
    for h in range(size):
        end = origin[following(h)]
        for k in range(start[end], start[end + 1]):
            g = by_origin[k]
            if origin[following(g)] == origin[h] and image[g, 0] == -image[h, 0] and image[g, 1] == -image[h, 1]:
                twin[h] = g
                break
        if twin[h] < 0:  # the hull's edges have one half only: count it at its end as well
            coordination[end] += 1
            on_hull[end] = True
            on_hull[origin[h]] = True
    return origin, twin, vector, coordination, on_hull

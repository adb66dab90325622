"""Half-edge meshes on the torus or with a hull, and the images of points on the torus.

Half-edge h belongs to triangle h // 3 and runs from ``origin[h]`` to ``origin[following(h)]``, counter-clockwise around
the triangle; ``twin[h]`` is the same edge the other way round, or -1 on a hull. On the torus two points may be joined
by several edges, told apart by the image that they lead to.

The image of a point that lies i periods further along x and j along y is the number ``image(i, j)``. Such numbers add
up like vectors, and are in order along x and then y.
"""

from __future__ import annotations

import math

import numpy as np

from skylattice.kernels._jit import jit

_STRIDE = 1 << 32


@jit
def image(i, j):
    """Number of the image i periods further along x and j along y, both int64."""
    return i * _STRIDE + j


@jit
def periods(image):
    """How many periods further along x and y an image lies."""
    i = (image + _STRIDE // 2) // _STRIDE
    return i, image - i * _STRIDE


@jit
def following(h):
    """The next half-edge around h's triangle."""
    return h - 2 if h % 3 == 2 else h + 1


@jit
def with_ghosts(points, width, height, margin_x, margin_y):
    """Points together with their periodic images up to ``margin`` outside; 0 along an open axis.

    Returns
    -------
    Coordinates of shape (k, 2), and for each the point's index and its image, shape (k, 2). The points themselves come
    first.
    """
    n = len(points)
    reach_x, reach_y = math.ceil(margin_x / width), math.ceil(margin_y / height)
    size = n * (2 * reach_x + 1) * (2 * reach_y + 1)
    coordinates, source = np.empty((size, 2)), np.empty((size, 2), dtype=np.int64)
    for i in range(n):
        coordinates[i, 0], coordinates[i, 1] = points[i, 0], points[i, 1]
        source[i, 0], source[i, 1] = i, 0
    k = n
    for image_y in range(-reach_y, reach_y + 1):
        for image_x in range(-reach_x, reach_x + 1):
            if image_x == 0 and image_y == 0:
                continue
            for i in range(n):
                x, y = points[i, 0] + image_x * width, points[i, 1] + image_y * height
                if -margin_x <= x <= width + margin_x and -margin_y <= y <= height + margin_y:
                    coordinates[k, 0], coordinates[k, 1] = x, y
                    source[k, 0], source[k, 1] = i, image(image_x, image_y)
                    k += 1
    return coordinates[:k], source[:k]


@jit
def _in_order(corner, images, n):
    """Turn each triangle so that it starts with its first corner, by point and then image, and sort them by corners.

    In place; the first corner comes home. Equal triangulations are then equal arrays, whoever made them.
    """
    size = len(corner)
    first, after = np.full(n, -1, dtype=np.int32), np.empty(size, dtype=np.int32)
    point, shift = np.empty_like(corner), np.empty_like(images)
    for t in range(size):
        start = 0
        for k in range(1, 3):
            a, b = corner[t, k], corner[t, start]
            if a < b or (a == b and images[t, k] < images[t, start]):
                start = k
        for k in range(3):
            m = (start + k) % 3
            point[t, k], shift[t, k] = corner[t, m], images[t, m] - images[t, start]
        # few triangles start at one point: insert this one among them
        a, b = point[t, 0], point[t, 1]
        before, later = -1, first[a]
        while later >= 0 and (point[later, 1] < b or (point[later, 1] == b and shift[later, 1] < shift[t, 1])):
            before, later = later, after[later]
        after[t] = later
        if before < 0:
            first[a] = t
        else:
            after[before] = t
    place = 0
    for i in range(n):
        t = first[i]
        while t >= 0:
            for k in range(3):
                corner[place, k], images[place, k] = point[t, k], shift[t, k]
            place, t = place + 1, after[t]


@jit
def half_edges(points, corner, images, width, height):
    """Half-edge mesh of oriented triangles, in an order that depends on nothing but the triangulation.

    Parameters
    ----------
    points
        Shape (n, 2).
    corner, images
        Corners of each triangle, counter-clockwise, int32, and their images, int64; both of shape (triangles, 3).
        Sorted in place.
    width, height
        Periods along x and y.

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
    n, size = len(points), 3 * len(corner)
    _in_order(corner, images, n)
    origin, end = np.empty(size, dtype=np.int32), np.empty(size, dtype=np.int32)
    twin, step, vector = np.full(size, -1, dtype=np.int32), np.empty(size, dtype=np.int64), np.empty((size, 2))
    coordination, on_hull = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.bool_)
    last, before = np.full(n, -1, dtype=np.int32), np.empty(size, dtype=np.int32)
    h = 0
    for t in range(len(corner)):
        for k in range(3):
            m = k + 1 if k < 2 else 0
            a, b = corner[t, k], corner[t, m]
            (from_x, from_y), (to_x, to_y) = periods(images[t, k]), periods(images[t, m])
            vector[h, 0] = (points[b, 0] + to_x * width) - (points[a, 0] + from_x * width)
            vector[h, 1] = (points[b, 1] + to_y * height) - (points[a, 1] + from_y * height)
            origin[h], end[h], step[h] = a, b, images[t, m] - images[t, k]
            coordination[a] += 1
            g = last[b]  # has the other half been here?
            while g >= 0 and not (end[g] == a and step[g] == -step[h] and twin[g] < 0):
                g = before[g]
            if g >= 0:
                twin[h], twin[g] = g, h
            before[h], last[a] = last[a], h
            h += 1
    for h in range(size):
        if twin[h] < 0:  # the hull's edges have one half only: count it at its end as well
            coordination[end[h]] += 1
            on_hull[end[h]] = True
            on_hull[origin[h]] = True
    return origin, twin, vector, coordination, on_hull

"""Connected regions of a mask on the torus, and the integer topological charge that belongs to each.

The charge of a Berg-Lüscher triangulated configuration is the signed number of its spherical triangles that contain a
generic direction p. With p opposite to the background, each such triangle has a corner on the reversed side, hence in
a reversed region: counting the triangles by region splits the charge into integers that sum to it exactly.
"""

from __future__ import annotations

import math

import numpy as np

from skylattice.kernels._jit import jit

#: x and y of the direction p; its z is minus the background. Off every symmetry axis, so that no spin, and no great
#: circle through two spins, of a textbook texture hits it.
_TARGET = (1.1315e-4, 4.913e-5)


@jit
def depth(spin, background, out):
    """S·p of every site, shape (y, x), float64: 1 against the background (+1 or -1), -1 along it.

    p is tilted off the z axis by 1e-4. A triangle that contains p has a corner with positive depth, exactly.
    """
    scale = 1.0 / math.sqrt(1.0 + _TARGET[0] ** 2 + _TARGET[1] ** 2)
    px, py, pz = scale * _TARGET[0], scale * _TARGET[1], -scale * background
    for y in range(spin.shape[0]):
        for x in range(spin.shape[1]):
            out[y, x] = px * spin[y, x, 0] + py * spin[y, x, 1] + pz * spin[y, x, 2]


@jit
def wrapped(i, n):
    """Index i in [0, n) if it is at most one step outside."""
    return i + n if i < 0 else (i - n if i >= n else i)


@jit
def label_regions(group, label, offset_y, offset_x):
    """Label the regions of 4-connected sites of the same group on the torus, and unwrap each.

    Parameters
    ----------
    group
        Shape (y, x), bool or integer; 0 belongs to no region.
    label
        Output, shape (y, x), int32: 0 outside, 1, 2, ... inside, in the order of each region's first site.
    offset_y, offset_x
        Output, shape (y, x), int32: position of a site relative to its region's first site along a path inside the
        region, so that a region that crosses the border stays in one piece.

    Returns
    -------
    Whether region k percolates, that is closes on itself around the torus, at index k - 1; bool.
    """
    ny, nx = group.shape
    label[:] = 0
    queue = np.empty((ny * nx, 2), dtype=np.int32)
    percolates = np.zeros(ny * nx, dtype=np.bool_)
    n_regions = 0
    for y0 in range(ny):
        for x0 in range(nx):
            if group[y0, x0] == 0 or label[y0, x0] > 0:
                continue
            n_regions += 1
            label[y0, x0], offset_y[y0, x0], offset_x[y0, x0] = n_regions, 0, 0
            queue[0, 0], queue[0, 1], head, tail = y0, x0, 0, 1
            while head < tail:
                y, x = queue[head, 0], queue[head, 1]
                head += 1
                for step_y, step_x in ((0, 1), (0, -1), (1, 0), (-1, 0)):
                    v, u = wrapped(y + step_y, ny), wrapped(x + step_x, nx)
                    if group[v, u] != group[y, x]:
                        continue
                    to_y, to_x = offset_y[y, x] + step_y, offset_x[y, x] + step_x
                    if label[v, u] == 0:
                        label[v, u], offset_y[v, u], offset_x[v, u] = n_regions, to_y, to_x
                        queue[tail, 0], queue[tail, 1] = v, u
                        tail += 1
                    elif offset_y[v, u] != to_y or offset_x[v, u] != to_x:
                        percolates[n_regions - 1] = True
    return percolates[:n_regions].copy()


@jit
def shapes(label, offset_y, offset_x, n_regions):
    """Shape of each region from its second moments, in which a site counts as a unit square.

    Returns
    -------
    elongation
        Ratio of the long to the short axis: 1 for a disc or a square, n for a row of n sites.
    spread
        Sum of the two moments over that of the disc of the same area: 1 for a disc, (k + 1/k) / 2 for an ellipse of
        elongation k, more for whatever has gaps, such as a stripe that is curled up.
    """
    moment = np.zeros((n_regions, 6))
    for y in range(label.shape[0]):
        for x in range(label.shape[1]):
            k = label[y, x] - 1
            if k >= 0:
                v, u = offset_y[y, x], offset_x[y, x]
                moment[k, 0] += 1.0
                moment[k, 1] += u
                moment[k, 2] += v
                moment[k, 3] += u * u
                moment[k, 4] += v * v
                moment[k, 5] += u * v
    elongation, spread = np.empty(n_regions), np.empty(n_regions)
    for k in range(n_regions):
        n = moment[k, 0]
        mean_x, mean_y = moment[k, 1] / n, moment[k, 2] / n
        xx = moment[k, 3] / n - mean_x * mean_x + 1.0 / 12.0
        yy = moment[k, 4] / n - mean_y * mean_y + 1.0 / 12.0
        xy = moment[k, 5] / n - mean_x * mean_y
        middle = 0.5 * (xx + yy)
        split = math.sqrt(0.25 * (xx - yy) ** 2 + xy * xy)
        elongation[k] = math.sqrt((middle + split) / (middle - split))
        spread[k] = 4.0 * math.pi * middle / n
    return elongation, spread


@jit
def _edge(a, b, background):
    """p·(a × b): on which side of the great circle through a and b the direction p lies. Exactly odd in (a, b)."""
    return (
        _TARGET[0] * (a[1] * b[2] - a[2] * b[1])
        + _TARGET[1] * (a[2] * b[0] - a[0] * b[2])
        - background * (a[0] * b[1] - a[1] * b[0])
    )


@jit
def _covers(a, b, c, depth_a, depth_b, depth_c, background):
    """+1 or -1 if the spherical triangle (a, b, c), counter-clockwise or clockwise, contains p; 0 otherwise."""
    ab, bc, ca = _edge(a, b, background), _edge(b, c, background), _edge(c, a, background)
    if ab > 0.0 and bc > 0.0 and ca > 0.0:
        sign = 1
    elif ab < 0.0 and bc < 0.0 and ca < 0.0:
        sign = -1
    else:
        return 0
    # p or -p lies in the triangle: p does if the weights that combine the corners to a multiple of p are positive
    return sign if sign * (bc * depth_a + ca * depth_b + ab * depth_c) > 0.0 else 0


@jit
def count_preimages(spin, depth, background, site, sign):
    """Triangles that contain the direction p opposite to the background: signed, they sum to the charge.

    Each plaquette is cut along the diagonal (0, 0)-(1, 1), as in the Berg-Lüscher charge.

    Parameters
    ----------
    spin
        Shape (y, x, 3), float64 unit spins.
    depth
        Shape (y, x), from :func:`depth`.
    background
        +1 or -1, along z.
    site
        Output, int32, twice the number of sites long: flat index of each triangle's deepest corner.
    sign
        Output, int32, as long: +1 or -1.

    Returns
    -------
    The number of triangles written.
    """
    ny, nx = depth.shape
    n = 0
    for y in range(ny):
        up = (y + 1) % ny
        for x in range(nx):
            right = (x + 1) % nx
            if depth[y, x] <= 0 and depth[y, right] <= 0 and depth[up, right] <= 0 and depth[up, x] <= 0:
                continue
            for y1, x1, y2, x2 in ((y, right, up, right), (up, right, up, x)):
                d0, d1, d2 = depth[y, x], depth[y1, x1], depth[y2, x2]
                covers = _covers(spin[y, x], spin[y1, x1], spin[y2, x2], d0, d1, d2, background)
                if covers != 0:
                    if d0 >= d1 and d0 >= d2:
                        site[n] = y * nx + x
                    else:
                        site[n] = y1 * nx + x1 if d1 >= d2 else y2 * nx + x2
                    sign[n] = covers
                    n += 1
    return n

"""Connected regions of sites, and the integer topological charge that belongs to each.

The charge of a Berg-Lüscher triangulated configuration is the signed number of its spherical triangles that contain a
generic direction p. With p opposite to the background, each such triangle has a corner on the reversed side, hence in
a reversed region: counting the triangles by region splits the charge into integers that sum to it exactly.

Regions are lists of runs, the pieces of rows that they consist of: to measure a region is to look at its sites only.
"""

from __future__ import annotations

import math

import numpy as np

from skylattice.kernels._jit import jit
from skylattice.kernels.background import EMPTY_SITE, REVERSED, SIDES, TARGET, depth, spin_at
from skylattice.kernels.frame import PERIODIC_X, PERIODIC_Y

#: Columns of the table of runs: row, first site and the one after the last; the first run of the region, and where the
#: run's first site lies from that of the first run along a path inside the region; number of the region, from 1.
RUN_COLUMNS = 7
Y, BEGIN, END, _ROOT, OFFSET_Y, OFFSET_X, REGION = range(RUN_COLUMNS)


@jit
def _find(run, r):
    """First run known to belong to run r's region, and where r lies from it; halves the path on the way."""
    y, x = 0, 0
    while run[r, _ROOT] != r:
        p = run[r, _ROOT]
        run[r, _ROOT] = run[p, _ROOT]
        run[r, OFFSET_Y] += run[p, OFFSET_Y]
        run[r, OFFSET_X] += run[p, OFFSET_X]
        y, x, r = y + run[r, OFFSET_Y], x + run[r, OFFSET_X], run[r, _ROOT]
    return r, y, x


@jit
def _join(run, closes, a, b, step_y, step_x):
    """Run b touches run a and begins ``step`` from where a does."""
    (first_a, ya, xa), (first_b, yb, xb) = _find(run, a), _find(run, b)
    y, x = ya + step_y - yb, xa + step_x - xb
    if first_a == first_b:
        closes[first_a] |= y != 0 or x != 0
        return
    if first_b < first_a:
        first_a, first_b, y, x = first_b, first_a, -y, -x
    run[first_b, _ROOT], run[first_b, OFFSET_Y], run[first_b, OFFSET_X] = first_a, y, x
    closes[first_a] |= closes[first_b]


@jit
def _list_runs(group, run, row):
    """Cut each row into runs of the same group; ``row`` tells where each row's runs start."""
    ny, nx = group.shape
    n = 0
    for y in range(ny):
        row[y] = n
        x = 0
        while x < nx:
            g = group[y, x]
            if g == 0:
                x += 1
                continue
            run[n, Y], run[n, BEGIN], run[n, _ROOT], run[n, OFFSET_Y], run[n, OFFSET_X] = y, x, n, 0, 0
            while x < nx and group[y, x] == g:
                x += 1
            run[n, END] = x
            n += 1
    row[ny] = n
    return n


@jit
def label_regions(group, sites, run, row):
    """Find the regions of 4-connected sites of the same group, and unwrap those on a torus.

    Parameters
    ----------
    group
        Shape (y, x), int32; 0 belongs to no region.
    sites
        Flags as in :mod:`skylattice.kernels.frame`: regions do not go on across open boundaries.
    run
        Output, int32, with a row for each run and the columns Y, ..., REGION; there can be as many as sites. Regions
        are numbered in the order of their first sites. Offsets are from a region's first site along a path inside the
        region, so that a region that crosses the border stays in one piece.
    row
        Output, int32, shape (y + 1,): where the runs of each row start.

    Returns
    -------
    Whether region k percolates, that is closes on itself across periodic boundaries, at index k - 1; bool.
    """
    ny, nx = group.shape
    n = _list_runs(group, run, row)
    closes = np.zeros(n, dtype=np.bool_)
    for y in range(ny):
        up = y + 1 if y + 1 < ny else 0
        first, last = row[y], row[y + 1] - 1
        is_closed = first <= last and sites[PERIODIC_X]
        if is_closed and run[first, BEGIN] == 0 and run[last, END] == nx and group[y, 0] == group[y, nx - 1]:
            _join(run, closes, last, first, 0, nx - run[last, BEGIN])
        if up == 0 and not sites[PERIODIC_Y]:
            continue
        b = row[up]
        for a in range(first, last + 1):
            while b < row[up + 1] and run[b, END] <= run[a, BEGIN]:
                b += 1
            c = b
            while c < row[up + 1] and run[c, BEGIN] < run[a, END]:
                if group[up, run[c, BEGIN]] == group[y, run[a, BEGIN]]:
                    _join(run, closes, a, c, 1, run[c, BEGIN] - run[a, BEGIN])
                c += 1
    n_regions = 0
    for r in range(n):
        first, y, x = _find(run, r)
        run[r, OFFSET_Y], run[r, OFFSET_X], run[r, _ROOT] = y, x, first
        if first == r:
            closes[n_regions] = closes[r]
            n_regions += 1
            run[r, REGION] = n_regions
        else:
            run[r, REGION] = run[first, REGION]
    return closes[:n_regions].copy()


@jit
def region_at(run, row, y, x):
    """Number of the region that a site belongs to; 0 for none."""
    for r in range(row[y], row[y + 1]):
        if run[r, BEGIN] <= x < run[r, END]:
            return run[r, REGION]
    return 0


@jit
def shapes(run, n_runs, n_regions):
    """Shape of each region from its second moments, in which a site counts as a unit square.

    Returns
    -------
    area
        Number of sites.
    elongation
        Ratio of the long to the short axis: 1 for a disc or a square, n for a row of n sites.
    spread
        Sum of the two moments over that of the disc of the same area: 1 for a disc, (k + 1/k) / 2 for an ellipse of
        elongation k, more for whatever has gaps, such as a stripe that is curled up.
    """
    moment = np.zeros((n_regions, 6))
    for r in range(n_runs):
        k, v = run[r, REGION] - 1, run[r, OFFSET_Y]
        length, sum_u, sum_uu = run[r, END] - run[r, BEGIN], 0, 0
        for u in range(run[r, OFFSET_X], run[r, OFFSET_X] + length):
            sum_u += u
            sum_uu += u * u
        moment[k, 0] += length
        moment[k, 1] += sum_u
        moment[k, 2] += length * v
        moment[k, 3] += sum_uu
        moment[k, 4] += length * v * v
        moment[k, 5] += v * sum_u
    area, elongation, spread = np.empty(n_regions, dtype=np.int64), np.empty(n_regions), np.empty(n_regions)
    for k in range(n_regions):
        n = moment[k, 0]
        mean_x, mean_y = moment[k, 1] / n, moment[k, 2] / n
        xx = moment[k, 3] / n - mean_x * mean_x + 1.0 / 12.0
        yy = moment[k, 4] / n - mean_y * mean_y + 1.0 / 12.0
        xy = moment[k, 5] / n - mean_x * mean_y
        middle = 0.5 * (xx + yy)
        split = math.sqrt(0.25 * (xx - yy) ** 2 + xy * xy)
        area[k], elongation[k], spread[k] = (
            n,
            math.sqrt((middle + split) / (middle - split)),
            4.0 * math.pi * middle / n,
        )
    return area, elongation, spread


@jit
def _edge(a, b, background):
    """p·(a × b): on which side of the great circle through a and b the direction p lies. Exactly odd in (a, b)."""
    return (
        TARGET[0] * (a[1] * b[2] - a[2] * b[1])
        + TARGET[1] * (a[2] * b[0] - a[0] * b[2])
        - background * (a[0] * b[1] - a[1] * b[0])
    )


@jit
def _covers(a, b, c, background):
    """+1 or -1 if the spherical triangle (a, b, c), counter-clockwise or clockwise, contains p; 0 otherwise."""
    ab, bc, ca = _edge(a, b, background), _edge(b, c, background), _edge(c, a, background)
    if ab > 0.0 and bc > 0.0 and ca > 0.0:
        sign = 1
    elif ab < 0.0 and bc < 0.0 and ca < 0.0:
        sign = -1
    else:
        return 0
    # p or -p lies in the triangle: p does if the weights that combine the corners to a multiple of p are positive
    total = bc * depth(a, background) + ca * depth(b, background) + ab * depth(c, background)
    return sign if sign * total > 0.0 else 0


@jit
def count_preimages(spin, background, code, sites, site, sign):
    """Triangles that contain the direction p opposite to the background: signed, they sum to the charge.

    Each plaquette is cut along the diagonal (0, 0)-(1, 1), as in the Berg-Lüscher charge. Most triangles lie wholly on
    one side of a plane through p, which their corners' codes tell. Plaquettes that lack a corner do not count.

    Parameters
    ----------
    spin
        Shape (y, x, 3), unit spins.
    background
        +1 or -1, along z.
    code
        Shape (y, x), from :func:`skylattice.kernels.background.survey`.
    sites
        Flags as in :mod:`skylattice.kernels.frame`.
    site
        Output, int32, twice the number of sites long: flat index of each triangle's deepest corner.
    sign
        Output, int32, as long: +1 or -1.

    Returns
    -------
    The number of triangles written.
    """
    ny, nx = code.shape
    is_near = np.zeros(nx, dtype=np.uint8)
    n = 0
    for y in range(ny if sites[PERIODIC_Y] else ny - 1):
        up = y + 1 if y + 1 < ny else 0
        here, above = code[y], code[up]
        for x in range(nx - 1):
            a, b, c, d = here[x], here[x + 1], above[x + 1], above[x]
            lower, upper = a & b & c & SIDES, a & c & d & SIDES
            is_near[x] = (a | b | c | d) & REVERSED if lower == 0 or upper == 0 else 0
        is_near[nx - 1] = sites[PERIODIC_X]
        for x in range(nx):
            if is_near[x] == 0:
                continue
            right = x + 1 if x + 1 < nx else 0
            if (here[x] | here[right] | above[right] | above[x]) & EMPTY_SITE:
                continue
            a, b, c, d = spin_at(spin, y, x), spin_at(spin, y, right), spin_at(spin, up, right), spin_at(spin, up, x)
            for k in range(2):
                second, third = (b, c) if k == 0 else (c, d)
                covers = _covers(a, second, third, background)
                if covers != 0:
                    d0, d1, d2 = depth(a, background), depth(second, background), depth(third, background)
                    y1, x1, x2 = (y, right, right) if k == 0 else (up, right, x)
                    if d0 >= d1 and d0 >= d2:
                        site[n] = y * nx + x
                    else:
                        site[n] = y1 * nx + x1 if d1 >= d2 else up * nx + x2
                    sign[n] = covers
                    n += 1
    return n

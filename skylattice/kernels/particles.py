"""Skyrmions as particles: a soft repulsion that packs them on a torus, and the spins around given positions.

Lengths in :func:`settle` are in units of the mean spacing of the particles, times in those of mass 1 and a repulsion of
strength 1: ``V(r) = exp(-κ (r - 1))``, cut off at 2.2.
"""

from __future__ import annotations

import numpy as np

from skylattice.kernels._jit import fastjit, jit

#: Range of the repulsion, and how far beyond it neighbours are listed.
CUTOFF, SKIN = 2.2, 0.8
#: Particles closer than this are not placed at the start; a random sequential packing holds spacings up to 0.77.
_START_SPACING = 0.7
#: Candidates for each particle before the start spacing is lowered.
_TRIES = 400
#: Entries of the table of forces, evenly spaced in the distance squared.
_FORCES = 4096
#: Entries of the table of the radial profile for each site of its range.
_TABLE = 64


@jit
def scatter(candidates, n, box):
    """First ``n`` of random points that keep apart from each other: shape (n, 2); what does not fit comes closer.

    ``candidates`` of shape (m, 2), uniform in [0, 1), m >= n; ``box`` the lengths along x and y.
    """
    places = np.empty((n, 2))
    spacing, found, k, tries = _START_SPACING, 0, 0, 0
    while found < n:
        x, y = candidates[k, 0] * box[0], candidates[k, 1] * box[1]
        k = k + 1 if k + 1 < len(candidates) else 0
        tries += 1
        free = True
        for i in range(found):
            dx, dy = abs(x - places[i, 0]), abs(y - places[i, 1])
            dx, dy = min(dx, box[0] - dx), min(dy, box[1] - dy)
            if dx * dx + dy * dy < spacing * spacing:
                free = False
                break
        if free:
            places[found, 0], places[found, 1] = x, y
            found += 1
            tries = 0
        elif tries > _TRIES:
            spacing, tries = 0.8 * spacing, 0
    return places


@jit
def _pairs(places, box):
    """Pairs of particles within the cutoff and the skin, each once: shape (pairs, 2); by cells where there are many."""
    n, reach = len(places), CUTOFF + SKIN
    width, height, half_x, half_y = box[0], box[1], box[0] / 2, box[1] / 2
    columns, rows = max(1, int(box[0] / reach)), max(1, int(box[1] / reach))
    if columns < 3 or rows < 3:
        columns = rows = 1
    start = np.zeros(columns * rows + 1, np.int64)
    cell = np.empty(n, np.int64)
    for i in range(n):
        column, row = int(places[i, 0] / box[0] * columns) % columns, int(places[i, 1] / box[1] * rows) % rows
        cell[i] = row * columns + column
        start[cell[i] + 1] += 1
    start = np.cumsum(start)
    filled, members = start[:-1].copy(), np.empty(n, np.int64)
    for i in range(n):
        members[filled[cell[i]]] = i
        filled[cell[i]] += 1
    pairs = np.empty((24 * n + 16, 2), np.int32)
    found = 0
    span = 1 if columns > 1 else 0
    for i in range(n):
        row, column = cell[i] // columns, cell[i] % columns
        for step_y in range(-span, span + 1):
            for step_x in range(-span, span + 1):
                other = (row + step_y) % rows * columns + (column + step_x) % columns
                for k in range(start[other], start[other + 1]):
                    j = members[k]
                    if j <= i:
                        continue
                    dx, dy = places[i, 0] - places[j, 0], places[i, 1] - places[j, 1]
                    dx += width if dx < -half_x else (-width if dx > half_x else 0.0)
                    dy += height if dy < -half_y else (-height if dy > half_y else 0.0)
                    if dx * dx + dy * dy < reach * reach:
                        if found == len(pairs):
                            pairs = np.concatenate((pairs, np.empty_like(pairs)))
                        pairs[found, 0], pairs[found, 1] = i, j
                        found += 1
    return pairs[:found]


@fastjit
def _push(places, pairs, box, table, force):
    """Forces of the repulsion on all particles, shape (n, 2), into ``force``; ``table`` is by distance squared."""
    force[:] = 0.0
    scale = (len(table) - 2) / (CUTOFF * CUTOFF)
    width, height, half_x, half_y = box[0], box[1], box[0] / 2, box[1] / 2
    for k in range(len(pairs)):
        i, j = pairs[k, 0], pairs[k, 1]
        dx, dy = places[i, 0] - places[j, 0], places[i, 1] - places[j, 1]
        dx += width if dx < -half_x else (-width if dx > half_x else 0.0)
        dy += height if dy < -half_y else (-height if dy > half_y else 0.0)
        at = scale * (dx * dx + dy * dy)
        entry = int(at)
        if entry < len(table) - 2:
            push = table[entry] + (at - entry) * (table[entry + 1] - table[entry])
            force[i, 0] += push * dx
            force[i, 1] += push * dy
            force[j, 0] -= push * dx
            force[j, 1] -= push * dy


@jit
def settle(places, box, kappa, noise, temperatures, frictions, dt):
    """Dynamics of particles at rest, in place: one step for each friction; the first ones at a temperature each.

    ``noise`` of shape (temperatures, n, 2), standard normal; steps beyond have none, and the particles come to rest.
    Positions end in [0, box).
    """
    n = len(places)
    velocity, force, listed = np.zeros((n, 2)), np.empty((n, 2)), places.copy()
    pairs = _pairs(places, box)
    table = np.empty(_FORCES)
    for k in range(_FORCES):
        r = max(np.sqrt(k / (_FORCES - 2)) * CUTOFF, 0.05)
        table[k] = kappa * np.exp(-kappa * (r - 1.0)) / r
    for step in range(len(frictions)):
        _push(places, pairs, box, table, force)
        keep = np.exp(-frictions[step] * dt)
        is_warm = step < len(temperatures)
        kick = np.sqrt(temperatures[step] * (1 - keep * keep)) if is_warm else 0.0
        furthest = 0.0
        for i in range(n):
            for axis in range(2):
                # The random start is steep: no particle moves by more than a fifth of the spacing in a step.
                v = keep * velocity[i, axis] + force[i, axis] * dt
                if is_warm:
                    v += kick * noise[step, i, axis]
                v = min(max(v, -0.2 / dt), 0.2 / dt)
                velocity[i, axis] = v
                places[i, axis] += v * dt
                furthest = max(furthest, abs(places[i, axis] - listed[i, axis]))
        if furthest > 0.35 * SKIN:  # along both axes of both particles: together less than the skin
            _wrap(places, box)
            pairs = _pairs(places, box)
            listed[:] = places
    _wrap(places, box)


@jit
def _wrap(places, box):
    """Positions into [0, box), in place."""
    for i in range(len(places)):
        for axis in range(2):
            places[i, axis] %= box[axis]


@fastjit
def decode(x, y, radius, decay, spin):
    """Néel skyrmions of handedness +1 in a field along +z at positions (x, y) in sites, into ``spin`` (ny, nx, 3).

    The stereographic field u = (S_x + i S_y) / (1 + S_z) is the sum of -(R/r) exp((R - r)/ξ) exp(iφ) over all of them,
    R = ``radius`` and ξ = ``decay`` in sites: S_z = 0 at R from one that is alone.
    """
    ny, nx = spin.shape[0], spin.shape[1]
    reach = radius + 6.0 * decay
    table = np.empty(int(reach * _TABLE) + 2, np.float32)
    for k in range(len(table)):
        r = max(k / _TABLE, 0.02)
        table[k] = -radius / (r * r) * np.exp((radius - r) / decay)
    last = len(table) - 1
    table[last] = 0.0
    u = np.zeros((ny, nx, 2), np.float32)
    span_y, span_x = min(int(reach), (ny - 1) // 2), min(int(reach), (nx - 1) // 2)
    for k in range(len(x)):
        row, column = int(np.rint(y[k])), int(np.rint(x[k]))
        for j in range(-span_y, span_y + 1):
            dy = row + j - y[k]
            across = (row + j) % ny
            half = int(np.sqrt(max(reach * reach - dy * dy, 0.0)))
            for i in range(-min(half, span_x), min(half, span_x) + 1):
                dx = column + i - x[k]
                along = column + i
                along += nx if along < 0 else (-nx if along >= nx else 0)
                entry = min(int(np.sqrt(dx * dx + dy * dy) * _TABLE + 0.5), last)
                u[across, along, 0] += table[entry] * dx
                u[across, along, 1] += table[entry] * dy
    for j in range(ny):
        for i in range(nx):
            square = u[j, i, 0] * u[j, i, 0] + u[j, i, 1] * u[j, i, 1]
            scale = 2 / (1 + square)
            spin[j, i, 0] = scale * u[j, i, 0]
            spin[j, i, 1] = scale * u[j, i, 1]
            spin[j, i, 2] = scale - 1

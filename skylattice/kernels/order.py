"""Sixfold order of points: local order parameters and pair correlations."""

from __future__ import annotations

import math

import numpy as np

from skylattice.kernels._jit import jit


@jit
def local_psi6(origin, end, twin, vector, n):
    """Mean of exp(6 i θ) over the edges at each point, θ the edge's direction; shape (n,), complex."""
    total, count = np.zeros(n, dtype=np.complex128), np.zeros(n)
    for h in range(len(origin)):
        sixth = complex(vector[h, 0], vector[h, 1]) ** 6
        sixth /= abs(sixth)
        total[origin[h]] += sixth
        count[origin[h]] += 1.0
        if twin[h] < 0:  # a hull edge has one half only
            total[end[h]] += sixth
            count[end[h]] += 1.0
    return total / np.maximum(count, 1.0)


@jit
def pair_histogram(points, psi6, width, height, bin_width, n_bins):
    """Number of pairs, and sum of Re ψ6* ψ6, by minimum-image distance."""
    count, order = np.zeros(n_bins), np.zeros(n_bins)
    for i in range(len(points)):
        for j in range(i):
            dx, dy = points[j, 0] - points[i, 0], points[j, 1] - points[i, 1]
            dx -= width * np.round(dx / width)
            dy -= height * np.round(dy / height)
            k = int(math.hypot(dx, dy) / bin_width)
            if k < n_bins:
                count[k] += 1.0
                order[k] += psi6[i].real * psi6[j].real + psi6[i].imag * psi6[j].imag
    return count, order

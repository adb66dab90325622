"""Disjoint sets: which points have been joined."""

from __future__ import annotations

from skylattice.kernels._jit import jit


@jit
def root(parent, k):
    """Representative of k's set, halving the path on the way; ``parent[k] == k`` for a set's representative."""
    while parent[k] != k:
        parent[k] = parent[parent[k]]
        k = parent[k]
    return k

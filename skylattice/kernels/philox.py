"""Philox4x32-10, a counter-based random number generator: a pure function, so that any order of updates may ask it.

J. K. Salmon, M. A. Moraes, R. O. Dror and D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC '11.
"""

from __future__ import annotations

import numpy as np

from skylattice.kernels._jit import fastjit

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint32(0x9E3779B9), np.uint32(0xBB67AE85)
_SHIFT = np.uint64(32)


@fastjit
def _round(c0, c1, c2, c3, k0, k1):
    p0 = _M0 * np.uint64(c0)
    p1 = _M1 * np.uint64(c2)
    return np.uint32(p1 >> _SHIFT) ^ c1 ^ k0, np.uint32(p1), np.uint32(p0 >> _SHIFT) ^ c3 ^ k1, np.uint32(p0)


@fastjit
def _two_rounds(c0, c1, c2, c3, k0, k1):
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0, k1)
    k0, k1 = np.uint32(k0 + _W0), np.uint32(k1 + _W1)
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0, k1)
    return c0, c1, c2, c3, np.uint32(k0 + _W0), np.uint32(k1 + _W1)


@fastjit
def philox(c0, c1, c2, c3, k0, k1):
    """Four random words (uint32) from a counter of four and a key of two words, all uint32.

    The ten rounds are written out: LLVM vectorises a loop over counters only when it has no loop inside.
    """
    c0, c1, c2, c3, k0, k1 = _two_rounds(c0, c1, c2, c3, k0, k1)
    c0, c1, c2, c3, k0, k1 = _two_rounds(c0, c1, c2, c3, k0, k1)
    c0, c1, c2, c3, k0, k1 = _two_rounds(c0, c1, c2, c3, k0, k1)
    c0, c1, c2, c3, k0, k1 = _two_rounds(c0, c1, c2, c3, k0, k1)
    c0, c1, c2, c3, _, _ = _two_rounds(c0, c1, c2, c3, k0, k1)
    return c0, c1, c2, c3

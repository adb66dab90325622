"""How kernels are compiled: without the GIL, cached on disk, exact floating point.

``SKYLATTICE_NUMBA_CACHE=0`` switches the cache off, which tests and developers want: numba notices a changed file, but
not a changed helper in another file.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numba

CACHE = os.environ.get("SKYLATTICE_NUMBA_CACHE", "1") != "0"

#: Division by zero gives inf or NaN, as in numpy: Python's check for it would keep LLVM from vectorising.
jit: Callable[..., Any] = numba.njit(nogil=True, cache=CACHE, error_model="numpy")

#: For the Monte Carlo kernels only: reassociation and approximate reciprocals are fine there, because a sampler
#: tolerates rounding; no other kernel may use it. Loops run over slices with unsigned indices, so that LLVM sees
#: contiguous arrays without wrap-around and vectorises them.
fastjit: Callable[..., Any] = numba.njit(nogil=True, cache=CACHE, fastmath=True, error_model="numpy")


def gujit(signatures: Sequence[str], layout: str) -> Callable[[Callable[..., None]], Any]:
    """Compile a generalised ufunc for the given types, at import."""
    return numba.guvectorize(signatures, layout, nopython=True, cache=CACHE)

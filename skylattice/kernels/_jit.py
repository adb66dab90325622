"""How kernels are compiled: without the GIL, cached on disk, exact floating point.

``SKYLATTICE_NUMBA_CACHE=0`` switches the cache off, which developers of kernels want: numba notices a changed file, but
not a changed helper in another file.

Numba itself lets processes that compile at the same time mix up each other's cache entries, so that later ones run
machine code meant for other types. Kernels are therefore compiled in one process at a time; the others wait, and then
find them in the cache.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numba
from filelock import FileLock
from llvmlite import ir
from numba import types
from numba.core.compiler_lock import global_compiler_lock
from numba.extending import intrinsic

CACHE = os.environ.get("SKYLATTICE_NUMBA_CACHE", "1") != "0"


def _lock() -> AbstractContextManager[Any]:
    """A lock beside the cache, or in the user's folder for temporary files where the package is read-only."""
    folder = os.environ.get("NUMBA_CACHE_DIR") or os.path.join(os.path.dirname(__file__), "__pycache__")
    try:
        os.makedirs(folder, exist_ok=True)
        is_writable = os.access(folder, os.W_OK)
    except OSError:
        is_writable = False
    if is_writable:
        return FileLock(os.path.join(folder, "skylattice-kernels.lock"))
    return FileLock(
        os.path.join(tempfile.gettempdir(), f"skylattice-kernels-{os.path.basename(os.path.expanduser('~'))}.lock")
    )


LOCK = _lock() if CACHE else nullcontext()


def _compiler(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """A decorator like :func:`numba.njit` that compiles under the lock.

    Division by zero gives inf or NaN, as in numpy: Python's check for it would keep LLVM from vectorising.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        dispatcher = numba.njit(nogil=True, cache=CACHE, error_model="numpy", **options)(function)
        compile_now = dispatcher.compile

        def compile_alone(signature: Any) -> Any:
            with global_compiler_lock, LOCK:  # in this order everywhere: threads hold the first when they get here
                return compile_now(signature)

        dispatcher.compile = compile_alone
        return dispatcher

    return decorate


jit = _compiler()

#: For the Monte Carlo kernels only: a sampler tolerates regrouped sums and fused multiply-adds; no other kernel may use
#: it. Division and square root stay correctly rounded: estimates of them differ between vector and scalar code,
#: so that a spin would depend on where in a vector it lies. Loops run over slices with unsigned indices, so that LLVM
#: sees contiguous arrays without wrap-around and vectorises them.
fastjit = _compiler(fastmath={"nnan", "ninf", "nsz", "reassoc", "contract"})


_BYTE = ir.IntType(8)


@intrinsic
def restrict(typingctx):
    """Promise, as C's ``restrict`` does, that no array written by the calling function overlaps another argument.

    Without it LLVM compiles each loop twice, with and without vectors, and tests before each call which one to take.
    """

    def codegen(context, builder, signature, args):
        for argument in builder.function.args:
            if isinstance(argument.type, ir.PointerType) and argument.type.pointee != _BYTE:  # those lead to owners
                argument.add_attribute("noalias")
        return context.get_dummy_value()

    return types.void(), codegen


def gujit(signatures: Sequence[str], layout: str) -> Callable[[Callable[..., None]], Any]:
    """Compile a generalised ufunc for the given types, at import."""

    def decorate(function: Callable[..., None]) -> Any:
        with global_compiler_lock, LOCK:
            return numba.guvectorize(signatures, layout, nopython=True, cache=CACHE)(function)

    return decorate

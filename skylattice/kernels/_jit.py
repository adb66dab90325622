"""How kernels are compiled: without the GIL, cached on disk, exact floating point.

``SKYLATTICE_NUMBA_CACHE=0`` switches the cache off, which developers of kernels want: numba notices a changed file, but
not a changed helper in another file.

Numba itself lets processes that compile at the same time mix up each other's cache entries, so that later ones run
machine code meant for other types. Kernels are therefore compiled in one process at a time; the others wait, and then
find them in the cache, which lies where :mod:`skylattice.kernels._cache` says.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.core.compiler_lock import global_compiler_lock
from numba.extending import intrinsic

from skylattice.kernels._cache import KernelLock, cache_folder, temporary_folder

FOLDER = cache_folder() if os.environ.get("SKYLATTICE_NUMBA_CACHE", "1") != "0" else None
CACHE = FOLDER is not None
LOCK = nullcontext() if FOLDER is None else KernelLock(FOLDER)


@contextmanager
def _cached_here() -> Iterator[None]:
    """Tell numba of a folder that it does not find by itself, for what is decorated inside and for nothing else."""
    config: Any = numba.config
    before = config.CACHE_DIR
    config.CACHE_DIR = FOLDER if temporary_folder() == FOLDER else before
    try:
        yield
    finally:
        config.CACHE_DIR = before


def _compiler(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """A decorator like :func:`numba.njit` that compiles under the lock.

    Division by zero gives inf or NaN, as in numpy: Python's check for it would keep LLVM from vectorising.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        with global_compiler_lock, _cached_here():
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
        with global_compiler_lock, LOCK, _cached_here():
            return numba.guvectorize(signatures, layout, nopython=True, cache=CACHE)(function)

    return decorate

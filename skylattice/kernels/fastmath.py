"""Elementary functions in float32 for the Monte Carlo kernels, as polynomials that vectorise.

The coefficients are minimax fits (weighted least squares iterated to equal ripple) in relative error; the stated
accuracies are those of the float32 evaluation, and tests hold them against float64 libm.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import float32, int32
from numba.extending import intrinsic

from skylattice.kernels._jit import fastjit

_SQRT_HALF_BITS = np.int32(0x3F3504F3)
_MANTISSA = np.int32(0x007FFFFF)
_MANTISSA_BITS = np.int32(23)
_LN2 = np.float32(0.6931471805599453)
_LOG2_E = np.float32(1.4426950408889634)
_LARGEST_EXPONENT = np.float32(120.0)


@intrinsic
def float_bits(typingctx, x):
    """The bits of a float32, as an int32."""

    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], ir.IntType(32))

    return int32(float32), codegen


@intrinsic
def bits_float(typingctx, i):
    """The float32 of which the int32 ``i`` holds the bits."""

    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], ir.FloatType())

    return float32(int32), codegen


@fastjit
def unit_uniform(word):
    """Uniform float32 in (0, 1] from a uint32; small values keep their full relative precision."""
    return np.float32(np.int32(word >> np.uint32(1))) * np.float32(2.0**-31) + np.float32(2.0**-32)


@fastjit
def minus_expm1(x):
    """1 - exp(-x) and exp(-x) for x >= 0, to 3e-7 relative each (exp(-x) while it exceeds 1e-36)."""
    y = -min(x * _LOG2_E, _LARGEST_EXPONENT)
    n = np.int32(y - np.float32(0.5))
    f = y - np.float32(n)
    g = np.float32(1.540351257607658e-04)
    g = g * f + np.float32(1.3390735477477739e-03)
    g = g * f + np.float32(9.61823749430744e-03)
    g = g * f + np.float32(5.5503574336366684e-02)
    g = g * f + np.float32(2.402264979496294e-01)
    g = g * f + np.float32(6.931471879266915e-01)
    g = g * f
    scale = bits_float(np.int32((n + np.int32(127)) << _MANTISSA_BITS))
    exp = scale + scale * g
    # for n = 0 the difference is -g itself, without cancellation; written as a sum, fastmath would cancel it again
    return -g if n == 0 else np.float32(1.0) - exp, exp


@fastjit
def minus_log(v, t):
    """-log(v) for v in (0, 1], given t = 1 - v more precisely than v holds it; to 3e-7 relative."""
    # numba adds two int32 to an int64, whose vectors are twice as wide as those of the other steps
    bits = np.int32(float_bits(v) - _SQRT_HALF_BITS)
    n = np.int32(bits >> _MANTISSA_BITS)
    mantissa = bits_float(np.int32((bits & _MANTISSA) + _SQRT_HALF_BITS))
    f = -t if n == 0 else mantissa - np.float32(1.0)
    g = np.float32(8.722355018208348e-02)
    g = g * f - np.float32(1.4366842802208266e-01)
    g = g * f + np.float32(1.4952266763889263e-01)
    g = g * f - np.float32(1.656239311481784e-01)
    g = g * f + np.float32(1.9956833546404712e-01)
    g = g * f - np.float32(2.5002074067547486e-01)
    g = g * f + np.float32(3.333418562606037e-01)
    g = g * f - np.float32(4.9999987964195947e-01)
    g = g * f + np.float32(9.999999741895883e-01)
    return -(np.float32(n) * _LN2) - g * f


@fastjit
def cos_sin(word):
    """Cosine and sine of an angle uniform on the circle, from a uint32; to 2e-7 absolute.

    The top two bits choose the quadrant, the others the angle within ±π/4 of its axis.
    """
    t = np.float32(np.int32(word << np.uint32(2))) * np.float32(2.0**-32)
    u = t * t
    s = np.float32(-4.601657886969403e-03)
    s = s * u + np.float32(7.968003276839365e-02)
    s = s * u - np.float32(6.459634602331817e-01)
    s = s * u + np.float32(1.5707963217083416)
    s = s * t
    c = np.float32(-2.0408352539315458e-02)
    c = c * u + np.float32(2.535986441111946e-01)
    c = c * u - np.float32(1.233697014247893)
    c = c * u + np.float32(9.99999972423323e-01)
    swap = (word & np.uint32(0x40000000)) != 0
    first, second = (s, c) if swap else (c, s)
    if word & np.uint32(0x80000000):
        return -first, -second
    return first, second

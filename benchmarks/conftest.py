"""Benchmarks: each kernel beside a plain baseline in the same run; the ratio travels better than the time."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))


@pytest.fixture
def rate(benchmark):
    """Time a call of known size, and keep its rate: ``rate(f, updates=..., unit=...)`` returns operations per second.

    Runs that only check the answers (``--benchmark-disable``) call it once and return NaN.
    """

    def measure(f, *, operations, unit, rounds=15):
        f()  # compiles
        benchmark.pedantic(f, rounds=rounds, iterations=1)
        if benchmark.stats is None:
            return float("nan")
        per_second = operations / benchmark.stats.stats.median
        benchmark.extra_info["rate"] = per_second
        benchmark.extra_info["unit"] = unit
        return per_second

    return measure

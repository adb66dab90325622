"""Timing by hand, for what a benchmark is compared with in the same run."""

import time

import numpy as np


def median_rate(f, operations=1, rounds=5):
    """Operations per second of a call of known size: the median of a few rounds after one that warms up."""
    f()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        f()
        times.append(time.perf_counter() - start)
    return operations / np.median(times)

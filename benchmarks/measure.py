"""What benchmarks share: a comparison with a named rival, and median wall times."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

REPEATS = 3
Comparison = tuple[str, float, str, float]
"""Task, our seconds, the rival's name, its seconds."""


def seconds(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """Median wall time of a call, after one warm-up."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return median(times)

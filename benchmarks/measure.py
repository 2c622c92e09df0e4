"""Helpers of benchmarks: a comparison with a named rival, median wall times, and measurements in a new process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

REPEATS = 3
Comparison = tuple[str, float, str, float]
"""Task, our seconds, the rival's name, its seconds."""


def _once(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def seconds(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """Median wall time of a call, after one warm-up."""
    work()
    return median(_once(work) for _ in range(repeats))


def side_by_side(own: Callable[[], object], other: Callable[[], object], repeats: int = REPEATS) -> tuple[float, float]:
    """Median wall times of two calls in turn, so that changes of the machine's load affect both; after a warm-up."""
    own(), other()
    times = [(_once(own), _once(other)) for _ in range(repeats)]
    return median(t for t, _ in times), median(t for _, t in times)


def printed(command: list[Any], *, threads: int | None = None) -> dict[str, float]:
    """The JSON object a command prints in its last line; with one thread, waiting does not count as CPU time."""
    env = os.environ | ({} if threads is None else {"OMP_NUM_THREADS": str(threads)})
    words = [str(word) for word in command]
    output = subprocess.run(words, capture_output=True, text=True, check=True, env=env).stdout
    return dict(json.loads(output.splitlines()[-1]))


def alone(code: str, *, threads: int | None = None) -> dict[str, float]:
    """Run code in a Python of its own, benchmarks importable: ``peak`` resident MiB and ``took`` seconds.

    Entries that the code adds to the dictionary ``found`` are returned too.
    """
    program = f"""
import json, sys, time
sys.path.insert(0, {str(Path(__file__).parent)!r})
found = {{}}
start = time.perf_counter()
{code}
found["took"] = time.perf_counter() - start
found["peak"] = int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) / 1024
print(json.dumps(found))
"""
    return printed([sys.executable, "-c", program], threads=threads)

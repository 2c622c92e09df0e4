"""Trainings of equal cost: the number of steps within a budget of CPU seconds."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from jsddpm.config import RunConfig, load_config
from jsddpm.slices.store import SliceStore
from jsddpm.training.run import train

_TIMED = 14


def steps_within(cpu_seconds: float, config_of: Callable[[int], RunConfig], store: SliceStore, run: Path) -> int:
    """Number of optimiser steps of a training within a budget of seconds, at least two.

    Args:
        cpu_seconds: Budget.
        config_of: Configuration of a training of so many steps.
        store: Real store.
        run: Its folder. A run that was started keeps its number of steps.
    """
    if (run / "config.yaml").is_file():
        return load_config(run / "config.yaml").trainer.max_steps
    return max(2, int(cpu_seconds / _step_seconds(config_of(_TIMED), store)))


def _step_seconds(config: RunConfig, store: SliceStore) -> float:
    """CPU seconds of a step, from a short run."""
    ends: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        train(config, store, Path(folder) / "run", progress=lambda *_: ends.append(time.process_time()))
    return statistics.median(np.diff(ends)[3:].tolist())

"""Trainings of equal cost: how many steps a number of CPU seconds pays for."""

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
    """Optimiser steps of a training that the seconds pay for, at least two.

    Args:
        cpu_seconds: Budget.
        config_of: Configuration of a training of so many steps.
        store: Real store.
        run: Its folder. A run that was begun keeps its steps: timed again, it would be another run.
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

"""Trainings of equal cost: as many steps as a budget of CPU seconds holds."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jsddpm.config import RunConfig, load_config
from jsddpm.diffusion.checkpoint import checkpoint_info
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


@dataclass(frozen=True)
class Trained:
    """A training that has ended.

    Attributes:
        checkpoint: Its last checkpoint.
        steps: Optimiser steps.
        cpu_seconds: CPU seconds of this call; 0 if it had ended before.
    """

    checkpoint: Path
    steps: int
    cpu_seconds: float


def train_within(
    cpu_seconds: float, config_of: Callable[[tuple[str, ...]], RunConfig], store: SliceStore, run: Path
) -> Trained:
    """Train for a budget of CPU seconds, without a check before the end; an interrupted training is resumed.

    Args:
        cpu_seconds: Budget.
        config_of: Configuration with some settings, which fix the number of steps.
        store: Real store.
        run: Its folder.
    """

    def config(steps: int) -> RunConfig:
        return config_of((f"trainer.max_steps={steps}", f"trainer.check_every={steps}", "logging.grid=0"))

    steps = steps_within(cpu_seconds, config, store, run)
    start, last = time.process_time(), run / "checkpoints" / "last.ckpt"
    if not last.is_file() or checkpoint_info(last).step < steps:
        train(config(steps), store, run, resume=(run / "config.yaml").is_file())
    return Trained(last, steps, time.process_time() - start)


def _step_seconds(config: RunConfig, store: SliceStore) -> float:
    """CPU seconds of a step, from a short run."""
    ends: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        train(config, store, Path(folder) / "run", progress=lambda *_: ends.append(time.process_time()))
    return statistics.median(np.diff(ends)[3:].tolist())

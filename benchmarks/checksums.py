"""CPU seconds of comparing checksums: of slices when they are first read, of a store, of a checkpoint."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from statistics import median

import numpy as np
import torch
from measure import Comparison
from training import bare_times, small_store

from jsddpm.checksums import require_sound_zip
from jsddpm.config import load_config
from jsddpm.slices.store import SliceStore

SIZE, BATCH = 64, 4
FOLDER = tempfile.TemporaryDirectory(prefix="jsddpm-bench-")


@cache
def _store() -> Path:
    return small_store(Path(FOLDER.name), SIZE).path


@cache
def _step() -> float:
    """A step of the network of the `zbins` preset on the smallest slices that docs name."""
    config = load_config("zbins", [f"data.batch_size={BATCH}", "binning.z_range=[24,93]"])
    return median(bare_times(config, SliceStore(_store())))


def _cpu(work: Callable[[], object], repeats: int = 5) -> float:
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return median(times)


def _read_in_batches(store: SliceStore) -> float:
    """CPU seconds of a batch, images and masks, over every slice once."""
    order = np.random.default_rng(0).permutation(len(store.index))
    batches = np.array_split(order, len(order) // BATCH)
    start = time.process_time()
    for rows in batches:
        store.levels(rows)
        store.masks(rows)
    return (time.process_time() - start) / len(batches)


def batch() -> Comparison:
    """The checksums of a batch, which are compared once in each process, against one training step."""
    first, again = [], []
    for _ in range(9):
        store = SliceStore(_store())
        first.append(_read_in_batches(store))
        again.append(_read_in_batches(store))
    cost = max(median(first) - median(again), 1e-9)
    return f"checksums of a batch of {BATCH}, read first", cost, f"a training step, {SIZE} x {SIZE}", _step()


def opening() -> Comparison:
    """Opening a store, its description and index compared, against one training step."""
    return "open a store", _cpu(lambda: SliceStore(_store())), f"a training step, {SIZE} x {SIZE}", _step()


def checkpoint() -> Comparison:
    """The CRC-32 of a checkpoint of 256 MiB against loading it."""
    path = Path(FOLDER.name) / "c.ckpt"
    torch.save({"weights": torch.rand(1 << 26)}, path)
    own = _cpu(lambda: require_sound_zip(path, "CHECKPOINT", ""))
    return "CRC-32 of 256 MiB", own, "torch.load", _cpu(lambda: torch.load(path, weights_only=True))


COMPARISONS = (batch, opening, checkpoint)

"""Estimate the memory of a run before any is allocated; a run that cannot fit is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import torch

from jsddpm.binning import ZBinning
from jsddpm.config import RunConfig
from jsddpm.diffusion.denoiser import Denoiser
from jsddpm.diffusion.footprint import ALLOCATOR_SHARE, BATCH, memory_error, network_bytes
from jsddpm.runtime import available_memory, best_device, device_memory, processes
from jsddpm.sections import ModelConfig
from jsddpm.slices.datamodule import VALIDATED_AT_ONCE
from jsddpm.slices.store import SliceStore
from jsddpm.training.samples import SamplePlan
from jsddpm.training.trainer import resolved_precision

BYTES_PER_WEIGHT = 16
"""Bytes per weight of a run and of its checkpoint: weight, average and two moments of AdamW, float32."""
_PIXEL_BYTES = 3
"""Bytes per pixel of a slice in memory: 16-bit levels and the mask."""
_WORKER_BYTES = 50_000_000
"""Bytes of a worker besides the memory that it shares with its parent process."""
_PREFETCHED = 2
"""Number of batches that each worker prefetches."""

Part = Literal["model.channels", "data.batch_size", "data.residence", "data.workers"]


@dataclass(frozen=True)
class Estimate:
    """The memory of one process of a run, in bytes, besides that of its libraries.

    Attributes:
        parameters: Number of weights of the network.
        network: Weights, average and optimiser.
        step: Peak of one training step: activations, their gradients, gradients of the weights.
        check: The same for a validation, its samples and their picture, which need no gradient.
        slices: The slices in memory; with ``data.residence=device`` they are read there before they are moved.
        on_device: The training slices on a GPU, which ``data.residence=device`` moves there.
        workers: The processes that make batches.
    """

    parameters: int
    network: int
    step: int
    check: int
    slices: int
    on_device: int
    workers: int

    @property
    def parts(self) -> dict[Part, int]:
        """The parts by the setting that changes them most; their sum is the memory needed."""
        return {
            "model.channels": self.network + max(self.check - self.step, 0),
            "data.batch_size": self.step,
            "data.residence": self.slices,
            "data.workers": self.workers,
        }

    @property
    def total(self) -> int:
        """The sum of all parts."""
        return sum(self.parts.values())


def estimate_run(config: RunConfig, store: SliceStore) -> Estimate:
    """The memory of a run, from the sizes of its tensors; nothing is allocated and no slice is read.

    On the CPU in float32, measured peaks lie between 0.6 and 1.5 times the estimate. On a GPU and in 16 bits it is
    a lower bound, the size of the tensors.

    Raises:
        JsddpmError: ``SIZE``, ``Z_RANGE``, ``N_BINS``, ``PRECISION`` (status 2).
    """
    binning, batch = config.binning.for_store(store.n_slices, store.path, store.z_range), config.data.batch_size
    held = {split: len(store.select(binning=binning, split=split)) for split in ("train", "val")}
    conditions = len(np.unique(store.tokens(store.select(binning=binning, split="train"), binning)))
    pictured = min(config.logging.grid, conditions, config.sampling.batch_size or BATCH)
    judged = min(VALIDATED_AT_ONCE, len(SamplePlan.of(config, store).ids))
    at_once = max(min(VALIDATED_AT_ONCE, held["val"]), judged, pictured, 1)
    parameters, step, check = _sizes(config.model, binning, store.size, batch, at_once)
    on_cpu, half = best_device().type == "cpu", resolved_precision(config) != "32-true"
    share = (ALLOCATOR_SHARE if on_cpu else 1.0) * (0.5 if half else 1.0)
    pixels, residence = store.size[0] * store.size[1], config.data.residence
    return Estimate(
        parameters=parameters,
        network=BYTES_PER_WEIGHT * parameters,
        step=int(share * step),
        check=int(share * check),
        slices=0 if residence == "mapped" else _PIXEL_BYTES * pixels * sum(held.values()),
        on_device=0 if on_cpu or residence != "device" else _PIXEL_BYTES * pixels * held["train"],
        workers=config.data.workers * (_WORKER_BYTES + _PREFETCHED * batch * 8 * pixels),
    )


@lru_cache(maxsize=8)  # the plan of a run and the run itself need the same estimate
def _sizes(
    model: ModelConfig, binning: ZBinning, size: tuple[int, int], batch: int, at_once: int
) -> tuple[int, int, int]:
    """Number of weights of the network, and peak bytes of a training step and of a check."""
    with torch.device("meta"):
        network = Denoiser(model, binning, size)
    conditioned = network.self_conditioned
    step = network_bytes(network, size, batch, gradient=True, self_conditioned=conditioned)
    check = network_bytes(network, size, at_once, gradient=False, self_conditioned=conditioned)
    return sum(p.numel() for p in network.parameters()), step, check


def require_memory(config: RunConfig, store: SliceStore) -> Estimate:
    """The estimate of a run that fits into the memory available to each of its processes on this machine.

    Raises:
        JsddpmError: ``MEMORY`` (status 5) with the setting that needs most, the bytes needed and available; ``SIZE``,
            ``Z_RANGE``, ``N_BINS`` (status 2).
    """
    estimate = estimate_run(config, store)
    parts, available = estimate.parts, available_memory()
    if best_device().type == "cuda":
        on_gpu: tuple[Part, ...] = ("model.channels", "data.batch_size")
        held: dict[Part, int] = {"data.residence": estimate.on_device}
        _require(config, {name: parts[name] for name in on_gpu} | held, device_memory())
        parts = {name: size for name, size in parts.items() if name not in on_gpu}
    _require(config, parts, None if available is None else available // processes().local)
    return estimate


def _require(config: RunConfig, parts: Mapping[Part, int], available: int | None) -> None:
    if available is None or sum(parts.values()) <= available:
        return
    key = max(parts, key=lambda name: parts[name])
    raise memory_error(_setting(config, key), parts, available, _cure(config, key, parts, available))


def _setting(config: RunConfig, key: Part) -> str:
    section, _, name = key.partition(".")
    value = getattr(getattr(config, section), name)
    return f"{key}={list(value) if isinstance(value, tuple) else value}"


def _cure(config: RunConfig, key: Part, parts: Mapping[Part, int], available: int) -> str:
    if key == "data.batch_size":
        left = available - (sum(parts.values()) - parts[key])
        fits = config.data.batch_size * max(left, 0) // parts[key]
        if fits:
            return f"set data.batch_size={fits} or less, and raise trainer.accumulate"
        key = "model.channels"
    cures: dict[Part, str] = {
        "model.channels": "use fewer channels, levels or layers, a larger model.patch_size, or smaller slices",
        "data.residence": "set data.residence=mapped",
        "data.workers": "use fewer data.workers",
    }
    return cures[key]

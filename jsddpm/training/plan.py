"""The plan of a run, measured with two of its steps: data, memory, time, disk."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from jsddpm.config import RunConfig
from jsddpm.errors import environment_error
from jsddpm.runtime import available_memory, best_device, device_memory, peak_memory, processes
from jsddpm.slices.store import SliceStore
from jsddpm.training.estimate import Estimate, require_memory
from jsddpm.training.failures import explained
from jsddpm.training.folder import refuse_begun
from jsddpm.training.run import checkpoint_bytes, prepare, require_checkpoint_space
from jsddpm.training.samples import required_plan
from jsddpm.training.trainer import check_packages, check_processes, resolved_precision
from jsddpm.training.warm_start import start_from


@dataclass(frozen=True)
class Plan:
    """A run in numbers; sizes in bytes, times in seconds.

    Attributes:
        device: Device of the run.
        precision: Floating-point precision.
        processes: Processes that share the work.
        parameters: Weights of the network.
        train_slices: Slices of the training split inside the binning.
        val_slices: Slices of the validation split inside the binning.
        untrained: Conditions of which training draws no slice.
        slices_per_step: Slices of one optimiser step, over all processes.
        epochs: Mean number of times that a training slice is used.
        step_seconds: Time of one optimiser step (the second of two).
        train_seconds: Time of all steps, checks not included.
        samples: Samples at every check, in words.
        estimate: Memory that each process needs besides its libraries, estimated before anything was allocated.
        available: Memory that was available to them (on a GPU: of the GPU); None on systems that do not say.
        memory: Peak memory of this process (on a GPU: of the GPU) in a step; None on systems that do not measure it.
        checkpoint: Size of one checkpoint.
        free: Free disk space for the folder of the run.
    """

    device: str
    precision: str
    processes: int
    parameters: int
    train_slices: int
    val_slices: int
    untrained: tuple[str, ...]
    slices_per_step: int
    epochs: float
    step_seconds: float
    train_seconds: float
    samples: str
    estimate: Estimate
    available: int | None
    memory: int | None
    checkpoint: int
    free: int


def make_plan(config: RunConfig, store: SliceStore, out: str | Path, *, warm_start: str | Path | None = None) -> Plan:
    """Check all requirements of a run and make two steps, without writing files.

    Args:
        config: The run's configuration.
        store: Slices to train on.
        out: Folder of the run.
        warm_start: Checkpoint from which the run is to start; see :func:`jsddpm.training.run.train`.

    Raises:
        JsddpmError: Errors of :func:`jsddpm.training.run.train` before its first step; ``MEMORY`` (status 5).
    """
    refuse_begun(out)
    check_packages(config)
    check_processes()
    folder = next(p for p in Path(out).resolve().parents if p.exists())
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        raise environment_error(
            "NOT_WRITABLE", "cannot be written", fix="correct the path or its permissions", file=folder
        )
    precision, device = resolved_precision(config), best_device()
    samples = required_plan(config, store)
    estimate, on_gpu = require_memory(config, store), device.type == "cuda"
    available = device_memory(device) if on_gpu else available_memory()
    half = {"32-true": None, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}[precision]
    seconds = 0.0
    with explained(config):
        module, data, info = prepare(config, store)
        if warm_start is not None:
            info = start_from(warm_start, module, info, store)
        free = require_checkpoint_space(folder, module)
        module.to(device)
        optimizer = module.configure_optimizers()["optimizer"]
        batch: Any = {k: v.to(device) for k, v in next(iter(data.train_dataloader())).items()}
        for step in range(2):
            start = time.perf_counter()
            with torch.autocast(device.type, dtype=half, enabled=half is not None):
                loss = module.loss(batch, step, step).total
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            float(loss.detach())
            seconds = (time.perf_counter() - start) * config.trainer.accumulate
    world = processes().world
    slices = config.data.batch_size * config.trainer.accumulate * world
    return Plan(
        device=torch.cuda.get_device_name(device) if on_gpu else "cpu",
        precision=precision,
        processes=world,
        parameters=sum(p.numel() for p in module.denoiser.parameters()),
        train_slices=len(data.train),
        val_slices=len(data.val),
        untrained=tuple(c.name for c in info.untrained),
        slices_per_step=slices,
        epochs=slices * config.trainer.max_steps / len(data.train),
        step_seconds=seconds,
        train_seconds=seconds * config.trainer.max_steps,
        samples=samples.sentence,
        estimate=estimate,
        available=available,
        memory=torch.cuda.max_memory_allocated(device) if on_gpu else peak_memory(),
        checkpoint=checkpoint_bytes(module),
        free=free,
    )

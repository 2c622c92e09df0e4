"""What every peer shares: training slices, batches, a budget of CPU seconds, and where samples go."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

Step = Callable[[torch.Tensor, torch.Tensor, int, int], torch.Tensor]
"""Loss of ``(x0 (B, 2, H, W) in [-1, 1], tokens (B,), step, steps in all)``."""
_TIMED = 6


def read_task() -> dict[str, Any]:
    """The task of this process: slices, tokens to sample, seed, budget, variant."""
    task: dict[str, Any] = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    torch.set_num_threads(1)
    torch.manual_seed(task["seed"])
    slices = np.load(task["slices"], allow_pickle=False)
    x0 = np.stack([slices["image"], slices["mask"].astype(np.float32)], 1) * 2 - 1
    return task | {"x0": torch.from_numpy(x0), "token": torch.from_numpy(slices["token"])}


def train(
    task: dict[str, Any],
    parameters: list[torch.nn.Parameter],
    optimizer: torch.optim.Optimizer,
    loss: Step,
    rate: Callable[[int, int], float],
    *,
    batch_size: int,
    clip: float | None = 1.0,
    after: Callable[[], None] = lambda: None,
) -> dict[str, float]:
    """Train until the budget is spent, every slice equally likely; the learning rate follows the steps that will fit.

    Args:
        task: :func:`read_task`.
        parameters: Those whose gradient is clipped.
        optimizer: At its highest learning rate.
        loss: See :data:`Step`.
        rate: Share of the highest learning rate at (step, steps in all).
        batch_size: Slices of a step.
        clip: Largest norm of the gradient; None leaves it.
        after: Called after every step.
    """
    generator, start = torch.Generator().manual_seed(task["seed"]), time.process_time()
    highest, steps, done, second = [g["lr"] for g in optimizer.param_groups], 10**9, 0, start
    while done < steps:
        if done == _TIMED:  # the first step is slower than the others
            each = (time.process_time() - second) / (_TIMED - 1)
            steps = max(_TIMED + 1, int((task["cpu_seconds"] - (time.process_time() - start)) / each) + _TIMED)
        for group, top in zip(optimizer.param_groups, highest, strict=True):
            group["lr"] = top * rate(done, steps)
        chosen = torch.randint(len(task["x0"]), (batch_size,), generator=generator)
        value = loss(task["x0"][chosen], task["token"][chosen], done, steps)
        optimizer.zero_grad()
        value.backward()
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(parameters, clip)
        optimizer.step()
        after()
        done += 1
        second = time.process_time() if done == 1 else second
    return {
        "steps": done, "cpu_seconds": time.process_time() - start, "loss": float(value.detach()),
        "parameters": sum(p.numel() for p in parameters),
    }  # fmt: skip


def finish(task: dict[str, Any], samples: torch.Tensor, record: dict[str, float]) -> None:
    """Store the samples ``(N, 2, H, W)`` in [-1, 1] and print what the training was."""
    x = samples.float().clamp(-1, 1).numpy()
    np.savez(task["samples"], image=(x[:, 0] + 1) / 2, mask=x[:, 1] > 0)
    print(json.dumps(record))

"""Code that all peers share: training slices, batches, a budget of CPU seconds, and the store of samples."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

Loss = Callable[[torch.Tensor, torch.Tensor, int, int], torch.Tensor]
"""Loss of ``(x0 (B, 2, H, W) in [-1, 1], tokens (B,), step, steps in all)``."""
Network = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""``(noisy slices (B, 2, H, W), timesteps, labels (B,))`` to what it predicts, of the same shape."""
SAMPLING_STEPS = 30
"""As many as jsddpm's presets for real patients take."""
_TIMED = 6


def tuned(task: dict[str, Any]) -> bool:
    """Whether the peer is given what serves it within minutes, or stands as its example leaves it."""
    return bool(task["variant"] == "tuned")


def multiplying(task: dict[str, Any]) -> torch.autocast:
    """A tuned peer multiplies in bfloat16, as ours does on a processor that has it: twice the steps for the seconds."""
    return torch.autocast("cpu", torch.bfloat16, enabled=tuned(task))


def drawing() -> torch.autocast:
    """Every peer draws in bfloat16: drawing has no budget, and in float32 it would take longer than the training."""
    return torch.autocast("cpu", torch.bfloat16)


def half_cosine(step: int, steps: int) -> float:
    """Share of the highest learning rate that falls from 1 to 0 along half a cosine."""
    return 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps)))


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
    loss: Loss,
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
        loss: See :data:`Loss`.
        rate: Share of the highest learning rate at (step, steps in all).
        batch_size: Slices of a step.
        clip: Largest norm of the gradient; None does not clip.
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
        with multiplying(task):
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


def denoising(predict: Network, add_noise: Callable[..., torch.Tensor], kind: str) -> Loss:
    """Mean squared error of the noise (``epsilon``) or of x0 (``sample``) over 1000 noise levels, equally likely."""

    def loss(x0: torch.Tensor, token: torch.Tensor, step: int, steps: int) -> torch.Tensor:
        noise, t = torch.randn_like(x0), torch.randint(1000, (len(x0),))
        wanted = noise if kind == "epsilon" else x0
        return torch.nn.functional.mse_loss(predict(add_noise(x0, noise, t), t, token), wanted)

    return loss


@torch.inference_mode()
def drawn(task: dict[str, Any], predicted: Network, kind: str) -> torch.Tensor:
    """Samples of the task's tokens, 32 at once, by the sampler of jsddpm's presets for real patients."""
    from diffusers import DPMSolverMultistepScheduler

    generator, parts = torch.Generator().manual_seed(task["seed"]), []
    sampler = DPMSolverMultistepScheduler(
        beta_schedule="linear", prediction_type=kind, algorithm_type="sde-dpmsolver++", timestep_spacing="trailing"
    )
    for labels in torch.tensor(task["tokens"]).split(32):
        x = torch.randn((len(labels), *task["x0"].shape[1:]), generator=generator)
        sampler.set_timesteps(SAMPLING_STEPS)  # which also forgets the steps of the slices before
        for t in sampler.timesteps:
            with drawing():
                output = predicted(x, t, labels)
            x = sampler.step(output.float(), t, x, generator=generator).prev_sample
        parts.append(x)
    return torch.cat(parts)


def finish(task: dict[str, Any], samples: torch.Tensor, record: dict[str, float]) -> None:
    """Store the samples ``(N, 2, H, W)`` in [-1, 1] and print a description of the training."""
    x = samples.float().clamp(-1, 1).numpy()
    np.savez(task["samples"], image=(x[:, 0] + 1) / 2, mask=x[:, 1] > 0)
    print(json.dumps(record))

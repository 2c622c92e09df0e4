"""SLIM-Diff 1.0.0: its network, loss, optimiser and sampler; prints JSON.

``example``: its own settings. ``tuned``: batches of 4, a learning rate of 5e-4, bfloat16, a network half as wide.
Its anatomical priors and its Lightning loop, callbacks and logs are left out, which only spares it time.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from budget import drawing, finish, half_cosine, read_task, train, tuned

sys.path.append(str(Path(__file__).parents[2] / "peers"))
from slimdiff_step import module

LAST_SHARE = 0.01
"""Of the highest learning rate, at the last step."""


def main() -> None:
    task = read_task()
    size, bins = task["x0"].shape[-1], task["conditions"] // 2
    width = 32 if tuned(task) else 64
    channels = [width, 2 * width, 4 * width, 4 * width]
    network = module(channels, [False, False, True, True], width // 2, size, bins=bins, self_conditioning=0.5).train()
    network.log = network.log_dict = lambda *_, **__: None  # there is no trainer to log to
    optimizer = network.configure_optimizers()["optimizer"]
    if tuned(task):
        for group in optimizer.param_groups:
            group["lr"] = 5e-4

    def loss(x0: torch.Tensor, token: torch.Tensor, step: int, steps: int) -> torch.Tensor:
        value: torch.Tensor = network.training_step({"image": x0[:, :1], "mask": x0[:, 1:], "token": token}, step)
        return value

    def share(step: int, steps: int) -> float:
        return LAST_SHARE + (1 - LAST_SHARE) * half_cosine(step, steps)

    record = train(task, list(network.parameters()), optimizer, loss, share, batch_size=4 if tuned(task) else 16)
    network.eval()
    sampler, generator = network._get_val_sampler(), torch.Generator().manual_seed(task["seed"])
    with drawing():
        parts = [sampler.sample(t, generator=generator) for t in torch.tensor(task["tokens"]).split(32)]
    finish(task, torch.cat(parts), record)


if __name__ == "__main__":
    main()

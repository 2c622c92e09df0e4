"""The state of a run: its weights, or all of it as one hash."""

from __future__ import annotations

import hashlib

import torch

from jsddpm.diffusion.checkpoint import read_checkpoint

KEPT = ("state_dict", "optimizer_states", "lr_schedulers", "global_step", "epoch", "jsddpm")


def digest(path) -> str:
    """Hash of everything a run goes on from: weights, average, optimiser, schedule, position, configuration."""
    loaded, found = read_checkpoint(path), hashlib.sha256()

    def add(value):
        if isinstance(value, torch.Tensor):
            found.update(value.contiguous().numpy().tobytes())
        elif isinstance(value, dict):
            for key, item in sorted(value.items(), key=lambda kv: str(kv[0])):
                found.update(str(key).encode())
                add(item)
        elif isinstance(value, list | tuple):
            for item in value:
                add(item)
        else:
            found.update(repr(value).encode())

    for key in KEPT:
        add(loaded[key])
    return found.hexdigest()


def weights(path) -> dict[str, torch.Tensor]:
    """Weights of a checkpoint by their names."""
    return read_checkpoint(path)["state_dict"]

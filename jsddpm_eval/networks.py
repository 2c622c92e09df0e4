"""Small networks trained here, on real training slices: a judge of position, and a feature space."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

Network = TypeVar("Network", bound=nn.Module)

_WIDTHS = (1, 16, 32, 64)
_BATCH = 32
_SIDE = 64  # larger slices are averaged down to this


class SliceNetwork(nn.Module):
    """Three strided convolutions and a linear head.

    Args:
        outputs: Numbers predicted for a slice.
    """

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, 3, stride=2, padding=1), nn.BatchNorm2d(b), nn.ReLU())
            for a, b in pairwise(_WIDTHS)
        )
        self.head = nn.Linear(4 * _WIDTHS[-1], outputs)

    def maps(self, images: Tensor) -> list[Tensor]:
        """Activations after each convolution of ``(N, H, W)`` images in [0, 1]."""
        x = shrunk(images)[:, None]
        found = []
        for block in self.blocks:
            x = block(x)
            found.append(x)
        return found

    def forward(self, images: Tensor) -> Tensor:
        """Predictions, float ``(N, outputs)``."""
        prediction: Tensor = self.head(F.adaptive_avg_pool2d(self.maps(images)[-1], 2).flatten(1))
        return prediction


def fit(
    make: Callable[[], Network], loss_of: Callable[[Network, Tensor], Tensor], count: int, *, steps: int, seed: int
) -> Network:
    """Train a network; the same data and seed give the same network.

    Args:
        make: Makes the network.
        loss_of: Loss of the network on a batch of row numbers.
        count: Rows to draw from.
        steps: Optimizer steps.
        seed: Seed of initial weights, order and augmentation; torch's global generator is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = make()
        optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
        for _ in range(steps):
            loss = loss_of(network, torch.randint(count, (_BATCH,)))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return network.eval()


def shrunk(images: Tensor) -> Tensor:
    """Slices averaged down to what the networks look at, ``(N, H, W)``; done once before training."""
    height, width = images.shape[1:]
    if max(height, width) <= _SIDE:
        return images
    size = min(height, _SIDE), min(width, _SIDE)
    return torch.cat([F.adaptive_avg_pool2d(part[:, None], size)[:, 0] for part in images.split(256)])


def mirrored(images: Tensor) -> Tensor:
    """Each image mirrored left to right with probability one half."""
    return torch.where(torch.rand(len(images), 1, 1) < 0.5, images.flip(-1), images)

"""Small networks that are trained on real slices: the network of slices, and how it is trained and kept."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from jsddpm.errors import integrity_error
from jsddpm_eval.array_files import FORMAT, read_arrays, write_arrays
from jsddpm_eval.memo import digest
from jsddpm_eval.settled import drawing_from, settled

Network = TypeVar("Network", bound=nn.Module)

MOST_SLICES = 10_000
"""Largest number of real slices that a network learns from; of more, evenly spread ones are used."""

_WIDTHS = (1, 16, 32, 64)
_BATCH = 32
_SIDE = 64  # larger slices are averaged down to this


class SliceNetwork(nn.Module):
    """Three strided convolutions and a linear head.

    Args:
        outputs: Number of values predicted for a slice.
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
        activations = []
        for block in self.blocks:
            x = block(x)
            activations.append(x)
        return activations

    def forward(self, images: Tensor) -> Tensor:
        """Predictions, float ``(N, outputs)``."""
        prediction: Tensor = self.head(F.adaptive_avg_pool2d(self.maps(images)[-1], 2).flatten(1))
        return prediction


Loss = Callable[[Network, Tensor, torch.Generator], Tensor]
"""Loss of a network for a batch of row numbers, given the generator of its random numbers."""


@settled()
def fit(make: Callable[[], Network], loss_of: Loss[Network], count: int, *, steps: int, seed: int) -> Network:
    """Train a network; the same data and seed give the same network.

    Args:
        make: Function that makes the network.
        loss_of: See :data:`Loss`.
        count: Number of rows.
        steps: Optimiser steps.
        seed: Seed of initial weights, order and augmentation; torch's global generator is neither used nor changed.
    """
    draw = torch.Generator().manual_seed(seed)
    with drawing_from(draw):
        network = make()
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    for _ in range(steps):
        loss = loss_of(network, torch.randint(count, (_BATCH,), generator=draw), draw)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return network.eval()


@settled()
def kept_network(
    make: Callable[[], Network],
    loss_of: Loss[Network],
    count: int,
    *,
    steps: int,
    seed: int,
    name: str,
    settings: object,
    folder: Path | None,
) -> Network:
    """:func:`fit` a network, or read it if it was trained with the same data and settings before.

    Args:
        make: Function that makes the network.
        loss_of: See :func:`fit`.
        count: See :func:`fit`.
        steps: See :func:`fit`.
        seed: See :func:`fit`.
        name: First part of the file's name.
        settings: Further settings of the training, including its data; their text is part of the file's name.
        folder: Existing folder for the weights; None keeps none.

    Returns:
        The network, ready for use.

    Raises:
        JsddpmError: ``NETWORK`` (status 4) when kept weights are damaged.
    """
    if folder is None:
        return fit(make, loss_of, count, steps=steps, seed=seed)
    path = folder / f"{name}-{digest(name, settings, steps, seed, FORMAT)}.npz"
    if not path.is_file():
        network = fit(make, loss_of, count, steps=steps, seed=seed)
        write_arrays(path, {key: value.numpy() for key, value in network.state_dict().items()})
        return network
    arrays = read_arrays(path, "NETWORK")
    with drawing_from(torch.Generator()):  # making a network draws weights, which are then replaced
        network = make()
    try:
        network.load_state_dict({key: torch.from_numpy(array) for key, array in arrays.items()})
    except (RuntimeError, TypeError) as error:
        raise integrity_error("NETWORK", f"belongs to another network ({error})", fix="remove it", file=path) from error
    return network.eval()


def shrunk(images: Tensor) -> Tensor:
    """Slices averaged down to the size of the networks' input, ``(N, H, W)``; done once before training.

    Slices of 65 pixels become 64, where squares of whole pixels (:func:`~jsddpm_eval.functional.patterns.averaged`)
    would leave 33.
    """
    height, width = images.shape[1:]
    if max(height, width) <= _SIDE:
        return images
    size = min(height, _SIDE), min(width, _SIDE)
    return torch.cat([F.adaptive_avg_pool2d(part[:, None], size)[:, 0] for part in images.split(256)])


def mirrored(images: Tensor, draw: torch.Generator) -> Tensor:
    """Each image mirrored left to right with probability one half."""
    return torch.where(torch.rand((len(images), 1, 1), generator=draw) < 0.5, images.flip(-1), images)

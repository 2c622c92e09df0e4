"""One training: a network on the batches of an arm, and its segmentation of the patients of the fold."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from math import cos, pi

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from jsddpm.errors import ExitStatus, JsddpmError
from jsddpm_eval.real_slices import Images, Masks
from jsddpm_eval.settled import drawing_from, settled
from jsddpm_eval.utility.networks import DIVISOR, build_network
from jsddpm_eval.utility.protocol import Training

_BATCH = 128


@settled()
def trained(
    name: str, batches: Iterable[tuple[Tensor, Tensor]], training: Training, seed: int, device: torch.device
) -> tuple[nn.Module, float]:
    """A network after all its steps, and the mean loss of the last tenth of them.

    Adam, cross entropy plus soft Dice loss, and a learning rate that rises over a tenth of the steps and falls to 0.

    Args:
        name: Family of the network.
        batches: Its batches.
        training: How it is trained.
        seed: Seed of its weights.
        device: Where it is trained.

    Raises:
        JsddpmError: ``NON_FINITE`` (status 6) when the loss is not finite.
    """
    from monai.losses.dice import DiceCELoss

    with drawing_from(torch.Generator().manual_seed(seed)):
        network = build_network(name, training.width).to(device).train()
    loss_of = DiceCELoss(sigmoid=True, batch=True)
    optimizer = torch.optim.Adam(network.parameters(), training.learning_rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, training.steps))
    last: list[float] = []
    for images, masks in islice(batches, training.steps):
        loss = loss_of(_logits(network, images.to(device)), masks.to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        last = [*last, loss.detach()][-max(1, training.steps // 10) :]
    mean = float(torch.stack([torch.as_tensor(v) for v in last]).mean())
    if not np.isfinite(mean):
        what = f"the loss of {name} is not finite"
        raise JsddpmError("NON_FINITE", what, fix="lower --learning-rate", status=ExitStatus.NON_FINITE)
    return network, mean


@settled()
@torch.no_grad()
def segmented(network: nn.Module, images: Images, device: torch.device) -> Masks:
    """Pixels with a predicted lesion probability above one half, boolean ``(N, H, W)``."""
    network.eval()
    parts = [images[first : first + _BATCH] for first in range(0, len(images), _BATCH)]
    masks = [_logits(network, torch.from_numpy(part)[:, None].to(device)) > 0 for part in parts]
    return np.asarray(torch.cat(masks)[:, 0].cpu().numpy())


def _rate(step: int, steps: int) -> float:
    """Share of the largest learning rate: a rise over a tenth of the steps, and half a cosine down to 0."""
    return min(1.0, (step + 1) / max(1, steps // 10)) * 0.5 * (1 + cos(pi * step / steps))


def _logits(network: nn.Module, images: Tensor) -> Tensor:
    """Logits ``(B, 1, H, W)``: sides are filled up with zeros to what networks can halve, and cut again."""
    height, width = images.shape[2:]
    logits: Tensor = network(functional.pad(images, (0, -width % DIVISOR, 0, -height % DIVISOR)))
    return logits[..., :height, :width]

"""Classical augmentation of image-and-mask pairs: geometry and brightness at random, on tensors."""

from __future__ import annotations

from math import pi

import torch
from torch import Tensor
from torch.nn import functional

_TURN = 15 * pi / 180
_SCALE, _MOVE, _GAIN, _GAMMA, _NOISE = 0.15, 0.1, 0.15, 0.3, 0.03


def augmented(images: Tensor, masks: Tensor, draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """Pairs rotated by up to 15 degrees, scaled by 15 %, moved by 5 % of their sides, mirrored, with other brightness.

    Brightness changes by a gain within 15 %, a gamma between 0.74 and 1.35, and normal noise with a standard deviation
    of up to 0.03.

    Args:
        images: float32 ``(B, 1, H, W)`` in [0, 1].
        masks: float32 ``(B, 1, H, W)``, 0 and 1.
        draw: Source of randomness, on the CPU.

    Returns:
        Pairs of the same shapes; masks stay 0 and 1.

    >>> masks = torch.zeros(2, 1, 16, 16)
    >>> masks[..., 6:10, 6:10] = 1
    >>> image, mask = augmented(masks, masks, torch.Generator().manual_seed(0))
    >>> image.shape == mask.shape, mask.unique().tolist()
    (True, [0.0, 1.0])
    """
    count, device = len(images), images.device

    def uniform(*shape: int) -> Tensor:
        return (2 * torch.rand(shape, generator=draw) - 1).to(device)

    turn, scale = _TURN * uniform(count), torch.exp(_SCALE * uniform(count))
    mirror = torch.where(uniform(count) < 0, -1.0, 1.0)
    matrix, aspect = torch.zeros(count, 2, 3, device=device), images.shape[2] / images.shape[3]
    matrix[:, 0, 0], matrix[:, 0, 1] = mirror * scale * turn.cos(), -scale * turn.sin() * aspect
    matrix[:, 1, 0], matrix[:, 1, 1] = mirror * scale * turn.sin() / aspect, scale * turn.cos()
    matrix[:, :, 2] = _MOVE * uniform(count, 2)
    grid = functional.affine_grid(matrix, list(images.shape), align_corners=False)
    image = functional.grid_sample(images, grid, mode="bilinear", align_corners=False)
    mask = functional.grid_sample(masks, grid, mode="nearest", align_corners=False)
    gain, gamma = 1 + _GAIN * uniform(count, 1, 1, 1), torch.exp(_GAMMA * uniform(count, 1, 1, 1))
    noise = torch.randn(images.shape, generator=draw).to(device) * _NOISE * uniform(count, 1, 1, 1)
    return (gain * image.clamp(0, 1) ** gamma + noise).clamp(0, 1), mask

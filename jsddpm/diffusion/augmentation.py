"""Non-leaky augmentation: slices are moved in the plane, and the network is conditioned on how.

Karras et al. 2022 (arXiv 2206.00364, appendix F): each transformation moves a share of the training slices by a
random amount, and the amounts are a condition of the network. They are 0 when samples are drawn, so samples look like
slices that were not moved. Image and mask move together; the image is interpolated by cubics, the mask takes the
nearest pixel.
"""

from __future__ import annotations

from math import pi

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from jsddpm.sections import AugmentationConfig

AMOUNTS = ("flip", "scale", "cosine", "sine", "stretch_column", "stretch_row", "shift_column", "shift_row")
"""Amounts that condition the network: mirrored or not; log2 of the size; cosine (less 1) and sine of the angle;
log2 of the stretch along its axis; shifts. Scale, stretch and shifts are in units of their configured deviation."""


def augmented(
    x0: Tensor, config: AugmentationConfig, generator: torch.Generator, *, aspect: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Move some of the slices, and return the amounts.

    If its lesion would leave the slice or shrink to no pixel, a slice is not moved, so that the condition *lesion*
    remains true.

    Args:
        x0: Exact pairs of image and mask, float32 ``(B, 2, H, W)`` in [-1, 1]; the mask is -1 or 1.
        config: Shares and amounts.
        generator: Random generator, on the device of ``x0``.
        aspect: Distance of rows in distances of columns; heads are rotated and scaled in mm.

    Returns:
        Pairs of the same shape and range, with masks of -1 or 1, and the amounts, float32 ``(B, len(AMOUNTS))``. A pair
        is unchanged if all its amounts are 0.

    >>> x0, generator = torch.ones(2, 2, 8, 8), torch.Generator().manual_seed(0)
    >>> moved, amounts = augmented(x0, AugmentationConfig(probability=0.0), generator)
    >>> bool((moved == x0).all()), amounts.abs().sum().item()
    (True, 0.0)
    """
    amounts, linear, shift = _drawn(len(x0), config, generator, x0.device)
    moved = _moved(x0, linear, shift, aspect)
    some = amounts.abs().sum(1) > 0
    lost = (x0[:, 1] > 0).flatten(1).any(1) & ~(moved[:, 1] > 0).flatten(1).any(1)
    keep = (some & ~lost).view(-1, 1, 1, 1)
    return torch.where(keep, moved, x0), torch.where(keep.view(-1, 1), amounts, 0.0)


def _drawn(
    count: int, config: AugmentationConfig, generator: torch.Generator, device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """Draw amounts, and the positions from which the moved slices take their pixels.

    Returns:
        Amounts; matrices ``(B, 2, 2)`` and shifts ``(B, 2)``, columns before rows: place ``p`` of the moved slice in
        mm, from its middle, comes from ``matrix @ (p - shift * side)``.
    """
    uniform = torch.rand((8, count), generator=generator, device=device)
    normal = torch.randn((4, count), generator=generator, device=device)
    coins = (uniform[:5] < config.probability).float()
    flip = coins[0] * (uniform[5] < 0.5) * float(config.flip)
    scale = coins[1] * normal[0] * float(config.scale > 0)
    angle = coins[2] * (2 * uniform[6] - 1) * (config.rotation * pi / 180)
    stretch, axis = coins[3] * normal[1] * float(config.stretch > 0), 2 * pi * uniform[7]
    shift = coins[4] * normal[2:] * float(config.shift > 0)
    amounts = torch.stack([
        flip, scale, angle.cos() - 1, angle.sin(), stretch * axis.cos(), stretch * axis.sin(), *shift,
    ], dim=1)  # fmt: skip
    mirror = torch.diag_embed(torch.stack([1 - 2 * flip, torch.ones_like(flip)], 1))
    longer = 2 ** (config.stretch * stretch)
    along = _rotations(axis) @ torch.diag_embed(torch.stack([1 / longer, longer], 1)) @ _rotations(-axis)
    linear = mirror @ _rotations(-angle) @ along * (2 ** (-config.scale * scale)).view(-1, 1, 1)
    return amounts, linear, config.shift * shift.T


def _rotations(angle: Tensor) -> Tensor:
    """Rotation matrices, ``(B, 2, 2)``."""
    rows = torch.stack([angle.cos(), -angle.sin()], 1), torch.stack([angle.sin(), angle.cos()], 1)
    return torch.stack(rows, 1)


def _moved(x0: Tensor, linear: Tensor, shift: Tensor, aspect: float) -> Tensor:
    """Pairs with pixels from other positions; positions outside of the slice are air."""
    sides = torch.tensor([x0.shape[3], x0.shape[2] * aspect], device=x0.device)  # of columns and rows, equal units
    linear = linear * sides[None, None] / sides[None, :, None]  # torch counts positions in halves of each side
    grid = F.affine_grid(torch.cat([linear, -linear @ (2 * shift[..., None])], 2), list(x0.shape), align_corners=False)
    image = F.grid_sample(x0[:, :1] + 1, grid, mode="bicubic", padding_mode="zeros", align_corners=False)
    mask = F.grid_sample(x0[:, 1:] + 1, grid, mode="nearest", padding_mode="zeros", align_corners=False)
    return torch.cat([image.clamp(0, 2) - 1, mask - 1], dim=1)

"""Pairs of a network as images and masks, and as 8-bit pictures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


def to_image_and_mask(x: Tensor) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Pairs ``(N, 2, H, W)`` in [-1, 1] to float32 images in [0, 1] and bool masks, both ``(N, H, W)``.

    >>> import torch
    >>> to_image_and_mask(torch.tensor([0.0, -1.0]).view(1, 2, 1, 1))
    (array([[[0.5]]], dtype=float32), array([[[False]]]))
    """
    return ((x[:, 0] + 1) / 2).numpy().astype(np.float32), (x[:, 1] > 0).numpy()


def grid_picture(x: Tensor) -> NDArray[np.uint8]:
    """Pairs side by side, images above and masks below.

    Args:
        x: ``(B, 2, H, W)`` in [-1, 1], image then mask.

    Returns:
        uint8 ``(2 H, B W)``.

    >>> import torch
    >>> grid_picture(torch.tensor([-1.0, 1.0]).view(1, 2, 1, 1).repeat(3, 1, 2, 2)).tolist()
    [[0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0], [255, 255, 255, 255, 255, 255], [255, 255, 255, 255, 255, 255]]
    """
    image, mask = to_image_and_mask(x)
    pair = np.stack([image.clip(0, 1), mask])
    rows: NDArray[np.uint8] = np.rint(pair * 255).astype(np.uint8).transpose(0, 2, 1, 3).reshape(2 * x.shape[2], -1)
    return rows

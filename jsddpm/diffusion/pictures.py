"""Slices as 8-bit pictures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


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
    image = ((x[:, 0] + 1) / 2).clamp(0, 1)
    pair = np.stack([image.numpy(), (x[:, 1] > 0).numpy()])
    rows: NDArray[np.uint8] = np.rint(pair * 255).astype(np.uint8).transpose(0, 2, 1, 3).reshape(2 * x.shape[2], -1)
    return rows

"""Lesion masks: overlap, presence and size, with empty masks kept apart from perfect ones."""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor


def lesion_dice(preds: Tensor, target: Tensor) -> Tensor:
    """Dice overlap of each slice that has a lesion; NaN where the true mask is empty.

    A control slice has no lesion to find, so its Dice is undefined, never 1: what is drawn there is a false positive
    and is counted by :func:`false_positive_pixels`.

    Args:
        preds: Boolean ``(B, H, W)``.
        target: The exact masks.

    Returns:
        float64 ``(B,)`` in [0, 1] or NaN.

    >>> lesion_dice(torch.tensor([[[True, True]], [[True, False]]]), torch.tensor([[[True, False]], [[False, False]]]))
    tensor([0.6667,    nan], dtype=torch.float64)
    """
    preds, target = preds.bool().flatten(1), target.bool().flatten(1)
    overlap, truth = (preds & target).sum(1).double(), target.sum(1).double()
    dice = 2 * overlap / (preds.sum(1) + truth)
    return torch.where(truth > 0, dice, torch.nan)


def false_positive_pixels(preds: Tensor, target: Tensor) -> Tensor:
    """Lesion pixels drawn on each slice whose true mask is empty; NaN on the others. float64 ``(B,)``."""
    pixels = preds.bool().flatten(1).sum(1).double()
    return torch.where(target.bool().flatten(1).any(1), torch.nan, pixels)


def hausdorff95(preds: Tensor, target: Tensor, spacing: tuple[float, float]) -> Tensor:
    """95th percentile of surface distances in mm, the larger of both directions; NaN where a mask is empty.

    A surface is the mask less its erosion by the four neighbours.

    Args:
        preds: Boolean ``(B, H, W)``.
        target: The exact masks.
        spacing: Size of a pixel in mm, (row, column).

    Returns:
        float64 ``(B,)``.

    >>> a, b = torch.zeros(2, 1, 4, 8, dtype=torch.bool)
    >>> a[0, 1, 1], b[0, 1, 5] = True, True
    >>> hausdorff95(a, b, (1.0, 2.0)).tolist()
    [8.0]
    """
    distances = []
    for one, other in zip(preds.bool().numpy(), target.bool().numpy(), strict=True):
        if not one.any() or not other.any():
            distances.append(float("nan"))
            continue
        surfaces = [m & ~ndimage.binary_erosion(m) for m in (one, other)]
        distance = [ndimage.distance_transform_edt(~s, sampling=spacing) for s in surfaces]
        distances.append(max(float(np.percentile(d[s], 95)) for d, s in zip(distance, surfaces[::-1], strict=True)))
    return torch.tensor(distances, dtype=torch.float64)

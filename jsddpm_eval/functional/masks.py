"""Lesion masks: overlap, presence and size, with empty masks kept apart from perfect ones."""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor


def checked_masks(*masks: Tensor) -> list[Tensor]:
    """Masks of the same shape ``(B, H, W)`` as booleans.

    Raises:
        ValueError: When shapes differ or are others, or a value is neither 0 nor 1 (a probability needs a threshold).
    """
    if len(shapes := {tuple(each.shape) for each in masks}) > 1:
        raise ValueError(f"masks of the shapes {' and '.join(map(str, sorted(shapes)))} cannot be compared")
    if any(each.ndim != 3 for each in masks):
        raise ValueError(f"masks of shape {tuple(masks[0].shape)} are not (B, H, W)")
    if any(each.dtype != torch.bool and not bool(((each == 0) | (each == 1)).all()) for each in masks):
        raise ValueError("a mask has other values than 0 and 1")
    return [each.bool() for each in masks]


def lesion_dice(preds: Tensor, target: Tensor) -> Tensor:
    """Dice overlap of each slice that has a lesion; NaN where the true mask is empty.

    A control slice has no lesion to find, so its Dice is undefined, never 1: what is drawn there is a false positive
    and is counted by :func:`false_positive_pixels`.

    Args:
        preds: Boolean ``(B, H, W)``.
        target: The exact masks.

    Returns:
        float64 ``(B,)`` in [0, 1] or NaN.

    Raises:
        ValueError: As :func:`checked_masks`.

    >>> lesion_dice(torch.tensor([[[True, True]], [[True, False]]]), torch.tensor([[[True, False]], [[False, False]]]))
    tensor([0.6667,    nan], dtype=torch.float64)
    """
    preds, target = (masks.flatten(1) for masks in checked_masks(preds, target))
    overlap, truth = (preds & target).sum(1).double(), target.sum(1).double()
    dice = 2 * overlap / (preds.sum(1) + truth)
    return torch.where(truth > 0, dice, torch.nan)


def false_positive_pixels(preds: Tensor, target: Tensor) -> Tensor:
    """Lesion pixels drawn on each slice whose true mask is empty; NaN on the others. float64 ``(B,)``.

    Raises:
        ValueError: As :func:`checked_masks`.
    """
    preds, target = (masks.flatten(1) for masks in checked_masks(preds, target))
    return torch.where(target.any(1), torch.nan, preds.sum(1).double())


def hausdorff95(preds: Tensor, target: Tensor, spacing: tuple[float, float]) -> Tensor:
    """95th percentile of surface distances in mm, the larger of both directions; NaN where a mask is empty.

    A surface is the mask less its erosion by the four neighbours.

    Args:
        preds: Boolean ``(B, H, W)``.
        target: The exact masks.
        spacing: Size of a pixel in mm, (row, column).

    Returns:
        float64 ``(B,)``, on the CPU.

    Raises:
        ValueError: As :func:`checked_masks`.

    >>> a, b = torch.zeros(2, 1, 4, 8, dtype=torch.bool)
    >>> a[0, 1, 1], b[0, 1, 5] = True, True
    >>> hausdorff95(a, b, (1.0, 2.0)).tolist()
    [8.0]
    """
    distances = []
    for one, other in zip(*(masks.cpu().numpy() for masks in checked_masks(preds, target)), strict=True):
        if not one.any() or not other.any():
            distances.append(float("nan"))
            continue
        surfaces = [m & ~ndimage.binary_erosion(m) for m in (one, other)]
        distance = [ndimage.distance_transform_edt(~s, sampling=spacing) for s in surfaces]
        distances.append(max(float(np.percentile(d[s], 95)) for d, s in zip(distance, surfaces[::-1], strict=True)))
    return torch.tensor(distances, dtype=torch.float64)

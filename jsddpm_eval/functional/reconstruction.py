"""Exact reconstruction: each slice against itself, per slice, on a stated data range."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure


def psnr(preds: Tensor, target: Tensor, *, data_range: float) -> Tensor:
    """Peak signal-to-noise ratio of each image in dB, ``10 log10(data_range^2 / MSE)``.

    Args:
        preds: ``(B, ...)`` images.
        target: The exact images, of the same shape.
        data_range: Difference between the largest and smallest possible value (1 for [0, 1]).

    Returns:
        float64 ``(B,)``; ``inf`` for an exact match. The mean over images is the mean of these, not the PSNR of the
        pooled error.

    >>> psnr(torch.zeros(1, 4), torch.full((1, 4), 0.1), data_range=1.0)
    tensor([20.0000], dtype=torch.float64)
    """
    _check(preds, target)
    mse = (preds.double() - target.double()).square().flatten(1).mean(dim=1)
    return 10 * torch.log10(data_range**2 / mse)


def ssim(preds: Tensor, target: Tensor, *, data_range: float) -> Tensor:
    """Structural similarity of each image (Wang et al. 2004): Gaussian window, sigma 1.5, torchmetrics' computation.

    Args:
        preds: ``(B, H, W)``, sides of at least 11.
        target: The exact images.
        data_range: As for :func:`psnr`; SSIM is not invariant to it.

    Returns:
        float32 ``(B,)`` in [-1, 1].
    """
    _check(preds, target)
    scores = structural_similarity_index_measure(
        preds[:, None].float(), target[:, None].float(), data_range=data_range, reduction="none"
    )
    return cast(Tensor, scores).reshape(-1)


def _check(preds: Tensor, target: Tensor) -> None:
    if preds.shape != target.shape:
        raise ValueError(f"preds {tuple(preds.shape)} and target {tuple(target.shape)} differ in shape")

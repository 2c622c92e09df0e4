"""Exact reconstruction: each slice against itself, per slice, on a stated data range."""

from __future__ import annotations

import torch
from torch import Tensor

MIN_SIDE = 11
"""Side of the window: the smallest slice that has a structural similarity."""

_SIGMA = 1.5
_SCALES = 5


def psnr(preds: Tensor, target: Tensor, *, data_range: float, mask: Tensor | None = None) -> Tensor:
    """Peak signal-to-noise ratio of each image in dB, ``10 log10(data_range^2 / MSE)``.

    Args:
        preds: ``(B, ...)`` images.
        target: The exact images, of the same shape.
        data_range: Difference between the largest and smallest possible value (1 for [0, 1]).
        mask: Pixels that count, boolean, of the same shape; all when None. With background the value is higher.

    Returns:
        float64 ``(B,)``; ``inf`` for an exact match, NaN for an empty mask. The mean over images is the mean of these,
        not the PSNR of the pooled error.

    Raises:
        ValueError: When shapes differ, or the mask is not boolean.

    >>> psnr(torch.zeros(1, 4), torch.full((1, 4), 0.1), data_range=1.0)
    tensor([20.0000], dtype=torch.float64)
    """
    _check(preds, target, mask)
    squared = (preds.double() - target.double()).square().flatten(1)
    if mask is None:
        return psnr_of(squared.mean(dim=1), data_range=data_range)
    inside = mask.flatten(1)
    return psnr_of((squared * inside).sum(1) / inside.sum(1), data_range=data_range)


def psnr_of(mse: Tensor, *, data_range: float) -> Tensor:
    """Peak signal-to-noise ratio in dB of mean squared errors; ``inf`` for 0."""
    return 10 * torch.log10(data_range**2 / mse)


def ssim(preds: Tensor, target: Tensor, *, data_range: float, mask: Tensor | None = None) -> Tensor:
    """Structural similarity of each image (Wang et al. 2004): Gaussian window of 11, sigma 1.5, population covariance.

    Windows that leave the image are not counted, as in scikit-image. The window is separable, so that a blur is two
    small matrix products, which take a tenth of the time of a convolution.

    Args:
        preds: ``(B, H, W)``, sides of at least 11.
        target: The exact images.
        data_range: As for :func:`psnr`; SSIM is not invariant to it.
        mask: Pixels whose windows are averaged, boolean, of the same shape; all when None.

    Returns:
        float32 ``(B,)`` in [-1, 1]; NaN where the mask has no pixel with a whole window.

    Raises:
        ValueError: When shapes differ, a side is below 11, or the mask is not boolean.
    """
    _check(preds, target, mask)
    if preds.ndim != 3 or min(preds.shape[1:]) < MIN_SIDE:
        raise ValueError(f"slices of shape {tuple(preds.shape)} have no window of {MIN_SIDE} x {MIN_SIDE} pixels")
    rows, columns = (_blur_matrix(n).to(preds.device) for n in preds.shape[1:])
    x, y = preds.float(), target.float()
    moments = torch.stack([x, y, x * x, y * y, x * y])
    mean_x, mean_y, xx, yy, xy = (rows @ moments @ columns.T).unbind()
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    product = mean_x * mean_y
    power = mean_x.square() + mean_y.square()
    full = (2 * product + c1) * (2 * (xy - product) + c2) / ((power + c1) * (xx + yy - power + c2))
    if mask is None:
        return full.flatten(1).mean(1)
    edge = MIN_SIDE // 2
    inside = mask[:, edge:-edge, edge:-edge]
    return (full * inside).flatten(1).sum(1) / inside.flatten(1).sum(1)


def _blur_matrix(side: int) -> Tensor:
    """Gaussian blur of a column of ``side`` pixels as a matrix, whole windows only, ``(side - 10, side)``."""
    offsets = torch.arange(side)[None] - torch.arange(side - MIN_SIDE + 1)[:, None]
    weights = torch.exp(-((offsets - MIN_SIDE // 2) ** 2).double() / (2 * _SIGMA**2))
    weights = torch.where((offsets >= 0) & (offsets < MIN_SIDE), weights, 0.0)
    return (weights / weights.sum(1, keepdim=True)).float()


def ms_ssim_fits(size: tuple[int, ...]) -> bool:
    """Whether slices are large enough for five scales of a window of 11: sides of at least 176.

    The library halves a side four times and wants more than 10 pixels left.

    >>> ms_ssim_fits((175, 200)), ms_ssim_fits((176, 176))
    (False, True)
    """
    smallest: int = min(size) // 2 ** (_SCALES - 1)
    return smallest > MIN_SIDE - 1


def ms_ssim(preds: Tensor, target: Tensor, *, data_range: float) -> Tensor:
    """Multi-scale SSIM of each image (Wang et al. 2003): five scales, the paper's weights, torchmetrics' computation.

    Args:
        preds: ``(B, H, W)``, sides of at least 176; see :func:`ms_ssim_fits`.
        target: The exact images.
        data_range: As for :func:`psnr`.

    Returns:
        float32 ``(B,)`` in [0, 1]; negative similarities count as 0.

    Raises:
        ValueError: When the slices are too small.
    """
    _check(preds, target)
    if not ms_ssim_fits(tuple(preds.shape[1:])):
        raise ValueError(f"slices of {tuple(preds.shape[1:])} are too small for MS-SSIM: sides below 176")
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

    return multiscale_structural_similarity_index_measure(
        preds[:, None].float(), target[:, None].float(), data_range=data_range, reduction="none", normalize="relu"
    ).reshape(-1)


def _check(preds: Tensor, target: Tensor, mask: Tensor | None = None) -> None:
    if preds.shape != target.shape:
        raise ValueError(f"preds {tuple(preds.shape)} and target {tuple(target.shape)} differ in shape")
    if mask is not None and (mask.dtype != torch.bool or mask.shape != preds.shape):
        raise ValueError(f"the mask is {mask.dtype} of shape {tuple(mask.shape)}, not boolean {tuple(preds.shape)}")

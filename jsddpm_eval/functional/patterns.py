"""Patterns for the search of copies: local structure, independent of changes of intensity.

A pattern is a difference of Gaussians divided by the local contrast, which gain, gamma, blur and a bias field hardly
change. Patterns are compared as wholes by their correlation, and block by block, each block moved a little further.
"""

from __future__ import annotations

import torch
import torch.nn.functional as nnf
from torch import Tensor

SMALL_SIDE = 32
"""Pixels a side that distances between whole slices are taken of: noise is averaged away."""

SIDE = 64
"""Most rows and columns that are compared; larger slices are averaged."""

_FINE, _COARSE, _LOCAL = 1.0, 3.0, 4.0  # standard deviations of the Gaussians, pixels
_FLOOR = 1.0  # of the local contrast, in standard deviations of the whole pattern: noise of the background stays small
_WINDOW, _STRIDE, _PLAY = 16, 8, 2  # blocks, and how far each may move
_CEILING = 0.9995


def pattern(images: Tensor) -> Tensor:
    """Local structure of slices, each of norm 1, float32 ``(N, h, w)`` with sides of at most :data:`SIDE`.

    Args:
        images: ``(N, H, W)``.

    >>> image = torch.rand((1, 32, 32), generator=torch.Generator().manual_seed(0))
    >>> round(float((pattern(image) * pattern(0.5 * image + 0.1)).sum()), 4)
    1.0
    """
    pooled = averaged(images).double()
    bands = smoothed(pooled, _FINE) - smoothed(pooled, _COARSE)
    contrast = smoothed(bands.square(), _LOCAL).clamp(min=0).sqrt()
    floor = _FLOOR * bands.flatten(1).square().mean(1).sqrt()[:, None, None] + 1e-6
    return normalized(bands / (contrast + floor)).float()


def averaged(images: Tensor, side: int = SIDE) -> Tensor:
    """Slices averaged over squares of whole pixels, by one factor along both axes, ``(N, h, w)``.

    Args:
        images: Floats ``(N, H, W)``.
        side: Most rows and columns.
    """
    factor = -(-max(images.shape[1:]) // side)
    return nnf.avg_pool2d(images[:, None], factor, ceil_mode=True)[:, 0] if factor > 1 else images


def smoothed(values: Tensor, sigma: float) -> Tensor:
    """Slices ``(N, h, w)`` smoothed by a Gaussian of ``sigma`` pixels, with periodic edges."""
    size = values.shape[1:]
    rows = torch.fft.fftfreq(size[0], dtype=values.dtype)[:, None]
    columns = torch.fft.rfftfreq(size[1], dtype=values.dtype)[None]
    kernel = torch.exp(-2 * (torch.pi * sigma) ** 2 * (rows**2 + columns**2))
    smooth: Tensor = torch.fft.irfft2(torch.fft.rfft2(values) * kernel, s=size)
    return smooth


def normalized(values: Tensor) -> Tensor:
    """Every slice of ``(..., h, w)`` divided by its norm; blank slices stay blank."""
    length: Tensor = values.flatten(-2).norm(dim=-1).clamp(min=1e-6)
    return values / length[..., None, None]


def fisher_z(correlation: Tensor) -> Tensor:
    """Bounded inverse hyperbolic tangent of correlations, which makes their errors nearly equal (Fisher 1915).

    >>> [round(v, 2) for v in fisher_z(torch.tensor([0.0, 0.5, 1.0])).tolist()]
    [0.0, 0.55, 4.15]
    """
    return correlation.clamp(-_CEILING, _CEILING).atanh()


def block_correlations(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Correlation of blocks of two stacks, each block of the second at its best place near by, and their weights.

    Args:
        a: Patterns, ``(N, h, w)``; blocks of much contrast count as those of mean contrast do.
        b: Patterns, ``(N, h, w)``.

    Returns:
        Correlations and weights that sum to 1, ``(N, rows, columns)``.
    """
    window = min(_WINDOW, *a.shape[1:])

    def summed(values: Tensor, stride: int = _STRIDE) -> Tensor:
        rows, columns = (_windows(n, window, stride) for n in values.shape[1:])
        return rows @ (values @ columns.T)

    energy, theirs = summed(a.square()), summed(b.square(), 1)
    rows, columns = (torch.arange(0, n - window + 1, _STRIDE) for n in a.shape[1:])
    best = torch.full_like(energy, -1.0)
    for i in range(-_PLAY, _PLAY + 1):
        for j in range(-_PLAY, _PLAY + 1):
            at = (rows - i).clamp(0, theirs.shape[1] - 1), (columns - j).clamp(0, theirs.shape[2] - 1)
            scale = (energy * theirs[:, at[0][:, None], at[1]]).sqrt().clamp(min=1e-9)
            best = torch.maximum(best, summed(a * torch.roll(b, (i, j), (1, 2))) / scale)
    weight = (energy / energy.mean((1, 2), keepdim=True).clamp(min=1e-12)).clamp(max=1)
    return best, weight / weight.sum((1, 2), keepdim=True).clamp(min=1e-9)


def _windows(length: int, window: int, stride: int) -> Tensor:
    """Means over windows as a matrix, float32 ``(windows, length)``: products of matrices are faster than pooling."""
    first, place = torch.arange(0, length - window + 1, stride)[:, None], torch.arange(length)
    return ((place >= first) & (place < first + window)).float() / window


def by_block(a: Tensor, b: Tensor) -> Tensor:
    """Weighted mean of :func:`block_correlations`, ``(N,)``."""
    correlation, weight = block_correlations(a, b)
    return (correlation * weight).sum((1, 2))

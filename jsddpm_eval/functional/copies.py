"""How near slices come to reference slices once what a copy may change is undone.

Slices are compared as patterns: a difference of Gaussians divided by the local contrast, which gain, gamma, blur and a
bias field hardly change. Patterns are correlated over the left-right mirror and shifts at a quarter of the pixels; the
best few are registered with small rotations, scales and shifts, and then compared as a whole and block by block, each
block moved a little further, as an elastic copy needs.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as nnf
from torch import Tensor

SIDE = 64
"""Most rows and columns that are compared; larger slices are averaged."""

_FINE, _COARSE, _LOCAL = 1.0, 3.0, 4.0  # standard deviations of the Gaussians, pixels
_FLOOR = 1.0  # of the local contrast, in standard deviations of the whole pattern: noise of the background stays small
_STEPS = 3  # averaged pixels a slice may have moved
_TURNS = (-8.0, -4.0, 0.0, 4.0, 8.0)  # degrees
_SCALES = (0.95, 1.0, 1.05)
_CANDIDATES = 5
_WINDOW, _STRIDE, _PLAY = 16, 8, 2  # blocks, and how far each may move
_QUERIES = 16  # at a time
_CEILING = 0.99999


class Nearness(NamedTuple):
    """How near queries come to references.

    Attributes:
        whole: Inverse hyperbolic tangent of the highest correlation of whole patterns, float64 ``(n,)``.
        blocks: The same of the highest mean correlation of blocks.
        place: The reference nearest by blocks, int64 ``(n,)``.
        exact: Whether that is equal to the query, pixel by pixel, and neither is blank.
    """

    whole: Tensor
    blocks: Tensor
    place: Tensor
    exact: Tensor


def pattern(images: Tensor) -> Tensor:
    """Local structure of slices, each of norm 1, float64 ``(N, h, w)`` with sides of at most :data:`SIDE`.

    Args:
        images: ``(N, H, W)``.

    >>> image = torch.rand((1, 32, 32), generator=torch.Generator().manual_seed(0))
    >>> round(float((pattern(image) * pattern(0.5 * image + 0.1)).sum()), 4)
    1.0
    """
    factor = -(-max(images.shape[1:]) // SIDE)
    pooled = nnf.avg_pool2d(images.double()[:, None], factor, ceil_mode=True)[:, 0] if factor > 1 else images.double()
    size = pooled.shape[1:]
    fine, coarse, local = (_gaussian(size, s) for s in (_FINE, _COARSE, _LOCAL))
    bands = torch.fft.irfft2(torch.fft.rfft2(pooled) * (fine - coarse), s=size)
    contrast = torch.fft.irfft2(torch.fft.rfft2(bands.square()) * local, s=size).clamp(min=0).sqrt()
    floor = _FLOOR * bands.flatten(1).square().mean(1).sqrt()[:, None, None] + 1e-6
    return _unit(bands / (contrast + floor))


def nearest(queries: Tensor, references: Tensor, patterns: tuple[Tensor, Tensor], allowed: Tensor | None) -> Nearness:
    """How near each query comes to any reference that it may be compared with.

    Args:
        queries: Images, ``(n, H, W)``.
        references: Images, ``(m, H, W)``, m at least 1.
        patterns: Of both, as :func:`pattern` gives them.
        allowed: Which references a query is compared with, ``(n, m)``, at least one each; all when None.
    """
    a, b = patterns
    parts = []
    small = _unit(nnf.avg_pool2d(b[:, None], 2)[:, 0]).float().flatten(1).T.contiguous()
    for rows in torch.arange(len(a)).split(_QUERIES):
        rough = _shifted_correlation(a[rows], small)
        if allowed is not None:
            rough.masked_fill_(~allowed[rows][:, None], -2)
        best = rough.max(1)
        top = best.values.topk(min(_CANDIDATES, len(b)), 1).indices
        whole, blocks = _registered(a[rows], b[top], best.indices.gather(1, top))
        if allowed is not None:
            whole, blocks = (v.masked_fill(~allowed[rows].gather(1, top), -1) for v in (whole, blocks))
        blank = a[rows].flatten(1).norm(dim=1) < 0.5
        equal = (queries[rows][:, None] == references[top]).flatten(2).all(2) & ~blank[:, None]
        blocks = blocks + equal  # an exact copy comes first
        place = blocks.argmax(1, keepdim=True)
        exact, index = equal.gather(1, place)[:, 0], top.gather(1, place)[:, 0]
        parts.append((_stretched(whole.max(1).values), _stretched(blocks.max(1).values), index, exact))
    if not parts:
        empty = torch.zeros(0, dtype=torch.float64)
        return Nearness(empty, empty, empty.long(), empty.bool())
    return Nearness(*(torch.cat(column) for column in zip(*parts, strict=True)))


def _gaussian(size: tuple[int, ...], sigma: float) -> Tensor:
    rows, columns = torch.fft.fftfreq(size[0]).double()[:, None], torch.fft.rfftfreq(size[1]).double()[None]
    return torch.exp(-2 * (torch.pi * sigma) ** 2 * (rows**2 + columns**2))


def _unit(values: Tensor) -> Tensor:
    length: Tensor = values.flatten(-2).norm(dim=-1).clamp(min=1e-6)
    return values / length[..., None, None]


def _stretched(correlation: Tensor) -> Tensor:
    return correlation.clamp(-_CEILING, _CEILING).atanh()


def _shifted_correlation(queries: Tensor, references: Tensor) -> Tensor:
    """Highest correlation over shifts, as they are and mirrored, float32 ``(n, 2, m)``."""
    small = _unit(nnf.avg_pool2d(queries[:, None], 2)[:, 0]).float()
    steps = range(-_STEPS, _STEPS + 1)
    both = (small, small.flip(2))
    moved = torch.stack([torch.roll(x, (i, j), (1, 2)) for x in both for i in steps for j in steps], 1)
    products = moved.flatten(2).flatten(0, 1) @ references
    return products.view(len(small), 2, len(steps) ** 2, references.shape[1]).max(2).values


def _registered(queries: Tensor, candidates: Tensor, mirrored: Tensor) -> tuple[Tensor, Tensor]:
    """Correlation of queries with their candidates after registration, whole and block by block, float64 ``(n, k)``."""
    (n, k), size = mirrored.shape, queries.shape[1:]
    turned = _unit(torch.stack([_turned(queries), _turned(queries.flip(2))], 1))  # (n, 2, turns, h, w)
    rows = torch.arange(n)[:, None]
    spectra = torch.fft.rfft2(turned.float())[rows, mirrored]
    products = torch.fft.irfft2(torch.fft.rfft2(candidates.float())[:, :, None] * spectra.conj(), s=size)
    near = [(torch.fft.fftfreq(s) * s).abs() <= min(2 * _STEPS + 2, s // 4) for s in size]
    products = products.masked_fill(~(near[0][:, None] & near[1][None]), -2).flatten(3)
    shift_of_turn = products.max(3)
    turn = shift_of_turn.values.argmax(2)
    shift = shift_of_turn.indices.gather(2, turn[..., None])[..., 0]
    queries = turned[rows, mirrored, turn].flatten(0, 1)
    steps = shift // size[1], shift % size[1]
    place = [(torch.arange(s) + d.flatten()[:, None]) % s for s, d in zip(size, steps, strict=True)]
    moved = candidates.flatten(0, 1)[torch.arange(n * k)[:, None, None], place[0][:, :, None], place[1][:, None]]
    return (queries * moved).sum((1, 2)).view(n, k), _by_block(queries, moved).view(n, k)


def _turned(values: Tensor) -> Tensor:
    """Every rotation and scale of each pattern, ``(n, turns, h, w)``."""
    height, width = values.shape[1:]
    matrices = []
    for turn in torch.deg2rad(torch.tensor(_TURNS, dtype=torch.float64)):
        for scale in _SCALES:
            c, s = float(turn.cos()) / scale, float(turn.sin()) / scale
            matrices.append([[c, -s * height / width, 0.0], [s * width / height, c, 0.0]])
    grid = nnf.affine_grid(torch.tensor(matrices).double(), [len(matrices), 1, height, width], align_corners=False)
    stacked = values[None].expand(len(matrices), -1, -1, -1)
    return nnf.grid_sample(stacked, grid, align_corners=False).transpose(0, 1)


def _by_block(a: Tensor, b: Tensor) -> Tensor:
    """Mean correlation of blocks, each at its best place, weighted by contrast up to the mean, ``(n,)``."""
    window = min(_WINDOW, *a.shape[1:])

    def summed(values: Tensor) -> Tensor:
        return nnf.avg_pool2d(values[:, None], window, _STRIDE)[:, 0]

    energy = summed(a.square())
    best = torch.full_like(energy, -1.0)
    for i in range(-_PLAY, _PLAY + 1):
        for j in range(-_PLAY, _PLAY + 1):
            moved = torch.roll(b, (i, j), (1, 2))
            scale = (energy * summed(moved.square())).sqrt().clamp(min=1e-12)
            best = torch.maximum(best, summed(a * moved) / scale)
    weight = (energy / energy.mean((1, 2), keepdim=True).clamp(min=1e-12)).clamp(max=1)
    return (best * weight).sum((1, 2)) / weight.sum((1, 2)).clamp(min=1e-9)

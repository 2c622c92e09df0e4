"""Registration of patterns: a search at a quarter of the pixels, then rotation, scale, shift and deformation.

Every query is compared as it is and mirrored left to right.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import torch
import torch.nn.functional as nnf
from torch import Tensor

from jsddpm_eval.functional.patterns import normalized, smoothed
from jsddpm_eval.settled import settled

_TURNS = tuple(float(t) for t in range(-12, 13, 4))  # degrees
_SCALES = (0.93, 1.0, 1.07)
_REACH = 10  # pixels
_LEVELS = ((2.0, 7, 15), (1.0, 11, 15), (0.0, 15, 20))  # smoothing in pixels, nodes a side, steps
_STIFFNESS, _RATE = 0.5, 0.012


def small(patterns: Tensor) -> Tensor:
    """Patterns for the coarse search, averaged over 2 x 2 pixels, of norm 1, ``(N, h / 2, w / 2)``."""
    return normalized(nnf.avg_pool2d(patterns[:, None], 2)[:, 0])


def searched(queries: Tensor, references: Tensor, *, turns: tuple[float, ...] = (), steps: int = 3) -> Tensor:
    """Highest correlation of queries with references over shifts, as they are and mirrored, ``(n, 2, m)``.

    Args:
        queries: Patterns, ``(n, h, w)``.
        references: As :func:`small` gives them, flat, ``(m, h w / 4)``.
        turns: Rotations in degrees that are tried; none when empty.
        steps: Averaged pixels that a slice may have moved along each axis.
    """
    sides = mirrored(queries).flatten(0, 1)
    shown = turned(sides, turns) if turns else sides[:, None]
    averages = small(shown.flatten(0, 1))
    span = range(-steps, steps + 1)
    moved = torch.stack([torch.roll(averages, move, (1, 2)) for move in product(span, span)], 1)
    products = moved.flatten(2).flatten(0, 1) @ references.T
    return products.view(len(queries), 2, -1, len(references)).amax(2)


def mirrored(queries: Tensor) -> Tensor:
    """Each pattern as it is and mirrored, ``(n, 2, h, w)``."""
    return torch.stack([queries, queries.flip(2)], 1)


def shifted(queries: Tensor, candidates: Tensor) -> tuple[Tensor, Tensor]:
    """Candidates at their best shift.

    Args:
        queries: ``(n, k, h, w)``, one for each candidate.
        candidates: ``(n, k, h, w)``.

    Returns:
        The moved candidates, and their correlation with the queries, ``(n, k)``.
    """
    products = _products(torch.fft.rfft2(queries), torch.fft.rfft2(candidates), queries.shape[2:])
    best = products.flatten(2).max(2)
    return _moved(candidates, best.indices), best.values


def registered(queries: Tensor, candidates: Tensor, mirror: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Queries rotated and scaled, and candidates shifted, to the best fit.

    Args:
        queries: ``(n, h, w)``.
        candidates: ``(n, k, h, w)``.
        mirror: 1 where a query is to be mirrored, 0 elsewhere, int64 ``(n, k)``.

    Returns:
        The turned queries and moved candidates, ``(n, k, h, w)`` of norm 1, and their correlation, ``(n, k)``.
    """
    rows, size = torch.arange(len(queries))[:, None], queries.shape[1:]
    views = normalized(torch.stack([turned(q, _TURNS, _SCALES) for q in mirrored(queries).unbind(1)], 1))
    spectra, theirs = torch.fft.rfft2(views), torch.fft.rfft2(candidates)
    best = torch.full(mirror.shape, -2.0)
    turn, place = torch.zeros_like(mirror), torch.zeros_like(mirror)
    for t in range(views.shape[2]):
        value, shift = _products(spectra[rows, mirror, t], theirs, size).flatten(2).max(2)
        better = value > best
        best, turn, place = (
            torch.where(better, new, old) for new, old in ((value, best), (torch.tensor(t), turn), (shift, place))
        )
    return views[rows, mirror, turn], _moved(candidates, place), best


@settled()
def bent(a: Tensor, b: Tensor) -> Tensor:
    """The second patterns deformed smoothly until they fit the first, of norm 1, ``(N, h, w)``.

    An affine map and displacements at the nodes of a grid climb the correlation, from smooth patterns to sharp ones;
    displacements that differ between neighbours cost.

    Args:
        a: ``(N, h, w)``.
        b: ``(N, h, w)``.
    """
    count, size = len(a), [len(a), 1, *a.shape[1:]]
    affine, nodes = torch.zeros(count, 2, 3), torch.zeros(count, 2, _LEVELS[0][1], _LEVELS[0][1])
    same = torch.eye(2, 3)[None]
    for sigma, side, steps in _LEVELS:
        target, source = (normalized(smoothed(v, sigma)) if sigma else v for v in (a, b))
        nodes = nnf.interpolate(nodes, (side, side), mode="bicubic", align_corners=True)
        slope = (side - 1) / 2  # of a displacement in halves of the slice, as pixels a pixel
        ascent = _Ascent([affine, nodes], [0.7 * _RATE, _RATE])
        for _ in range(steps):
            affine, nodes = (v.detach().requires_grad_() for v in ascent.values)
            warped = _warped(source, affine + same, nodes, size)
            fit = (warped * target).sum((1, 2)) / warped.flatten(1).norm(dim=1).clamp(min=1e-6)
            rough = sum((slope * nodes.diff(dim=d)).square().mean((1, 2, 3)) for d in (2, 3))
            ascent.step(torch.autograd.grad((fit - _STIFFNESS * rough).sum(), [affine, nodes]))
        affine, nodes = ascent.values
    return normalized(_warped(b, affine + same, nodes, size))


class _Ascent:
    """Gradient ascent by Adam (Kingma & Ba 2015); importing ``torch.optim`` would take seconds."""

    _MEAN, _SQUARE = 0.8, 0.95

    def __init__(self, values: list[Tensor], rates: list[float]) -> None:
        self.values, self._rates, self._count = values, rates, 0
        self._means, self._squares = ([torch.zeros_like(v) for v in values] for _ in range(2))

    def step(self, gradients: Sequence[Tensor]) -> None:
        """One step along the gradients of the objective."""
        self._count += 1
        early = [1 - decay**self._count for decay in (self._MEAN, self._SQUARE)]
        for i, gradient in enumerate(gradients):
            self._means[i] = torch.lerp(gradient, self._means[i], self._MEAN)
            self._squares[i] = torch.lerp(gradient.square(), self._squares[i], self._SQUARE)
            spread = (self._squares[i] / early[1]).sqrt() + 1e-8
            self.values[i] = self.values[i] + self._rates[i] * self._means[i] / early[0] / spread


def _warped(values: Tensor, affine: Tensor, nodes: Tensor, size: list[int]) -> Tensor:
    grid = nnf.affine_grid(affine, size, align_corners=False)
    shift = nnf.interpolate(nodes, size[2:], mode="bilinear", align_corners=True).permute(0, 2, 3, 1)
    return nnf.grid_sample(values[:, None], grid + shift, align_corners=False)[:, 0]


def _products(ours: Tensor, theirs: Tensor, size: torch.Size) -> Tensor:
    """Correlation at every shift within reach, from spectra, ``(n, k, h, w)``."""
    near = [(torch.fft.fftfreq(s) * s).abs() <= min(_REACH, s // 4) for s in size]
    products: Tensor = torch.fft.irfft2(theirs * ours.conj(), s=size)
    return products.masked_fill(~(near[0][:, None] & near[1][None]), -2)


def _moved(candidates: Tensor, shift: Tensor) -> Tensor:
    n, k, height, width = candidates.shape
    rows = (torch.arange(height) + (shift // width).flatten()[:, None]) % height
    columns = (torch.arange(width) + (shift % width).flatten()[:, None]) % width
    number = torch.arange(n * k)[:, None, None]
    return candidates.flatten(0, 1)[number, rows[:, :, None], columns[:, None]].view(n, k, height, width)


def turned(values: Tensor, turns: tuple[float, ...], scales: tuple[float, ...] = (1.0,)) -> Tensor:
    """Every rotation (degrees) and scale of each slice about its centre, ``(n, turns x scales, h, w)``."""
    height, width = values.shape[1:]
    matrices = []
    for turn in torch.deg2rad(torch.tensor(turns)):
        for scale in scales:
            c, s = float(turn.cos()) / scale, float(turn.sin()) / scale
            matrices.append([[c, -s * height / width, 0.0], [s * width / height, c, 0.0]])
    grid = nnf.affine_grid(torch.tensor(matrices), [len(matrices), 1, height, width], align_corners=False)
    stacked = values[None].expand(len(matrices), -1, -1, -1)
    return nnf.grid_sample(stacked, grid, align_corners=False).transpose(0, 1)

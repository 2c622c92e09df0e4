"""Nearness of lesions to reference lesions: correlation of the image inside the mask after registration.

A lesion that is pasted from one brain into another changes no score of whole slices. Lesions are centred, turned
a little, mirrored and shifted; the image inside the query's mask is then correlated with the reference's, whatever
outline that one has.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from jsddpm_eval.functional.patterns import averaged, fisher_z
from jsddpm_eval.functional.registration import turned

LEAST = 12
"""Pixels of a mask, averaged to 64 x 64, below which images inside it are all alike."""

_SIDE = 32  # of the window around a lesion
_TURNS = (-10.0, 0.0, 10.0)  # degrees
_REACH = 3  # pixels beyond the centring
_LEAST_VARIANCE = 1e-4  # of the reference inside the mask, times its area


class Lesions(NamedTuple):
    """Windows around the centres of lesions.

    Attributes:
        images: ``(N, 32, 32)``.
        masks: 0 or 1, ``(N, 32, 32)``.
        area: Pixels of the whole mask, ``(N,)``.
    """

    images: Tensor
    masks: Tensor
    area: Tensor


def windows(images: Tensor, masks: Tensor) -> Lesions:
    """Windows around the lesions of slices; an empty mask has area 0, and its window lies around the first pixel.

    Args:
        images: ``(N, H, W)``.
        masks: Boolean ``(N, H, W)``.
    """
    image, mask = averaged(images).float(), (averaged(masks.float()) >= 0.5).float()
    area, half = mask.sum((1, 2)), _SIDE // 2
    centres = [
        (mask.sum(2 - axis) @ torch.arange(n).float() / area.clamp(min=1)).round().long()
        for axis, n in enumerate(mask.shape[1:])
    ]
    window = torch.arange(_SIDE)[None]
    rows, columns = (centre[:, None] + window for centre in centres)  # of the padded slices
    number = torch.arange(len(mask))[:, None, None]
    cut = [torch.nn.functional.pad(v, (half,) * 4)[number, rows[:, :, None], columns[:, None]] for v in (image, mask)]
    return Lesions(cut[0], cut[1], area)


def nearest_lesion(queries: Lesions, references: Lesions, allowed: Tensor | None) -> tuple[Tensor, Tensor]:
    """Highest correlation of each query with any reference that it may be compared with, and which one that is.

    Args:
        queries: Of n lesions.
        references: Of m lesions, m at least 1.
        allowed: Which references a query is compared with, ``(n, m)``; all when None.

    Returns:
        Correlations as :func:`~jsddpm_eval.functional.patterns.fisher_z` gives them, and numbers of references,
        ``(n,)``.
    """
    size = (_SIDE, _SIDE)
    values, squares = (torch.fft.rfft2(v)[None] for v in (references.images, references.images.square()))
    near = (torch.fft.fftfreq(_SIDE) * _SIDE).abs() <= _REACH
    reach = (near[:, None] & near[None]).flatten()
    best, place = [torch.empty(0)], [torch.empty(0, dtype=torch.int64)]
    for number in range(len(queries.area)):
        shown = [torch.stack([v[number], v[number].flip(1)]) for v in (queries.images, queries.masks)]
        image, inside = (turned(v, _TURNS).flatten(0, 1) for v in shown)
        inside = (inside > 0.5).float()
        area = inside.sum((1, 2), keepdim=True).clamp(min=1)
        centred = (image - (image * inside).sum((1, 2), keepdim=True) / area) * inside

        def over(ours: Tensor, theirs: Tensor) -> Tensor:  # at every shift within reach, (views, m, shifts)
            product: Tensor = torch.fft.irfft2(theirs * torch.fft.rfft2(ours)[:, None].conj(), s=size)
            return product.flatten(2)[:, :, reach]

        sums, spread = over(inside, values), over(inside, squares)
        variance = (spread - sums.square() / area).clamp(min=_LEAST_VARIANCE)
        norm = centred.flatten(1).norm(dim=1).clamp(min=math.sqrt(_LEAST_VARIANCE))[:, None, None]
        correlation = (over(centred, values) / norm / variance.sqrt()).amax((0, 2))
        if allowed is not None:
            correlation = correlation.masked_fill(~allowed[number], -1)
        value, index = correlation.max(0, keepdim=True)
        best.append(value)
        place.append(index)
    return fisher_z(torch.cat(best)), torch.cat(place)

"""Orientation of a slice: does it fit the mean real slice better when it is turned?

Heads differ in size and place, so slices are compared in a frame about their head. Left and right are not compared,
because heads are nearly symmetric.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from jsddpm_eval.functional.appearance import head, moments

Array = NDArray[np.float64]

FRAME = 24
"""Pixels of a frame along each side."""

TURNS: dict[str, Callable[[Array], Array]] = {
    "front to back": lambda x: x[..., ::-1, :],
    "transposed": lambda x: x.swapaxes(-2, -1),
    "other diagonal": lambda x: x[..., ::-1, ::-1].swapaxes(-2, -1),
}
"""Orientations of slices ``(..., H, W)`` other than their own, up to left and right; each turn undoes itself."""

_EXTENT = 1.8  # standard deviations of the head's pixels from its centre to the edge of a frame
_KINDS = 2  # of frames


def framed(images: NDArray[np.float32]) -> Array:
    """Each slice about its head in two frames, float64 ``(N, 2, FRAME, FRAME)``, less its mean and of length 1.

    The first frame fits the head along rows and along columns, so that its proportions cancel. The second one keeps
    them: a head that lies on its side differs in its proportions most.

    Args:
        images: ``(N, H, W)``.

    Returns:
        The frames; 0 for a blank slice.
    """
    if not len(images):
        return np.empty((0, _KINDS, FRAME, FRAME))
    row, column, height, width = moments(head(images))
    both = np.sqrt(height * width)
    frames = [_sampled(images, row, column, *sides) for sides in ((height, width), (both, both))]
    stacked = np.stack(frames, 1)
    stacked -= stacked.mean((2, 3), keepdims=True)
    length = np.linalg.norm(stacked, axis=(2, 3), keepdims=True)
    return np.asarray(stacked / np.maximum(length, 1e-9))


def mean_frame(frames: Array) -> Array:
    """Mean of some frames and of their mirror images, of length 1, float64 ``(2, FRAME, FRAME)``.

    Args:
        frames: ``(N, 2, FRAME, FRAME)``, at least one.
    """
    mean = frames.mean(0)
    both = mean + mean[..., ::-1]
    return np.asarray(both / np.maximum(np.linalg.norm(both, axis=(1, 2), keepdims=True), 1e-9))


def fits(frames: Array, mean: Array) -> tuple[Array, Array]:
    """Correlation of slices with a mean, as they lie and by the best of three turns, each float64 ``(N,)`` in [-1, 1].

    The turns are the exchange of front and back (or half a turn), and the two exchanges of rows and columns (or
    quarter turns). A slice fits best by the turn that undoes its own.

    Args:
        frames: As :func:`framed` returns them.
        mean: As :func:`mean_frame` returns it.
    """
    turned = np.max([_correlation(turn(frames), mean) for turn in TURNS.values()], axis=0)
    return _correlation(frames, mean), np.asarray(turned)


def _correlation(frames: Array, mean: Array) -> Array:
    return np.asarray(np.einsum("nkij,kij->n", frames, mean) / _KINDS)


def _sampled(images: NDArray[np.float32], row: Array, column: Array, height: Array, width: Array) -> Array:
    """Pixels of a square grid about the centre of a head, between pixels by bilinear interpolation."""
    steps = np.linspace(-_EXTENT, _EXTENT, FRAME)
    places = []
    for centre, size, side in ((row, height, images.shape[1]), (column, width, images.shape[2])):
        place = centre[:, None] + steps * np.maximum(size, 1)[:, None]
        places.append(torch.from_numpy(2 * place / max(side - 1, 1) - 1))
    y, x = places
    grid = torch.stack([x[:, None].expand(-1, FRAME, -1), y[:, :, None].expand(-1, -1, FRAME)], -1)
    pixels = F.grid_sample(torch.from_numpy(images)[:, None].double(), grid, align_corners=True)[:, 0]
    return np.asarray(pixels.numpy())

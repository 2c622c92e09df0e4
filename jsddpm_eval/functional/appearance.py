"""Numbers that describe a slice, each for one kind of fault: detail, texture, intensity and outline.

Frequencies are in cycles per pixel. Powers are compared as differences of logarithms, so that gain cancels. Positions
and sizes are shares of the slice's side.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_BANDS = ((0.12, 0.2), (0.2, 0.3), (0.3, 0.4), (0.4, 0.5), (0.5, 0.71))
_RINGS = {"mid": (0.2, 0.35), "high": (0.35, 0.5)}
_TINY = 1e-10
_BLOCK = 8
_HEAD = 0.25  # of a slice's upper intensities: what is brighter, once smoothed, is head

DETAIL = ("detail_low", "detail_mid", "detail_high", "detail_corner", "grain", "background")
TEXTURE = ("axis_mid", "axis_high", "direction_mid", "direction_high", "peak", "nyquist", "blocks")
INTENSITY = ("mean", "spread", "q10", "q50", "q90", "top", "front_back", "left_right", "rim", "air")
OUTLINE = ("area", "row", "column", "height", "width", "tilt", "aspect")

Array = NDArray[np.float64]


def detail(images: NDArray[np.float32]) -> Array:
    """Steepness of the spectrum, grain of the head and of the background, float64 ``(N, len(DETAIL))``.

    The first four are log power of a band less that of the band below. Grain is the log median of the absolute
    difference of a pixel from its 3 x 3 surround inside the head; background is the log mean of the same outside.

    Args:
        images: ``(N, H, W)`` in [0, 1].
    """
    power, radius = _power(images), _radius(images)[0]
    bands = [_log_mean(power, (radius >= low) & (radius < high)) for low, high in _BANDS]
    rough = np.abs(images - ndimage.uniform_filter(images, (0, 3, 3)))
    inside = head(images)
    columns = [b - a for a, b in pairwise(bands)]
    columns += [_log(_quantiles(rough, inside, (0.5,))[0] + 1e-4), _log(_mean(rough, ~inside) + 1e-4)]
    return np.stack(columns, 1).astype(np.float64)


def texture(images: NDArray[np.float32]) -> Array:
    """Regular patterns in the spectrum (grids, stripes, blocks), float64 ``(N, len(TEXTURE))``.

    Log power along the axes less that off them, and of vertical less horizontal frequencies, in two rings; the two
    frequencies that stand out most from those around them; the highest frequencies beside those just below; steps
    across the borders of blocks of 8 beside steps elsewhere.

    Args:
        images: ``(N, H, W)`` in [0, 1].
    """
    power = _power(images)
    radius, rows, columns = _radius(images)
    on_axis = (np.abs(rows) < 1e-9) | (np.abs(columns) < 1e-9)
    off_axis = (np.abs(rows) >= 0.03) & (np.abs(columns) >= 0.03)
    steep, flat = np.abs(rows) > 1.5 * np.abs(columns), np.abs(columns) > 1.5 * np.abs(rows)
    axes, directions = [], []
    for low, high in _RINGS.values():
        ring = (radius >= low) & (radius < high)
        axes.append(_contrast(power, ring & on_axis, ring & ~on_axis))
        directions.append(_contrast(power, ring & steep & ~on_axis, ring & flat & ~on_axis))
    edge = np.maximum(np.abs(rows), np.abs(columns))
    highest = edge.max()
    nyquist = _contrast(power, edge > 0.98 * highest, (edge > 0.84 * highest) & (edge <= 0.98 * highest))
    return np.stack([*axes, *directions, _peak(power, radius, off_axis), nyquist, _blocks(images)], 1)


def intensity(images: NDArray[np.float32]) -> Array:
    """Brightness of the head and its distribution, float64 ``(N, len(INTENSITY))``.

    Mean, standard deviation, quantiles and 99.5th percentile inside the head; slopes from front to back and from left
    to right, per standard deviation of position; mean of the outer less that of the inner half of the head; log mean
    outside the head.

    Args:
        images: ``(N, H, W)`` in [0, 1].
    """
    inside = head(images)
    mean = _mean(images, inside)
    centred = np.where(inside, images - mean[:, None, None], 0)
    spread = np.sqrt((centred**2).sum((1, 2)) / np.maximum(inside.sum((1, 2)), 1))
    quantiles = _quantiles(images, inside, (0.1, 0.5, 0.9, 0.995))
    row, column, height, width = moments(inside)
    y, x = _places(images, row, column)
    y, x = y / np.maximum(height, _TINY)[:, None, None], x / np.maximum(width, _TINY)[:, None, None]
    slopes = [(centred * place).sum((1, 2)) / np.maximum(inside.sum((1, 2)), 1) for place in (y, x)]
    outer = np.hypot(y, x) > 2**0.5
    rim = _mean(images, inside & outer) - _mean(images, inside & ~outer)
    return np.stack([mean, spread, *quantiles, *slopes, rim, _log(_mean(images, ~inside) + 1e-3)], 1).astype(np.float64)


def outline(images: NDArray[np.float32]) -> Array:
    """Size, place, tilt and aspect of the head, float64 ``(N, len(OUTLINE))``.

    Root area; centre, and spread along each axis; correlation of row and column over the pixels of the head, which is
    above 0 for an upright head that is rotated counter-clockwise; log ratio of the spreads along rows and columns, at
    most 1 and at least -1. Heads of patients differ less in the ratio than in height and width.

    Args:
        images: ``(N, H, W)`` in [0, 1].
    """
    inside = head(images)
    side = np.array([images.shape[1], images.shape[2]], np.float64)
    row, column, height, width = moments(inside)
    y, x = _places(images, row, column)
    both = np.where(inside, y * x, 0).sum((1, 2)) / np.maximum(inside.sum((1, 2)), 1)
    tilt = both / np.maximum(height * width, _TINY)
    aspect = np.log(np.maximum(height, _TINY) / np.maximum(width, _TINY)).clip(-1, 1)
    area = np.sqrt(inside.mean((1, 2)))
    return np.stack([area, row / side[0], column / side[1], height / side[0], width / side[1], tilt, aspect], 1)


def head(images: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Pixels of the head: brighter, once smoothed, than a quarter of the slice's upper intensities, ``(N, H, W)``.

    >>> int(head(np.pad(np.ones((1, 8, 8), np.float32), ((0, 0), (4, 4), (4, 4)))).sum())  # and half a pixel of edge
    88
    """
    if not len(images):
        return np.zeros(images.shape, bool)
    smooth = ndimage.uniform_filter(images, (0, 3, 3))
    upper = np.quantile(smooth.reshape(len(images), -1), 0.9, axis=1)
    return np.asarray(smooth > _HEAD * np.maximum(upper, 1e-3)[:, None, None])


def _power(images: NDArray[np.float32]) -> Array:
    spectrum = np.fft.fft2(images.astype(np.float32))
    return np.asarray(np.abs(spectrum) ** 2, np.float64)


def _radius(images: NDArray[np.float32]) -> tuple[Array, Array, Array]:
    """Frequency of every entry of a spectrum: its length, along rows, along columns."""
    rows, columns = np.meshgrid(*(np.fft.fftfreq(n) for n in images.shape[1:]), indexing="ij")
    return np.hypot(rows, columns), rows, columns


def _log(values: Array) -> Array:
    return np.asarray(np.log(values + _TINY))


def _contrast(power: Array, one: NDArray[np.bool_], other: NDArray[np.bool_]) -> Array:
    return _log_mean(power, one) - _log_mean(power, other)


def _log_mean(power: Array, where: NDArray[np.bool_]) -> Array:
    """Log mean power of some frequencies; NaN where a slice is too small to have any."""
    return _log(power[:, where].mean(1)) if where.any() else np.full(len(power), np.nan)


def _peak(power: Array, radius: Array, off_axis: NDArray[np.bool_]) -> Array:
    """Mean of the two log powers off the axes that exceed those of the frequencies around them most.

    The surround is a square of 9 less one of 5, because a pattern as wide as the head spreads over the smaller square.
    The slope and the smoothness of a spectrum cancel.
    """
    logs = _log(power)
    wide, narrow = (ndimage.uniform_filter(logs, (0, side, side), mode="wrap") for side in (9, 5))
    height = logs - (81 * wide - 25 * narrow) / 56
    chosen = height[:, (radius >= 0.15) & (radius < 0.5) & off_axis]
    if chosen.shape[1] < 2:
        return np.full(len(power), np.nan)
    return np.asarray(np.partition(chosen, -2, axis=1)[:, -2:].mean(1))


def _blocks(images: NDArray[np.float32]) -> Array:
    """Log ratio of steps across borders of blocks to those elsewhere."""
    borders, others = [], []
    for axis in (1, 2):
        steps = np.abs(np.diff(images, axis=axis)).mean(3 - axis)
        border = np.arange(1, images.shape[axis]) % _BLOCK == 0
        borders.append(steps[:, border].mean(1) if border.any() else np.zeros(len(images)))
        others.append(steps[:, ~border].mean(1))
    return _log(np.mean(borders, 0).astype(np.float64) + 1e-4) - _log(np.mean(others, 0).astype(np.float64) + 1e-4)


def _mean(values: NDArray[np.float32], inside: NDArray[np.bool_]) -> Array:
    """Mean of the pixels inside; 0 where there are none."""
    total = np.where(inside, values, 0).sum((1, 2), dtype=np.float64)
    return np.asarray(total / np.maximum(inside.sum((1, 2)), 1))


def _quantiles(values: NDArray[np.float32], inside: NDArray[np.bool_], shares: Sequence[float]) -> list[Array]:
    """Quantiles of the pixels inside, by order; 0 where there are none."""
    count = inside.sum((1, 2))
    ordered = np.sort(np.where(inside, values, np.inf).reshape(len(values), math.prod(values.shape[1:])), axis=1)
    places = [np.clip((count * share).astype(np.int64), 0, np.maximum(count - 1, 0)) for share in shares]
    found = [np.take_along_axis(ordered, place[:, None], 1)[:, 0] for place in places]
    return [np.where(count > 0, at, 0).astype(np.float64) for at in found]


def _places(images: NDArray[np.float32], row: Array, column: Array) -> tuple[Array, Array]:
    y, x = np.mgrid[: images.shape[1], : images.shape[2]].astype(np.float64)
    return y[None] - row[:, None, None], x[None] - column[:, None, None]


def moments(inside: NDArray[np.bool_]) -> tuple[Array, Array, Array, Array]:
    """Row and column of the centre of the pixels inside, their standard deviations along rows and along columns.

    Args:
        inside: ``(N, H, W)``.

    Returns:
        Four times float64 ``(N,)``, in pixels; 0 where no pixel is inside.

    >>> [float(v[0]) for v in moments(np.ones((1, 3, 5), bool))]  # the variance of 1 to n is (n * n - 1) / 12
    [1.0, 2.0, 0.816496580927726, 1.4142135623730951]
    """
    sides = []
    count = np.maximum(inside.sum((1, 2)), 1)
    for axis in (1, 2):
        profile = inside.sum(3 - axis)
        place = np.arange(inside.shape[axis], dtype=np.float64)
        centre = profile @ place / count
        spread = np.sqrt(np.maximum(profile @ place**2 / count - centre**2, 0))
        sides.append((centre, spread))
    (row, height), (column, width) = sides
    return row, column, height, width

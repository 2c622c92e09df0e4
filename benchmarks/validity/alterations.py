"""Changes of a training slice, in image and mask, before it is shown as a new one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

Images = NDArray[np.float32]
Masks = NDArray[np.bool_]
Pair = tuple[Images, Masks]
Alteration = Callable[[Images, Masks, np.random.Generator], Pair]
_CORRELATION = 0.1  # of a smooth field, as a share of the slice's side


def _clipped(images: ArrayLike) -> Images:
    return np.clip(np.asarray(images), 0, 1).astype(np.float32)


def _seen(images: Images, masks: Masks, matrix: ArrayLike, offset: ArrayLike = (0.0, 0.0)) -> Pair:
    """Through an affine map of output about the centre."""
    inner = np.asarray(matrix, float)
    centre = (np.array(images.shape[1:]) - 1) / 2
    whole, start = np.eye(3), np.array([0, *(centre - inner @ centre + np.asarray(offset, float))])
    whole[1:, 1:] = inner
    mask = ndimage.affine_transform(masks.astype(np.float32), whole, start, order=1, mode="grid-constant")
    return _clipped(ndimage.affine_transform(images, whole, start, order=3, mode="grid-constant")), mask > 0.5


def _turned(degrees: float) -> NDArray[np.float64]:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, -s], [s, c]])


def _sign(rng: np.random.Generator) -> int:
    return int(rng.choice((-1, 1)))


def _field(shape: tuple[int, ...], share: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """A smooth random field for each slice, of mean 0."""
    noise = rng.standard_normal(shape)
    field = ndimage.gaussian_filter(noise, (0, *(share * n for n in shape[1:])), mode="wrap")
    return np.asarray(field - field.mean((1, 2), keepdims=True))


def _warped(images: Images, masks: Masks, rng: np.random.Generator, *, pixels: float, most: bool = False) -> Pair:
    """Bent by a smooth displacement of so many pixels, root mean square, or at most."""
    moves = [_field(images.shape, _CORRELATION, rng) for _ in range(2)]
    length = np.hypot(*moves)
    size = length.max((1, 2), keepdims=True) if most else np.sqrt((length**2).mean((1, 2), keepdims=True))
    number, row, column = np.indices(images.shape).astype(float)
    place = np.stack([number, row + pixels * moves[0] / size, column + pixels * moves[1] / size])
    mask = ndimage.map_coordinates(masks.astype(np.float32), place, order=1, mode="grid-constant")
    return _clipped(ndimage.map_coordinates(images, place, order=3, mode="grid-constant")), mask > 0.5


def _mirrored(images: Images, masks: Masks, rng: np.random.Generator) -> Pair:
    return images[:, :, ::-1].copy(), masks[:, :, ::-1].copy()


def _cropped(images: Images, masks: Masks, rng: np.random.Generator) -> Pair:
    keep = np.zeros(images.shape, bool)
    keep[:, 6:-6, 6:-6] = True
    return np.where(keep, images, 0), masks & keep


def _cut(images: Images, masks: Masks, rng: np.random.Generator) -> Pair:
    """Slices without a fifth on one side."""
    keep = np.ones(images.shape, bool)
    side = images.shape[1] // 5
    for one, edge in zip(keep, rng.integers(4, size=len(keep)), strict=True):
        np.rot90(one, edge)[:side] = False
    return np.where(keep, images, 0), masks & keep


def _biased(images: Images, masks: Masks, rng: np.random.Generator) -> Pair:
    field = _field(images.shape, 0.2, rng)
    return _clipped(images * (1 + 0.3 * field / np.abs(field).max((1, 2), keepdims=True))), masks


def _everything(images: Images, masks: Masks, rng: np.random.Generator) -> Pair:
    images, masks = _mirrored(images, masks, rng)
    images, masks = _seen(images, masks, _turned(5 * _sign(rng)) / 1.03, (2 * _sign(rng), 2 * _sign(rng)))
    images, masks = _warped(images, masks, rng, pixels=1)
    return _noisy(ndimage.gaussian_filter(images**0.85, (0, 0.7, 0.7)), masks, rng, sd=0.02)


def _noisy(images: Images, masks: Masks, rng: np.random.Generator, *, sd: float) -> Pair:
    return _clipped(images + sd * rng.standard_normal(images.shape)), masks


def _brighter(change: Callable[[Images], ArrayLike]) -> Alteration:
    return lambda images, masks, rng: (_clipped(change(images)), masks)


def _moved(matrix: Callable[[np.random.Generator], ArrayLike], pixels: float = 0.0) -> Alteration:
    return lambda images, masks, rng: _seen(images, masks, matrix(rng), [pixels * _sign(rng), pixels * _sign(rng)])


def _fixed(matrix: ArrayLike) -> Callable[[np.random.Generator], ArrayLike]:
    return lambda rng: matrix


def _blurred(sigma: float) -> Alteration:
    return _brighter(lambda images: ndimage.gaussian_filter(images, (0, sigma, sigma)))


LISTED: dict[str, Alteration] = {
    "as it is": lambda images, masks, rng: (images, masks),
    "mirrored": _mirrored,
    "turned 5 degrees": _moved(lambda rng: _turned(5 * _sign(rng))),
    "turned 10 degrees": _moved(lambda rng: _turned(10 * _sign(rng))),
    "moved 2 px along both axes": _moved(_fixed(np.eye(2)), 2),
    "moved 6 px along both axes": _moved(_fixed(np.eye(2)), 6),
    "5 % larger": _moved(_fixed(np.eye(2) / 1.05)),
    "5 % smaller": _moved(_fixed(np.eye(2) * 1.05)),
    "gamma 0.7": _brighter(lambda images: images**0.7),
    "gamma 1.4": _brighter(lambda images: images**1.4),
    "gain 1.1": _brighter(lambda images: images * 1.1),
    "blurred by 1 px": _blurred(1),
    "noise of 3 %": partial(_noisy, sd=0.03),
    "cropped by 6 px": _cropped,
    "warped by at most 2 px": partial(_warped, pixels=2, most=True),
    "warped by 1 px rms": partial(_warped, pixels=1),
}
"""What a copy may have been through."""

HARD: dict[str, Alteration] = {
    "warped by 2 px rms": partial(_warped, pixels=2),
    "mirrored, turned, scaled, moved, warped, blurred, noisy": _everything,
}
"""What nearly looks like another patient."""

UNLISTED: dict[str, Alteration] = {
    "turned 20 degrees": _moved(lambda rng: _turned(20 * _sign(rng))),
    "sheared by 12 %": _moved(lambda rng: [[1, 0.12 * _sign(rng)], [0, 1]]),
    "10 % longer": _moved(_fixed(np.diag([1 / 1.1, 1]))),
    "bias field of 30 %": _biased,
    "gamma 2.2": _brighter(lambda images: images**2.2),
    "blurred by 2.5 px": _blurred(2.5),
    "noise of 8 %": partial(_noisy, sd=0.08),
    "a fifth cut off": _cut,
    "upside down": lambda images, masks, rng: (images[:, ::-1].copy(), masks[:, ::-1].copy()),
}
"""What the detector was not made for."""

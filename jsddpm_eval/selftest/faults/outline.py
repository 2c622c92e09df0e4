"""Size, shape, position and surround of the head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from jsddpm_eval.real_slices import GeneratedArrays, Images
from jsddpm_eval.selftest.fault import Fault
from jsddpm_eval.selftest.faults._pixels import (
    Values,
    clipped,
    elastic,
    heads,
    mirrored,
    of_a_share,
    on_images,
    rotation,
    warped,
)
from jsddpm_eval.selftest.world import World, mixed

_NAME = ("outline",)


def _zoomed(world: World, factor: float, rng: np.random.Generator) -> GeneratedArrays:
    return warped(world.perfect, np.eye(2) / factor)


def _narrow(world: World, factor: float, rng: np.random.Generator) -> GeneratedArrays:
    return warped(world.perfect, np.diag([1, 1 / factor]))


def _moved(world: World, pixels: float, rng: np.random.Generator) -> GeneratedArrays:
    return warped(world.perfect, np.eye(2), (-pixels, pixels))


def _rotated(world: World, degrees: float, rng: np.random.Generator) -> GeneratedArrays:
    return warped(world.perfect, rotation(degrees))


def _moved_at_random(world: World, pixels: float, rng: np.random.Generator) -> GeneratedArrays:
    """Heads moved by so many pixels up or down, and left or right: by nothing on average."""
    return _apart(world, [(np.eye(2), (y * pixels, x * pixels)) for y in (-1, 1) for x in (-1, 1)], rng)


def _turned_at_random(world: World, degrees: float, rng: np.random.Generator) -> GeneratedArrays:
    """Heads rotated clockwise or counter-clockwise: by nothing on average."""
    return _apart(world, [(rotation(sign * degrees), (0, 0)) for sign in (-1, 1)], rng)


def _apart(
    world: World, maps: Sequence[tuple[ArrayLike, tuple[float, float]]], rng: np.random.Generator
) -> GeneratedArrays:
    """Each sample under one of some maps, drawn at random."""
    made, drawn = world.perfect, rng.integers(len(maps), size=len(world.draw))
    for number, (matrix, offset) in enumerate(maps):
        made = mixed(drawn == number, warped(world.perfect, matrix, offset), made)
    return made


def _upside_down(world: World, share: float, rng: np.random.Generator) -> GeneratedArrays:
    perfect = world.perfect
    return replace(perfect, images=perfect.images[:, ::-1].copy(), masks=perfect.masks[:, ::-1].copy())


def _noise_around(images: Images, sd: float, rng: np.random.Generator) -> Values:
    noise = np.abs(rng.standard_normal(images.shape, np.float32)) * sd
    return np.where(heads(images), images, clipped(images + noise))


def _spots_around(images: Images, count: float, rng: np.random.Generator) -> Values:
    spots = np.zeros(images.shape, np.float32)
    for number, head in enumerate(heads(images)):
        places = np.argwhere(~head[1:-1, 1:-1]) + 1
        for row, column in rng.choice(places, min(int(count), len(places)), replace=False):
            spots[number, row - 1 : row + 2, column - 1 : column + 2] = 0.4
    return np.maximum(images, spots)


def _cut(images: Images, depth: float, rng: np.random.Generator) -> Values:
    """Images without the front of the head."""
    rows = np.any(heads(images), axis=2)
    first = np.where(rows.any(1), rows.argmax(1), 0)[:, None, None]
    row = np.arange(images.shape[1])[:, None]
    return np.where((row >= first) & (row < first + depth), 0, images)


FAULTS = (
    Fault("shrunk", "outline", "shrinking", _NAME, (0.97, 0.95, 0.9), "times", _zoomed),
    Fault("zoomed", "outline", "zooming", _NAME, (1.03, 1.05, 1.1), "times", _zoomed),
    Fault("narrowed", "outline", "a narrower head", _NAME, (0.97, 0.93, 0.85), "times", _narrow),
    Fault("moved", "outline", "a moved head", _NAME, (1, 2, 4), "px along each axis", _moved),
    Fault("rotated", "outline", "a turned head", _NAME, (3, 6, 12), "degrees", _rotated),
    Fault(
        "moved_at_random", "outline", "heads moved at random", _NAME, (2, 4, 6), "px along each axis", _moved_at_random
    ),
    Fault("turned_at_random", "outline", "heads turned at random", _NAME, (4, 8, 12), "degrees", _turned_at_random),
    Fault(
        "deformed", "outline", "an elastic deformation", ("outline", "unlike_real"), (1, 2, 4), "px",
        lambda world, pixels, rng: elastic(world.perfect, pixels, rng),
    ),
    Fault(
        "mirrored", "outline", "left and right exchanged", ("outline", "unlike_real"), (0.25, 0.5, 1),
        "of samples", of_a_share(lambda world, share, rng: mirrored(world.perfect)),
    ),
    Fault(
        "upside_down", "outline", "front and back exchanged", ("outline", "unlike_real"), (0.25, 0.5, 1),
        "of samples", of_a_share(_upside_down),
    ),
    Fault(
        "noise_around", "outline", "noise around the head", ("outline", "sharpness"), (0.01, 0.02, 0.05),
        "of the range", on_images(_noise_around),
    ),
    Fault(
        "spots_around", "outline", "spots around the head", ("outline", "sharpness"), (1, 3, 10), "spots",
        on_images(_spots_around),
    ),
    Fault("cut", "outline", "a head that is cut off", _NAME, (2, 4, 8), "px", on_images(_cut)),
)  # fmt: skip

"""Grids, stripes, ringing, ghosts and blocks."""

from __future__ import annotations

import numpy as np
from scipy import fft

from jsddpm_eval.real_slices import Images
from jsddpm_eval.selftest.fault import Fault
from jsddpm_eval.selftest.faults._pixels import AIR, Values, on_images

_NAME = ("texture",)
_BLOCK = 8


def _checkerboard(images: Images, amount: float, rng: np.random.Generator) -> Values:
    row, column = np.indices(images.shape[1:])
    return images + np.where(images > AIR, amount * (1 - 2 * ((row + column) % 2)), 0)


def _stripes(images: Images, amount: float, rng: np.random.Generator) -> Values:
    row, phase = np.arange(images.shape[1])[:, None], rng.uniform(0, 2 * np.pi, (len(images), 1, 1))
    return images + np.where(images > AIR, amount * np.sin(2 * np.pi * row / 4 + phase), 0)


def _grid(images: Images, amount: float, rng: np.random.Generator) -> Values:
    row, column = np.indices(images.shape[1:])
    return np.asarray(images * (1 - amount * ((row % 4 == 0) | (column % 4 == 0))))


def _ringing(images: Images, share: float, rng: np.random.Generator) -> Values:
    """Images without frequencies above a share of the highest, as after a partial measurement of k-space."""
    rows, columns = (np.abs(fft.fftfreq(n)) <= share / 2 for n in images.shape[1:])
    return np.asarray(fft.ifft2(fft.fft2(images) * (rows[:, None] & columns)).real)


def _ghosts(images: Images, amount: float, rng: np.random.Generator) -> Values:
    """Images with a ghost half a field of view away: every second line of k-space has another phase."""
    lines = np.ones((1, images.shape[1], 1), complex)
    lines[:, 1::2] = 1 - 2 * amount
    return np.asarray(np.abs(fft.ifft2(fft.fft2(images) * lines)))


def _motion(images: Images, pixels: float, rng: np.random.Generator) -> Values:
    """Images of a head that moves by some pixels while a third of k-space's lines are measured."""
    frequency = fft.fftfreq(images.shape[1])[None, :, None]
    late = fft.fftshift(np.arange(images.shape[1]) % 3 == 0)[None, :, None]
    shift = np.exp(-2j * np.pi * frequency * pixels)
    return np.asarray(np.abs(fft.ifft2(fft.fft2(images) * np.where(late, shift, 1))))


def _blocks(images: Images, step: float, rng: np.random.Generator) -> Values:
    """Cosine coefficients of 8 x 8 blocks rounded to multiples of a step, as JPEG does it."""
    count, height, width = images.shape
    padded = np.pad(images, ((0, 0), (0, -height % _BLOCK), (0, -width % _BLOCK)), mode="edge")
    _, tall, wide = padded.shape
    parts = padded.reshape(count, tall // _BLOCK, _BLOCK, wide // _BLOCK, _BLOCK)
    spectrum = fft.dctn(parts, axes=(2, 4), norm="ortho")
    rows, columns = np.indices((_BLOCK, _BLOCK))
    steps = (step * (1 + rows + columns) / 2).astype(np.float32)[:, None, :]
    back = fft.idctn(np.round(spectrum / steps) * steps, axes=(2, 4), norm="ortho")
    return np.asarray(back.reshape(padded.shape)[:, :height, :width])


CHECKERBOARD = Fault(
    "checkerboard", "texture", "a checkerboard", _NAME, (0.01, 0.02, 0.05), "of the range", on_images(_checkerboard)
)
FAULTS = (
    CHECKERBOARD,
    Fault("stripes", "texture", "stripes", _NAME, (0.01, 0.02, 0.05), "of the range", on_images(_stripes)),
    Fault("grid", "texture", "a grid of four pixels", _NAME, (0.03, 0.06, 0.12), "of the intensity", on_images(_grid)),
    Fault(
        "ringing", "texture", "ringing", ("texture", "sharpness"), (0.9, 0.75, 0.5), "of k-space kept",
        on_images(_ringing),
    ),
    Fault(
        "ghosts", "texture", "ghosts", ("texture", "outline"), (0.02, 0.05, 0.1), "of the intensity",
        on_images(_ghosts),
    ),
    Fault(
        "motion", "texture", "motion during the scan", ("texture", "outline", "sharpness"), (0.25, 0.5, 1), "px",
        on_images(_motion),
    ),
    Fault("blocks", "texture", "blocks", ("texture", "sharpness"), (0.05, 0.1, 0.2), "step", on_images(_blocks)),
)  # fmt: skip

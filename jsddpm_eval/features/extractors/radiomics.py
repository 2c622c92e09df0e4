"""Radiomics-like features: first-order, gradient and grey-level co-occurrence statistics, without a download.

They follow the usual definitions on a fixed [0, 1] window, and are not those of pyradiomics.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from scipy.stats import entropy, mstats
from skimage.feature import graycomatrix, graycoprops
from torch import Tensor

from jsddpm_eval.features.extractor import Extractor
from jsddpm_eval.slice_table import SliceTable

NAME = "radiomics"
LEVELS = 32
_QUANTILES = (5, 25, 50, 75, 95)
_PROPERTIES = ("contrast", "dissimilarity", "homogeneity", "energy", "correlation", "entropy")
_DISTANCES = (1, 3)
FOREGROUND = 0.02

_FIRST_ORDER = ("foreground", "mean", "std", "skewness", "kurtosis", "entropy", *(f"q{q}" for q in _QUANTILES))
COLUMNS = (
    *_FIRST_ORDER, "gradient_mean", "gradient_std", "laplacian_std",
    *(f"glcm_{p}_{d}" for p in _PROPERTIES for d in _DISTANCES),
    "row_centre", "column_centre", "row_spread", "column_spread",
)  # fmt: skip


def extract(images: Tensor) -> Tensor:
    """Features of slices.

    Args:
        images: float32 ``(N, H, W)`` in [0, 1].

    Returns:
        float64 ``(N, len(COLUMNS))``, all finite.
    """
    pixels = images.numpy()
    rows = [[*_gradients(image), *_texture(image), *_position(image)] for image in pixels]
    others = np.array(rows, dtype=np.float64).reshape(len(rows), len(COLUMNS) - len(_FIRST_ORDER))
    return torch.from_numpy(np.concatenate([_first_order(pixels), others], axis=1))


def _first_order(images: NDArray[np.float32]) -> NDArray[np.float64]:
    """Statistics of the foreground of all slices at once, ``(N, len(_FIRST_ORDER))``."""
    flat = images.reshape(len(images), -1)
    inside = flat > FOREGROUND
    foregrounds = [
        row[keep] if keep.sum() > 1 else np.zeros(2, np.float32) for row, keep in zip(flat, inside, strict=True)
    ]
    counts = np.array([np.histogram(v, bins=LEVELS, range=(0, 1))[0] for v in foregrounds]).reshape(
        len(foregrounds), LEVELS
    )
    basic = np.array([[v.mean(), v.std(), *np.percentile(v, _QUANTILES)] for v in foregrounds], np.float64)
    basic = basic.reshape(len(foregrounds), 2 + len(_QUANTILES))
    masked = np.ma.masked_array(flat.astype(np.float64), ~inside)
    constant = np.array([np.ptp(v) == 0 for v in foregrounds], bool)
    shape = [np.where(constant, 0, np.ma.filled(f(masked, axis=1), 0)) for f in (mstats.skew, mstats.kurtosis)]
    return np.column_stack([inside.mean(axis=1), basic[:, :2], *shape, entropy(counts, axis=1), basic[:, 2:]])


def _gradients(image: NDArray[np.float32]) -> list[float]:
    gradient = ndimage.gaussian_gradient_magnitude(image, 1.0)
    return [float(v) for v in (gradient.mean(), gradient.std(), ndimage.gaussian_laplace(image, 1.0).std())]


def _texture(image: NDArray[np.float32]) -> list[float]:
    levels = np.minimum((image * LEVELS).astype(np.uint8), LEVELS - 1)
    angles = (0, np.pi / 4, np.pi / 2, 3 * np.pi / 4)
    matrix = graycomatrix(levels, _DISTANCES, angles, levels=LEVELS, symmetric=True, normed=True)
    return [float(v) for p in _PROPERTIES for v in graycoprops(matrix, p).mean(axis=1)]


def _position(image: NDArray[np.float32]) -> list[float]:
    total = float(image.sum())
    if total == 0:
        return [0.5, 0.5, 0.0, 0.0]
    moments = []
    for axis in (0, 1):
        profile = image.sum(axis=1 - axis) / total
        place = (np.arange(len(profile)) + 0.5) / len(profile)
        centre = float(profile @ place)
        moments.append((centre, float(np.sqrt(max(profile @ (place - centre) ** 2, 0.0)))))
    return [moments[0][0], moments[1][0], moments[0][1], moments[1][1]]


def make(real: SliceTable, *, seed: int, folder: Path | None = None) -> Extractor:
    """The extractor by its name; it is not trained."""
    return EXTRACTOR


EXTRACTOR = Extractor(
    NAME,
    extract,
    {"range": [0, 1], "levels": LEVELS, "foreground": FOREGROUND, "columns": list(COLUMNS)},
    standardize=True,
    identified=True,
)

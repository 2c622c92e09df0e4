"""Radiomics-like features: first-order, gradient and grey-level co-occurrence statistics; nothing to download.

Named radiomics-like because they follow the usual definitions on a fixed [0, 1] window without being pyradiomics.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from skimage.feature import graycomatrix, graycoprops
from torch import Tensor

from jsddpm_eval.features.extractor import Extractor

NAME = "radiomics"
LEVELS = 32
_QUANTILES = (5, 25, 50, 75, 95)
_PROPERTIES = ("contrast", "dissimilarity", "homogeneity", "energy", "correlation", "entropy")
_DISTANCES = (1, 3)
FOREGROUND = 0.02

COLUMNS = (
    "foreground", "mean", "std", "skewness", "kurtosis", "entropy", *(f"q{q}" for q in _QUANTILES),
    "gradient_mean", "gradient_std", "laplacian_std",
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
    rows = [_features(image) for image in images.numpy()]
    return torch.from_numpy(np.array(rows, dtype=np.float64).reshape(len(rows), len(COLUMNS)))


def _features(image: NDArray[np.float32]) -> list[float]:
    inside = image > FOREGROUND
    values = image[inside] if inside.sum() > 1 else np.zeros(2, np.float32)
    centred = values.astype(np.float64) - values.mean(dtype=np.float64)
    scaled = centred / (centred.std() or 1.0)
    histogram = np.histogram(values, bins=LEVELS, range=(0, 1))[0] / len(values)
    present = histogram[histogram > 0]
    gradient = ndimage.gaussian_gradient_magnitude(image, 1.0)
    first = [
        inside.mean(), values.mean(), values.std(),
        (scaled**3).mean(), (scaled**4).mean() - 3 * bool(centred.any()), -(present * np.log(present)).sum(),
        *np.percentile(values, _QUANTILES),
        gradient.mean(), gradient.std(), ndimage.gaussian_laplace(image, 1.0).std(),
    ]  # fmt: skip
    return [float(v) for v in [*first, *_texture(image), *_position(image)]]


def _texture(image: NDArray[np.float32]) -> list[float]:
    levels = np.minimum((image * LEVELS).astype(np.uint8), LEVELS - 1)
    angles = (0, np.pi / 4, np.pi / 2, 3 * np.pi / 4)
    matrix = graycomatrix(levels, _DISTANCES, angles, levels=LEVELS, symmetric=True, normed=True)
    return [float(v) for p in _PROPERTIES for v in graycoprops(matrix, p).mean(axis=1)]


def _position(image: NDArray[np.float32]) -> list[float]:
    total = float(image.sum())
    if total == 0:
        return [0.5, 0.5, 0.0, 0.0]
    found = []
    for axis in (0, 1):
        profile = image.sum(axis=1 - axis) / total
        place = (np.arange(len(profile)) + 0.5) / len(profile)
        centre = float(profile @ place)
        found.append((centre, float(np.sqrt(max(profile @ (place - centre) ** 2, 0.0)))))
    return [found[0][0], found[1][0], found[0][1], found[1][1]]


EXTRACTOR = Extractor(
    NAME,
    extract,
    {"range": [0, 1], "levels": LEVELS, "foreground": FOREGROUND, "columns": list(COLUMNS)},
    standardize=True,
)

"""Stores of any size for the benchmarks of evaluations: noisy ellipses with square lesions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from jsddpm.binning import ZBinning
from jsddpm.slices.writer import Shard, new_store
from jsddpm_eval.features.extractor import Extractor

SPACING = (1.5, 1.5, 1.5)


def _slices(rng, count: int, side: int, lesion: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    inside = x**2 / 0.5 + y**2 / 0.8 < 1
    image = (0.5 + 0.1 * rng.random((count, 1, 1)) + 0.05 * rng.random((count, side, side))) * inside
    mask = np.zeros(image.shape, bool)
    for i in np.flatnonzero(lesion):
        row, column = rng.integers(side // 3, side // 2, 2)
        size = int(rng.integers(4, 9))
        mask[i, row : row + size, column : column + size] = True
    image[mask] = 0.9
    return image.astype(np.float32), mask


def real_store(path: Path, patients: int, *, slices: int = 100, side: int = 128) -> Path:
    """A real store of so many patients, lesions on every other slice, 70 % of the patients for training."""
    with new_store(path, kind="real", n_slices=slices, spacing=SPACING) as writer:
        for number in range(patients):
            lesion = np.arange(slices) % 2 == 1
            image, mask = _slices(np.random.default_rng([0, number]), slices, side, lesion)
            split = int(number >= 0.7 * patients) + int(number >= 0.85 * patients)
            columns = {"z_index": np.arange(slices), "pathology": lesion, "split": split, "brain_fraction": 0.5}
            info = {"patient": f"p{number:04d}", "split": ("train", "val", "test")[split]}
            writer.add(Shard(f"sub-{number:04d}", image, mask, columns, info))
    return path


def generated_store(path: Path, count: int, bins: int, *, slices: int = 100, side: int = 128, seed: int = 1) -> Path:
    """A generated store of so many slices, evenly over bins and both pathologies."""
    binning = ZBinning((0, slices - 1), bins, n_slices=slices)
    with new_store(path, kind="generated", n_slices=slices, spacing=SPACING, binning=binning.to_dict()) as writer:
        for k in range(bins):
            lesion = np.arange(count // bins) % 2 == 1
            image, mask = _slices(np.random.default_rng([seed, k]), len(lesion), side, lesion)
            columns = {"z_index": binning.representative(k), "pathology": lesion, "sample": np.arange(len(lesion)) // 2}
            writer.add(Shard(f"generated-{k:04d}", image, mask, columns | {"seed": seed}))
    return path


def _pooled(images: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.adaptive_avg_pool2d(images[:, None], 6).flatten(1).double()


POOLED = Extractor("pooled", _pooled, {"range": [0, 1], "size": "averaged to 6 x 6"}, standardize=True, identified=True)
"""A cheap feature space, so that a benchmark measures the evaluation."""

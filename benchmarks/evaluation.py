"""Distances between sets of slices."""

from __future__ import annotations

import torch
from measure import Comparison, seconds
from skimage.metrics import peak_signal_noise_ratio
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

from jsddpm_eval.functional.best_match import best_match
from jsddpm_eval.functional.frechet import frechet_distance


def frechet() -> Comparison:
    """Frechet distance of 100 against 100 samples of 2048 features."""
    g = torch.Generator().manual_seed(0)
    x, y = (torch.randn((100, 2048), generator=g, dtype=torch.float64) for _ in range(2))

    def rival() -> object:
        return fid_statistics_to_metric(fid_features_to_statistics(x), fid_features_to_statistics(y), False)

    return "FID, n=100, d=2048", seconds(lambda: frechet_distance(x, y)), "torch-fidelity", seconds(rival, 1)


def nearest() -> Comparison:
    """Best match of 200 against 200 slices of 128x128, against a loop over scikit-image's PSNR (on 10, scaled)."""
    g = torch.Generator().manual_seed(0)
    a, b = (torch.rand((200, 128, 128), generator=g) for _ in range(2))
    first, others = a[:10].numpy(), b.numpy()

    def loop() -> list[float]:
        return [max(peak_signal_noise_ratio(r, i, data_range=1) for r in others) for i in first]

    return (
        "best match, 200x200 of 128x128",
        seconds(lambda: best_match(a, b, data_range=1.0)),
        "PSNR loop",
        20 * seconds(loop, 1),
    )


COMPARISONS = (frechet, nearest)

"""Side by side with a named rival in one run; ratios, never a verdict. `make bench` prints the table."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from skimage.metrics import peak_signal_noise_ratio
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

from jsddpm.binning import quantize_z_local
from jsddpm_eval.functional.best_match import best_match
from jsddpm_eval.functional.frechet import frechet_distance

REPEATS = 3


def seconds(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """Median wall time of a call, after one warm-up."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return median(times)


def binning() -> tuple[str, float, str, float]:
    """Ten million positions against the per-slice Python formula (timed on a hundredth, scaled)."""
    z = np.random.default_rng(0).integers(24, 94, 10_000_000)
    few = z[:100_000].tolist()

    def formula() -> list[int]:
        return [min(int((i - 24) / 69 * 10), 9) for i in few]

    return (
        "bin 10 million slices",
        seconds(lambda: quantize_z_local(z, (24, 93), 10)),
        "Python formula",
        100 * seconds(formula),
    )


def frechet() -> tuple[str, float, str, float]:
    """Frechet distance of 100 against 100 samples of 2048 features."""
    g = torch.Generator().manual_seed(0)
    x, y = (torch.randn((100, 2048), generator=g, dtype=torch.float64) for _ in range(2))

    def rival() -> object:
        return fid_statistics_to_metric(fid_features_to_statistics(x), fid_features_to_statistics(y), False)

    return "FID, n=100, d=2048", seconds(lambda: frechet_distance(x, y)), "torch-fidelity", seconds(rival, 1)


def nearest() -> tuple[str, float, str, float]:
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


def main() -> None:
    """Print every comparison."""
    table = Table("task", "jsddpm [s]", "rival", "rival [s]", "rival / jsddpm")
    for compare in (binning, frechet, nearest):
        task, own, name, other = compare()
        table.add_row(task, f"{own:.4f}", name, f"{other:.3f}", f"{other / own:.0f}x")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()

"""Distances between sets of slices, and a whole bin-aware evaluation."""

from __future__ import annotations

import os
import time
from functools import cache
from pathlib import Path

import torch
from measure import Comparison, alone, printed, seconds, side_by_side
from skimage.metrics import peak_signal_noise_ratio
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torchmetrics.image.fid import FrechetInceptionDistance

from jsddpm_eval.functional.best_match import best_match
from jsddpm_eval.functional.frechet import frechet_distance
from jsddpm_eval.functional.kernel import kernel_distance

SIDE = 128


def _slices(count: int, seed: int) -> torch.Tensor:
    return torch.rand((count, SIDE, SIDE), generator=torch.Generator().manual_seed(seed))


def _features(count: int, seed: int, d: int = 2048) -> torch.Tensor:
    return torch.randn((count, d), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def frechet_against_torch_fidelity() -> Comparison:
    """One Frechet distance, of 200 against 200 samples of 2048 features.

    This is the function ``frechet_distance``; a score takes longer, because it also has an interval and a baseline, for
    which ``frechet_of_labels`` computes the distances of many labellings.
    """
    x, y = _features(200, 0), _features(200, 1)

    def rival() -> object:
        return fid_statistics_to_metric(fid_features_to_statistics(x), fid_features_to_statistics(y), False)

    start = time.perf_counter()
    rival()
    other = time.perf_counter() - start
    return "FID, n=200, d=2048", seconds(lambda: frechet_distance(x, y)), "torch-fidelity", other


def frechet_against_torchmetrics() -> Comparison:
    """The same against torchmetrics, fed with the features."""

    class Given(torch.nn.Identity):
        num_features = 2048

    x, y = _features(200, 0), _features(200, 1)
    metric = FrechetInceptionDistance(feature=Given()).set_dtype(torch.float64)
    metric.update(x, real=True)
    metric.update(y, real=False)
    start = time.perf_counter()
    metric.compute()
    other = time.perf_counter() - start
    return "FID, n=200, d=2048", seconds(lambda: frechet_distance(x, y)), "torchmetrics", other


@cache
def peer() -> dict[str, float]:
    """SLIM-Diff's seconds for the same counts of 2048 features."""
    return printed([os.environ["PEER_PYTHON"], Path(__file__).parent / "peers" / "slimdiff_distances.py"])


def frechet_against_peer() -> Comparison:
    """The same against SLIM-Diff."""
    x, y = _features(200, 0), _features(200, 1)
    return "FID, n=200, d=2048", seconds(lambda: frechet_distance(x, y)), "slim-diff", peer()["fid_200"]


def kernel_against_peer() -> Comparison:
    """KID of all 1000 samples against SLIM-Diff's mean over 100 subsets of them."""
    x, y = _features(1000, 0), _features(1000, 1)
    return "KID, n=1000, d=2048", seconds(lambda: kernel_distance(x, y)), "slim-diff", peer()["kid_1000"]


def match_against_loop() -> Comparison:
    """Best match of 1000 against 1000 slices of 128x128, against a loop over scikit-image (on 2 rows, scaled)."""
    a, b = _slices(1000, 0), _slices(1000, 1)
    first, others = a[:2].numpy(), b.numpy()

    def loop() -> list[float]:
        return [max(peak_signal_noise_ratio(r, i, data_range=1) for r in others) for i in first]

    own = seconds(lambda: best_match(a, b, data_range=1.0))
    return "best match, 1000x1000 of 128x128", own, "PSNR loop", 500 * seconds(loop, 1)


def match_against_product() -> Comparison:
    """The same against one float32 matrix product of that size: what no exact method can be below."""
    a, b = _slices(1000, 0), _slices(1000, 1)
    x, y = a.flatten(1), b.flatten(1)
    own, other = side_by_side(lambda: best_match(a, b, data_range=1.0), lambda: x @ y.T, 7)
    return "best match, 1000x1000 of 128x128", own, "one product", other


def match_of_duplicates() -> Comparison:
    """Slices that all nearly agree (60 dB), so that every one is a candidate at first."""
    base = _slices(1, 0)
    a, b = (base + 1e-3 * _slices(1000, seed) for seed in (1, 2))
    x, y = a.flatten(1), b.flatten(1)
    own, other = side_by_side(lambda: best_match(a, b, data_range=1.0), lambda: x @ y.T)
    return "best match, near-duplicates", own, "one product", other


_ONCE = """
from pathlib import Path
from tempfile import TemporaryDirectory
import cohorts, jsddpm_eval
with TemporaryDirectory() as folder:
    real = cohorts.real_store(Path(folder) / "real", {patients})
    stores = [cohorts.generated_store(Path(folder) / f"generated-{{s}}", {count}, {bins}, seed=s) for s in {seeds}]
    table = jsddpm_eval.SliceTable.from_store(real, jsddpm_eval.SliceTable.from_store(stores[0]).binning)
    Path("/proc/self/clear_refs").write_text("5")
    for number, generated in enumerate(stores):
        start = time.process_time()
        jsddpm_eval.evaluate(table, generated, features={features})
        found[f"cpu_{{number}}"] = time.process_time() - start
"""


def second_generator() -> Comparison:
    """CPU seconds of a second generator against the same real slices, with every metric and both extractors."""
    code = _ONCE.format(patients=20, count=320, bins=10, seeds=(1, 2), features=("radiomics", "slice-encoder"))
    cpu = alone(code, threads=1)
    return "second generator, 320 against 2000 (CPU)", cpu["cpu_1"], "the first", cpu["cpu_0"]


def memory_of_many_bins() -> Comparison:
    """Peak MiB of ten times as many slices in ten times as many bins: memory should follow the largest bin."""
    peaks = [
        alone(_ONCE.format(patients=p, count=m, bins=bins, seeds=(1,), features="[cohorts.POOLED]"))["peak"]
        for p, m, bins in ((800, 20_000, 100), (80, 2000, 10))
    ]
    return "MiB of 20000 against 80000, 100 bins", peaks[0], "2000 against 8000, 10", peaks[1]


COMPARISONS = (
    frechet_against_torch_fidelity,
    frechet_against_torchmetrics,
    *((frechet_against_peer, kernel_against_peer) if os.environ.get("PEER_PYTHON") else ()),
    match_against_loop,
    match_against_product,
    match_of_duplicates,
    second_generator,
    memory_of_many_bins,
)

"""Side by side with a named rival in one run; ratios, never a verdict. `make bench` prints the table."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from skimage.metrics import peak_signal_noise_ratio
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

from jsddpm.binning import ZBinning
from jsddpm.quantization import quantize_z_local
from jsddpm.slices.dataset import SliceDataset
from jsddpm.slices.store import Shard, new_store
from jsddpm_eval.functional.best_match import best_match
from jsddpm_eval.functional.frechet import frechet_distance

REPEATS = 3
Comparison = tuple[str, float, str, float]
"""Task, our seconds, the rival's name, its seconds."""


def seconds(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """Median wall time of a call, after one warm-up."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return median(times)


def binning_against_division() -> Comparison:
    """Ten million positions against one vectorised integer division of the same array."""
    z = np.random.default_rng(0).integers(24, 94, 10_000_000)
    return (
        "bin 10 million slices",
        seconds(lambda: quantize_z_local(z, (24, 93), 10)),
        "one // of it",
        seconds(lambda: z // 7),
    )


def binning_against_formula() -> Comparison:
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


BARE_COMMAND = """
import typer
from rich.console import Console
app = typer.Typer()
@app.command()
def report(z_range: tuple[int, int] = typer.Option(..., "--z-range"), bins: int = 10):
    Console().print(z_range, bins)
app()
"""


def bins_report(name: str, rival: str, *options: str) -> Comparison:
    """`jsddpm bins report` against another Python program."""
    asked = ("--z-range", "24", "93")
    report = [sys.executable, "-c", "from jsddpm_cli.app import main; main()", "bins", "report", *asked]
    bare = [sys.executable, "-c", rival, *options]
    own, other = (seconds(lambda c=c: subprocess.run(c, capture_output=True, check=True), 9) for c in (report, bare))
    return "jsddpm bins report", own, name, other


def bins_report_against_imports() -> Comparison:
    """Against a Python that only imports typer and rich."""
    return bins_report("import typer, rich", "import typer, rich")


def bins_report_against_bare_command() -> Comparison:
    """Against a typer command with two of its options that prints them: what typer itself costs."""
    return bins_report("bare typer command", BARE_COMMAND, "--z-range", "24", "93")


def another_binning() -> Comparison:
    """Reading a store with another number of bins, against reading it the first time."""
    with tempfile.TemporaryDirectory() as folder:
        with new_store(Path(folder) / "store", kind="real", n_slices=128, spacing=(3, 3, 1.25)) as writer:
            image = np.random.default_rng(0).random((128, 64, 64), dtype=np.float32)
            for p in range(12):
                rows = {"z_index": np.arange(128), "split": 0}
                writer.add(Shard(f"sub-{p}", image, image > 0.99, rows))
        first = seconds(lambda: SliceDataset(Path(folder) / "store", ZBinning((24, 93), 10), "train"))
        again = seconds(lambda: SliceDataset(Path(folder) / "store", ZBinning((30, 90), 20), "train"))
    return "open a store with other bins", again, "open it with its first", first


def main() -> None:
    """Print every comparison."""
    table = Table("task", "jsddpm [s]", "rival", "rival [s]", "rival / jsddpm")
    for compare in COMPARISONS:
        task, own, name, other = compare()
        ratio = other / own
        table.add_row(task, f"{own:.4f}", name, f"{other:.4f}", f"{ratio:.0f}" if ratio >= 10 else f"{ratio:.2f}")
    Console(width=100).print(table)


COMPARISONS = (
    binning_against_division,
    binning_against_formula,
    another_binning,
    bins_report_against_imports,
    bins_report_against_bare_command,
    frechet,
    nearest,
)

if __name__ == "__main__":
    main()

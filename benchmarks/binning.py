"""Binning and its report."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from measure import Comparison, seconds, side_by_side

from jsddpm.binning import ZBinning
from jsddpm.quantization import quantize_z_local
from jsddpm.slices.dataset import SliceDataset
from jsddpm.slices.writer import Shard, new_store


def binning_against_division() -> Comparison:
    """Ten million positions against one vectorised integer division of the same array."""
    z = np.random.default_rng(0).integers(24, 94, 10_000_000)
    own, other = side_by_side(lambda: quantize_z_local(z, (24, 93), 10), lambda: z // 7)
    return "bin 10 million slices", own, "one // of it", other


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
    """Against a typer command that prints two of its options: the cost of typer itself."""
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


COMPARISONS = (
    binning_against_division,
    binning_against_formula,
    another_binning,
    bins_report_against_imports,
    bins_report_against_bare_command,
)

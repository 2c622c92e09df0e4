"""Side by side with a named rival in one run; ratios, never a verdict. `make bench` prints the table."""

from __future__ import annotations

import sys

import binning
import evaluation
import stores
import training
from rich.console import Console
from rich.table import Table

PARTS = {
    "binning": binning.COMPARISONS,
    "stores": stores.COMPARISONS,
    "evaluation": evaluation.COMPARISONS,
    "training": training.COMPARISONS,
}


def main(parts: list[str]) -> None:
    """Print every comparison of the parts named, all when none is."""
    table = Table("task", "jsddpm [s]", "rival", "rival [s]", "rival / jsddpm")
    for part in parts or PARTS:
        for compare in PARTS[part]:
            task, own, name, other = compare()
            ratio = other / own
            table.add_row(task, f"{own:.4f}", name, f"{other:.4f}", f"{ratio:.0f}" if ratio >= 10 else f"{ratio:.2f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    main(sys.argv[1:])

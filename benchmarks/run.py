"""Comparisons with named rivals in one run, as ratios. `make bench` prints the table."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import binning
import checksums
import evaluation
import stores
import training
from rich.console import Console
from rich.table import Table

from jsddpm.runtime import cores

PARTS = {
    "binning": binning.COMPARISONS,
    "stores": stores.COMPARISONS,
    "evaluation": evaluation.COMPARISONS,
    "training": training.COMPARISONS,
    "checksums": checksums.COMPARISONS,
}


HEADINGS = ("task (seconds, unless it says otherwise)", "jsddpm", "rival", "the rival's", "rival / jsddpm")


def machine() -> str:
    """Processor, cores and the versions that matter, in a line."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    processor = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown CPU")
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "diffusers", "lightning", "numpy"))
    return f"{cores()} cores of {processor}; Python {sys.version.split()[0]}, {versions}"


def main(parts: Sequence[str], markdown: Path | None) -> None:
    """Print every comparison of the parts named, all when none is; write them as a table too, if asked."""
    table, rows = Table(*HEADINGS), ["| " + " | ".join(HEADINGS) + " |", "|---" * len(HEADINGS) + "|"]
    for part in parts or PARTS:
        for compare in PARTS[part]:
            task, own, name, other = compare()
            ratio = other / own
            row = (task, f"{own:.4f}", name, f"{other:.4f}", f"{ratio:.0f}" if ratio >= 10 else f"{ratio:.2f}")
            table.add_row(*row)
            rows.append("| " + " | ".join(row) + " |")
    Console(width=100).print(table)
    if markdown is not None:
        markdown.write_text(f"{machine()}.\n\n" + "\n".join(rows) + "\n")


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)} [default: all]")
    parser.add_argument("--markdown", type=Path, help="also write the table here")
    chosen = parser.parse_args()
    main(chosen.parts, chosen.markdown)

"""Results in the terminal: readable at 80 columns and when piped."""

from __future__ import annotations

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text


def utilization_panel(report: dict[str, Any], sentence: str, tables: list[RenderableType]) -> RenderableType:
    """The bins report: verdict, one table bin by bin for all schemes with bars, and further tables."""
    schemes = report["schemes"]
    most = max(max(s["counts"]) for s in schemes.values())
    bins = Table(box=SIMPLE_HEAD, pad_edge=False)
    bins.add_column("bin", justify="right")
    for name in schemes:
        bins.add_column(f"{name}: slices", justify="right")
        bins.add_column("count", justify="right")
        bins.add_column("")
    for k in range(report["n_bins"]):
        row: list[RenderableType] = [str(k)]
        for s in schemes.values():
            bounds, count = s["ranges"][k], s["counts"][k]
            bar = Text("█" * max(1, round(10 * count / most)) if count else "never", style="cyan" if count else "red")
            row += [f"{bounds[0]}–{bounds[1]}" if bounds else "–", str(count), bar]
        bins.add_row(*row)
    lo, hi = report["z_range"]
    title = f"z_range [{lo}, {hi}] of {report['n_slices']} slices, {report['n_bins']} bins"
    return Group(Panel(sentence + ".", title=title, title_align="left", width=80), bins, *tables)


def headline_table(lines: list[tuple[str, str, str]]) -> RenderableType:
    """The first numbers of an evaluation."""
    table = Table(box=SIMPLE_HEAD, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(justify="right", style="cyan")
    table.add_column()
    for line in lines:
        table.add_row(*line)
    return table


def results_table(headings: list[str], rows: list[list[str]]) -> RenderableType:
    """The per-bin table: ready-made cells under their headings."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for i, heading in enumerate(headings):
        table.add_column(heading, justify="left" if i in (1, 2) else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table

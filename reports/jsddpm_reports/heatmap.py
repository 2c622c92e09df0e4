"""The bins x scores table as a figure."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from jsddpm_eval.results import Results
from jsddpm_reports.columns import Column
from jsddpm_reports.figures import BLUE, BLUE_SOFT, GREY, INK, ORANGE, ORANGE_SOFT, PAGE_WIDTH, PAPER, styled
from jsddpm_reports.score_table import Entry, table_rows

_FILLS = {"below certain": BLUE, "below": BLUE_SOFT, "above certain": ORANGE, "above": ORANGE_SOFT}


@styled
def heatmap_figure(results: Results, columns: Sequence[Column]) -> Figure:
    """The table as a figure: coloured by where a value lies relative to its yardstick, hatched where undefined."""
    rows = table_rows(results, columns)
    left = 2.0  # room for bin and verdict, in columns
    figure = Figure(figsize=(PAGE_WIDTH, 0.165 * len(rows) + 0.75), layout="constrained")
    axes = figure.subplots()
    for i, row in enumerate(rows):
        label = f"{row.pathology} {row.z_bin}  [{row.slices}]" if row.slices else f"{row.pathology} {row.z_bin}"
        axes.text(-0.55, i, label, ha="right", va="center", fontsize=6.5)
        axes.text(-0.3, i, row.sign, ha="center", va="center", fontsize=6.5, family="DejaVu Sans")
        for j, entry in enumerate(row.entries):
            _draw_entry(axes, entry, i, j)
    for j, column in enumerate(columns):
        heading = f"{column.heading}\n{column.space}" if column.space else column.heading
        axes.text(j + 0.5, -0.75, heading, ha="center", va="bottom", fontsize=6, rotation=30 if len(columns) > 9 else 0)
    axes.set_xlim(-left, len(columns))
    axes.set_ylim(len(rows) - 0.4, -2.2)
    axes.axis("off")
    return figure


def _draw_entry(axes: Axes, entry: Entry, row: int, column: int) -> None:
    fill = _FILLS.get(entry.kind, PAPER)
    hatch = "/////" if entry.kind == "undefined" else None
    place = Rectangle(
        (column + 0.03, row - 0.46), 0.94, 0.92, facecolor=fill, edgecolor=GREY if hatch else PAPER, hatch=hatch,
        linewidth=0,
    )  # fmt: skip
    axes.add_patch(place)
    if entry.kind in ("undefined", "unasked"):
        return
    colour = PAPER if entry.kind.endswith("certain") else INK
    text = entry.text + entry.mark
    axes.text(column + 0.5, row, text, ha="center", va="center", fontsize=6, color=colour)

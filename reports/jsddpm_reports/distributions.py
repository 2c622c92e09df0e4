"""Distributions behind pooled scores: where samples were placed, and what their lesions look like."""

from __future__ import annotations

import re

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from jsddpm.wording import counted
from jsddpm_eval.results.results import Results
from jsddpm_reports import wording
from jsddpm_reports.columns import SHAPES, readable_unit
from jsddpm_reports.evaluation import LESION_LABELS, Lesions
from jsddpm_reports.figures import BLUE, COLUMN_WIDTH, GREY, GREY_SOFT, INK, ORANGE, PAPER, small_charts, styled


@styled
def confusion_figure(results: Results) -> Figure:
    """Samples by the bin of their condition and the bin read off: counts, shaded by their share of the row."""
    counts = np.asarray(results.confusion)
    n = len(counts)
    figure = Figure(figsize=(COLUMN_WIDTH, COLUMN_WIDTH), layout="constrained")
    axes = figure.subplots()
    size = min(7.0, 90 / n)
    for row, column in np.argwhere(counts):
        share = float(counts[row, column] / counts[row].sum())
        axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=BLUE, alpha=share, linewidth=0))
        axes.text(
            column, row, str(counts[row, column]), ha="center", va="center", fontsize=size,
            color=PAPER if share > 0.75 else INK,
        )  # fmt: skip
    for k in range(n):
        axes.add_patch(Rectangle((k - 0.5, k - 0.5), 1, 1, fill=False, edgecolor=GREY, linewidth=0.6))
    axes.set_xlim(-0.5, n - 0.5)
    axes.set_ylim(n - 0.5, -0.5)
    axes.set_aspect("equal")
    ticks = range(0, n, max(1, -(-n // 10)))
    axes.set_xticks(ticks)
    axes.set_yticks(ticks)
    axes.set_xlabel("z-bin read off")
    axes.set_ylabel("z-bin of the condition")
    return figure


@styled
def lesions_figure(lesions: Lesions, results: Results) -> Figure:
    """Share of slices up to each value of every lesion shape, real and generated; steps, no smoothing.

    The lines count all slices alike, whereas the distance in a title draws one real slice of each patient.
    """
    shapes = [name for name in lesions[0] if name not in LESION_LABELS]
    figure, grid = small_charts(len(shapes), 1.6, 0.3, sharey=True)
    sides = [(side, [r for r in lesions if r["origin"] == side]) for side in ("real", "generated")]
    for axes, name in zip(grid, shapes, strict=True):
        for (_, rows), colour, style in zip(sides, (BLUE, ORANGE), ("-", "--"), strict=True):
            if rows:
                axes.ecdf([float(r[name]) for r in rows], color=colour, linestyle=style)
        axes.set_title(_shape_title(name, results), loc="left")
        axes.set_yticks([0, 0.5, 1], ["0", "50%", "100%"])
        axes.set_ylim(0, 1.04)
        if name == "count":
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(axis="y", color=GREY_SOFT, linewidth=0.5)
    labels = [f"{side}: {_count(rows)}" for side, rows in sides]
    handles = [figure.axes[0].plot([], [], color=c, linestyle=s)[0] for c, s in ((BLUE, "-"), (ORANGE, "--"))]
    figure.legend(handles, labels, loc="outside upper center", ncols=2, handlelength=2.4)
    return figure


def _count(rows: Lesions) -> str:
    patients = len({r["patient"] for r in rows if r["patient"]})
    return counted(len(rows), "slice") + (f" of {counted(patients, 'patient')}" if patients else "")


def _shape_title(name: str, results: Results) -> str:
    """The shape and its unit; their distance, with its baseline in parentheses."""
    kind, unit = re.fullmatch(r"(.*?)(?:_(mm2|mm))?", name).groups()  # type: ignore[union-attr]
    title = f"{kind} [{readable_unit(unit)}]" if unit else kind
    specs = (s for s in results.specs if s.group == SHAPES and s.name.endswith(f"_{kind}"))
    score = next((results.pooled[s.name] for s in specs if s.name in results.pooled), None)
    value, baseline = wording.with_baseline(score)
    return f"{title}: {value}" + (f" ({baseline})" if baseline else "") if value != "–" else title

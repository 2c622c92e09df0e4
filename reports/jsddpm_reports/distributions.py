"""Distributions behind pooled scores: where samples were placed, and what their lesions look like."""

from __future__ import annotations

import re

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from jsddpm_eval.results import Results
from jsddpm_reports import wording
from jsddpm_reports.evaluation import LESION_LABELS, Lesions
from jsddpm_reports.figures import BLUE, COLUMN_WIDTH, GREY, GREY_SOFT, INK, ORANGE, PAGE_WIDTH, PAPER, styled

_ACROSS = 3
_UNITS = {"mm2": "mm²", "mm": "mm"}


@styled
def confusion_figure(results: Results) -> Figure:
    """Samples by bin asked for and bin read off: counts, shaded by their share of the row."""
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
    axes.set_xlabel("bin read off")
    axes.set_ylabel("bin asked for")
    return figure


@styled
def lesions_figure(lesions: Lesions, results: Results) -> Figure:
    """Share of slices up to each value of every lesion shape, real and generated; steps, no smoothing.

    The area between both lines is the distance the results give.
    """
    shapes = [name for name in lesions[0] if name not in LESION_LABELS]
    down = -(-len(shapes) // _ACROSS)
    figure = Figure(figsize=(PAGE_WIDTH, 1.6 * down + 0.3), layout="constrained")
    grid = figure.subplots(down, _ACROSS, squeeze=False, sharey=True)
    sides = [(side, [r for r in lesions if r["origin"] == side]) for side in ("real", "generated")]
    for axes, name in zip(grid.ravel(), shapes, strict=False):
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
    people = len({r["patient"] for r in rows if r["patient"]})
    return f"{len(rows)} slices" + (f" of {people} patients" if people else "")


def _shape_title(name: str, results: Results) -> str:
    """The shape, its unit, and its distance beside that between real patients."""
    kind, unit = re.fullmatch(r"(.*?)(?:_(mm2|mm))?", name).groups()  # type: ignore[union-attr]
    title = f"{kind} [{_UNITS[unit]}]" if unit else kind
    value, floor = wording.with_floor(results.pooled.get(f"lesion_{kind}"))
    return f"{title}: {value} apart" + (f", real {floor}" if floor else "") if value != "–" else title

"""Scores along the bins and along the timesteps, each with its interval and its yardstick."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from jsddpm.binning import PATHOLOGY_NAMES
from jsddpm_eval.results import Results, Score
from jsddpm_reports.columns import Column, further_columns, main_columns
from jsddpm_reports.figures import GREY, GREY_SOFT, INK, PAGE_WIDTH, PAPER, PATHOLOGY_STYLES, styled

_ACROSS = 3
_APART = 0.11  # control and lesion of a bin beside each other, in bins
_UNITS = {
    "best_match_psnr": "dB", "copy_gap": "dB", "diversity_rmse": "intensity", "z_error_bins": "bins",
    "coupling_contrast": "intensity",
}  # fmt: skip
_FROM_ZERO = ("diversity_", "fid_", "z_error", "vendi_")
_TIMES = {
    "psnr": "PSNR [dB]", "ssim": "SSIM", "lesion_dice": "lesion Dice",
    "control_false_positive_pixels": "false-positive pixels",
}  # fmt: skip


def curve_columns(results: Results) -> list[Column]:
    """The scores drawn along the bins: the main ones but those of variety, which have a figure of their own."""
    return [c for c in main_columns(results) if c.group != "variety"]


def diversity_columns(results: Results) -> list[Column]:
    """The scores of variety between seeds."""
    further = [c for c in further_columns(results) if c.score.startswith(("diversity_", "vendi_"))]
    return [c for c in main_columns(results) if c.group == "variety"] + further


@styled
def curves_figure(results: Results, columns: Sequence[Column]) -> Figure:
    """One small chart per score over the bins: control and lesion, intervals, and what real slices reach."""
    down = -(-len(columns) // _ACROSS)
    figure = Figure(figsize=(PAGE_WIDTH, 1.55 * down + 0.35), layout="constrained")
    grid = figure.subplots(down, _ACROSS, squeeze=False)
    for axes, column in zip(grid.ravel(), columns, strict=False):
        for pathology in range(len(PATHOLOGY_NAMES)):
            _draw_condition(axes, results, column, pathology)
        _finish(axes, results, column)
    for axes in grid.ravel()[len(columns) :]:
        axes.axis("off")
    for axes in grid[-1] if len(columns) % _ACROSS == 0 else grid.ravel()[len(columns) - _ACROSS : len(columns)]:
        axes.set_xlabel("z-bin")
    figure.legend(handles=_legend(), loc="outside upper center", ncols=5, handlelength=1.6, columnspacing=1.4)
    return figure


@styled
def reconstruction_figure(results: Results) -> Figure:
    """Exact reconstruction by timestep: image and mask, with intervals over patients."""
    cells = [c for c in results.reconstruction if c.z_bin is None and c.timestep is not None]
    shown = [name for name in _TIMES if any(name in c.scores for c in cells)]
    figure = Figure(figsize=(PAGE_WIDTH, 1.9), layout="constrained")
    grid = figure.subplots(1, len(shown), squeeze=False)[0]
    for axes, name in zip(grid, shown, strict=True):
        for pathology, (colour, marker) in enumerate(PATHOLOGY_STYLES):
            found = [(c.timestep or 0, s) for c in cells if c.pathology == pathology and (s := c.scores.get(name))]
            _points(axes, found, colour, marker)
        axes.set_xlabel("timestep")
        axes.set_title(_TIMES[name], loc="left")
        if name != "psnr":
            axes.set_ylim(0, 1.02 if name in ("ssim", "lesion_dice") else max(axes.get_ylim()[1], 1))
        axes.set_xticks(sorted({c.timestep for c in cells if c.timestep is not None}))
    handles = _legend()[:2]
    figure.legend(handles=handles, loc="outside upper right", ncols=2, handlelength=1.6)
    return figure


def _draw_condition(axes: Axes, results: Results, column: Column, pathology: int) -> None:
    colour, marker = PATHOLOGY_STYLES[pathology]
    shift = (2 * pathology - 1) * _APART
    cells = [c for c in results.cells() if c.pathology == pathology]
    found = [((c.z_bin or 0) + shift, s) for c in cells if (s := column.of(c))]
    if banded := [(x, *s.floor_interval) for x, s in found if s.floor_interval]:
        x, low, high = np.array(banded).T
        axes.bar(x, high - low, 2 * _APART, low, color=colour, alpha=0.28, linewidth=0, zorder=1)
    if floors := [(x, s.floor) for x, s in found if s.floor is not None]:
        x, floor = np.array(floors).T
        axes.hlines(floor, x - 1.4 * _APART, x + 1.4 * _APART, color=colour, linewidth=0.9, zorder=2)
    if unknown := [x for x, s in found if s.value is None]:
        axes.plot(
            unknown, [0.035] * len(unknown), "x", color=GREY, transform=axes.get_xaxis_transform(), markersize=3,
            clip_on=False, zorder=4,
        )  # fmt: skip
    _points(axes, found, colour, marker)


def _points(axes: Axes, found: Sequence[tuple[float, Score]], colour: str, marker: str) -> None:
    """Defined values with their intervals, joined; hollow where unreliable."""
    defined = [(x, s, s.value) for x, s in found if s.value is not None]
    axes.plot([x for x, _, _ in defined], [v for *_, v in defined], color=colour, alpha=0.45, linewidth=0.8, zorder=2)
    if spans := [(x, *s.interval) for x, s, _ in defined if s.interval]:
        axes.vlines(*np.array(spans).T, color=colour, linewidth=0.9, zorder=3)
    for hollow in (False, True):
        if shown := [(x, v) for x, s, v in defined if (s.status == "unreliable") == hollow]:
            axes.plot(
                *zip(*shown, strict=True), marker, color=colour, markerfacecolor=PAPER if hollow else colour,
                markeredgewidth=0.8, clip_on=False, zorder=4,
            )  # fmt: skip


def _finish(axes: Axes, results: Results, column: Column) -> None:
    n = results.binning["n_bins"]
    unit = _UNITS.get(column.score, "")
    space = f", {column.space}" if column.space else ""
    axes.set_title(f"{column.heading}{space}" + (f" [{unit}]" if unit else ""), loc="left")
    axes.set_xlim(-0.6, n - 0.4)
    axes.set_xticks(range(0, n, max(1, -(-n // 10))))
    if any((s := column.of(c)) and s.unit == "share" for c in results.cells()):
        axes.set_ylim(-0.04, 1.04)
        axes.set_yticks([0, 0.5, 1], ["0", "50%", "100%"])
    elif column.score.startswith(_FROM_ZERO):
        axes.set_ylim(bottom=0)
    axes.grid(axis="y", color=GREY_SOFT, linewidth=0.5)
    axes.set_axisbelow(True)


def _legend() -> list[Any]:
    lines: list[Any] = [
        Line2D([], [], color=colour, marker=marker, linewidth=0.9, label=f"{name}, 95% interval")
        for name, (colour, marker) in zip(PATHOLOGY_NAMES, PATHOLOGY_STYLES, strict=True)
    ]
    return [
        *lines,
        Line2D([], [], color=INK, linewidth=0.9, label="real slices"),
        Patch(color=GREY, alpha=0.45, linewidth=0, label="their 95% band"),
        Line2D([], [], color=GREY, marker="x", linewidth=0, label="undefined"),
    ]

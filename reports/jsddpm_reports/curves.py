"""Scores along the bins and along the timesteps, each with its interval and its baseline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from jsddpm.binning import PATHOLOGY_NAMES
from jsddpm_eval.results.results import Results
from jsddpm_eval.results.score import Score
from jsddpm_eval.results.specs import ScoreSpec
from jsddpm_reports.columns import VARIETY, Column, columns, main_columns, reconstruction_specs, titled
from jsddpm_reports.figures import (
    CHARTS_ACROSS,
    GREY,
    GREY_SOFT,
    INK,
    PAGE_WIDTH,
    PAPER,
    PATHOLOGY_STYLES,
    small_charts,
    styled,
)

_APART = 0.11  # control and lesion of a bin beside each other, in bins


def curve_columns(results: Results) -> list[Column]:
    """The scores drawn along the bins: the main ones but those of variety, which have a figure of their own."""
    return [c for c in main_columns(results) if c.spec.group != VARIETY and _has_values(c, results)]


def variety_columns(results: Results) -> list[Column]:
    """The scores of variety between seeds."""
    return [c for c in columns(results) if c.spec.group == VARIETY and _has_values(c, results)]


@styled
def curves_figure(results: Results, shown: Sequence[Column]) -> Figure:
    """One small chart per score over the bins: control and lesion, with intervals, baselines and their bands."""
    figure, grid = small_charts(len(shown), 1.55, 0.35)
    for axes, column in zip(grid, shown, strict=True):
        for pathology in range(len(PATHOLOGY_NAMES)):
            _draw_condition(axes, results, column, pathology)
        _finish(axes, results, column)
    for axes in grid[-CHARTS_ACROSS:]:
        axes.set_xlabel("z-bin")
    figure.legend(handles=_legend(), loc="outside upper center", ncols=5, handlelength=1.6, columnspacing=1.4)
    return figure


@styled
def reconstruction_figure(results: Results) -> Figure:
    """Exact reconstruction by timestep: image and mask, with intervals over patients."""
    cells = [c for c in results.reconstruction if c.z_bin is None and c.timestep is not None]
    shown = reconstruction_specs(results)
    figure = Figure(figsize=(PAGE_WIDTH, 1.9), layout="constrained")
    grid = figure.subplots(1, len(shown), squeeze=False)[0]
    for axes, spec in zip(grid, shown, strict=True):
        for pathology, (colour, marker) in enumerate(PATHOLOGY_STYLES):
            points = [
                (c.timestep or 0, s) for c in cells if c.pathology == pathology and (s := c.scores.get(spec.name))
            ]
            _points(axes, points, colour, marker)
        axes.set_xlabel("timestep")
        _scale(axes, spec)
        axes.set_title(titled(spec.heading, spec.unit), loc="left")
        axes.set_xticks(sorted({c.timestep for c in cells if c.timestep is not None}))
    figure.legend(handles=_legend()[:2], loc="outside upper left", ncols=2, handlelength=1.6)
    return figure


def _has_values(column: Column, results: Results) -> bool:
    return any((score := column.of(cell)) and score.value is not None for cell in results.cells())


def _draw_condition(axes: Axes, results: Results, column: Column, pathology: int) -> None:
    colour, marker = PATHOLOGY_STYLES[pathology]
    shift = (2 * pathology - 1) * _APART
    cells = [c for c in results.cells() if c.pathology == pathology]
    points = [((c.z_bin or 0) + shift, s) for c in cells if (s := column.of(c))]
    if banded := [(x, *s.baseline_interval) for x, s in points if s.baseline_interval]:
        x, low, high = np.array(banded).T
        axes.bar(x, high - low, 2 * _APART, low, color=colour, alpha=0.28, linewidth=0, zorder=1)
    if baselines := [(x, s.baseline) for x, s in points if s.baseline is not None]:
        x, baseline = np.array(baselines).T
        axes.hlines(baseline, x - 1.4 * _APART, x + 1.4 * _APART, color=colour, linewidth=0.9, zorder=2)
    if unknown := [x for x, s in points if s.value is None]:
        axes.plot(
            unknown, [0.035] * len(unknown), "x", color=GREY, transform=axes.get_xaxis_transform(), markersize=3,
            clip_on=False, zorder=4,
        )  # fmt: skip
    _points(axes, points, colour, marker)


def _points(axes: Axes, points: Sequence[tuple[float, Score]], colour: str, marker: str) -> None:
    """Defined values with their intervals, joined; hollow where unreliable."""
    defined = [(x, s, s.value) for x, s in points if s.value is not None]
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
    _scale(axes, column.spec)
    axes.set_title(column.title, loc="left")
    axes.set_xlim(-0.6, n - 0.4)
    axes.set_xticks(range(0, n, max(1, -(-n // 10))))
    axes.grid(axis="y", color=GREY_SOFT, linewidth=0.5)
    axes.set_axisbelow(True)


def _scale(axes: Axes, spec: ScoreSpec) -> None:
    """The vertical axis that belongs to a score."""
    if spec.unit == "share":
        axes.set_ylim(-0.04, 1.04)
        axes.set_yticks([0, 0.5, 1], ["0", "50%", "100%"])
    elif spec.axis_from_zero:
        axes.set_ylim(bottom=0)


def _legend() -> list[Any]:
    return [
        *(
            Line2D([], [], color=colour, marker=marker, linewidth=0.9, label=f"{name}, 95% interval")
            for name, (colour, marker) in zip(PATHOLOGY_NAMES, PATHOLOGY_STYLES, strict=True)
        ),
        Line2D([], [], color=INK, linewidth=0.9, label="baseline"),
        Patch(color=GREY, alpha=0.45, linewidth=0, label="its 95% band"),
        Line2D([], [], color=GREY, marker="x", linewidth=0, label="undefined"),
    ]

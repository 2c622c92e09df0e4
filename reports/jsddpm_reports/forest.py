"""Differences of evaluations bin by bin, with their intervals, around zero."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from jsddpm.binning import PATHOLOGY_NAMES
from jsddpm_eval.comparison import Difference
from jsddpm_eval.results.results import Results
from jsddpm_reports.columns import spaced, titled
from jsddpm_reports.figures import GREY, GREY_SOFT, INK, PAGE_WIDTH, PAPER, PATHOLOGY_STYLES, styled

_ACROSS = 4
_MOST = 12
_APART = 0.16  # control and lesion of a bin above each other, in rows
_BOTH = (INK, "D")


def forest_scores(differences: Sequence[Difference], results: Results) -> list[str]:
    """The scores drawn where none are named: the main ones that have an interval in a bin, in reading order.

    Args:
        differences: Differences to the baseline.
        results: The baseline, whose specs say which scores are the main ones.
    """
    drawable = {d.score for d in differences if d.interval and d.z_bin is not None}
    every = [(spec.place, spec.named(space)) for spec, space in spaced(results) if spec.named(space) in drawable]
    ranked = [name for place in ("compact", "main", "further") for p, name in every if p == place]
    return [name for _, name in every if name in ranked[:_MOST]]


@styled
def forest_figure(parts: Mapping[str, Sequence[Difference]], scores: Sequence[str]) -> Figure:
    """One small chart per score: bins downwards, the difference to the baseline with its interval to the right.

    Args:
        parts: Differences to the baseline by the letter the evaluation has in the tables; the baseline is A.
        scores: The scores to draw.
    """
    shown = {k: {s: _drawn([d for d in part if d.score == s]) for s in scores} for k, part in parts.items()}
    across = 5 if len(scores) in (9, 10) else min(_ACROSS, max(1, len(scores)))
    down = -(-max(1, len(scores)) // across)
    tallest = max((len(rows) for charts in shown.values() for rows in charts.values()), default=1)
    height = len(parts) * down * (0.75 + 0.19 * tallest) + 0.3
    figure = Figure(figsize=(PAGE_WIDTH * min(1, max(across, 2) / _ACROSS), height), layout="constrained")
    for part, (letter, charts) in zip(
        figure.subfigures(len(parts), 1, squeeze=False)[:, 0], shown.items(), strict=True
    ):
        if len(parts) > 1:
            part.suptitle(f"{letter} − A", x=0.01, ha="left", fontsize=8, fontweight="bold")
        grid = part.subplots(down, across, squeeze=False).ravel()
        for axes, (score, rows) in zip(grid, charts.items(), strict=False):
            _draw(axes, score, rows, letter)
        for axes in grid[len(scores) :]:
            axes.axis("off")
    figure.legend(handles=_legend(), loc="outside upper center", ncols=5, handlelength=1.4, columnspacing=1.2)
    return figure


def _drawn(differences: Sequence[Difference]) -> Mapping[str, list[Difference]]:
    """Differences by row: what is pooled over bins first; of a reconstruction the means over conditions only."""
    rows: dict[str, list[Difference]] = {}
    for d in sorted(differences, key=lambda d: (d.z_bin is not None, d.z_bin or 0, d.timestep or 0)):
        detail = d.protocol == "reconstruction" and (d.pathology is not None or None not in (d.z_bin, d.timestep))
        if d.interval is None or detail:
            continue
        at = "" if d.timestep is None else f", t={d.timestep}"
        rows.setdefault("all" + at if d.z_bin is None else str(d.z_bin), []).append(d)
    return rows


def _draw(axes: Axes, score: str, rows: Mapping[str, list[Difference]], letter: str) -> None:
    axes.axvline(0, color=GREY, linewidth=0.8, zorder=1)
    for place, members in enumerate(rows.values()):
        for d in members:
            colour, marker = _BOTH if d.pathology is None else PATHOLOGY_STYLES[d.pathology]
            y = place + (0 if d.pathology is None else (2 * d.pathology - 1) * _APART)
            low, high = d.interval or (d.difference, d.difference)
            axes.plot([low, high], [y, y], color=colour, linewidth=1.8 if d.significant else 0.8, zorder=3)
            axes.plot(
                d.difference, y, marker=marker, color=colour, markerfacecolor=colour if d.significant else PAPER,
                markeredgewidth=0.8, zorder=4,
            )  # fmt: skip
    axes.set_yticks(range(len(rows)), list(rows))
    axes.set_ylim(len(rows) - 0.45, -0.55)
    pooled = sum(name.startswith("all") for name in rows)
    if 0 < pooled < len(rows):
        axes.axhline(pooled - 0.5, color=GREY_SOFT, linewidth=0.8)
    shown = next((d for members in rows.values() for d in members), None)
    if shown is not None:
        exact = "exact " if shown.protocol == "reconstruction" else ""
        kinds = {d.pathology for members in rows.values() for d in members} - {None}
        only = [f", {name}" for k, name in enumerate(PATHOLOGY_NAMES) if kinds == {k}]
        axes.set_title("".join([exact, titled(shown.heading, shown.unit), *only]), loc="left")
        words = {"higher": f"{letter} better →", "lower": f"← {letter} better", None: f"{letter} − A"}
        axes.set_xlabel(words[shown.direction], fontsize=7)
    else:
        axes.set_title(score, loc="left")
    axes.locator_params(axis="x", nbins=4)
    axes.margins(x=0.08)
    axes.tick_params(axis="y", length=0)


def _legend() -> list[Line2D]:
    kinds = [(name, *style) for name, style in zip(PATHOLOGY_NAMES, PATHOLOGY_STYLES, strict=True)]
    return [
        *(
            Line2D([], [], color=colour, marker=marker, markerfacecolor=PAPER, linewidth=0.8, label=name)
            for name, colour, marker in [*kinds, ("both pathologies", *_BOTH)]
        ),
        Line2D([], [], color=GREY, marker="o", linewidth=1.8, label="significant at 5% (Holm)"),
        Line2D([], [], color=GREY, marker="o", markerfacecolor=PAPER, linewidth=0.8, label="not significant"),
    ]

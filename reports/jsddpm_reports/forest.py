"""Differences of evaluations bin by bin, with their intervals, around zero."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from jsddpm.binning import PATHOLOGY_NAMES
from jsddpm_eval.compare import Difference, direction
from jsddpm_reports.figures import GREY, GREY_SOFT, INK, PAGE_WIDTH, PAPER, PATHOLOGY_STYLES, styled

_ACROSS = 4
_MOST = 12
_APART = 0.16  # control and lesion of a bin above each other, in rows
_BOTH = (INK, "D")
_SHORT = {
    "best_match_psnr": "best match [dB]", "copy_gap": "copy gap [dB]", "diversity_rmse": "variety, RMSE",
    "z_error_bins": "z error [bins]", "brain_shape": "outline, Dice", "lesion_mmd": "lesion shape",
    "coupling_contrast": "coupling", "psnr": "exact PSNR [dB]", "ssim": "exact SSIM",
    "lesion_dice": "exact lesion Dice",
}  # fmt: skip


def forest_scores(differences: Sequence[Difference]) -> list[str]:
    """The scores drawn where none are asked for: the first that have an interval in a bin, in reading order."""
    there = {d.score for d in differences if d.interval and d.z_bin is not None}
    order = [name for name in _SHORT if name in there]
    spaces = [d for d in dict.fromkeys(d.score for d in differences) if d.startswith("kid_") and "joint_" not in d]
    return [*[s for s in spaces if s in there], *order][:_MOST] or sorted(there)[:_MOST]


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
            axes.plot([low, high], [y, y], color=colour, linewidth=1.8 if d.told_apart else 0.8, zorder=3)
            axes.plot(
                d.difference, y, marker=marker, color=colour, markerfacecolor=colour if d.told_apart else PAPER,
                markeredgewidth=0.8, zorder=4,
            )  # fmt: skip
    axes.set_yticks(range(len(rows)), list(rows))
    axes.set_ylim(len(rows) - 0.45, -0.55)
    pooled = sum(name.startswith("all") for name in rows)
    if 0 < pooled < len(rows):
        axes.axhline(pooled - 0.5, color=GREY_SOFT, linewidth=0.8)
    axes.set_title(_SHORT.get(score, score.replace("kid_", "KID, ")), loc="left")
    better = {1: f"{letter} better →", -1: f"← {letter} better", 0: f"{letter} − A"}[direction(score)]
    axes.set_xlabel(better, fontsize=7)
    axes.locator_params(axis="x", nbins=4)
    axes.margins(x=0.08)
    axes.tick_params(axis="y", length=0)


def _legend() -> list[Line2D]:
    kinds = [(name, *style) for name, style in zip(PATHOLOGY_NAMES, PATHOLOGY_STYLES, strict=True)]
    lines = [
        Line2D([], [], color=colour, marker=marker, markerfacecolor=PAPER, linewidth=0.8, label=name)
        for name, colour, marker in [*kinds, ("all conditions", *_BOTH)]
    ]
    return [
        *lines,
        Line2D([], [], color=GREY, marker="o", linewidth=1.8, label="told apart at 5% (Holm)"),
        Line2D([], [], color=GREY, marker="o", markerfacecolor=PAPER, linewidth=0.8, label="not told apart"),
    ]

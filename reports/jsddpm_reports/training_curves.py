"""Curves of the values that a run logged during training.

The names of what training logs stand here alone: a log has no specs to look them up in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jsddpm.training.progress import RunProgress
from jsddpm_reports.figures import BLUE, CHARTS_ACROSS, GREY, GREY_SOFT, INK, ORANGE, small_charts, styled

_STYLES = (
    (BLUE, "-", "o"), (ORANGE, "--", "s"), (INK, ":", "^"), (GREY, "-.", "D"), ("#009e73", "-", "v"),
    ("#cc79a7", "--", "P"),
)  # fmt: skip
_MARKED = 40  # values up to which each has a marker


@dataclass(frozen=True)
class _Chart:
    """One small chart: its lines are the names given, or, for a score, the name at every timestep.

    A chart of samples names the score whose baseline is drawn, and marks the best check and signs of memorisation.
    """

    title: str
    names: Mapping[str, str]
    score: str = ""
    logarithmic: bool = False
    baseline: str = ""


_CHARTS = (
    _Chart("training loss", {"train/loss": "all", "train/image": "image", "train/mask": "mask",
                             "train/frequency": "frequency"}, logarithmic=True),
    _Chart("KID of samples", {"samples/kid": "mean"}, baseline="kid"),
    _Chart("copies among samples", {"samples/copied": "of training slices"}, baseline="copied"),
    _Chart("KID, held-out less training", {"samples/seen_gap": "samples"}, baseline="seen_gap"),
    _Chart("lesion area beside real", {"samples/lesion_area_ratio": "ratio of means"}, baseline="lesion_area_ratio"),
    _Chart("lesion area distance [mm²]", {"samples/lesion_area_distance": "samples"}, baseline="lesion_area_distance"),
    _Chart("masks as asked", {"samples/lesion_present": "lesion", "samples/control_empty": "control"}),
    _Chart("position error [bins]", {"samples/z_error_bins": "samples"}, baseline="z_error_bins"),
    _Chart("validation error (MSE)", {}, "mse", logarithmic=True),
    _Chart("validation PSNR [dB]", {}, "psnr"),
    _Chart("validation SSIM", {}, "ssim"),
    _Chart("validation lesion Dice", {}, "lesion_dice"),
    _Chart("false-positive pixels", {}, "control_false_positive_pixels"),
    _Chart("gradient norm", {"train/gradient_norm": "before clipping"}, logarithmic=True),
    _Chart("learning rate", {"train/learning_rate": "of each step"}),
    _Chart("slices a second", {"train/slices_per_second": "without validation"}),
)  # fmt: skip

LATEST = {
    "train/loss": "training loss", "samples/kid": "KID of samples", "samples/copied": "copies among samples",
    "val/mse": "validation error", "val/psnr": "PSNR, dB", "val/ssim": "SSIM",
    "val/lesion_dice": "lesion Dice", "train/slices_per_second": "slices a second",
}  # fmt: skip
"""What a run's page shows the latest value of."""


@styled
def training_figure(run: RunProgress) -> Figure:
    """Losses, scores of samples, validation scores by timestep, learning rate, throughput: what was logged so far."""
    charts = [(chart, lines) for chart in _CHARTS if (lines := _lines(chart, run.metrics))]
    figure, grid = small_charts(len(charts), 1.6, 0.1)
    for axes, (chart, lines) in zip(grid, charts, strict=True):
        _draw(axes, chart, lines, run)
    for axes in grid[-CHARTS_ACROSS:]:
        axes.set_xlabel("step")
    if not charts:
        figure.axes[0].text(0, 0.5, "nothing is logged yet", va="center")
    return figure


def _lines(chart: _Chart, metrics: Mapping[str, Sequence[tuple[int, float]]]) -> dict[str, Sequence[tuple[int, float]]]:
    """The chart's lines by label; of a score those of its timesteps, or the mean over them where that is all."""
    if not chart.score:
        return {label: metrics[name] for name, label in chart.names.items() if name in metrics}
    pattern = re.compile(rf"val/{chart.score}_t(\d+)")
    timesteps = sorted((int(m[1]), name) for name in metrics if (m := pattern.fullmatch(name)))
    lines = {f"t = {t}": metrics[name] for t, name in timesteps}
    mean = metrics.get(f"val/{chart.score}")
    return lines or ({"all timesteps": mean} if mean else {})


def _draw(axes: Axes, chart: _Chart, lines: Mapping[str, Sequence[tuple[int, float]]], run: RunProgress) -> None:
    for (label, values), (colour, dash, marker) in zip(_labelled(lines), _styles(len(lines)), strict=True):
        steps, heights = zip(*values, strict=True)
        few = len(values) <= _MARKED and (chart.score or chart.baseline)
        axes.plot(
            steps, heights, color=colour, linestyle=dash, label=label, marker=marker if few else "", markersize=2.5
        )
    if chart.baseline:
        _mark(axes, chart.baseline, run)
    every = [value for values in lines.values() for _, value in values]
    if chart.logarithmic and 0 < 10 * min(every) < max(every):
        axes.set_yscale("log")
    elif not any(every):
        axes.set_ylim(-0.04, 1.04)
    axes.set_title(chart.title, loc="left")
    axes.set_xlim(0, 1.03 * run.config.trainer.max_steps)
    axes.locator_params(axis="x", nbins=4)
    axes.grid(axis="y", color=GREY_SOFT, linewidth=0.5)
    axes.set_axisbelow(True)
    if len(lines) > 1:
        axes.legend(handlelength=1.8, labelspacing=0.2, borderaxespad=0.2)


def _styles(count: int) -> Sequence[tuple[Any, str, str]]:
    """Colour, dash and marker of each line; lines that are too many for that are shaded in their order."""
    if count <= len(_STYLES):
        return _STYLES[:count]
    return [(colormaps["viridis"](0.9 * n / (count - 1)), "-", "o") for n in range(count)]


def _labelled(
    lines: Mapping[str, Sequence[tuple[int, float]]],
) -> Iterator[tuple[str, Sequence[tuple[int, float]]]]:
    """The lines, of which no more have a label than there are styles: the first, the last, and evenly between."""
    labels, last = list(lines), len(_STYLES) - 1
    named = labels if len(lines) <= len(_STYLES) else [labels[n * (len(lines) - 1) // last] for n in range(last + 1)]
    for label, values in lines.items():
        yield label if label in named else "", values


def _mark(axes: Axes, score: str, run: RunProgress) -> None:
    """The baseline of a score of samples, the best check, and the first sign of memorisation."""
    baseline, memorised = run.choice.get("baselines", {}).get(score), run.choice.get("memorisation")
    if baseline is not None:
        axes.axhline(baseline, color=GREY, linewidth=0.9, linestyle=":")
    if run.choice.get("step") is not None:
        axes.axvline(run.choice["step"], color=BLUE, linewidth=0.7)
    if memorised:
        axes.axvline(memorised["step"], color=ORANGE, linewidth=0.9, linestyle="--")

"""Real slices beside generated ones, bin by bin, and generated ones beside the training slices nearest to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray
from skimage.measure import find_contours

from jsddpm.binning import PATHOLOGY_NAMES, Condition
from jsddpm_eval.results.panels import Panels
from jsddpm_eval.results.results import Results
from jsddpm_reports.figures import ORANGE, PAGE_WIDTH, styled

CONTOUR = "#ff8c1a"
_SEEDS = 4
_ABSENT = 236
_GAP = 0.08  # between control and lesion, in slices


@dataclass(frozen=True)
class Strip:
    """Slices of one condition and origin, side by side.

    Attributes:
        images: uint8 ``(n, H, W)``.
        masks: boolean ``(n, H, W)``.
        count: How many of them there are; the rest is absent.
        names: Their names, as many as are known.
    """

    images: NDArray[np.uint8]
    masks: NDArray[np.bool_]
    count: int
    names: list[str]

    @property
    def canvas(self) -> NDArray[np.uint8]:
        """The slices there are as one picture, uint8 ``(H, n W)``."""
        present = np.arange(len(self.images)) < self.count
        return np.concatenate(list(np.where(present[:, None, None], self.images, _ABSENT).astype(np.uint8)), axis=1)

    @property
    def outlines(self) -> list[NDArray[np.float64]]:
        """Outlines of the masks as (x, y) polygons in pixels of the canvas, a pixel's middle at a half."""
        width = self.masks.shape[2]
        return [
            line + np.array([i * width, 0])
            for i, mask in enumerate(self.masks[: self.count])
            for line in _contours(mask)
        ]


@dataclass(frozen=True)
class MontageRow:
    """One condition: its bin, pathology and slice range in words, and its real and generated slices."""

    z_bin: int
    pathology: str
    slices: str
    real: Strip
    generated: Strip


def montage_rows(panels: Panels, results: Results) -> Iterator[MontageRow]:
    """Every condition in token order."""
    ranges = results.z_binning.ranges()
    n = len(ranges)
    for token in range(2 * n):
        condition = Condition.from_token(token, n)
        bounds = ranges[condition.z_bin]
        sides = (
            (panels.real_image, panels.real_mask, panels.real_count, panels.real_name),
            (panels.generated_image, panels.generated_mask, panels.generated_count, panels.generated_name),
        )
        yield MontageRow(
            condition.z_bin,
            PATHOLOGY_NAMES[condition.pathology],
            f"{bounds[0]}–{bounds[1]}" if bounds else "no slices",
            *(
                Strip(image[token], mask[token], int(count[token]), list(map(str, name[token])) if len(name) else [])
                for image, mask, count, name in sides
            ),
        )


@styled
def montage_figure(panels: Panels, results: Results) -> Figure:
    """Bins downwards; for control and lesion, real slices beside generated ones of different seeds; masks outlined."""
    rows = list(montage_rows(panels, results))
    n = len(rows) // 2
    real, generated = panels.real_image.shape[1], min(_SEEDS, panels.generated_image.shape[1])
    height, width = panels.real_image.shape[2:]
    side = (real + generated) * width
    start = (0.0, side + _GAP * width)
    total = start[1] + side
    figure = Figure(figsize=(PAGE_WIDTH, (PAGE_WIDTH - 0.6) * n * height / total + 0.35), layout="constrained")
    axes = figure.subplots()
    for token, row in enumerate(rows):
        left, top = start[token // n], (token % n) * height
        for strip, shown, place in ((row.real, real, left), (row.generated, generated, left + real * width)):
            axes.imshow(
                strip.canvas[:, : shown * width], cmap="gray", vmin=0, vmax=255, interpolation="nearest",
                extent=(place, place + shown * width, top + height, top),
            )  # fmt: skip
            lines = [line + np.array([place, top]) for line in strip.outlines if line[:, 0].max() < shown * width]
            axes.add_collection(LineCollection(lines, colors=CONTOUR, linewidths=0.6))
    axes.set_xlim(0, total)
    axes.set_ylim(n * height, 0)
    axes.set_aspect("equal")
    axes.set_yticks([(k + 0.5) * height for k in range(n)], [f"{r.z_bin}  [{r.slices}]" for r in rows[:n]])
    places = [x + shift * width for x in start for shift in (real / 2, real + generated / 2)]
    names = [f"{name}: {what}" for name in PATHOLOGY_NAMES for what in ("real", "generated, one seed each")]
    axes.set_xticks(places, names)
    for x in start:
        axes.axvline(x + real * width, color=ORANGE, linewidth=1.2)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.set_ylabel("z-bin [slices]")
    axes.spines[:].set_visible(False)
    return figure


@styled
def copies_figure(panels: Panels) -> Figure:
    """Generated slices nearest to a real slice, nearest first, above those real slices."""
    pairs, height, width = panels.copies.shape[1:]
    canvas = np.concatenate([np.concatenate(list(side), axis=1) for side in panels.copies], axis=0)
    size = (PAGE_WIDTH, (PAGE_WIDTH - 0.7) * 2 * height / (pairs * width) + 0.3)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    axes.imshow(canvas, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axes.set_yticks([height / 2, 1.5 * height], ["generated", "real"])
    labels = [nearness(value) for value in panels.copies_nearness]
    axes.set_xticks([(i + 0.5) * width for i in range(pairs)], labels)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


def nearness(value: float) -> str:
    """Nearness of a pair, in words; above 1 it counts as a copy.

    >>> nearness(0.614), nearness(1.2), nearness(float("inf")), nearness(float("nan"))
    ('0.61', '1.20 copy', 'exact copy', '')
    """
    if np.isnan(value):
        return ""
    return "exact copy" if np.isinf(value) else f"{value:.2f}{' copy' if value > 1 else ''}"


def _contours(mask: NDArray[np.bool_]) -> Iterator[NDArray[np.float64]]:
    """Closed outlines half a pixel around what is set, as (x, y)."""
    for line in find_contours(np.pad(mask.astype(np.float32), 1), 0.5):
        yield line[:, ::-1] - 0.5

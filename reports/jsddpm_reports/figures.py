"""Figures from results, as matplotlib figures and PNG bytes."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from jsddpm.binning import PATHOLOGY_NAMES
from jsddpm_eval.panels import Panels
from jsddpm_eval.results import Results

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#9a9a9a"  # told apart without colour vision
_SCALE = 2  # screen pixels per slice pixel in the montage
_SEEDS = 4


def png(figure: Figure, *, dpi: int = 150) -> bytes:
    """PNG bytes of a figure, the same for the same figure (no time stamp, no version)."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=dpi, metadata={"Software": None})
    return stream.getvalue()


def utilization_figure(report: dict[str, Any]) -> Figure:
    """Bins along the z axis for each scheme of a utilization report: which slices each bin takes, which stay empty."""
    lo, hi = report["z_range"]
    schemes = report["schemes"]
    figure = Figure(figsize=(7.5, 0.8 + 0.75 * len(schemes)), layout="constrained")
    axes = figure.subplots()
    _draw_profile(axes, report, len(schemes))
    for row, scheme in enumerate(schemes.values()):
        for k, bounds in enumerate(scheme["ranges"]):
            if bounds is None:
                continue
            first, last = bounds
            axes.barh(
                row,
                last - first + 1,
                left=first - 0.5,
                height=0.55,
                color=(BLUE, "#8fc1e3")[k % 2],
                edgecolor="white",
            )
            if last - first + 1 >= (hi - lo + 1) * 0.021 * len(str(k)):  # room for the number
                axes.text(
                    (first + last) / 2,
                    row,
                    str(k),
                    ha="center",
                    va="center",
                    fontsize=8,
                    color=("white", "black")[k % 2],
                )
        unused = scheme["unused_bins"]
        note = f"{scheme['bins_used']} of {scheme['bins_total']} bins" + (
            f"; unused: {_listed(unused)}" if unused else ""
        )
        axes.text(hi + 1.5, row, note, va="center", fontsize=8, color=ORANGE if unused else "black")
    axes.set_yticks(range(len(schemes)), list(schemes))
    axes.set_ylim(len(schemes) - 0.5, -0.5)
    axes.set_xlim(lo - 1, hi + 1 + 0.42 * (hi - lo))
    axes.set_xticks([t for t in range(0, hi + 1, 10) if t >= lo])
    axes.set_xlabel("axial slice z")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _listed(numbers: list[int]) -> str:
    """Up to five numbers, then how many."""
    return ", ".join(map(str, numbers)) if len(numbers) <= 5 else f"{len(numbers)} of them"


def _draw_profile(axes: Any, report: dict[str, Any], rows: int) -> None:
    """The mean brain share of each slice behind the bars, where a store was given."""
    profile = report.get("store", {}).get("brain_profile")
    if not profile:
        return
    lo, hi = report["z_range"]
    z = [k for k in range(lo, hi + 1) if profile[k] is not None]
    top = max(profile[k] for k in z) or 1.0
    heights = [(rows - 0.5) - rows * profile[k] / top for k in z]
    axes.fill_between(z, [rows - 0.5] * len(z), heights, color="#e4e4e4", zorder=0, linewidth=0)


def montage_figure(panels: Panels, results: Results) -> Figure:
    """Bins downwards; for control and lesion, real slices beside generated ones of different seeds; masks outlined."""
    n = results.binning["n_bins"]
    height, width = panels.real_image.shape[2:]
    per_side = panels.real_image.shape[1] + min(_SEEDS, panels.generated_image.shape[1])
    gap = 6 * _SCALE
    rows = []
    for k in range(n):
        sides = [_strip(panels, k + pathology * n, per_side) for pathology in (0, 1)]
        rows.append(np.concatenate([sides[0], np.full((sides[0].shape[0], gap, 3), 255, np.uint8), sides[1]], axis=1))
    canvas = np.concatenate(rows, axis=0)
    figure = Figure(figsize=(canvas.shape[1] / 140 + 1, canvas.shape[0] / 140 + 0.6), layout="constrained")
    axes = figure.subplots()
    axes.imshow(canvas, interpolation="nearest")
    ranges = results.z_binning.ranges()
    labels = [f"{k}  [{r[0]}–{r[1]}]" if r else f"{k}" for k, r in enumerate(ranges)]
    axes.set_yticks([(k + 0.5) * height * _SCALE for k in range(n)], labels, fontsize=8)
    side = per_side * width * _SCALE
    real = panels.real_image.shape[1] * width * _SCALE
    places, names = [], []
    for pathology, start in enumerate((0, side + gap)):
        places += [start + real / 2, start + (real + side) / 2]
        names += [
            f"{PATHOLOGY_NAMES[pathology]}: real",
            f"{PATHOLOGY_NAMES[pathology]}: generated, one seed each",
        ]
        axes.axvline(start + real - 0.5, color=ORANGE, linewidth=1.2)
    axes.set_xticks(places, names, fontsize=9)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.set_ylabel("z-bin [slices]")
    axes.spines[:].set_visible(False)
    return figure


def copies_figure(panels: Panels) -> Figure:
    """Generated slices nearest to a training slice, nearest first, above those training slices."""
    canvas = np.concatenate([np.concatenate(list(side), axis=1) for side in panels.copies], axis=0)
    figure = Figure(figsize=(canvas.shape[1] / 100 + 1, canvas.shape[0] / 100 + 0.3), layout="constrained")
    axes = figure.subplots()
    axes.imshow(canvas, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    height, width = panels.copies.shape[2:]
    axes.set_yticks([height / 2, 1.5 * height], ["generated", "training"], fontsize=8)
    places = range(panels.copies.shape[1])
    axes.set_xticks([(i + 0.5) * width for i in places], [str(i + 1) for i in places])
    axes.tick_params(length=0, labelsize=8)
    axes.spines[:].set_visible(False)
    return figure


def curves_figure(results: Results) -> Figure:
    """Best-match PSNR and position error by bin, control and lesion, each beside its real yardstick."""
    figure = Figure(figsize=(7.5, 2.6), layout="constrained")
    shown = {"best_match_psnr": "best-match PSNR [dB]", "z_error_bins": "position error [bins]"}
    for axes, (name, label) in zip(figure.subplots(1, 2), shown.items(), strict=True):
        for pathology, (colour, marker) in enumerate(((BLUE, "o"), (ORANGE, "s"))):
            cells = [c for c in results.cells() if c.pathology == pathology]
            found = [(c.z_bin, s.value) for c in cells if (s := c.scores.get(name)) and s.value is not None]
            if found:
                axes.plot(
                    *zip(*found, strict=True),
                    color=colour,
                    marker=marker,
                    markersize=4,
                    label=PATHOLOGY_NAMES[pathology],
                )
        floors = {c.z_bin: s.floor for c in results.cells() if (s := c.scores.get(name)) and s.floor is not None}
        if floors:
            axes.plot(list(floors), list(floors.values()), color=GREY, linestyle="--", label="real")
        axes.set_xlabel("z-bin")
        axes.set_ylabel(label)
        axes.spines[["top", "right"]].set_visible(False)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=7, frameon=False)
    return figure


def _strip(panels: Panels, condition: int, count: int) -> NDArray[np.uint8]:
    """Real, then generated slices of one condition as one RGB strip of ``count`` places."""
    shown: list[NDArray[np.uint8]] = []
    sides = (
        (panels.real_image, panels.real_mask, panels.real_count, panels.real_image.shape[1]),
        (
            panels.generated_image,
            panels.generated_mask,
            panels.generated_count,
            count - panels.real_image.shape[1],
        ),
    )
    for image, mask, number, places in sides:
        for i in range(places):
            there = i < int(number[condition])
            shown.append(_outlined(image[condition, i], mask[condition, i]) if there else _absent(image.shape[2:]))
    return np.concatenate(shown, axis=1)


def _outlined(image: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    big = image.repeat(_SCALE, 0).repeat(_SCALE, 1)
    lesion = np.pad(mask.repeat(_SCALE, 0).repeat(_SCALE, 1), 1)
    inner = lesion[:-2, 1:-1] & lesion[2:, 1:-1] & lesion[1:-1, :-2] & lesion[1:-1, 2:]
    rgb = np.stack([big] * 3, axis=-1)
    rgb[lesion[1:-1, 1:-1] & ~inner] = (255, 60, 0)
    return rgb


def _absent(size: tuple[int, ...]) -> NDArray[np.uint8]:
    """A hatched place: nothing to show here."""
    rows, columns = np.indices((size[0] * _SCALE, size[1] * _SCALE))
    grey = np.where((rows + columns) % 12 < 2, 205, 240).astype(np.uint8)
    return np.stack([grey] * 3, axis=-1)

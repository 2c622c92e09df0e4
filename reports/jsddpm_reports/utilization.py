"""The binning figure: which slices each bin takes under each scheme."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from jsddpm.wording import counted
from jsddpm_reports.figures import BLUE, BLUE_SOFT, GREY_SOFT, INK, ORANGE, PAPER, styled

_DIGIT = 0.021  # width of a digit, as a share of the slices


@styled
def utilization_figure(report: dict[str, Any]) -> Figure:
    """Bins along the z axis for each scheme of a utilization report: which slices each bin takes, which stay empty."""
    lo, hi = report["z_range"]
    schemes = report["schemes"]
    figure = Figure(figsize=(7.5, 0.8 + 0.75 * len(schemes)), layout="constrained")
    axes = figure.subplots()
    _draw_profile(axes, report, len(schemes))
    for row, scheme in enumerate(schemes.values()):
        every = _numbered(scheme["ranges"], hi - lo + 1)
        for k, bounds in enumerate(scheme["ranges"]):
            if bounds is None:
                continue
            first, last = bounds
            axes.barh(
                row, last - first + 1, left=first - 0.5, height=0.55, color=(BLUE, BLUE_SOFT)[k % 2], edgecolor=PAPER
            )
            if k % every == 0:
                axes.text((first + last) / 2, row - 0.3, str(k), ha="center", va="bottom", fontsize=8)
        unused = scheme["unused_bins"]
        listed = ", ".join(map(str, unused)) if len(unused) <= 5 else f"{len(unused)} of them"
        note = f"{scheme['bins_used']} of {counted(scheme['bins_total'], 'bin')}"
        note += f"; unused: {listed}" if unused else ""
        axes.text(hi + 1.5, row, note, va="center", fontsize=8, color=ORANGE if unused else INK)
    axes.set_yticks(range(len(schemes)), list(schemes))
    axes.set_ylim(len(schemes) - 0.5, -0.5)
    axes.set_xlim(lo - 1, hi + 1 + 0.42 * (hi - lo))
    axes.set_xticks([t for t in range(0, hi + 1, 10) if t >= lo])
    axes.set_xlabel("axial slice z")
    return figure


def _numbered(ranges: Sequence[tuple[int, int] | None], slices: int) -> int:
    """Every which bin has room for its number, among 1, 2, 5, 10, 20 and 50.

    >>> _numbered([(k, k) for k in range(10)], 10), _numbered([(k, k) for k in range(50)], 50)
    (1, 5)
    """
    used = [last - first + 1 for first, last in filter(None, ranges)]
    widest = slices * _DIGIT * len(str(len(ranges) - 1))
    return next((step for step in (1, 2, 5, 10, 20) if used and step * sum(used) / len(used) >= widest), 50)


def _draw_profile(axes: Any, report: dict[str, Any], rows: int) -> None:
    """The mean brain share of each slice behind the bars, where a store was given."""
    profile = report.get("store", {}).get("brain_profile")
    if not profile:
        return
    lo, hi = report["z_range"]
    z = [k for k in range(lo, hi + 1) if profile[k] is not None]
    if not z:  # no patient has a slice in the range
        return
    top = max(profile[k] for k in z) or 1.0
    heights = [(rows - 0.5) - rows * profile[k] / top for k in z]
    axes.fill_between(z, [rows - 0.5] * len(z), heights, color=GREY_SOFT, zorder=0, linewidth=0)
    axes.text(hi + 1.5, rows - 0.6, "grey: brain share of a slice", va="center", fontsize=8)

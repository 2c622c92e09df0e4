"""Copied: generated slices come closer to training slices than new slices do."""

from __future__ import annotations

from jsddpm_eval.checks.base import CellCheck, missing, single
from jsddpm_eval.results.score import Cell
from jsddpm_eval.results.specs import Answer, CheckSpec

_MARGIN_DB = 3.0


class Copied(CellCheck):
    """Exact copies, and the copy gap."""

    spec = CheckSpec(
        name="copied", heading="copies",
        rule="off: an exact copy of a real slice, or a copy gap whose interval lies more than 3 dB above its baseline; "
        "unknown: no copy gap with an interval and a baseline",
        one="comes closer to real slices than new slices do", many="come closer to real slices than new slices do",
    )  # fmt: skip

    def answer(self, cell: Cell) -> tuple[Answer, str]:
        """See :attr:`spec`."""
        copies, gap = single(cell, "exact_copies"), single(cell, "copy_gap")
        if copies is not None and copies.value:
            return "off", f"{copies.value:.0f} exact copies of real slices"
        if gap is None or gap.interval is None or gap.baseline is None:
            return "unknown", missing(gap, "the copy gap") or "the copy gap has no interval or no baseline"
        if gap.interval[0] > gap.baseline + _MARGIN_DB:
            return "off", f"copy gap {gap.value:.1f} dB, real training slices {gap.baseline:.1f} dB"
        return "fine", ""


CHECK = Copied()

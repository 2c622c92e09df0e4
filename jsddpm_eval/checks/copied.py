"""Copied: generated slices come closer to training slices than new slices do."""

from __future__ import annotations

from collections.abc import Iterable

from jsddpm_eval.checks.base import Check, missing, single
from jsddpm_eval.results.score import Cell
from jsddpm_eval.results.specs import Answer, CheckSpec

_MARGIN_DB = 3.0


class Copied(Check):
    """Exact copies, and the copy gap."""

    spec = CheckSpec(
        name="copied", heading="copies",
        rule="off: an exact copy of a real slice, or a copy gap whose interval lies more than 3 dB above its baseline; "
        "unknown: no copy gap with an interval and a baseline",
        one="comes closer to real slices than new slices do", many="come closer to real slices than new slices do",
    )  # fmt: skip

    def judge(self, cells: list[Cell]) -> Iterable[tuple[Cell, Answer, str]]:
        """See :attr:`spec`."""
        for cell in cells:
            copies, gap = single(cell, "exact_copies"), single(cell, "copy_gap")
            if copies is not None and copies.value:
                yield cell, "off", f"{copies.value:.0f} exact copies of real slices"
            elif gap is None or gap.interval is None or gap.baseline is None:
                yield cell, "unknown", missing(gap, "the copy gap") or "the copy gap has no interval or no baseline"
            elif gap.interval[0] > gap.baseline + _MARGIN_DB:
                yield cell, "off", f"copy gap {gap.value:.1f} dB, real training slices {gap.baseline:.1f} dB"
            else:
                yield cell, "fine", ""


CHECK = Copied()

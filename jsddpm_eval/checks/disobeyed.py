"""Disobeyed: masks do not obey the pathology asked for."""

from __future__ import annotations

from collections.abc import Iterable

from jsddpm_eval.checks.base import Check, missing, single
from jsddpm_eval.results.score import Cell
from jsddpm_eval.results.specs import Answer, CheckSpec

_SHARE = 0.8


class Disobeyed(Check):
    """Empty masks of control samples, present masks of lesion samples."""

    spec = CheckSpec(
        name="disobeyed", heading="disobeys",
        rule="off: fewer than 80 % of masks are empty for control, or present for lesion; unknown: there are no masks",
        one="does not obey the pathology asked for", many="do not obey the pathology asked for",
    )  # fmt: skip

    def judge(self, cells: list[Cell]) -> Iterable[tuple[Cell, Answer, str]]:
        """See :attr:`spec`."""
        for cell in cells:
            share = single(cell, ("control_empty", "lesion_present")[cell.pathology or 0])
            if share is None or share.value is None:
                yield cell, "unknown", missing(share, "obedience")
            else:
                yield cell, "fine" if share.value >= _SHARE else "off", f"{100 * share.value:.0f} % obey"


CHECK = Disobeyed()

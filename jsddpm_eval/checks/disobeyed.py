"""Disobeyed: masks do not obey the pathology asked for."""

from __future__ import annotations

from jsddpm_eval.checks.base import CellCheck, missing, single
from jsddpm_eval.results.score import Cell
from jsddpm_eval.results.specs import Answer, CheckSpec

_SHARE = 0.8


class Disobeyed(CellCheck):
    """Empty masks of control samples, present masks of lesion samples."""

    spec = CheckSpec(
        name="disobeyed", heading="disobeys",
        rule="off: fewer than 80 % of masks are empty for control, or present for lesion; unknown: there are no masks",
        one="does not obey the pathology asked for", many="do not obey the pathology asked for",
    )  # fmt: skip

    def answer(self, cell: Cell) -> tuple[Answer, str]:
        """See :attr:`spec`."""
        share = single(cell, ("control_empty", "lesion_present")[cell.pathology or 0])
        if share is None or share.value is None:
            return "unknown", missing(share, "obedience")
        return "fine" if share.value >= _SHARE else "off", f"{100 * share.value:.0f} % obey"


CHECK = Disobeyed()

"""Coverage: samples of conditions that no real slice has, which most checks cannot compare. Torch-free."""

from __future__ import annotations

from collections.abc import Sequence

from jsddpm.wording import counted
from jsddpm_eval.checks.base import Check
from jsddpm_eval.results.faults import under
from jsddpm_eval.results.score import Cell
from jsddpm_eval.results.specs import Place

_MOST = 0.1  # a slice is limited to 4 SD, so a tenth of them moves a mean by at most 0.4 SD, which is inside the margin


def not_compared(conditions: Sequence[Cell]) -> str:
    """A sentence on samples that have no real slices of their condition; empty if there are none."""
    alone = [cell for cell in conditions if _without_real(cell)]
    if not alone:
        return ""
    count, total = map(_samples, (alone, conditions))
    names = ", ".join(cell.name for cell in alone) if len(alone) <= 4 else counted(len(alone), "condition")
    return f"No real slices for {count} of {counted(total, 'sample')} ({names}): most checks do not cover them."


def why_not_covered(check: Check, place: Place, conditions: Sequence[Cell]) -> str:
    """Why a check of a place cannot be fine: more than a tenth of its samples could not be compared; empty otherwise.

    Args:
        check: The check; one that does not need real slices of a condition covers all samples.
        place: Bin and pathology, None for all.
        conditions: Scores of every condition.
    """
    if not check.by_condition:
        return ""
    kind = check.spec.pathology
    asked = [c for c in conditions if under((c.z_bin, c.pathology), place) and kind in (None, c.pathology)]
    total, alone = _samples(asked), _samples([cell for cell in asked if _without_real(cell)])
    if alone <= _MOST * total:
        return ""
    return f"{alone} of {counted(total, 'sample')} have no real slices of their bin and pathology"


def _without_real(cell: Cell) -> bool:
    return bool(cell.n_generated) and cell.n_real == 0


def _samples(cells: Sequence[Cell]) -> int:
    return sum(cell.n_generated or 0 for cell in cells)

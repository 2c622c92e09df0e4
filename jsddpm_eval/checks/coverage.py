"""Coverage: samples of conditions that no real slice has, which most checks cannot compare. Torch-free."""

from __future__ import annotations

from collections.abc import Sequence

from jsddpm.wording import counted
from jsddpm_eval.checks.base import Check
from jsddpm_eval.checks.decision import under
from jsddpm_eval.results.score import Cell
from jsddpm_eval.results.specs import Finding

_MOST = 0.1  # a slice is limited to 4 SD, so a tenth of them moves a mean by at most 0.4 SD, which is inside the margin


def without_real(cells: Sequence[Cell]) -> list[Cell]:
    """Conditions with samples and without real slices."""
    return [c for c in cells if None not in (c.z_bin, c.pathology) and c.n_generated and c.n_real == 0]


def not_compared(cells: Sequence[Cell]) -> str:
    """A sentence on samples that have no real slices of their condition; empty if there are none."""
    alone = without_real(cells)
    if not alone:
        return ""
    count = sum(cell.n_generated or 0 for cell in alone)
    total = sum(cell.n_generated or 0 for cell in cells if None not in (cell.z_bin, cell.pathology))
    names = ", ".join(cell.name for cell in alone) if len(alone) <= 4 else counted(len(alone), "condition")
    return f"No real slices for {count} of {counted(total, 'sample')} ({names}): most checks do not cover them."


def of_compared(finding: Finding, check: Check, cells: Sequence[Cell]) -> Finding:
    """The finding, unknown where it is fine although more than a tenth of its samples could not be compared.

    Args:
        finding: An answer of the check.
        check: The check; one that does not need real slices of a condition keeps its answer.
        cells: Scores of every place.
    """
    if finding.answer != "fine" or not check.by_condition:
        return finding
    kind = check.spec.pathology
    below = [c for c in cells if None not in (c.z_bin, c.pathology) and under((c.z_bin, c.pathology), finding.place)]
    asked = [cell for cell in below if kind is None or cell.pathology == kind]
    total, alone = (sum(c.n_generated or 0 for c in part) for part in (asked, without_real(asked)))
    if alone <= _MOST * total:
        return finding
    reason = f"{alone} of {counted(total, 'sample')} have no real slices of their bin and pathology"
    return finding.model_copy(update={"answer": "unknown", "reason": reason})

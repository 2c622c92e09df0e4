"""Unlike real: generated slices differ from real slices of new patients."""

from __future__ import annotations

from collections.abc import Iterable
from math import comb

from jsddpm_eval.checks.base import Check
from jsddpm_eval.results.score import Cell, Score
from jsddpm_eval.results.specs import Answer, CheckSpec
from jsddpm_eval.stats.holm import holm_adjusted
from jsddpm_eval.stats.limits import ALPHA, MIN_PATIENTS


class UnlikeReal(Check):
    """The permutation test of KID, corrected over all bins and feature spaces."""

    spec = CheckSpec(
        name="unlike_real", heading="differs",
        rule="off: the KID's permutation p-value, in any feature space, is below 5 % after Holm's correction over all "
        "conditions and feature spaces that can be tested; unknown: fewer than four patients or generated slices, or "
        "so few that no permutation test could reach 5 % after the correction",
        one="differs from real slices of new patients", many="differ from real slices of new patients",
    )  # fmt: skip

    def judge(self, cells: list[Cell]) -> Iterable[tuple[Cell, Answer, str]]:
        """See :attr:`spec`."""
        tests = {(c.key, s.space): s for c in cells for s in c.of("kid") if _testable(s)}
        able = {key: s.p_value or 0.0 for key, s in tests.items() if _least_p(s) <= ALPHA / len(tests)}
        corrected = holm_adjusted(able)
        for cell in cells:
            ps = {space: p for (key, space), p in corrected.items() if key == cell.key}
            seen = [f"{space}: p = {p:.2g}" for space, p in ps.items() if p <= ALPHA]
            if not ps:
                yield cell, "unknown", _why(cell, len(tests))
            else:
                yield cell, "off" if seen else "fine", ", ".join(seen)


CHECK = UnlikeReal()


def _testable(score: Score) -> bool:
    return score.p_value is not None and min(score.n_patients or 0, score.n_generated or 0) >= MIN_PATIENTS


def _why(cell: Cell, tests: int) -> str:
    if any(_testable(score) for score in cell.of("kid")):
        return f"too few patients or samples for a test at 5 % after the correction for {tests} tests"
    reasons = [score.reason for score in cell.of("kid") if score.reason]
    return reasons[0] if reasons else f"fewer than {MIN_PATIENTS} patients or generated slices"


def _least_p(score: Score) -> float:
    """The smallest p-value that exchanging patients with generated slices can give."""
    people, samples = score.n_patients or 0, score.n_generated or 0
    return 1 / comb(people + samples, people)

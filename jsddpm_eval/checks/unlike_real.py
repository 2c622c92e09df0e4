"""Unlike real: generated slices differ from slices of new patients, in whatever way."""

from __future__ import annotations

from jsddpm_eval.checks.base import Check, Evidence
from jsddpm_eval.checks.decision import Place, level, single_level
from jsddpm_eval.results.score import Cell, Score
from jsddpm_eval.results.specs import CheckSpec
from jsddpm_eval.stats.relabellings import least_p, relabelling_count


def relabellings_at(place: Place, total: int) -> int:
    """Relabellings of each draw of the test at a place: the whole has as many as its level needs.

    A pathology, a bin or a condition shares few false alarms with many tests and would need more than ten thousand.
    Its p-value is shown, and is not tested if all checks are made.

    Args:
        place: Bin and pathology, None for all.
        total: Samples that are exchanged: patients and generated units.

    >>> relabellings_at((3, 1), 700) < 1 / single_level("whole") < relabellings_at((None, None), 700)
    True
    """
    return relabelling_count(total, single_level("whole") if level(place) == "whole" else None)


class UnlikeReal(Check):
    """The permutation test of KID in every feature space."""

    spec = CheckSpec(
        name="unlike_real", heading="differs", question="samples are like slices of new patients",
        rule="permutation test of KID in each feature space; it shows differences and cannot show that there are none; "
        "if all checks are made, only the whole is tested, because parts would need too many relabellings",
    )  # fmt: skip

    @property
    def reads(self) -> tuple[str, ...]:
        """The kernel distance."""
        return ("kid",)

    def evidence(self, cell: Cell) -> list[Evidence]:
        """One for each feature space."""
        return [self._of(score, (cell.z_bin, cell.pathology)) for score in cell.of("kid")]

    def _of(self, score: Score, place: Place) -> Evidence:
        name = f"kid {score.space}"
        if score.value is None or score.p_value is None:
            return Evidence(name, reason=score.reason or "fewer than four patients or generated slices")
        n_patients, units = score.n_patients or 0, score.n_units
        return Evidence(
            name, score.value, None, score.p_value, words=("unlike real slices", "unlike real slices"),
            least_p=least_p(n_patients, units, relabellings_at(place, n_patients + units)),
            figure=lambda value: f"KID {value:{'.0f' if value >= 100 else '.3g'}} ({score.space})",
            reason="a test that sees no difference does not show that there is none",
        )  # fmt: skip


CHECK = UnlikeReal()

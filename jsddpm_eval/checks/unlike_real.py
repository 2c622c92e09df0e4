"""Unlike real: generated slices differ from slices of new patients, in whatever way."""

from __future__ import annotations

from jsddpm_eval.checks.base import Check, Evidence
from jsddpm_eval.checks.levels import relabellings_at
from jsddpm_eval.results.score import Cell, Score
from jsddpm_eval.results.specs import CheckSpec, Place
from jsddpm_eval.stats.relabellings import least_p


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
        n_patients, units, least = score.n_patients or 0, score.n_units, score.least_p
        if least is None:
            least = least_p(n_patients, units, relabellings_at(place, n_patients + units))
        return Evidence(
            name, score.value, None, score.p_value, words=("unlike real slices", "unlike real slices"),
            least_p=least,
            figure=lambda value: f"KID {value:{'.0f' if value >= 100 else '.3g'}} ({score.space})",
            reason="a test that sees no difference does not show that there is none",
        )  # fmt: skip


CHECK = UnlikeReal()

"""Disobeyed: masks do not match the pathology that samples are conditioned on."""

from __future__ import annotations

from jsddpm_eval.checks.base import Check, Evidence
from jsddpm_eval.results.score import Cell, Score
from jsddpm_eval.results.specs import CheckSpec
from jsddpm_eval.stats.exceedance import share_interval, share_p_value

_SHARE = 0.95


class Disobeyed(Check):
    """Empty masks of control samples, present masks of lesion samples."""

    spec = CheckSpec(
        name="disobeyed", heading="disobeys", question="masks that obey the pathology asked for",
        rule="share of masks that are empty for control, or present for lesion; margin 95 %, exact binomial test",
    )  # fmt: skip

    @property
    def reads(self) -> tuple[str, ...]:
        """Both shares."""
        return "control_empty", "lesion_present"

    def evidence(self, cell: Cell) -> list[Evidence]:
        """Evidence for each pathology."""
        words = {
            "control_empty": "control samples with a lesion mask",
            "lesion_present": "lesion samples without a mask",
        }
        return [self._of(score, words[score.spec]) for score in cell.scores.values() if score.spec in words]

    def _of(self, score: Score, word: str) -> Evidence:
        count = score.n_generated or 0
        if score.value is None or not count:
            return Evidence(score.spec, reason=score.reason or "")
        obey = round(score.value * count)
        interval, p_value = share_interval(obey, count), share_p_value(count - obey, count, 1 - _SHARE)
        return Evidence(
            score.spec, score.value, interval, p_value, (_SHARE, 2 - _SHARE), (word, ""),
            figure=f"only {obey} of {count} obey",
        )  # fmt: skip


CHECK = Disobeyed()

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
        name="disobeyed", heading="disobeys", question="masks match the pathology that samples are conditioned on",
        rule=f"share of masks that are empty for control, or present for lesion; margin {100 * _SHARE:g} %, exact "
        "binomial test",
    )  # fmt: skip
    by_condition = False

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
        value, count = score.value, score.n_generated or 0
        if value is None or not count:
            return Evidence(score.spec, reason=score.reason or "")
        units = score.n_units
        obey = value * units
        interval, p_value = share_interval(obey, units), share_p_value(units - obey, units, 1 - _SHARE)
        return Evidence(
            score.spec, value, interval, p_value, (_SHARE, 2 - _SHARE), (word, ""),
            share=True, volumes=score.n_volumes, figure=lambda _: f"only {round(value * count)} of {count} obey",
        )  # fmt: skip


CHECK = Disobeyed()

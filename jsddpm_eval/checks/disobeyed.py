"""Disobeyed: masks do not match the pathology that samples are conditioned on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from jsddpm.wording import percentage
from jsddpm_eval.checks.base import Evidence, WordedCheck, Words
from jsddpm_eval.results.score import Score
from jsddpm_eval.results.specs import CheckSpec
from jsddpm_eval.stats.exceedance import share_interval, share_p_value

_SHARE = 0.95


class Disobeyed(WordedCheck):
    """Empty masks of control samples, present masks of lesion samples."""

    spec = CheckSpec(
        name="disobeyed", heading="disobeys", question="masks match the pathology that samples are conditioned on",
        rule=f"share of masks that are empty for control, or present for lesion; margin {percentage(_SHARE)}, exact "
        "binomial test",
    )  # fmt: skip
    by_condition = False

    words: ClassVar[Mapping[str, Words]] = {
        "control_empty": ("control samples with a lesion mask", ""),
        "lesion_present": ("lesion samples without a mask", ""),
    }

    def _of(self, score: Score, words: Words) -> Evidence:
        value, count = score.value, score.n_generated or 0
        if value is None or not count:
            return Evidence(score.spec, words=words, reason=score.reason or "")
        units = score.n_units
        obey = value * units
        interval, p_value = share_interval(obey, units), share_p_value(units - obey, units, 1 - _SHARE)
        return Evidence(
            score.spec, value, interval, p_value, (_SHARE, 2 - _SHARE), words,
            share=True, volumes=score.n_volumes, figure=lambda _: f"only {round(value * count)} of {count} obey",
        )  # fmt: skip


CHECK = Disobeyed()

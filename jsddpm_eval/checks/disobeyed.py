"""Disobeyed: masks do not match the pathology that samples are conditioned on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from jsddpm.wording import percentage
from jsddpm_eval.checks.base import Evidence, WordedCheck, Words, of_samples
from jsddpm_eval.results.score import Score
from jsddpm_eval.results.specs import CheckSpec
from jsddpm_eval.stats.limits import OBEYED


class Disobeyed(WordedCheck):
    """Empty masks of control samples, present masks of lesion samples."""

    spec = CheckSpec(
        name="disobeyed", heading="disobeys", question="masks match the pathology that samples are conditioned on",
        rule=f"share of masks that are empty for control, or present for lesion; margin {percentage(OBEYED)}, exact "
        "binomial test",
    )  # fmt: skip
    by_condition = False

    words: ClassVar[Mapping[str, Words]] = {
        "control_empty": ("control samples with a lesion mask", ""),
        "lesion_present": ("lesion samples without a mask", ""),
    }

    def _of(self, score: Score, words: Words) -> Evidence:
        if score.value is None:
            return Evidence(score.spec, words=words, reason=score.reason or "")
        return Evidence(
            score.spec, score.value, score.interval, score.p_value, (OBEYED, 2 - OBEYED), words, share=True,
            volumes=score.n_volumes, figure=lambda _: f"only {of_samples(score).removesuffix(' samples')} obey",
        )  # fmt: skip


CHECK = Disobeyed()

"""Copied: samples are copies of slices of real patients."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import ClassVar

from jsddpm.wording import percentage
from jsddpm_eval.checks.base import Evidence, WordedCheck, Words, exactly, in_samples, of_real, of_shift
from jsddpm_eval.results.score import Score
from jsddpm_eval.results.specs import CheckSpec

_SHARE, _NEARER = 0.02, 1.5


class Copied(WordedCheck):
    """Copies of training and of held-out slices, altered or not, and samples that are all too near to real slices."""

    spec = CheckSpec(
        name="copied", heading="copies", question="samples are new slices",
        rule="share of samples nearer to a real slice, once registered, than slices of other patients come; margin "
        f"{percentage(_SHARE)}, exact binomial test against the upper bound of the real share, or of what is twice as "
        f"near; any exact copy; mean closeness, margin {_NEARER:g} SD",
    )  # fmt: skip
    by_condition = False
    words: ClassVar[Mapping[str, Words]] = {
        "copied_train_share": ("", "copies of training slices"),
        "copied_held_out_share": ("", "copies of held-out slices"),
        "lesions_copied_share": ("", "lesions of real patients"),
        "copied_exactly": ("", "exact copies of real slices"),
        "copy_closeness": ("", "nearer to real slices than other patients' slices are"),
    }

    def _of(self, score: Score, words: Words) -> Evidence:
        if score.spec == "copied_exactly":
            return exactly(score, 0.0, words[1])
        if score.value is None:
            return Evidence(score.spec, words=words, reason=score.reason or "")
        if score.spec == "copy_closeness":
            return of_shift(score, _NEARER, words)
        return Evidence(
            score.spec, score.value, score.interval, score.p_value, (-_SHARE, _SHARE), words,
            figure=partial(in_samples, score), share=True, volumes=score.n_volumes, by_chance=of_real(score),
        )  # fmt: skip


CHECK = Copied()

"""Collapsed: few different samples."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import ClassVar

from jsddpm.wording import percentage
from jsddpm_eval.checks.base import Evidence, WordedCheck, Words, exactly, in_samples, of_real, of_shift
from jsddpm_eval.results.score import Score
from jsddpm_eval.results.specs import CheckSpec

_NEAR = 0.5  # of the distance between patients
_SHARE = 0.2
_EQUAL = 0.02  # one in a hundred shown twice: the limit of the import check, and as many fewer different samples


def _distance(logarithm: float) -> str:
    return f"at {math.exp(logarithm):.2f} of the distance between patients, logarithm {logarithm:+.2f}"


class Collapsed(WordedCheck):
    """Samples nearer to each other, or to their mean, than patients are, and repeated samples."""

    spec = CheckSpec(
        name="collapsed", heading="collapsed", question="samples differ from each other as patients do",
        rule="distance to the nearest other sample of the condition, relative to real slices, at equal numbers, and "
        f"distance to the mean of the other samples, relative to that of real slices; margin {_NEAR:g} of them; share "
        f"of samples that are nearly another one, of any condition; margin {percentage(_SHARE)}; share of samples that "
        f"equal another one in 256 grey levels; margin {percentage(_EQUAL)}",
    )  # fmt: skip

    words: ClassVar[Mapping[str, Words]] = {
        "nearest_other": ("few different samples", ""),  # more variety than real slices have is not a fault
        "variety": ("less variety than patients have", ""),
        "repeated_share": ("", "the same samples again"),
        "repeated_exactly": ("", "exactly the same samples again"),
    }

    def _of(self, score: Score, words: Words) -> Evidence:
        if score.spec == "repeated_exactly":
            return exactly(score, _EQUAL, words[1])
        if score.value is None or score.interval is None:
            return Evidence(score.spec, words=words, reason=score.reason or "")
        if score.spec in ("nearest_other", "variety"):
            return of_shift(score, -math.log(_NEAR), words, _distance)
        return Evidence(
            score.spec, score.value, score.interval, score.p_value, (-_SHARE, _SHARE), words,
            figure=partial(in_samples, score), share=True, volumes=score.n_volumes, by_chance=of_real(score),
        )  # fmt: skip


CHECK = Collapsed()

"""Collapsed: few different samples."""

from __future__ import annotations

import math
from functools import partial

from jsddpm_eval.checks.base import Check, Evidence, exactly, in_samples
from jsddpm_eval.results.score import Cell
from jsddpm_eval.results.specs import CheckSpec

_NEAR = 0.5  # of the distance between patients
_SHARE = 0.2
_EQUAL = 0.02  # one in a hundred shown twice: the limit of the import check, and as many fewer different samples


def _distance(logarithm: float) -> str:
    return f"at {math.exp(logarithm):.2f} of the distance between patients, logarithm {logarithm:+.2f}"


class Collapsed(Check):
    """Samples nearer to each other than patients are, and repeated samples."""

    spec = CheckSpec(
        name="collapsed", heading="collapsed", question="samples differ from each other as patients do",
        rule="distance to the nearest other sample of the condition, relative to real slices, at equal numbers; "
        f"margin {_NEAR:g} of it; share of samples that are nearly another one, of any condition; margin "
        f"{100 * _SHARE:g} %; share of samples that equal another one in 256 grey levels; margin {100 * _EQUAL:g} %",
    )  # fmt: skip

    @property
    def reads(self) -> tuple[str, ...]:
        """The distance and the shares."""
        return "nearest_other", "repeated_share", "repeated_exactly"

    def evidence(self, cell: Cell) -> list[Evidence]:
        """Evidence from the distance and from repeated samples; more variety than real slices have is not a fault."""
        pieces = []
        for score in cell.scores.values():
            if score.spec == "nearest_other":
                words, margin = ("few different samples", ""), (math.log(_NEAR), -math.log(_NEAR))
            elif score.spec == "repeated_share":
                words, margin = ("", "the same samples again"), (-_SHARE, _SHARE)
            elif score.spec == "repeated_exactly":
                pieces.append(exactly(score, _EQUAL, "exactly the same samples again"))
                continue
            else:
                continue
            if score.value is None or score.interval is None:
                pieces.append(Evidence(score.spec, words=words, reason=score.reason or ""))
                continue
            figure = _distance if words[0] else partial(in_samples, score)
            pieces.append(
                Evidence(
                    score.spec, score.value, score.interval, score.p_value, margin, words, figure=figure,
                    share=score.spec == "repeated_share", volumes=score.n_volumes,
                )
            )  # fmt: skip
        return pieces


CHECK = Collapsed()

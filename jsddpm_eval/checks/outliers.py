"""Outliers: some samples are like no real slice."""

from __future__ import annotations

from functools import partial

from jsddpm.wording import percentage
from jsddpm_eval.checks.base import Check, Evidence, excess, in_samples
from jsddpm_eval.results.score import Cell
from jsddpm_eval.results.specs import CheckSpec

_SHARE, _MOST = 0.02, 0.5
_MOSTLY = "most samples differ from every real slice"
_KIND = "some samples like no real slice"
BLANK = "blank samples"
"""The fault of a share of blank samples that is larger than that of real slices."""
BESIDE_OTHERS = "few samples stand out from the others (what all samples share is subtracted first)"
"""What is fine where all samples are far from real slices."""


class Outliers(Check):
    """A minority of samples that resemble no real slice."""

    spec = CheckSpec(
        name="outliers", heading="outliers",
        question="few samples are outliers",
        unseen="the check of outliers sees neither local faults, such as a hole or a missing skull, nor samples a "
        "third or twice as bright",
        rule="share of samples whose sharpness, texture, brightness and outline, each taken over the whole slice, are "
        "far from those of every real slice, after what all samples share has been subtracted, and share of blank "
        f"samples beside that of real slices; margin {percentage(_SHARE)}, exact binomial test against the bound of "
        "the real share; a local fault, such as a hole or a missing skull, and samples a third or twice as bright are "
        "not seen; where most samples are unlike real slices there is no minority, and other checks look for what they "
        "share",
    )  # fmt: skip
    by_condition = False

    @property
    def reads(self) -> tuple[str, ...]:
        """The shares."""
        return "outlier_share", "blank_share"

    def evidence(self, cell: Cell) -> list[Evidence]:
        """The shares of outliers and of blank samples; few blank ones answer nothing where no minority can be told."""
        untold = any(score.value is None or score.value >= _MOST for score in cell.of("outlier_share"))
        blank = [s for s in cell.of("blank_share") if not (untold and (s.value or 0.0) <= _SHARE)]
        outliers = [
            Evidence(score.spec, reason=_MOSTLY)
            if (score.value or 0.0) >= _MOST
            else excess(score, _SHARE, _KIND, partial(in_samples, score))
            for score in cell.of("outlier_share")
        ]
        return outliers + [excess(score, _SHARE, BLANK, partial(in_samples, score)) for score in blank]


CHECK = Outliers()

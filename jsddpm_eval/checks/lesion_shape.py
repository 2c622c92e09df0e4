"""Lesion shape: generated lesions have another size, outline or place than real ones, or are all alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from jsddpm_eval.checks.base import Evidence, ShiftCheck, Words
from jsddpm_eval.results.score import Score
from jsddpm_eval.results.specs import CheckSpec

_SPREAD = ("form_apart", "form_size_apart")
_LEAST_SPREAD = 1.5  # SD
_RAGGED = "outlines more ragged than real ones, or masks with holes"


class LesionShapeCheck(ShiftCheck):
    """Size, outline and place of lesion masks."""

    spec = CheckSpec(
        name="lesion_shape", heading="lesion shape", question="lesions have the size, outline and place of real ones",
        rule="mean size, number of parts, outline and place of lesion masks, and how far each lies from the others, "
        f"compared with real lesions; margin {ShiftCheck.margin:g} SD, of the spread {_LEAST_SPREAD:g} SD",
        pathology=1,
    )  # fmt: skip
    words: ClassVar[Mapping[str, Words]] = {
        "form_size": ("lesions smaller than real ones", "lesions larger than real ones"),
        "form_parts": ("lesions in fewer parts than real ones", "lesions in more parts than real ones"),
        "form_elongation": ("lesions rounder than real ones", "lesions longer than real ones"),
        "form_solidity": (_RAGGED, "outlines smoother than real ones"),
        "form_roughness": ("outlines smoother than real ones", _RAGGED),
        "form_outside": ("", "masks outside the head"),
        "form_height": ("lesions further up than real ones", "lesions further down than real ones"),
        "form_side": ("lesions further left than real ones", "lesions further right than real ones"),
        "form_apart": ("lesions nearer to each other than real ones", ""),
        "form_size_apart": ("lesions more alike in size than real ones", ""),
    }

    def _of(self, score: Score, words: Words) -> Evidence:
        """Spread is tested where it is far off: slices of few patients lie together, and the test takes them apart."""
        evidence = super()._of(score, words)
        if score.spec not in _SPREAD or score.value is None:
            return evidence
        tested = score.value < -_LEAST_SPREAD
        margin = (-_LEAST_SPREAD, _LEAST_SPREAD)
        return replace(evidence, margin=margin, p_value=evidence.p_value if tested else None)


CHECK = LesionShapeCheck()

"""Sharpness: generated slices are smoother, or noisier, than real ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from jsddpm_eval.checks.base import Evidence, ShiftCheck, Words
from jsddpm_eval.results.score import Cell
from jsddpm_eval.results.specs import CheckSpec

_COARSE = ("grain", "detail_mid")
_SMOOTH, _ROUGH = "smoother than real slices", "noisier or sharper than real slices"
_FINEST = "with more of the finest detail than real slices"  # which slices with too little detail can have as well
_KEPT = "with more of the finest detail and less beside it, as of smoothing that keeps edges"


class SharpnessCheck(ShiftCheck):
    """Fine detail, grain and noise of the background."""

    spec = CheckSpec(
        name="sharpness", heading="sharpness", question="samples are as sharp as real slices",
        rule="mean power of fine detail and how much it varies, grain and noise of the background, compared with real "
        f"slices; margin {ShiftCheck.margin:g} SD",
    )  # fmt: skip
    words: ClassVar[Mapping[str, Words]] = {
        **dict.fromkeys(("detail_low", "detail_mid", "grain"), (_SMOOTH, _ROUGH)),
        **dict.fromkeys(("detail_high", "detail_corner"), (_SMOOTH, _FINEST)),
        "detail_varied": ("", "of sharpness that varies more from slice to slice than in real ones"),
        "background": ("quieter outside the head than real slices", "noisier outside the head than real slices"),
    }

    def evidence(self, cell: Cell) -> list[Evidence]:
        """One piece for each score; more of the finest detail is no sharpness where coarser detail is missing."""
        coarse = [cell.scores[name] for name in _COARSE if name in cell.scores]
        low = any((s.value or 0.0) < -self.margin and s.interval and s.interval[1] < 0 for s in coarse)
        high = any((s.value or 0.0) > self.margin and s.interval and s.interval[0] > 0 for s in coarse)
        smooth = low and not high
        return [
            replace(piece, words=(_SMOOTH, _KEPT if smooth else _FINEST), alike=(_FINEST, _KEPT))
            if piece.words == (_SMOOTH, _FINEST)
            else piece
            for piece in super().evidence(cell)
        ]


CHECK = SharpnessCheck()

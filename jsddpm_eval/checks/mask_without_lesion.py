"""Mask without lesion: the image shows no lesion where the mask says there is one."""

from __future__ import annotations

from jsddpm_eval.checks.base import CellCheck, missing, single
from jsddpm_eval.results.score import Cell
from jsddpm_eval.results.specs import Answer, CheckSpec
from jsddpm_eval.stats.limits import ALPHA


class MaskWithoutLesion(CellCheck):
    """The contrast of lesions with their own masks beside that with swapped ones."""

    spec = CheckSpec(
        name="mask_without_lesion", heading="mask without lesion", pathology=1,
        rule="off: the contrast of lesions is no better with their own masks than with swapped ones (p above 5 %, or a "
        "contrast below 0), while real lesions have one; unknown: the contrast is undefined, or real lesions show none",
        one="has lesion masks without a lesion in the image", many="have lesion masks without a lesion in the image",
    )  # fmt: skip

    def answer(self, cell: Cell) -> tuple[Answer, str]:
        """See :attr:`spec`."""
        contrast = single(cell, "coupling_contrast")
        if contrast is None or contrast.value is None or contrast.p_value is None:
            return "unknown", missing(contrast, "the contrast of lesions")
        if not (contrast.baseline or 0.0) > 0:
            return "unknown", "real lesions show no contrast with their surround"
        seen = f"p = {contrast.p_value:.2g} that masks could be swapped"
        return "off" if contrast.p_value > ALPHA or contrast.value <= 0 else "fine", seen


CHECK = MaskWithoutLesion()

"""Lesion contrast: the image does not show, where the mask says, what images of real lesions show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from jsddpm_eval.checks.base import Evidence, ShiftCheck, Words, excess
from jsddpm_eval.results.score import Cell
from jsddpm_eval.results.specs import CheckSpec

_NONE = 0.4  # share of the real contrast below which there is no lesion at the mask
_REVERSED = -0.25  # and below which its contrast is the opposite
_WHOLE = 0.75  # share of what is kept of the contrast below which the border has lost more than that
_OF_CONTRAST = ("lesion_contrast", "lesion_step")
_BORDERLESS, _MOST_BORDERLESS = "lesion_borderless_share", 0.1
_KIND = "masks that do not show in their images"


class LesionContrastCheck(ShiftCheck):
    """Contrast, border and texture of the image at the mask, and the lesion that a network finds in it.

    Too little contrast has several causes, distinguished by what is kept of the real contrast, whether the network
    finds a lesion elsewhere in the image, and whether the border has lost more than the whole.
    """

    spec = CheckSpec(
        name="lesion_contrast", heading="lesion contrast", question="images show the lesion that the mask marks",
        rule="mean contrast, border and texture of the image at the mask, and predictions of a network that finds "
        "lesions, relative to real lesions; margin 0.5 SD; and the share of masks with hardly a border in their "
        "image; margin 10 %, exact binomial test against the bound of the real share",
        pathology=1,
    )  # fmt: skip
    words: ClassVar[Mapping[str, Words]] = {
        "lesion_contrast": ("darker at masks than real lesions", "brighter at masks than real lesions"),
        "lesion_step": ("darker at masks than real lesions", "brighter at masks than real lesions"),
        "lesion_within": ("", "masks larger than the lesions in the image, or lesions blurred"),
        "lesion_beyond": ("", "masks smaller than the lesions in the image"),
        "lesion_texture": ("smoother inside masks than real lesions", "rougher inside masks than real lesions"),
        "lesion_seen": ("images that show less of a lesion than real ones", ""),
        "lesion_agreement": ("masks that are not where the image shows a lesion", ""),
    }

    @property
    def reads(self) -> tuple[str, ...]:
        """The scores that have words, what is kept of the real contrast, and the share of borderless masks."""
        return (*self.words, *(f"{name}_kept" for name in _OF_CONTRAST), _BORDERLESS)

    def evidence(self, cell: Cell) -> list[Evidence]:
        """One for each score, in words that say which way the real contrast goes."""
        contrast, edge = (cell.scores.get(f"{name}_kept") for name in _OF_CONTRAST)
        words = dict(self.words)
        if contrast is not None and contrast.value is not None:
            share = contrast.value
            words |= dict.fromkeys(_OF_CONTRAST, self._less(share, edge.value if edge else None, cell))
            if share < _NONE:
                words["lesion_agreement"] = (words["lesion_contrast"][0], "")
            if self._real_are_dark(cell, share):
                names = (*_OF_CONTRAST, "lesion_within", "lesion_beyond")
                words |= {name: (words[name][1], words[name][0]) for name in names}
        means = [self._of(score, words[score.spec]) for score in cell.scores.values() if score.spec in words]
        borderless = [
            excess(score, _MOST_BORDERLESS, _KIND, "in {:.0%} of masks".format) for score in cell.of(_BORDERLESS)
        ]
        return means + borderless

    @staticmethod
    def _less(share: float, edge: float | None, cell: Cell) -> Words:
        """Words for too little contrast, and for too much."""
        more = "lesions of more contrast than real ones"
        if share < _REVERSED:
            return "contrast of the wrong sign at masks", more
        if share < _NONE:
            signs = cell.scores.get("lesion_seen")
            elsewhere = signs is not None and signs.interval is not None and signs.interval[1] > 0
            return (
                "masks that are not those of their images" if elsewhere else "masks without a lesion in the image"
            ), more
        if edge is not None and edge < _WHOLE * share:
            return "masks whose borders are not those of the lesions", more
        return "lesions of less contrast than real ones", more

    @staticmethod
    def _real_are_dark(cell: Cell, share: float) -> bool:
        """Whether less contrast than real lesions have means brighter ones."""
        contrast = cell.scores.get("lesion_contrast")
        return contrast is not None and (share < 1) == ((contrast.value or 0.0) > 0)


CHECK = LesionContrastCheck()

"""Lesion contrast: the image does not show, where the mask says, what images of real lesions show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from jsddpm.wording import percentage
from jsddpm_eval.checks.base import Evidence, ShiftCheck, Words, excess
from jsddpm_eval.results.score import Cell
from jsddpm_eval.results.specs import CheckSpec

_NONE = 0.4  # share of the real contrast below which there is no lesion at the mask
_REVERSED = -0.25  # and below which its contrast is the opposite
_WHOLE = 0.75  # share of what is kept of the contrast below which the border has lost more than that
_OF_CONTRAST = ("lesion_contrast", "lesion_step")
_OF_SIZE = ("lesion_within", "lesion_beyond")
_BORDERLESS, _MOST_BORDERLESS = "lesion_borderless_share", 0.1
_KIND = "masks that do not show in their images"
_MORE = "lesions of more contrast than real ones"
_HARDER, _HARD = "lesions with harder borders than real ones, as if pasted", 1.1
"""Too much contrast at the border alone, and how many times what is kept of the contrast it is."""
_ELSEWHERE = "masks that are not where the image shows a lesion"
_BESIDE = "masks that do not follow the lesions"
_NO_LESION = {
    False: "masks without a lesion in the image", True: _ELSEWHERE,
    None: "masks at which the image shows no lesion",
}  # fmt: skip
_FAINT = {
    False: "lesions of less contrast than real ones", True: _BESIDE,
    None: "less contrast at masks than at real lesions",
}  # fmt: skip
"""No and little contrast at masks, by whether the network sees as much of a lesion in images as in real ones."""


class LesionContrastCheck(ShiftCheck):
    """Contrast, border and texture of the image at the mask, and the lesion that a network finds in it.

    Too little contrast has several causes, distinguished by what is kept of the real contrast, whether masks are too
    large or too small, whether the network sees as much of a lesion in the image as in real ones, and whether the
    border has lost more than the whole. Where the network's answer is not known, no cause is named.
    """

    spec = CheckSpec(
        name="lesion_contrast", heading="lesion contrast", question="images show the lesion that the mask marks",
        rule="mean contrast, border and texture of the image at the mask, and predictions of a network that finds "
        f"lesions, relative to real lesions; margin {ShiftCheck.margin:g} SD; and the share of masks with hardly a "
        f"border in their image; margin {percentage(_MOST_BORDERLESS)}, exact binomial test against the bound of the "
        "real share",
        pathology=1,
    )  # fmt: skip
    words: ClassVar[Mapping[str, Words]] = {
        "lesion_contrast": ("darker at masks than real lesions", "brighter at masks than real lesions"),
        "lesion_step": ("darker at masks than real lesions", "brighter at masks than real lesions"),
        "lesion_within": ("", "masks larger than the lesions in the image, or lesions blurred"),
        "lesion_beyond": ("", "masks smaller than the lesions in the image"),
        "lesion_texture": ("smoother inside masks than real lesions", "rougher inside masks than real lesions"),
        "lesion_seen": ("images that show less of a lesion than real ones", ""),
        "lesion_agreement": (_ELSEWHERE, ""),
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
            share, dark = contrast.value, self._real_are_dark(cell, contrast.value)
            if dark:
                words |= {name: words[name][::-1] for name in _OF_SIZE}
            if len(self._sizes(cell, words)) > 1:
                words |= {name: (words[name][0] and _BESIDE, words[name][1] and _BESIDE) for name in _OF_SIZE}
            less = self._less(share, edge.value if edge else None, cell, words)
            more = self._more(share, edge.value if edge else None, cell)
            words |= dict.fromkeys(_OF_CONTRAST, (more, less) if dark else (less, more))
            if share < _NONE:
                words["lesion_agreement"] = (less, "")
        means = [
            replace(self._of(score, words[score.spec]), alike=(_MORE, _HARDER))
            for score in cell.scores.values()
            if score.spec in words
        ]
        borderless = [
            excess(score, _MOST_BORDERLESS, _KIND, "in {:.0%} of masks".format) for score in cell.of(_BORDERLESS)
        ]
        return means + borderless

    def _less(self, share: float, edge: float | None, cell: Cell, words: Mapping[str, Words]) -> str:
        """Words for too little contrast."""
        seen = self._seen(cell)
        if share < _REVERSED:
            return "contrast of the wrong sign at masks"
        if share < _NONE:
            return _NO_LESION[seen]
        sizes = self._sizes(cell, words)
        if seen is not False and sizes:
            return sizes.pop()
        if edge is not None and edge < _WHOLE * share:
            return "masks whose borders are not those of the lesions"
        return _FAINT[seen]

    def _more(self, share: float, edge: float | None, cell: Cell) -> str:
        """Words for too much contrast: of the border alone if the contrast itself may be inside its margin."""
        contrast = cell.scores.get(_OF_CONTRAST[0])
        low, high = (contrast.interval if contrast is not None else None) or (0.0, 0.0)
        alike = low < self.margin and high > -self.margin
        return _HARDER if alike and edge is not None and edge > _HARD * share else _MORE

    def _sizes(self, cell: Cell, words: Mapping[str, Words]) -> set[str]:
        """Whether masks are too large or too small, in words; masks that lie beside their lesions are both."""
        pieces = {name: self._of(cell.scores[name], words[name]) for name in words if name in cell.scores}
        least = max((_certainty(pieces[name]) for name in _OF_CONTRAST if name in pieces), default=0.0) / 2
        clear = [pieces[name] for name in _OF_SIZE if name in pieces and _certainty(pieces[name]) >= max(least, 1)]
        return {piece.kind for piece in clear if piece.kind}

    def _seen(self, cell: Cell) -> bool | None:
        """Whether the network sees as much of a lesion in images as in real ones; None where that is not known."""
        signs = cell.scores.get("lesion_seen")
        if signs is None or signs.interval is None:
            return None
        low, high = signs.interval
        return False if high < 0 else True if low > -self.margin else None

    @staticmethod
    def _real_are_dark(cell: Cell, share: float) -> bool:
        """Whether less contrast than real lesions have means brighter ones."""
        contrast = cell.scores.get("lesion_contrast")
        return contrast is not None and (share < 1) == ((contrast.value or 0.0) > 0)


def _certainty(piece: Evidence) -> float:
    """Half widths of its interval between a value and 0; 0 without a value."""
    low, high = piece.interval or (0.0, 0.0)
    return 2 * abs(piece.value or 0.0) / (high - low) if high > low else 0.0


CHECK = LesionContrastCheck()

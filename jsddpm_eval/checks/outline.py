"""Outline: the head of generated slices has another size, shape, place or orientation."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import ClassVar

from jsddpm.wording import percentage
from jsddpm_eval.checks.base import Evidence, ShiftCheck, Words, excess, in_samples
from jsddpm_eval.results.score import Cell
from jsddpm_eval.results.specs import CheckSpec

_SIZE = ("smaller than real heads", "larger than real heads")
_TURNED, _MOST_TURNED = "turned_share", 0.02
_KIND = "some samples upside down or on their side"


class OutlineCheck(ShiftCheck):
    """Size, place, aspect, tilt and orientation of the head."""

    spec = CheckSpec(
        name="outline", heading="outline", question="heads have the size, place and orientation of real ones",
        rule="mean size, centre, extent, aspect and tilt of the head, and how much centre and tilt vary, compared with "
        f"real slices of the bin; margin {ShiftCheck.margin:g} SD; and the share of samples that are upside down or on "
        f"their side; margin {percentage(_MOST_TURNED)}, exact binomial test against the bound of the real share",
    )  # fmt: skip
    words: ClassVar[Mapping[str, Words]] = {
        "head_area": _SIZE,
        "head_row": ("too far up in the slice", "too far down in the slice"),
        "head_column": ("too far left in the slice", "too far right in the slice"),
        "head_height": ("shorter than real heads", "longer than real heads"),
        "head_width": ("narrower than real heads", "wider than real heads"),
        "head_aspect": ("wide for their length", "narrow for their length"),
        "head_tilt": ("rotated clockwise", "rotated counter-clockwise"),
        "head_place_varied": ("", "with heads that lie in more different places than real ones"),
        "head_tilt_varied": ("", "with heads that are rotated to more different angles than real ones"),
    }

    @property
    def reads(self) -> tuple[str, ...]:
        """The scores that have words, and the share of turned samples."""
        return (*self.words, _TURNED)

    def evidence(self, cell: Cell) -> list[Evidence]:
        """One piece for each score."""
        turned = [excess(score, _MOST_TURNED, _KIND, partial(in_samples, score)) for score in cell.of(_TURNED)]
        return super().evidence(cell) + turned


CHECK = OutlineCheck()

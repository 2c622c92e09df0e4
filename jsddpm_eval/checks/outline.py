"""Outline: the head of generated slices has another size, shape or place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from jsddpm_eval.checks.base import ShiftCheck, Words
from jsddpm_eval.results.specs import CheckSpec

_SIZE = ("smaller than real heads", "larger than real heads")


class OutlineCheck(ShiftCheck):
    """Size and place of the head."""

    spec = CheckSpec(
        name="outline", heading="outline", question="heads of the size and place of real ones",
        rule="mean size, centre and extent of the head, compared with real slices of the bin; margin 0.5 SD",
    )  # fmt: skip
    words: ClassVar[Mapping[str, Words]] = {
        "head_area": _SIZE,
        "head_row": ("too far up in the slice", "too far down in the slice"),
        "head_column": ("too far left in the slice", "too far right in the slice"),
        "head_height": ("shorter than real heads", "longer than real heads"),
        "head_width": ("narrower than real heads", "wider than real heads"),
    }


CHECK = OutlineCheck()

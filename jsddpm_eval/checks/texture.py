"""Texture: generated slices show a grid, stripes or blocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from jsddpm_eval.checks.base import ShiftCheck, Words
from jsddpm_eval.results.specs import CheckSpec

_STRIPES = "with stripes or a grid along the axes"


class TextureCheck(ShiftCheck):
    """Regular patterns."""

    spec = CheckSpec(
        name="texture", heading="texture", question="samples are free of grids, stripes and blocks",
        rule="mean power along the axes, at single frequencies and across borders of blocks, relative to real slices; "
        "margin 0.5 SD",
    )  # fmt: skip
    words: ClassVar[Mapping[str, Words]] = {
        "texture_axis_mid": ("", _STRIPES),
        "texture_axis_high": ("", _STRIPES),
        "texture_direction_mid": ("with more texture from left to right", "with more texture from front to back"),
        "texture_direction_high": ("with more texture from left to right", "with more texture from front to back"),
        "texture_peak": ("", "with a pattern of one frequency"),
        "texture_nyquist": ("", "with a checkerboard of single pixels"),
        "texture_blocks": ("", "with steps between blocks of 8 pixels"),
    }


CHECK = TextureCheck()

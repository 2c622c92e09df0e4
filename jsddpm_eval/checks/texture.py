"""Texture: generated slices show a grid, stripes or blocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from jsddpm_eval.checks.base import ShiftCheck, Words
from jsddpm_eval.results.specs import CheckSpec

_STRIPES = "with more power along the axes than beside them, as of stripes or a grid"
_FINEST = (  # as isolated black or white pixels have, too
    "with more power at the highest frequencies than just below them, as of a checkerboard of single pixels"
)


ROUGH = "with more power at single frequencies than around them, as of a pattern or of rough texture"
"""The fault of a spectrum with peaks; texture that is smoothed or disturbed slice by slice has peaks too."""


class TextureCheck(ShiftCheck):
    """Regular patterns."""

    spec = CheckSpec(
        name="texture", heading="texture", question="samples are free of grids, stripes and blocks",
        rule="mean power along the axes, at single frequencies and across borders of blocks, relative to real slices; "
        f"margin {ShiftCheck.margin:g} SD",
    )  # fmt: skip
    words: ClassVar[Mapping[str, Words]] = {
        "texture_axis_mid": ("", _STRIPES),
        "texture_axis_high": ("", _STRIPES),
        "texture_direction_mid": ("with more texture from left to right", "with more texture from front to back"),
        "texture_direction_high": ("with more texture from left to right", "with more texture from front to back"),
        "texture_peak": ("", ROUGH),
        "texture_nyquist": ("", _FINEST),
        "texture_blocks": ("", "with larger steps every 8 pixels than elsewhere, as of blocks"),
    }


CHECK = TextureCheck()

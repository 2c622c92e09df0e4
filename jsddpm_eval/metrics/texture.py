"""Texture: grids, stripes or blocks in generated slices that real ones do not have."""

from __future__ import annotations

from torch import Tensor

from jsddpm_eval.features.appearance import appearance
from jsddpm_eval.functional.appearance import TEXTURE
from jsddpm_eval.metrics.base import Context
from jsddpm_eval.metrics.shifts import ShiftMetric, shift_spec

_HEADINGS = {
    "axis_mid": ("axes, middle", "middle frequencies along the axes",
                 "log power along the axes less that off them, 0.2 to 0.35 cycles per pixel"),
    "axis_high": ("axes, high", "high frequencies along the axes",
                  "log power along the axes less that off them, 0.35 to 0.5 cycles per pixel"),
    "direction_mid": ("direction, middle", "vertical beside horizontal middle frequencies",
                      "log power of vertical less horizontal frequencies, 0.2 to 0.35"),
    "direction_high": ("direction, high", "vertical beside horizontal high frequencies",
                       "log power of vertical less horizontal frequencies, 0.35 to 0.5"),
    "peak": ("peak", "strongest single frequency",
             "log power of the two frequencies off the axes that stand out most from those around them; it is high in "
             "samples that are symmetric from left to right, too"),
    "nyquist": ("pixel grid", "pixel grid",
                "log power of the highest frequencies less that just below them"),
    "blocks": ("blocks", "steps at blocks of 8 pixels",
               "log of steps across borders of blocks of 8 pixels beside those elsewhere"),
}  # fmt: skip
_PATTERN = "a regular pattern that real slices do not have"
_ROUGH = f"{_PATTERN}, or texture that is rough slice by slice"
SPECS = tuple(
    shift_spec(name=f"texture_{name}", heading=heading, label=label, definition=definition, group="texture",
               reading=f"Above 0: {_ROUGH if name == 'peak' else _PATTERN}.",
               blind_to="patterns of a few samples or of a small part of the slice, because each slice is one number, "
               "and steps of blocks of other sizes than 8 pixels")
    for name in TEXTURE
    for heading, label, definition in [_HEADINGS[name]]
)  # fmt: skip


class Texture(ShiftMetric):
    """Regular patterns."""

    name = "texture"
    specs = SPECS
    needs = frozenset({"pixels"})

    def values(self, context: Context) -> tuple[Tensor, Tensor]:
        """See :func:`~jsddpm_eval.functional.appearance.texture`."""
        return appearance(context.real, "texture"), appearance(context.generated, "texture")


METRIC = Texture()

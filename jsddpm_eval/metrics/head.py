"""Head: size, position, tilt and aspect of generated heads, compared with real ones of their bin."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from jsddpm_eval.features.appearance import appearance
from jsddpm_eval.functional.appearance import OUTLINE
from jsddpm_eval.metrics.base import Context
from jsddpm_eval.metrics.shifts import ShiftMetric, shift_spec, variation

_HEADINGS = {
    "area": ("size", "head size", "root of the head's area"),
    "row": ("row", "row of the head's centre", "row of the head's centre"),
    "column": ("column", "column of the head's centre", "column of the head's centre"),
    "height": ("height", "head height", "standard deviation of the head's pixels along rows"),
    "width": ("width", "head width", "standard deviation of the head's pixels along columns"),
    "aspect": ("aspect", "head height over width", "log of height over width of the head"),
    "tilt": ("tilt", "head tilt", "correlation of row and column over the head's pixels"),
    "place_varied": ("place, varied", "variation of the head's place",
                     "distance of the head's centre from the median centre of the other samples, or of other patients' "
                     "slices, in SD of rows and of columns"),
    "tilt_varied": ("tilt, varied", "variation of head tilt",
                    "distance of the tilt from the median of the other samples, or of other patients' slices, in SD"),
}  # fmt: skip
_VARIED = ("place_varied", "tilt_varied")
SPECS = tuple(
    shift_spec(name=f"head_{name}", heading=heading, label=label, definition=definition, group="head",
               reading="Above 0: larger, lower, further right, rotated counter-clockwise, longer for its width, or "
               "more varied.",
               blind_to="mirrored heads, shapes of the same size, centre and extent, and sizes that vary more")
    for name in (*OUTLINE, *_VARIED)
    for heading, label, definition in [_HEADINGS[name]]
)  # fmt: skip


class Head(ShiftMetric):
    """Size, position, tilt and aspect of the head, and how much place and tilt vary from slice to slice."""

    name = "head"
    specs = SPECS
    needs = frozenset({"pixels"})
    distances = frozenset(("head_place_varied", "head_tilt_varied"))

    def values(self, context: Context) -> tuple[Tensor, Tensor]:
        """See :func:`~jsddpm_eval.functional.appearance.outline`; the last two are distances from other slices."""
        sides = [appearance(side, "outline") for side in (context.real, context.generated)]
        varied = [variation([c[:, OUTLINE.index(name)] for c in sides], context) for name in ("row", "column", "tilt")]
        real, generated = (
            torch.cat([columns, torch.from_numpy(np.stack([np.hypot(row, column), np.abs(tilt)], 1))], 1)
            for columns, row, column, tilt in zip(sides, *varied, strict=True)
        )
        return real, generated


METRIC = Head()

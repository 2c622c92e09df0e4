"""Head: size, position, tilt and aspect of generated heads, compared with real ones of their bin."""

from __future__ import annotations

from torch import Tensor

from jsddpm_eval.features.appearance import appearance
from jsddpm_eval.functional.appearance import OUTLINE
from jsddpm_eval.metrics.base import Context
from jsddpm_eval.metrics.shifts import ShiftMetric, shift_spec
from jsddpm_eval.slice_table import SliceTable

_HEADINGS = {
    "area": ("size", "head size", "root of the head's area"),
    "row": ("row", "row of the head's centre", "row of the head's centre"),
    "column": ("column", "column of the head's centre", "column of the head's centre"),
    "height": ("height", "head height", "standard deviation of the head's pixels along rows"),
    "width": ("width", "head width", "standard deviation of the head's pixels along columns"),
    "aspect": ("aspect", "head height over width", "log of height over width of the head"),
    "tilt": ("tilt", "head tilt", "correlation of row and column over the head's pixels"),
}  # fmt: skip
SPECS = tuple(
    shift_spec(name=f"head_{name}", heading=heading, label=label, definition=definition, group="head",
               reading="Above 0: larger, lower, further right, rotated counter-clockwise, or longer for its width.",
               blind_to="mirrored heads, and shapes of the same size, centre and extent")
    for name in OUTLINE
    for heading, label, definition in [_HEADINGS[name]]
)  # fmt: skip


class Head(ShiftMetric):
    """Size, position, tilt and aspect of the head."""

    name = "head"
    specs = SPECS
    needs = frozenset({"pixels"})

    def values(self, table: SliceTable, context: Context) -> Tensor:
        """See :func:`~jsddpm_eval.functional.appearance.outline`."""
        return appearance(table, "outline")


METRIC = Head()

"""Misplaced: generated slices lie in another place than asked for."""

from __future__ import annotations

from collections.abc import Iterable

from jsddpm_eval.checks.base import Check, missing, single
from jsddpm_eval.results.score import Cell
from jsddpm_eval.results.specs import Answer, CheckSpec

_MARGIN_BINS = 1.0


class Misplaced(Check):
    """The position read off, beside the reading's own error."""

    spec = CheckSpec(
        name="misplaced", heading="misplaced",
        rule="off: slices lie over a bin width further from their bin than held-out real slices from their position; "
        "unknown: there is no held-out real slice to judge the reading by",
        one="lies in another place than asked for", many="lie in another place than asked for",
    )  # fmt: skip

    def judge(self, cells: list[Cell]) -> Iterable[tuple[Cell, Answer, str]]:
        """See :attr:`spec`."""
        for cell in cells:
            error = single(cell, "z_error_bins")
            if error is None or error.value is None or error.baseline is None:
                yield cell, "unknown", missing(error, "the position") or "no held-out real slice to judge by"
            elif error.value > error.baseline + _MARGIN_BINS:
                yield cell, "off", f"{error.value:.1f} bin widths, held-out real slices {error.baseline:.1f}"
            else:
                yield cell, "fine", ""


CHECK = Misplaced()

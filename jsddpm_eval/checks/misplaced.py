"""Misplaced: generated slices lie in another place than asked for."""

from __future__ import annotations

from jsddpm_eval.checks.base import CellCheck, missing, single
from jsddpm_eval.results.score import Cell
from jsddpm_eval.results.specs import Answer, CheckSpec

_MARGIN_BINS = 1.0


class Misplaced(CellCheck):
    """The position read off, beside the reading's own error."""

    spec = CheckSpec(
        name="misplaced", heading="misplaced",
        rule="off: slices lie over a bin width further from their bin than held-out real slices from their position; "
        "unknown: there is no held-out real slice to judge the reading by",
        one="lies in another place than asked for", many="lie in another place than asked for",
    )  # fmt: skip

    def answer(self, cell: Cell) -> tuple[Answer, str]:
        """See :attr:`spec`."""
        error = single(cell, "z_error_bins")
        if error is None or error.value is None or error.baseline is None:
            return "unknown", missing(error, "the position") or "no held-out real slice to judge by"
        if error.value > error.baseline + _MARGIN_BINS:
            return "off", f"{error.value:.1f} bin widths, held-out real slices {error.baseline:.1f}"
        return "fine", ""


CHECK = Misplaced()

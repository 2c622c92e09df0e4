"""Collapsed: different seeds give nearly the same slice."""

from __future__ import annotations

from jsddpm_eval.checks.base import CellCheck
from jsddpm_eval.results.score import Cell, Score
from jsddpm_eval.results.specs import Answer, CheckSpec

_SHARE = 0.5
_SCORES = ("diversity_rmse", "diversity_ssim", "diversity_ms_ssim", "diversity")


class Collapsed(CellCheck):
    """The difference between seeds beside that between patients."""

    spec = CheckSpec(
        name="collapsed", heading="collapsed",
        rule="off: a mean difference between seeds is, with its whole interval, below half of what real patients show; "
        "unknown: no such difference has an interval and a baseline",
        one="varies too little between seeds", many="vary too little between seeds",
    )  # fmt: skip

    def answer(self, cell: Cell) -> tuple[Answer, str]:
        """See :attr:`spec`."""
        scores = [s for name in _SCORES for s in cell.of(name)]
        known = [s for s in scores if s.interval is not None and s.baseline is not None]
        low = [s for s in known if _collapsed(s)]
        if not known:
            return "unknown", next((s.reason for s in scores if s.reason), "needs more seeds and patients")
        return "off" if low else "fine", ", ".join(f"{s.spec} {s.space}".strip() for s in low)


CHECK = Collapsed()


def _collapsed(score: Score) -> bool:
    return score.interval is not None and score.baseline is not None and score.interval[1] < _SHARE * score.baseline

"""Copied: samples are copies of slices of real patients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from jsddpm_eval.checks.base import Check, Evidence, Words
from jsddpm_eval.results.score import Cell, Score
from jsddpm_eval.results.specs import CheckSpec

_SHARE, _NEARER = 0.02, 1.5


class Copied(Check):
    """Copies of training and of held-out slices, altered or not, and samples that are all too near to real slices."""

    spec = CheckSpec(
        name="copied", heading="copies", question="new slices, no copies of real ones",
        rule="share of samples nearer to a real slice, once registered, than slices of other patients come; margin "
        "2 %, exact binomial test against the upper bound of the real share, or of what is twice as near; any exact "
        "copy; mean nearness, margin 1.5 SD",
    )  # fmt: skip
    words: ClassVar[Mapping[str, str]] = {
        "copied_train_share": "copies of training slices",
        "copied_held_out_share": "copies of held-out slices",
        "lesions_copied_share": "lesions of real patients",
        "copied_exactly": "exact copies of real slices",
        "copy_closeness": "nearer to real slices than other patients' slices are",
    }

    @property
    def reads(self) -> tuple[str, ...]:
        """Shares, exact copies and nearness."""
        return tuple(self.words)

    def evidence(self, cell: Cell) -> list[Evidence]:
        """Evidence from each kind of copy, and from nearness."""
        return [self._of(score, self.words[score.spec]) for score in cell.scores.values() if score.spec in self.words]

    def _of(self, score: Score, word: str) -> Evidence:
        words = ("", word)
        if score.value is None:
            return Evidence(score.spec, words=words, reason=score.reason or "")
        total = score.n_generated or 0
        if score.spec == "copied_exactly":
            figure, exactly = f"in {round(score.value * total)} of {total} samples", (score.value, score.value)
            return Evidence(score.spec, score.value, exactly, score.p_value, (0.0, 0.0), words, figure=figure)
        if score.spec == "copy_closeness":
            return self._nearness(score, words)
        figure = f"in {round(score.value * total)} of {total} samples"
        return Evidence(score.spec, score.value, score.interval, score.p_value, (-_SHARE, _SHARE), words, figure=figure)

    @staticmethod
    def _nearness(score: Score, words: Words) -> Evidence:
        """Samples that are further from real slices than other patients' slices are no copies, however far they are."""
        value, interval = max(score.value or 0.0, -_NEARER), score.interval
        bounded = None if interval is None else (max(interval[0], -_NEARER), max(interval[1], -_NEARER))
        margin, figure = (-_NEARER, _NEARER), f"{score.value:+.1f} SD"
        return Evidence(score.spec, value, bounded, score.p_value, margin, words, figure=figure)


CHECK = Copied()

"""Misplaced: generated slices lie in another bin than they are conditioned on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from jsddpm_eval.checks.base import Evidence, WordedCheck, Words
from jsddpm_eval.results.score import Score
from jsddpm_eval.results.specs import CheckSpec

_MARGIN_BINS = 0.5


class Misplaced(WordedCheck):
    """The predicted position, compared with that of real slices of the same bins."""

    spec = CheckSpec(
        name="misplaced", heading="misplaced", question="samples lie in the bin that they are conditioned on",
        rule="mean offset, mean distance and mean pull to the middle of the position that networks predict, compared "
        f"with real slices of patients they were not trained on; margin {_MARGIN_BINS:g} bin widths",
    )  # fmt: skip

    words: ClassVar[Mapping[str, Words]] = {
        "z_offset_bins": ("in lower bins than conditioned on", "in higher bins than conditioned on"),
        "z_pull_bins": ("", "pulled to the middle: the bin of the condition is ignored"),
        "z_error_bins": ("", "further from the bin of the condition than real slices"),
    }

    def _of(self, score: Score, words: Words) -> Evidence:
        if score.value is None or score.baseline is None or score.baseline_interval is None:
            return Evidence(score.spec, words=words, reason=score.reason or "needs 3 patients and 3 samples")
        difference, half = score.value - score.baseline, score.baseline_interval[1] - score.baseline
        return Evidence(
            score.spec, difference, (difference - half, difference + half), score.p_value,
            (-_MARGIN_BINS, _MARGIN_BINS), words, figure="{:+.1f} bin widths beside real slices".format,
            patients=score.n_patients or 0, of_patients=score.of_patients, freedom=score.freedom,
        )  # fmt: skip


CHECK = Misplaced()

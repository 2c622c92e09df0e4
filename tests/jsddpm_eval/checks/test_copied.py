"""The check of copies: nearness is a fault on one side alone."""

from __future__ import annotations

import pytest

from jsddpm_eval.checks.copied import CHECK
from jsddpm_eval.checks.decision import decide
from jsddpm_eval.results.score import Cell, Score


def nearness(value, half=0.3):
    return Score(spec="copy_closeness", value=value, interval=(value - half, value + half), p_value=1e-6, n_patients=30)


@pytest.mark.parametrize(
    ("value", "answer"), [(3.0, "off"), (1.4, "unknown"), (0.0, "fine"), (-1.4, "fine"), (-6.0, "fine")]
)
def test_samples_far_from_all_real_slices_are_no_copies(value, answer):
    none = Score(spec="copied_train_share", value=0.0, interval=(0.0, 0.01), p_value=1.0, n_generated=400)
    cell = Cell(scores={"copy_closeness": nearness(value), "copied_train_share": none})
    (finding,) = decide([CHECK], [cell])
    assert finding.answer == answer


def test_what_keeps_copies_unknown_is_the_share_when_samples_are_far():
    few = Score(spec="copied_train_share", value=0.0, interval=(0.0, 0.025), p_value=1.0, n_generated=144)
    cell = Cell(scores={"copy_closeness": nearness(-1.3), "copied_train_share": few})
    (finding,) = decide([CHECK], [cell])
    assert (finding.answer, finding.score) == ("unknown", "copied_train_share")

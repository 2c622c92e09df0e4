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


def test_exact_copies_are_counted_and_have_no_interval():
    """Of the samples there are; a condition of them keeps its own count beside a whole that is off."""
    made = {None: (20, 29), 0: (2, 5)}
    cells = [
        Cell(z_bin=k, pathology=k, scores={
            "copied_exactly": Score(spec="copied_exactly", value=n / m, n_generated=m, p_value=1e-12)
        })
        for k, (n, m) in made.items()
    ]  # fmt: skip
    found = decide([CHECK], cells)
    assert [(f.answer, f.reason, f.interval) for f in found] == [
        ("off", "in 20 of 29 samples", None), ("off", "in 2 of 5 samples", None),
    ]  # fmt: skip


def test_a_share_of_volumes_is_no_count_of_samples():
    """One volume of ten is a tenth, however many slices it has."""
    one = Score(
        spec="copied_train_share", value=0.1, n_generated=29, n_volumes=10, interval=(0.0025, 0.445), p_value=1e-9
    )
    (found,) = decide([CHECK], [Cell(scores={"copied_train_share": one})])
    assert found.reason == "in 10% of the samples of 10 equally weighted volumes (95%: 0.25% to 44%)"

"""The rule that chooses a check, worked out by hand."""

from __future__ import annotations

import json

import pytest

from jsddpm_eval.monitoring.choice import Check, Choice, difference_error


def check(step, kid, *, spread=0.1, shared=0.5, copying=False, blocks=()):
    """A check whose samples scatter by ``spread``; what patients add (``shared``) is the same in all checks."""
    return Check(step, kid, (shared, -shared), (spread, -spread), blocks, copying)


def test_what_all_checks_share_is_no_error_of_their_difference():
    """Two left-out values a and -a have the jackknife variance 1/2 (a^2 + a^2) = a^2."""
    assert difference_error(check(1, 2.0, spread=0.3), check(2, 1.0, spread=0.1)) == pytest.approx(0.2)
    assert difference_error(check(1, 2.0, shared=5.0), check(2, 1.0, shared=5.0)) == 0
    assert difference_error(check(1, 2.0, shared=0.5), check(2, 1.0, shared=0.1)) == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("checks", "chosen"),
    [
        ([check(1, 1.0)], 1),
        ([check(1, 1.0), check(2, 0.8, spread=0.15)], 2),  # 0.2 lower, error 0.05
        ([check(1, 1.0), check(2, 0.96, spread=0.15)], 1),  # 0.04 lower, error 0.05: the earlier one stays
        (
            [check(1, 1.0), check(2, 0.96, spread=0.15), check(3, 0.92, spread=0.15)],
            3,
        ),  # nor the second
        ([check(1, 1.0), check(2, 1.2), check(3, 0.9)], 3),
        ([check(1, 1.0), check(2, 0.2, copying=True)], 1),  # copies are no quality
        ([check(1, 0.2, copying=True), check(2, 1.0)], 2),
        ([check(1, 1.0, copying=True), check(2, 0.5, copying=True)], 2),  # all copy: the lowest KID
        ([check(1, -0.1), check(2, -0.3)], 2),  # an unbiased KID may be negative
    ],
)
def test_the_chosen_check(checks, chosen):
    choice = Choice()
    for one in checks:
        choice = choice.after(one, ())
    assert choice.best.step == chosen
    assert choice.waited == len(checks) - chosen
    assert choice.reason


def test_the_first_signs_of_memorisation_stay():
    choice = Choice().after(check(1, 1.0), ()).after(check(2, 0.5), ("copies",)).after(check(3, 0.4), ("a gap",))
    assert (choice.onset, choice.signs) == (2, ("copies",))
    assert Choice().after(check(1, 1.0), ()).onset is None


def test_a_choice_goes_through_json():
    choice = Choice().after(check(1, 1.0, blocks=(2, 1)), ("copies",)).after(check(2, 3.0, blocks=(2, 1)), ())
    assert Choice.from_dict(json.loads(json.dumps(choice.to_dict()))) == choice
    assert Choice.from_dict(Choice().to_dict()) == Choice()

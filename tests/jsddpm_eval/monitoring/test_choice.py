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
        ([check(1, 1.0), check(2, 1.04, spread=0.15)], 2),  # 0.04 higher, error 0.05: the later one of equals
        ([check(1, 1.0), check(2, 1.06, spread=0.15)], 1),  # 0.06 higher
        ([check(1, 1.0), check(2, 1.04, spread=0.15), check(3, 1.08, spread=0.2)], 3),  # 0.08 higher, error 0.1
        ([check(1, 1.0), check(2, 1.04, spread=0.15), check(3, 1.08, spread=0.15)], 2),  # no drift: 0.08 from step 1
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
    assert choice.reason


def test_checks_are_counted_since_the_last_that_was_clearly_better():
    choice, waited = Choice(), []
    for one in (check(1, 1.0), check(2, 1.0), check(3, 0.97, spread=0.15), check(4, 0.9), check(5, 1.5)):
        choice = choice.after(one, ())
        waited.append(choice.waited)
    assert waited == [0, 1, 2, 0, 1]
    assert choice.best.step == 4


def test_once_there_is_a_sign_of_memorisation_the_earlier_one_of_equals_stays():
    equals = [check(step, 1.0) for step in (1, 2, 3)]
    choice = Choice().after(equals[0], ()).after(equals[1], ("a gap",)).after(equals[2], ())
    assert choice.best.step == 1
    assert choice.after(check(4, 0.8), ()).best.step == 4  # clearly better


def test_the_first_signs_of_memorisation_stay():
    choice = Choice().after(check(1, 1.0), ()).after(check(2, 0.5), ("copies",)).after(check(3, 0.4), ("a gap",))
    assert (choice.onset, choice.signs) == (2, ("copies",))
    assert Choice().after(check(1, 1.0), ()).onset is None


def test_a_choice_goes_through_json():
    choice = Choice().after(check(1, 1.0, blocks=(2, 1)), ("copies",)).after(check(2, 3.0, blocks=(2, 1)), ())
    assert Choice.from_dict(json.loads(json.dumps(choice.to_dict()))) == choice
    assert Choice.from_dict(Choice().to_dict()) == Choice()

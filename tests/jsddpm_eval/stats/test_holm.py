"""Adjusted p-values against the step-down procedure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jsddpm_eval.stats import holm
from jsddpm_eval.stats.holm import holm_adjusted


@given(st.dictionaries(st.integers(), st.floats(0, 1), max_size=8))
def test_adjusted_p_values_reject_what_the_step_down_procedure_rejects(p_values):
    adjusted = holm_adjusted(p_values)
    assert set(adjusted) == set(p_values)
    for level in (0.01, 0.05, 0.2):
        rejected = set()
        for rank, key in enumerate(sorted(p_values, key=p_values.__getitem__)):
            if p_values[key] * (len(p_values) - rank) > level:
                break
            rejected.add(key)
        assert {k for k, p in adjusted.items() if p <= level} == rejected


@pytest.mark.parametrize(
    ("least", "able"),
    [
        ([0.05], [0.05]),  # a test that reaches the level can reject
        ([0.0501], []),
        ([0.025, 0.025], [0.025, 0.025]),  # two that reach half of it
        ([0.025, 0.0251], [0.025]),  # of two that reach 5 %, one reaches 2.5 %
        ([0.0, 0.02, 0.04], [0.0, 0.02]),
        ([0.0, 0.0, 0.0166, 0.0168], [0.0, 0.0, 0.0166]),  # 0.05 / 3
    ],
)
def test_the_tests_that_can_reject_are_those_of_tarone(least, able):
    """The smallest k such that at most k tests reach 5 % / k."""
    found = holm.testable(dict(enumerate(least)), 0.05)
    assert [least[key] for key in found] == able

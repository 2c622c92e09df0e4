"""Adjusted p-values against the step-down procedure."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

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

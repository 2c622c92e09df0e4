"""Levels of places, the false alarms that each may use, and the relabellings that tests at a level need."""

from __future__ import annotations

from jsddpm_eval.results.specs import Place
from jsddpm_eval.stats.limits import ALPHA
from jsddpm_eval.stats.relabellings import relabelling_count

LEVELS = {"whole": 0.6, "pathology": 0.2, "bin": 0.1, "condition": 0.1}
"""Share of the false alarms that each level may use."""


def level(place: Place, pathology: int | None = None) -> str:
    """The level of a place; the top of a check of one pathology is that pathology.

    >>> level((None, None)), level((None, 1)), level((None, 1), pathology=1), level((3, 1))
    ('whole', 'pathology', 'whole', 'condition')
    """
    z_bin, kind = place
    if z_bin is None:
        return "whole" if kind is None or kind == pathology else "pathology"
    return "bin" if kind is None else "condition"


def single_level(name: str, n_bins: int = 1) -> float:
    """Level of a single test if all checks are made: the false alarms of its level, divided by the tests.

    Args:
        name: One of :data:`LEVELS`.
        n_bins: Number of bins; of no matter to the whole.
    """
    from jsddpm_eval.checks.verdict import checks

    scores = sum(check.tests for check in checks())
    places = {"whole": 1, "pathology": 2, "bin": n_bins, "condition": 2 * n_bins}
    return LEVELS[name] * ALPHA / (scores * places[name])


def relabellings_at(place: Place, total: int) -> int:
    """Relabellings of each draw of a permutation test at a place: the whole has as many as its level needs.

    A pathology, a bin or a condition shares few false alarms with many tests and would need more than ten thousand.
    Its p-value is shown, and is not tested if all checks are made.

    Args:
        place: Bin and pathology, None for all.
        total: Samples that are exchanged: patients and generated units.

    >>> relabellings_at((3, 1), 700) < 1 / single_level("whole") < relabellings_at((None, None), 700)
    True
    """
    return relabelling_count(total, single_level("whole") if level(place) == "whole" else None)

"""Corrections of p-values for several tests."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)


def holm_adjusted(p_values: Mapping[Key, float]) -> dict[Key, float]:
    """P-values that may each be compared with the level of all tests together (Holm 1979).

    The k-th smallest of m is multiplied by ``m - k + 1``, never below the one before, at most 1.

    >>> holm_adjusted({"a": 0.01, "b": 0.04, "c": 0.03})
    {'a': 0.03, 'c': 0.06, 'b': 0.06}
    """
    adjusted: dict[Key, float] = {}
    largest = 0.0
    for rank, (key, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        largest = max(largest, min(1.0, p * (len(p_values) - rank)))
        adjusted[key] = largest
    return adjusted


def testable(least: Mapping[Key, float], level: float) -> list[Key]:
    """The tests that can reject at their share of a level, among as many as can (Tarone 1990, Biometrics 46).

    Args:
        least: The smallest p-value each test can give.
        level: Level of all tests together.

    Returns:
        For the smallest k such that at most k tests can reach ``level / k``, those tests.

    >>> testable({"a": 0.0, "b": 0.02, "c": 0.04}, 0.05)
    ['a', 'b']
    """
    for k in range(1, len(least) + 1):
        able = [key for key, p in least.items() if p <= level / k]
        if len(able) <= k:
            return able
    return list(least)

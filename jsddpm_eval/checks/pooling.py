"""Partial pooling: a condition's value, drawn towards that of the place above it (DerSimonian and Laird 1986)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from statistics import variance

from jsddpm_eval.checks.base import Evidence
from jsddpm_eval.stats.limits import Z95

_LEAST_FREEDOM = 1e-9


def pooled(own: Evidence, parent: Evidence, siblings: Iterable[Evidence]) -> Evidence:
    """The weighted mean of a condition's value and that of the place above it, by random effects.

    Shares are pooled as the arcsine of their square root. Its variance does not depend on the share, and values and
    intervals stay between 0 and 1.

    Args:
        own: Evidence of the condition.
        parent: Evidence of the same score of the place above it.
        siblings: Evidence of all conditions of that place.
    """
    if own.value is None or parent.value is None:
        return own
    (value, alone), (top, above) = _estimate(own), _estimate(parent)
    if alone == 0:  # what is certain borrows nothing
        return own
    prior = _between([_estimate(e) for e in siblings if e.value is not None]) + above
    weight = prior / (alone + prior)
    middle = weight * value + (1 - weight) * top
    half = Z95 * (weight * alone + (1 - weight) ** 2 * above) ** 0.5
    estimate, low, high = middle, middle - half, middle + half
    if own.share:
        estimate, low, high = (math.sin(min(math.pi / 2, max(0.0, x))) ** 2 for x in (estimate, low, high))
    return own.pooled(estimate, (low, high))


def variance_of(interval: tuple[float, float] | None) -> float:
    """Squared standard error of a normal estimate with a 95 % interval; 0 without one."""
    low, high = interval or (0.0, 0.0)
    return ((high - low) / (2 * Z95)) ** 2


def _estimate(evidence: Evidence) -> tuple[float, float]:
    """Value and variance on the scale on which they are pooled; the evidence has a value."""
    value = evidence.value or 0.0
    low, high = evidence.interval or (value, value)
    if evidence.share:
        value, low, high = (math.asin(min(1.0, max(0.0, x)) ** 0.5) for x in (value, low, high))
    return value, variance_of((low, high))


def _between(estimates: list[tuple[float, float]]) -> float:
    """Variance between conditions beyond what their errors explain."""
    values = [(v, 1 / s) for v, s in estimates if s > 0]
    if len(values) < 2:
        return 0.0
    total = sum(w for _, w in values)
    mean = sum(v * w for v, w in values) / total
    excess = sum(w * (v - mean) ** 2 for v, w in values) - (len(values) - 1)
    freedom = total - sum(w * w for _, w in values) / total
    if freedom <= total * _LEAST_FREEDOM:  # one value is almost certain: the weights of the others vanish
        return variance([v for v, _ in values])
    return max(0.0, excess / freedom)

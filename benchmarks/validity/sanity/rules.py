"""When a metric passes a check: the rules and margins of Raisa et al. (2025) and of their code, as data.

A curve is a metric's mean over repeats at the points of one level. A check is passed if every rule holds at every
level; where diversity may be "low" or "high" on samples that are too wide, it must be the same at every level.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

Curve = dict[float, float]
Rule = Callable[[Curve], bool | str]
CLOSE, FLAT, RISE, SAG = 0.05, 0.05, 0.2, 0.1


def _ends(curve: Curve) -> tuple[float, float]:
    return curve[min(curve)], curve[max(curve)]


def near(target: float, at: float | str) -> Rule:
    def rule(curve: Curve) -> bool:
        point = {"first": min(curve), "last": max(curve)}.get(at, at) if isinstance(at, str) else at
        return bool(abs(curve[point] - target) <= CLOSE)

    return rule


def bell(middle: float) -> Rule:
    def rule(curve: Curve) -> bool:
        (left, right), centre = _ends(curve), curve[middle]
        low, high = min(curve.values()), max(curve.values())
        return centre - max(left, right) >= RISE and high - centre <= SAG and min(left, right) - low <= SAG

    return rule


def rising(curve: Curve) -> bool:
    left, right = _ends(curve)
    return right - left >= RISE and left - min(curve.values()) <= SAG and max(curve.values()) - right <= SAG


def falling(curve: Curve) -> bool:
    return rising({-x: y for x, y in curve.items()})


def falling_by(point: float, drop: float = 0.1) -> Rule:
    return lambda curve: falling(curve) and curve[min(curve)] - curve[point] >= drop


def flat(curve: Curve) -> bool:
    return max(curve.values()) - min(curve.values()) <= FLAT


def settled(curve: Curve) -> bool:
    """Flat from the median point on."""
    middle = float(np.median(list(curve)))
    return flat({x: y for x, y in curve.items() if x >= middle})


def low_or_high(low: Rule, high: Rule) -> Rule:
    return lambda curve: "low" if low(curve) else "high" if high(curve) else False


ONE_FIRST, ONE_LAST = near(1, "first"), near(1, "last")
ZERO_FIRST, ZERO_LAST = near(0, "first"), near(0, "last")
SHIFTED = {"bounds": [near(1, 0.0), ZERO_FIRST, ZERO_LAST], "purpose": [bell(0.0)]}
NOTHING_SHARED = {"bounds": [ZERO_LAST], "purpose": [settled]}
OFF_EVERYWHERE = [ZERO_FIRST, ZERO_LAST]
WIDE_FIRST = low_or_high(ZERO_FIRST, ONE_FIRST)
WIDE_LAST = low_or_high(ZERO_LAST, ONE_LAST)
Rules = dict[str, dict[str, list[Rule]]]
SAME_FOR_BOTH: Rules = {
    "mean": SHIFTED,
    "outlier": SHIFTED,
    "pareto": SHIFTED,
    "surface": {"bounds": [near(1, 1.0), ZERO_FIRST, ZERO_LAST], "purpose": [bell(1.0)]},
    "size": {"data": [settled], "purpose": [near(0.2, "last")]},
    "generated size": {"hyperparameters": [settled], "purpose": [near(0.2, "last")]},
    "shapes": NOTHING_SHARED,
    "scaling": {"bounds": OFF_EVERYWHERE, "invariance": [flat]},
    "disjoint": {"bounds": OFF_EVERYWHERE, "purpose": [flat]},
}
FIDELITY: Rules = SAME_FOR_BOTH | {
    "spread": {"bounds": [near(1, 1.0), ONE_FIRST, ZERO_LAST], "purpose": [falling]},
    "simultaneous": {"bounds": [ONE_FIRST, ONE_LAST], "purpose": [flat]},
    "sequential": {"bounds": [ONE_FIRST, ONE_LAST], "purpose": [flat]},
    "invention": {"bounds": [near(1, 5.0), ONE_FIRST], "purpose": [falling]},
    "collapse": {"bounds": [ONE_FIRST], "purpose": [falling]},
}
DIVERSITY: Rules = SAME_FOR_BOTH | {
    "spread": {"bounds": [near(1, 1.0), ZERO_FIRST, WIDE_LAST], "purpose": [low_or_high(bell(1.0), rising)]},
    "simultaneous": {"bounds": [ONE_FIRST], "purpose": [falling_by(round(47 / 49, 12))]},
    "sequential": {"bounds": [ONE_FIRST], "purpose": [falling_by(4.0)]},
    "invention": {"bounds": [near(1, 5.0), ONE_LAST], "purpose": [rising]},
    "collapse": {"bounds": [ONE_FIRST], "purpose": [low_or_high(falling, flat)]},
}
DISCRETE: dict[str, dict[str, list[Rule]]] = {
    "fidelity real discrete": {"bounds": OFF_EVERYWHERE, "purpose": [flat]},
    "fidelity real continuous": {"bounds": [ONE_FIRST, ONE_LAST], "purpose": [flat]},
    "diversity real discrete": {"bounds": [WIDE_FIRST, WIDE_LAST], "purpose": [flat]},
    "diversity real continuous": {"bounds": OFF_EVERYWHERE, "purpose": [flat]},
}


def _rules(kind: str, check: str, level: str) -> dict[str, list[Rule]]:
    if check == "discrete":
        return DISCRETE[f"{kind} {level}"]
    return (FIDELITY if kind == "fidelity" else DIVERSITY)[check]


def outcomes(kind: str, check: str, curves: dict[str, Curve]) -> dict[str, str]:
    """Desideratum -> "pass", "low", "high" (both are passes) or "fail"; curves by level."""
    answers: dict[str, list[bool | str]] = {}
    for level, curve in curves.items():
        for desideratum, rules in _rules(kind, check, level).items():
            answers.setdefault(desideratum, []).extend(rule(curve) for rule in rules)
    return {desideratum: _together(values) for desideratum, values in answers.items()}


def _together(answers: Iterable[bool | str]) -> str:
    seen = set(answers)
    if False in seen or {"low", "high"} <= seen:
        return "fail"
    return next((str(word) for word in ("low", "high") if word in seen), "pass")

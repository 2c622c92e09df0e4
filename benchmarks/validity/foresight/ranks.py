"""Do scores foresee utility? Rank correlations over generators, with intervals over families of generators."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata, spearmanr

from jsddpm_eval.stats.holm import holm_adjusted
from jsddpm_eval.stats.limits import ALPHA

Row = Mapping[str, Any]
Array = NDArray[np.float64]

_DRAWS = 1000
_RIDGE = 10.0
"""Penalty of the regression's slopes; a column of N ranks has the sum of squares N / 12."""


@dataclass(frozen=True)
class Correlation:
    """Rank correlation of a number of each generator with the Dice of networks trained on its samples.

    Attributes:
        score: Name of the number.
        value: Spearman's rank correlation.
        interval: Its 95 % interval: percentiles of draws of families of generators, with replacement.
        generators: Number of generators that have the number.
        p_value: Two-sided, of no correlation; corrected over the scores (Holm). None for composites.
    """

    score: str
    value: float
    interval: tuple[float, float]
    generators: int
    p_value: float | None = None


def correlations(rows: Sequence[Row], *, seed: int = 0) -> list[Correlation]:
    """The correlation of the deviation of each score from its baseline with Dice, the strongest first.

    A score that is undefined for more than a tenth of the generators, or equal for all of them, is left out.
    """
    dice, families = _dice(rows), _families(rows)
    found: list[Correlation] = []
    p_values: dict[str, float] = {}
    for score in dict.fromkeys(name for row in rows for name in row["deviations"]):
        values = np.array([_number(row["deviations"].get(score)) for row in rows])
        known = np.isfinite(values)
        if known.mean() < 0.9 or np.ptp(values[known]) == 0:
            continue
        found.append(_correlation(score, values[known], dice[known], families[known], seed))
        p_values[score] = float(spearmanr(values[known], dice[known]).pvalue)
    corrected = holm_adjusted(p_values)
    return sorted((replace(c, p_value=corrected[c.score]) for c in found), key=lambda c: -abs(c.value))


def composites(rows: Sequence[Row], *, seed: int = 0) -> list[Correlation]:
    """Three composites: checks that are off, checks of lesions that are off, and a ridge regression.

    The regression is on the ranks of all deviations. The prediction for a generator comes from the generators of other
    families, so that no fault is predicted from itself at another strength.
    """
    values = {
        "checks that are off": np.array([float(row["off"]) for row in rows]),
        "checks of lesions that are off": np.array([float(row["off_lesions"]) for row in rows]),
        "regression on all scores, family left out": predicted(rows),
    }
    dice, families = _dice(rows), _families(rows)
    return [_correlation(name, v, dice, families, seed) for name, v in values.items() if np.ptp(v) > 0]


def predicted(rows: Sequence[Row]) -> Array:
    """Dice of each generator as a ridge regression on the generators of all other families predicts it, ``(N,)``."""
    dice, families = _dice(rows), _families(rows)
    names = [s for s in rows[0]["deviations"] if all(_number(r["deviations"].get(s)) < math.inf for r in rows)]
    values = np.array([[_number(row["deviations"][s]) for s in names] for row in rows])
    ranks = (np.apply_along_axis(rankdata, 0, values) - 1) / (len(rows) - 1) - 0.5
    out = np.empty(len(rows))
    for family in np.unique(families):
        left = families == family
        x, y = ranks[~left], dice[~left]
        centre, middle = x.mean(0), y.mean()
        gram = (x - centre).T @ (x - centre) + _RIDGE * np.eye(x.shape[1])
        out[left] = middle + (ranks[left] - centre) @ np.linalg.solve(gram, (x - centre).T @ (y - middle))
    return out


def reliability(rows: Sequence[Row]) -> float:
    """Spearman's correlation of the Dice of one training with that of another one, over generators.

    What no score can exceed by much: two trainings on the same samples agree no better.
    """
    dice = np.array([row["dice"] for row in rows])
    pairs = [(i, j) for i in range(dice.shape[1]) for j in range(i)]
    return float(np.mean([spearmanr(dice[:, i], dice[:, j]).statistic for i, j in pairs]))


def foresees(correlation: Correlation) -> bool:
    """Whether a score by itself orders generators by utility: an interval beyond one half, and a small p-value."""
    nearest = min(map(abs, correlation.interval))
    same_side = correlation.interval[0] * correlation.interval[1] > 0
    return same_side and nearest >= 0.5 and (correlation.p_value is None or correlation.p_value <= ALPHA)


def _dice(rows: Sequence[Row]) -> Array:
    return np.array([np.mean(row["dice"]) for row in rows])


def _families(rows: Sequence[Row]) -> NDArray[np.str_]:
    return np.array([row["family"] for row in rows])


def _number(value: float | None) -> float:
    return math.inf if value is None else float(value)


def _correlation(score: str, values: Array, dice: Array, families: NDArray[np.str_], seed: int) -> Correlation:
    rng = np.random.default_rng(seed)
    _, number = np.unique(families, return_inverse=True)
    members = [np.flatnonzero(number == k) for k in range(number.max() + 1)]
    drawn = []
    for picked in rng.integers(0, len(members), (_DRAWS, len(members))):
        chosen = np.concatenate([members[k] for k in picked])
        if np.ptp(values[chosen]) > 0 and np.ptp(dice[chosen]) > 0:
            drawn.append(_rank_correlation(values[chosen], dice[chosen]))
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Correlation(score, _rank_correlation(values, dice), (float(low), float(high)), len(values))


def _rank_correlation(a: Array, b: Array) -> float:
    return float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])

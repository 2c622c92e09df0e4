"""Results of a grid: means of arms, differences paired by patient and training, and answers. Torch-free."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jsddpm_eval.stats.crossed import CrossedMean, crossed_mean, trainings_for
from jsddpm_eval.stats.holm import holm_adjusted
from jsddpm_eval.stats.limits import ALPHA
from jsddpm_eval.utility.scores import Record

Measure = Callable[[Record], float | None]
Tables = list[NDArray[np.float64]]

GAIN = 0.05
"""Gain in Dice for which the number of patients that would detect it is reported."""

FLOOR = 0.05
"""Mean score below which networks have learned nothing; two such arms are equal, whatever their samples are."""

MARGIN = 0.02
"""Default difference in Dice that is too small to matter."""


class Grid:
    """Records of patients by fold, arm and training.

    Args:
        rows: Rows of :func:`~jsddpm_eval.utility.grid.run_cells`, of a full grid.
    """

    def __init__(self, rows: Sequence[dict[str, Any]]) -> None:
        self._cells = {(r["fold"], r["arm"], r["network"], r["seed"]): r["patients"] for r in rows}
        self.folds, self.arms, self.networks, self.seeds = (
            list(dict.fromkeys(key[i] for key in sorted(self._cells, key=lambda k: k[i]))) for i in range(4)
        )

    def tables(self, arm: str, measure: Measure, networks: Sequence[str] | None = None) -> Tables:
        """Fold by fold the values of patients (rows) in trainings (columns); patients without a value are left out."""
        by_fold = []
        for fold in self.folds:
            cells = [self._cells[fold, arm, n, s] for n in networks or self.networks for s in self.seeds]
            values = np.array([[np.nan if (v := measure(p)) is None else v for p in cell] for cell in cells], float).T
            by_fold.append(values[np.isfinite(values).all(1)])
        return by_fold

    def lesion_sizes(self) -> NDArray[np.float64]:
        """Voxels of every true lesion, ``(n,)``."""
        first = [self._cells[fold, self.arms[0], self.networks[0], self.seeds[0]] for fold in self.folds]
        return np.array([voxels for cell in first for record in cell for voxels, _ in record["lesions"]], float)

    def mean(self, arm: str, measure: Measure, networks: Sequence[str] | None = None) -> CrossedMean:
        """Mean of an arm."""
        return crossed_mean(self.tables(arm, measure, networks))

    def difference(
        self, arm: str, reference: str, measure: Measure, networks: Sequence[str] | None = None
    ) -> CrossedMean:
        """An arm less another one, patient by patient and training by training."""
        pairs = zip(self.tables(arm, measure, networks), self.tables(reference, measure, networks), strict=True)
        return crossed_mean([a - b for a, b in pairs])


def compared(
    grid: Grid,
    pairs: Sequence[tuple[str, str]],
    measure: Measure,
    *,
    margin: float = MARGIN,
    networks: Sequence[str | None] = (None,),
) -> list[dict[str, Any]]:
    """Differences of arms with what they amount to; p-values are corrected over all of them together (Holm 1979).

    Args:
        grid: The cells.
        pairs: Arms and what each is compared with.
        measure: The score; higher is better.
        margin: Difference that is not worth having.
        networks: Networks, one by one; None for all together.

    Returns:
        A row for each pair and network: ``arm``, ``reference``, ``network``, ``difference``, ``interval``, ``p_value``
        (corrected), ``patients``, ``trainings`` (of each arm), ``trainings_needed`` (fewest that can be significant),
        ``answer`` (see :func:`answer`), ``detectable`` (difference seen with a power of 80 %), ``patients_for_gain``
        (patients with whom :data:`GAIN` would be seen), ``learned`` (whether the mean of either arm reaches
        :data:`FLOOR`; without it the answer is ``unknown``). The two before it are null with too few trainings or
        without learning, the last of them also where no number suffices.
    """
    tests = [(arm, reference, network) for arm, reference in pairs for network in networks]
    means = {key: grid.difference(key[0], key[1], measure, [key[2]] if key[2] else None) for key in tests}
    corrected = holm_adjusted({key: p for key, mean in means.items() if (p := mean.p_value) is not None})
    level = ALPHA / max(1, len(tests))
    rows = []
    for key, mean in means.items():
        chosen = [key[2]] if key[2] else None
        learned = any(grid.mean(arm, measure, chosen).value >= FLOOR for arm in key[:2])
        rows.append({
            "arm": key[0], "reference": key[1], "network": key[2], **estimate(mean), "p_value": corrected.get(key),
            "trainings": len(mean.trainings), "trainings_needed": trainings_for(level),
            "answer": answer(mean, corrected.get(key), margin) if learned else "unknown",
            "detectable": mean.detectable(level) if learned else None,
            "patients_for_gain": mean.patients_for(GAIN, level) if learned else None, "learned": learned,
        })  # fmt: skip
    return rows


def estimate(mean: CrossedMean, name: str = "difference") -> dict[str, Any]:
    """A mean as plain values: itself, its interval, and the number of patients."""
    interval = mean.interval
    return {
        name: mean.value if mean.patients else None,
        "interval": None if interval is None else list(interval),
        "patients": mean.patients,
    }


def answer(mean: CrossedMean, p_value: float | None, margin: float) -> str:
    """``helps`` or ``harms`` by the corrected test; ``no difference``, ``no gain`` by the interval; or ``unknown``.

    The interval of no difference lies within the margin on both sides, that of no gain below it.
    """
    if mean.interval is None or p_value is None:
        return "unknown"
    low, high = mean.interval
    if p_value <= ALPHA:
        return "helps" if mean.value > 0 else "harms"
    if high < margin:
        return "no difference" if low > -margin else "no gain"
    return "unknown"

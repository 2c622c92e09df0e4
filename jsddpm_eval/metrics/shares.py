"""Base of metrics that count the samples which lie beyond what real slices reach."""

from __future__ import annotations

from abc import abstractmethod
from functools import partial
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jsddpm_eval.metrics.base import NOTHING_GENERATED, Cell, Context, Metric
from jsddpm_eval.results.score import Baseline, Counts, Score, Spread
from jsddpm_eval.stats.exceedance import by_unit, share_bound, share_interval, share_p_value
from jsddpm_eval.stats.limits import MIN_UNITS

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Labels = NDArray[np.int64]

_NO_BASELINE = Baseline()


class Reach(NamedTuple):
    """One number of each slice, by row of the whole table; NaN where a slice has none.

    Attributes:
        generated: Of the samples.
        real: Of the real slices.
        threshold: Larger numbers lie beyond.
    """

    generated: Array
    real: Array
    threshold: float


def counted_share(
    flags: Flags, unit: Labels, counts: Counts, baseline: Baseline = _NO_BASELINE, *, p_value: float | None = None
) -> Score:
    """A share of samples with its exact interval; a volume counts once, however many slices it has.

    Value and interval rest on the same count, so the value lies in its interval.

    Args:
        flags: Which samples count, boolean ``(m,)``, at least one.
        unit: What is independent of each other among them, ``(m,)``.
        counts: Counts of the score.
        baseline: The same share of real slices.
        p_value: P-value of the score's hypothesis.
    """
    count, total = by_unit(flags, unit)
    return Score.of(
        count / total, counts, Spread(share_interval(count, total)), baseline, p_value=p_value, n_units=total
    )


def share_score(
    beyond: Flags, unit: Labels, bound: float, counts: Counts, *, expected: float = 0.0, p_value: float | None = None
) -> Score:
    """The :func:`counted_share` of samples that lie beyond, beside the bound of the share of real slices.

    Args:
        beyond: Whether each sample lies beyond, boolean ``(m,)``, at least one.
        unit: What is independent of each other among them, ``(m,)``.
        bound: Upper bound of the share among slices of new patients.
        counts: Counts of the score.
        expected: The baseline.
        p_value: P-value of another test; None tests against the bound.
    """
    p_value = share_p_value(*by_unit(beyond, unit), bound) if p_value is None else p_value
    return counted_share(beyond, unit, counts, Baseline(expected, (0.0, bound)), p_value=p_value)


class ShareMetric(Metric):
    """The share of samples whose number lies beyond a threshold; its one spec is a share.

    The share has its exact interval, the bound of the share of new patients, and the test against this bound.

    Attributes:
        confidence: Probability that new patients' share is smaller than the bound.
        too_few: Reason where fewer than three patients have the number.
    """

    confidence: ClassVar[float]
    too_few: ClassVar[str]

    @abstractmethod
    def reach(self, context: Context) -> Reach:
        """The numbers of all slices; computed once."""

    @abstractmethod
    def expected(self, beyond: Flags, patient: Labels) -> float:
        """The baseline, from whether each real slice lies beyond and its patient."""

    @abstractmethod
    def missing(self, cell: Cell, context: Context) -> str:
        """Reason where no sample of a cell has the number."""

    def counts(self, cell: Cell, samples: int, slices: int, patients: int) -> Counts:
        """Counts of a score that rests on so many samples, and on real slices of so many patients."""
        return cell.counts._replace(n_generated=samples, n_patients=patients)

    def note(self, cell: Cell, context: Context, values: Array) -> None:
        """Keep the numbers of a cell's samples, where they are of use."""

    def compute(self, cell: Cell, context: Context) -> dict[str, Score]:
        """The share of the cell."""
        if not len(cell.generated):
            return self.undefined(cell, context, NOTHING_GENERATED)
        reach = context.once(self.name, partial(self.reach, context))
        known = np.isfinite(reach.real)
        patient = context.real.patient.numpy()[known]
        n_patients = len(np.unique(patient))
        if n_patients < MIN_UNITS:
            return self.undefined(cell, context, self.too_few)
        values = reach.generated[cell.generated.row.numpy()]
        self.note(cell, context, values)
        defined = np.isfinite(values)
        if not defined.any():
            return self.undefined(cell, context, self.missing(cell, context))
        beyond, real_beyond = values[defined] > reach.threshold, reach.real[known] > reach.threshold
        bound, expected = share_bound(real_beyond, patient, self.confidence), self.expected(real_beyond, patient)
        counts = self.counts(cell, len(beyond), int(known.sum()), n_patients)
        units = cell.generated.unit.numpy()[defined]
        return {self.specs[0].name: share_score(beyond, units, bound, counts, expected=expected)}

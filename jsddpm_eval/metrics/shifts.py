"""Base of metrics that compare the mean of one number of each slice; see :mod:`jsddpm_eval.stats.shift`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from jsddpm.wording import counted
from jsddpm_eval.metrics.base import NOTHING_GENERATED, Cell, Context, Metric
from jsddpm_eval.results.score import Baseline, Counts, Score, Spread
from jsddpm_eval.results.specs import ScoreSpec
from jsddpm_eval.slice_table import SliceTable
from jsddpm_eval.stats.intervals import shift_spread
from jsddpm_eval.stats.scale import Scale, Side, from_others, median_of_others
from jsddpm_eval.stats.shift import Shift, mean_shift

Numbers = NDArray[np.float64]

FEW_UNITS = "needs 3 patients, and 3 samples, of conditions with several of each"
"""Why a score that compares slices with others of their side is undefined."""

shift_spec = partial(
    ScoreSpec, unit="SD", scope="levels", source="Welch 1947, Banerjee 1960; linearized by patient",
    verified="simulated cohorts of patients | false alarms and power within binomial error",
    hypothesis="the mean over generated slices is that over slices of patients, two-sided",
)  # fmt: skip
"""A score that is a mean difference in standard deviations of real slices."""


class ShiftMetric(Metric):
    """Mean differences, generated less real, in standard deviations of real slices of the same condition.

    Each score is one number of each slice; a slice without it (NaN) is left out. The baseline is 0, with the band that
    the score of a perfect generator lies in with a probability of 95 %.

    Attributes:
        distances: Names of scores whose numbers are distances from other slices (:func:`variation`).
    """

    distances: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def values(self, context: Context) -> tuple[Tensor, Tensor]:
        """Numbers of all real, and of all generated slices of the context.

        Returns:
            One column for each spec, float64 ``(N, len(specs))``, NaN where a slice has no such number.
        """

    def compute(self, cell: Cell, context: Context) -> dict[str, Score]:
        """The shift of every column, over all conditions that both sides have."""
        real, generated = context.once((self.name, "scaled"), partial(self._scaled, context))
        scores = {}
        for i, spec in enumerate(self.specs):
            if not spec.asked(cell.z_bin, cell.pathology):
                continue
            sides = (side_of(cell.real, real[:, i], context), side_of(cell.generated, generated[:, i], context))
            shift = mean_shift(*sides, distances=spec.name in self.distances)
            if shift is None:
                what = _too_few(cell.real, cell.generated, *sides)
                scores[spec.name] = Score.undefined(what, cell.counts)
                continue
            spread = None
            if spec.name not in self.distances:  # there a sample changes the numbers of others, too
                spread = shift_spread(shift, cell.patient_names)
            scores[spec.name] = shift_score(shift, spread)
        return scores

    def _scaled(self, context: Context) -> list[NDArray[np.float64]]:
        """Scaled columns of every real, and of every generated slice, by row of the whole table."""
        tables = context.real, context.generated
        values = [of_side.numpy() for of_side in self.values(context)]
        columns = [np.full((int(t.row.max()) + 1 if len(t) else 0, len(self.specs)), np.nan) for t in tables]
        for i, spec in enumerate(self.specs):
            real = side_of(context.real, values[0][:, i], context, by_row=False)
            scale = Scale.fit(real, 2 * context.binning.n_bins)
            scaled_by = scale.of_distances if spec.name in self.distances else scale
            for table, of_side, scaled in zip(tables, values, columns, strict=True):
                whole = side_of(table, of_side[:, i], context, by_row=False, keep_missing=True)
                scaled[table.row.numpy(), i] = scaled_by(whole).values
        return columns


def shift_score(shift: Shift, spread: Spread | None = None, *, baseline: float = 0.0, floor: float = 0.0) -> Score:
    """The score of a mean difference, with the band that it lies in with a probability of 95 % without one.

    Args:
        shift: The difference.
        spread: Interval and influences; the interval of the difference alone when None.
        baseline: Mean of real slices, for a score that is the mean of generated ones; 0 for the difference itself.
        floor: Smallest p-value that is given.
    """
    return Score.of(
        baseline + shift.value,
        Counts(shift.slices, shift.samples, shift.patients),
        Spread(shift.interval) if spread is None else spread,
        Baseline(baseline, (baseline - shift.half_width, baseline + shift.half_width)),
        p_value=max(shift.p_value, floor), of_patients=shift.of_patients, freedom=shift.freedom,
    )  # fmt: skip


def deviation(values: Sequence[Tensor], context: Context) -> tuple[Numbers, Numbers]:
    """Distance of slices from the median real slice of other patients of their condition, in SD of real slices.

    A real slice is compared with the median of other patients, because its own patient would pull the median to it,
    and generated slices would appear more varied than they are.

    Args:
        values: One number of each real, and of each generated slice of the context; NaN where a slice has none.
        context: The context.

    Returns:
        Of real and of generated slices, float64 ``(N,)``, below 0 for smaller numbers.
    """
    real, generated, scale = _with_scale(values, context)
    apart = real.values - median_of_others(real)[0], generated.values - scale.centre[generated.condition]
    if scale.spread > 0:
        return apart[0] / scale.spread, apart[1] / scale.spread
    return np.zeros(len(real.values)), np.zeros(len(generated.values))


def variation(values: Sequence[Tensor], context: Context) -> tuple[Numbers, Numbers]:
    """Distance of slices from the median of the other units of their own side and condition, in SD of real slices.

    Units are patients, samples or volumes. What all generated slices have in common cancels, so only numbers that
    vary from slice to slice lie far from the others (:func:`~jsddpm_eval.stats.shift.from_others`).

    Args:
        values: One number of each real, and of each generated slice of the context; NaN where a slice has none.
        context: The context.

    Returns:
        Of real and of generated slices, float64 ``(N,)``, below 0 for smaller numbers; NaN where no other unit has the
        number.
    """
    real, generated, scale = _with_scale(values, context)
    apart = from_others(real), from_others(generated)
    if scale.spread > 0:
        return apart[0] / scale.spread, apart[1] / scale.spread
    return 0 * apart[0], 0 * apart[1]


def _with_scale(values: Sequence[Tensor], context: Context) -> tuple[Side, Side, Scale]:
    """Numbers of both sides, and the scale of the real one."""
    real, generated = (
        side_of(table, of_side.numpy(), context, by_row=False, keep_missing=True)
        for table, of_side in zip((context.real, context.generated), values, strict=True)
    )
    return real, generated, Scale.fit(real.where(np.isfinite(real.values)), 2 * context.binning.n_bins)


def side_of(
    table: SliceTable, values: Numbers, context: Context, *, by_row: bool = True, keep_missing: bool = False
) -> Side:
    """Numbers of the slices of a table with their conditions and units.

    Args:
        table: The slices.
        values: Numbers of all slices of the context's side by row, or with ``by_row=False`` of the table's slices.
        context: The context.
        by_row: Whether rows of the table select the numbers.
        keep_missing: Whether slices without a number (NaN) are kept.
    """
    chosen = values[table.row.numpy()] if by_row else values
    side = Side(chosen, table.token(context.binning.n_bins).numpy(), table.unit.numpy())
    return side if keep_missing else side.where(np.isfinite(chosen))


def _too_few(real: SliceTable, generated: SliceTable, a: Side, b: Side) -> str:
    if not len(generated):
        return NOTHING_GENERATED
    if not len(real):
        return "no real slice of this condition"
    n_patients, units = len(np.unique(a.unit)), len(np.unique(b.unit))
    there = f"{counted(n_patients, 'patient')}, {counted(units, 'sample')}"
    return f"needs 3 patients and 3 samples of the same conditions: {there}"

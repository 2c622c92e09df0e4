"""Copies: whether a sample is a real slice, also mirrored, moved, brighter, blurred, bent, or composed of two.

Every sample is registered to the real slices of its bin and of the bins beside it, and so are real slices to those of
other patients: a sample that is nearer than slices of other patients are is a copy.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from jsddpm_eval.functional.copies import MEASURES, PAIRED
from jsddpm_eval.metrics.base import NOTHING_GENERATED, Cell, Context, Metric
from jsddpm_eval.metrics.best_match import ONE_PIXEL
from jsddpm_eval.metrics.nearness import FEW, THRESHOLD, NearnessScale, nearest_by_bin, probed_real, threshold
from jsddpm_eval.metrics.persons import alike
from jsddpm_eval.metrics.shares import share_score
from jsddpm_eval.metrics.shifts import shift_score
from jsddpm_eval.results.score import Baseline, Counts, Score, Spread
from jsddpm_eval.results.specs import ScoreSpec
from jsddpm_eval.stats.exceedance import by_unit, share_bound, share_interval, share_p_value
from jsddpm_eval.stats.limits import ALPHA, MIN_UNITS
from jsddpm_eval.stats.scale import Side
from jsddpm_eval.stats.shift import mean_shift

_CLEAR, _CHANCE = 2.0, 0.005  # thresholds beyond which a copy is clear, and the share of new patients' slices there
_REACH = 4.0  # spreads at which the weight of one sample in the mean is limited
_NEVER = 1e-12  # replaces a p-value of 0

_TOO_FAR = (
    "copies that are upside down, strongly blurred, or rotated by more than about fifteen degrees, and copied parts of "
    "less than half a slice"
)
_share = partial(
    ScoreSpec, group="closeness", unit="share", scope="levels", better="lower", source="registration, Clopper-Pearson",
    reading="Share of samples nearer to a real slice, once registered, than slices of other patients come.",
    verified="planted copies | all of them", hypothesis="samples are slices of new patients, one-sided",
    blind_to=_TOO_FAR,
)  # fmt: skip
SHARE = _share(
    name="copied_share", heading="copies", definition="share of samples nearer to a real slice of the bin or the bins "
    f"beside it than the median real slice is to other patients' by {THRESHOLD:g} (1 + {FEW:g} / patients) upper "
    "spreads, by any of five measures",
)  # fmt: skip
TRAIN = _share(name="copied_train_share", heading="copies, training", label="share of copies of training slices",
               definition="the same, nearest a training slice")  # fmt: skip
HELD_OUT = _share(name="copied_held_out_share", heading="copies, held out", label="share of copies of held-out slices",
                  definition="the same, nearest a held-out slice")  # fmt: skip
PATIENTS = ScoreSpec(
    name="patients_copied", heading="patients copied", label="share of training patients who are copied",
    definition="share of training patients of whom a sample is a copy",
    group="closeness", unit="share", scope="pooled", better="lower", source="Clopper & Pearson 1934",
    reading="Of these samples; the interval is that of new training patients.", verified="counting | 0",
    blind_to=_TOO_FAR,
)  # fmt: skip
EXACT = ScoreSpec(
    name="copied_exactly", heading="equal to real", label="share of exact copies",
    definition="share of samples that equal a real slice and are not blank",
    group="closeness", unit="share", scope="levels", better="lower", hypothesis="no sample equals a real slice",
    verified="counting | 0", blind_to=ONE_PIXEL,
)  # fmt: skip
CLOSENESS = ScoreSpec(
    name="copy_closeness", heading="mean closeness, SD", group="closeness", unit="SD", scope="levels",
    label="mean closeness to real slices",
    definition="mean registered closeness to real slices less that of real slices to other patients', in upper spreads",
    reading="Above 0: samples come nearer to real slices than slices of other patients do.",
    source="Welch 1947, Banerjee 1960; linearized by patient", verified="planted elastic copies",
    hypothesis="the mean over samples is that over slices of new patients, two-sided",
    blind_to="a few copies among many new samples, because it is a mean",
)  # fmt: skip


@dataclass(frozen=True)
class _Closest:
    """Nearness of every sample and of the real probes, in upper spreads of the probes of their bin.

    Attributes:
        score: Of samples, by row; NaN where there is no real slice near its bin.
        row: Nearest real row; -1 where there is none.
        exact: Whether it is equal.
        probe: Real rows that were probed.
        real: Their nearness to slices of other patients.
        threshold: Beyond which a sample is a copy.
        people: Patients of the probes; one number for those who may be one person.
    """

    score: NDArray[np.float64]
    row: NDArray[np.int64]
    exact: NDArray[np.bool_]
    probe: NDArray[np.int64]
    real: NDArray[np.float64]
    threshold: float
    people: NDArray[np.int64]

    @property
    def known(self) -> bool:
        """Whether enough patients were probed to know how near others come."""
        return len(np.unique(self.people)) >= MIN_UNITS

    @property
    def copied(self) -> NDArray[np.bool_]:
        """Whether each sample is a copy: the one flag that shares, lists and ``per_slice.csv`` read."""
        return self.exact | (self.known & (self.score > self.threshold))


class Copies(Metric):
    """Share of samples that are copies, of training and of held-out slices."""

    name = "copies"
    specs = (SHARE, TRAIN, HELD_OUT, PATIENTS, EXACT, CLOSENESS)
    needs = frozenset({"pixels"})

    def compute(self, cell: Cell, context: Context) -> dict[str, Score]:
        """Shares and mean nearness; every sample keeps whether it is a copy, its nearness and nearest real slice."""
        closest = context.once(self.name, partial(_closest, context))
        rows = cell.generated.row.numpy()
        if cell.key == (None, None):
            context.record("copy_score", cell, torch.from_numpy(closest.score[rows] / closest.threshold))
            nearest_row, copied = (torch.from_numpy(v[rows]).double() for v in (closest.row, closest.copied))
            for name, values in (("copy_row", nearest_row), ("copied", copied)):
                context.record(name, cell, values.masked_fill(nearest_row < 0, torch.nan))
        rows = rows[closest.row[rows] >= 0]
        counts = cell.counts._replace(n_generated=len(rows))
        if not len(rows):
            what = "no real slice near these bins" if len(cell.generated) else NOTHING_GENERATED
            return self.undefined(cell, context, what, cell.counts)
        exact = float(closest.exact[rows].mean())
        scores = {EXACT.name: Score.of(exact, counts, p_value=_NEVER if exact else 1.0)}
        if not closest.known:
            few = Score.undefined("needs real slices of 3 patients to know how near others come", cell.counts)
            return scores | {spec.name: few for spec in self.specs if spec is not EXACT}
        held = context.real.held_out.numpy()[closest.row[rows]]
        every = closest.copied[rows]
        clear = clearly(closest.score[rows] / closest.threshold) | closest.exact[rows]
        units, beyond = context.generated.unit.numpy()[rows], closest.real > closest.threshold
        for spec, chosen in ((SHARE, every), (TRAIN, every & ~held), (HELD_OUT, every & held)):
            scores[spec.name] = copied_share(chosen, chosen & clear, units, beyond, closest.people, counts)
        scores[PATIENTS.name] = _patients(closest.row[rows[every & ~held]], context, cell)
        scores[CLOSENESS.name] = _closeness(closest, rows, cell, context)
        return scores


METRIC = Copies()


def clearly(nearness: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which samples are clearly copies, from their nearness as a share of the threshold.

    >>> clearly(np.array([0.9, 1.5, 2.5])).tolist()
    [False, False, True]
    """
    return np.asarray(nearness > _CLEAR)


def copied_share(
    copied: NDArray[np.bool_], clear: NDArray[np.bool_], unit: NDArray[np.int64], beyond: NDArray[np.bool_],
    patients: NDArray[np.int64], counts: Counts,
) -> Score:  # fmt: skip
    """A share of samples beside the bound of the share among slices of new patients.

    With few real patients that bound is wide: 13 % with 22 of whom none is beyond. So what is clear is tested too, with
    another bound. Nearness beyond the median falls off like an exponential: 0.4 % of the slices of new LGG patients lay
    beyond the threshold. Less than 0.02 % then lie beyond twice of it, and none of 800 lay beyond 1.2 times; 0.5 % is
    allowed. The lower p-value counts, doubled.

    Args:
        copied: Whether each sample is a copy.
        clear: Which of them are clear, see :func:`clearly`.
        unit: What is independent of each other among them.
        beyond: Whether each real slice would count as a copy of other patients' slices.
        patients: Their patients.
        counts: Counts of the score.
    """
    bound = share_bound(beyond, patients, 1 - ALPHA)
    tests = (share_p_value(*by_unit(flags, unit), most) for flags, most in ((copied, bound), (clear, _CHANCE)))
    return share_score(copied, unit, bound, counts, p_value=min(1.0, 2 * min(tests)))


def _patients(copied: NDArray[np.int64], context: Context, cell: Cell) -> Score:
    real = context.real
    n_patients, shown = real.where(~real.held_out).n_patients, len(np.unique(real.patient.numpy()[copied]))
    if not n_patients:
        return Score.undefined("no training patients", cell.counts)
    counts = cell.counts._replace(n_patients=n_patients)
    return Score.of(shown / n_patients, counts, Spread(share_interval(shown, n_patients)), Baseline(0.0))


def _closeness(closest: _Closest, rows: NDArray[np.int64], cell: Cell, context: Context) -> Score:
    """Mean nearness of the samples less that of the real probes of the same bins."""
    table, bins = context.real, context.generated.z_bin.numpy()
    real = Side(np.clip(closest.real, -_REACH, _REACH), table.z_bin.numpy()[closest.probe],
                closest.people)  # fmt: skip
    generated = Side(np.clip(closest.score[rows], -_REACH, _REACH), bins[rows], context.generated.unit.numpy()[rows])
    shift = mean_shift(real, generated)
    if shift is None:
        return Score.undefined("needs 3 patients and 3 samples of the same bins", cell.counts)
    return shift_score(shift, floor=_NEVER)


def _closest(context: Context) -> _Closest:
    real, bins = context.real, context.binning.n_bins
    same = alike(context)
    known = probed_real(real, context.binning, same.pairs)
    probe, null = known[:, 0].astype(np.int64), known[:, 1:]
    near = nearest_by_bin(context.generated, real, bins)
    measures, place = near.measures.double().numpy(), near.place.numpy()
    row, score = place[:, 0].copy(), np.full(len(place), np.nan)
    has_reference, beyond = row >= 0, np.empty(0)
    people = same.person[real.patient.numpy()[probe]]
    limit, exact = threshold(len(np.unique(people))), near.exact.numpy()
    if len(probe):
        real_bin, z_bin = real.z_bin.numpy()[probe], context.generated.z_bin.numpy()[has_reference]
        scale = NearnessScale.fit(null, real_bin, bins)
        reached, of_real = scale(measures[has_reference], z_bin), scale(null, real_bin)
        score[has_reference], beyond = reached.max(0), of_real.max(0)
        measure = _telling(reached, limit, exact[has_reference])[:, None]
        row[has_reference] = np.take_along_axis(place[has_reference], measure, 1)[:, 0]
    return _Closest(score, row, exact, probe, beyond, limit, people)


def _telling(reached: NDArray[np.float64], limit: float, exact: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The measure whose nearest slice each sample is a copy of.

    Measures that compare with one slice come before those that compare with two, if one of them is beyond the limit. A
    sample that equals a slice has that slice, by the first measure.
    """
    single = len(MEASURES) - PAIRED
    of_one = reached[:single]
    measure = np.where(of_one.max(0) > limit, of_one.argmax(0), reached.argmax(0))
    return np.asarray(np.where(exact, 0, measure))

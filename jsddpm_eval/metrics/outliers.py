"""Outliers: a minority of samples unlike any real slice, such as noise, blank or inverted slices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from jsddpm_eval.features.appearance import VERSION, appearance
from jsddpm_eval.functional.appearance import INTENSITY
from jsddpm_eval.metrics.base import Cell, Context
from jsddpm_eval.metrics.shares import Array, Flags, Labels, Reach, ShareMetric
from jsddpm_eval.results.score import Counts
from jsddpm_eval.results.specs import ScoreSpec
from jsddpm_eval.stats.exceedance import UpperScale
from jsddpm_eval.stats.limits import MAD_SD

THRESHOLD = 3.5
"""Upper spreads above the median of real slices of other patients beyond which a sample is an outlier.

The same number of spreads of brightness, above or below its median, makes a sample an outlier too: a space of all
columns bends each of them, so a few that are far off hardly count.
"""

_RIDGE = 0.1  # of a standard deviation squared: directions in which real slices hardly differ say little
_LINEAR = 3.0  # standard deviations beyond which only the logarithm counts
_LEAST = 1e-6
_LEVELS = ("mean", "q90")  # of brightness in the head
_DARKEST = 0.5 / 255  # of the range: nothing is darker than half a grey level
_FOLDS = 10  # of patients: the distance of a real slice is taken in a space that did not see its patient

SHARE = ScoreSpec(
    name="outlier_share", heading="outliers", group="neighbourhood", unit="share", scope="levels", better="lower",
    label="share of samples unlike any real slice",
    definition="share of samples whose distance to the nearest real slice of the bin or the bins beside it, in "
    f"whitened appearance, is {THRESHOLD:g} upper spreads above the median of real slices to other patients', each "
    "whitened without its patient, or whose brightness (log of the mean or of the 90th percentile in the head) is as "
    "many spreads above or below the median of the bin; the median difference of all samples is subtracted first; "
    "undefined where the median sample lies there, and for a pathology without real slices",
    reading="Share of samples that are like no real slice, and unlike the other samples.",
    source="Clopper-Pearson", verified="planted noise | all of it",
    hypothesis="samples are slices of new patients, one-sided",
    blind_to="faults that most samples share, because the median difference is subtracted first, and a minority of "
    "samples that are upside down, from another bin, a third or twice as bright, blank where real slices nearby are "
    "blank (see blank_share), or unlike real slices only in a part, such as a hole",
)  # fmt: skip


@dataclass(frozen=True)
class _Space:
    """Whitened appearance, from real slices.

    Attributes:
        middle: Median of each column.
        spread: Spread of each column around the median of its bin.
        whiten: Turns bent columns into uncorrelated ones.
        centre: Median of whitened real slices by bin; of all where a bin has none.
    """

    middle: Array
    spread: Array
    whiten: Array
    centre: Array

    @classmethod
    def fit(cls, columns: Array, z_bin: NDArray[np.int64], bins: int) -> _Space:
        """The space of at least one real slice."""
        middle = np.median(columns, 0)
        rest = columns - _by_bin(columns, z_bin, bins)[z_bin]
        spread = np.maximum(MAD_SD * np.median(np.abs(rest), 0), 1e-9)
        covariance = np.atleast_2d(np.cov(_soft_clipped(rest / spread).T, ddof=0)) + _RIDGE * np.eye(columns.shape[1])
        values, vectors = np.linalg.eigh(covariance)
        space = cls(middle, spread, vectors / np.sqrt(values), np.empty(0))
        return cls(middle, spread, space.whiten, _by_bin(space(columns), z_bin, bins))

    def __call__(self, columns: Array) -> Array:
        """Whitened columns of slices."""
        return np.asarray(_soft_clipped((columns - self.middle) / self.spread) @ self.whiten)


class Outliers(ShareMetric):
    """Share of samples that lie far from every real slice."""

    name = "outliers"
    specs = (SHARE,)
    needs = frozenset({"pixels"})
    confidence = 0.5  # the median: the threshold lies beyond what real slices reach; a higher bound on top is blind
    too_few = "needs real slices of 3 patients in one bin or bins side by side"

    def reach(self, context: Context) -> Reach:
        """Distances in upper spreads; NaN where there is no real slice to compare with."""
        return Reach(*_far(context), THRESHOLD)

    def expected(self, beyond: Flags, patient: Labels) -> float:
        """None: the threshold lies beyond what real slices reach."""
        return 0.0

    def missing(self, cell: Cell, context: Context) -> str:
        """Whether no real slice is near, or most samples are far."""
        near = np.isin(cell.generated.z_bin.numpy()[:, None] + (-1, 0, 1), context.real.z_bin.numpy()).any()
        if not np.isin(cell.generated.pathology.numpy(), context.real.pathology.numpy()).any():
            return "no real slice of this pathology"
        most = "most samples differ from every real slice"
        return most if near else "no real slice in these bins or beside them"

    def counts(self, cell: Cell, samples: int, slices: int, patients: int) -> Counts:
        """The real side is that of the cell."""
        return cell.counts._replace(n_generated=samples)

    def note(self, cell: Cell, context: Context, values: Array) -> None:
        """Every sample keeps its distance."""
        if cell.key == (None, None):
            context.record("outlier_score", cell, torch.from_numpy(values))


METRIC = Outliers()


def _far(context: Context) -> tuple[Array, Array]:
    """Distances of generated and of real slices."""
    real, generated, bins = context.real, context.generated, context.binning.n_bins
    if not len(real):
        return np.full(len(generated), np.nan), np.empty(0)
    columns, of_bin, patient = appearance(real).numpy(), real.z_bin.numpy(), real.patient.numpy()
    space = _Space.fit(columns, of_bin, bins)
    whitened = space(columns)
    key = ("outliers", VERSION, _FOLDS, context.binning.fingerprint)
    among = real.memo.values(key, lambda: _among(columns, of_bin, patient, bins))
    known = np.isfinite(among)
    if not known.any():
        return np.full(len(generated), np.nan), among
    scale = UpperScale.fit(among[known], of_bin[known], bins)
    of_generated = generated.z_bin.numpy()
    placed = space(appearance(generated).numpy())
    placed[~np.isin(generated.pathology.numpy(), real.pathology.numpy())] = np.nan
    reached = scale(_nearest(placed, of_generated, whitened, of_bin), of_generated)
    if not np.isfinite(reached).any() or np.nanmedian(reached) > THRESHOLD:  # all are odd: no minority stands out
        return np.full(len(generated), np.nan), scale(among, of_bin)
    placed = placed - np.nanmedian(placed - space.centre[of_generated], 0)
    theirs, ours = (scale(_nearest(placed, of_generated, whitened, of_bin), of_generated), scale(among, of_bin))
    bright = _bright(context)
    return np.where(np.isfinite(theirs), np.fmax(theirs, bright[0]), np.nan), np.fmax(ours, bright[1])


def _bright(context: Context) -> tuple[Array, Array]:
    """Spreads by which brightness lies above or below the median of the bin; of generated and of real slices.

    What all samples have in common is subtracted. A black slice has no brightness (NaN), so blank slices widen no
    spread.
    """
    tables = context.generated, context.real
    bins = [table.z_bin.numpy() for table in tables]
    columns = [
        appearance(table, "intensity").numpy()[:, [INTENSITY.index(name) for name in _LEVELS]] for table in tables
    ]
    far = [np.full(len(table), np.nan) for table in tables]
    for levels in zip(*(values.T for values in columns), strict=True):
        logs = [np.log(np.where(level > 0, np.maximum(level, _DARKEST), np.nan)) for level in levels]
        lit = [np.isfinite(log) for log in logs]
        if not lit[1].any():
            continue
        middle = _by_bin(logs[1][lit[1], None], bins[1][lit[1]], context.binning.n_bins)[:, 0]
        logs[0] -= np.median((logs[0] - middle[bins[0]])[lit[0]]) if lit[0].any() else 0.0
        for sign in (1, -1):
            scale = UpperScale.fit(sign * logs[1][lit[1]], bins[1][lit[1]], context.binning.n_bins)
            far = [np.fmax(f, scale(sign * log, of)) for f, log, of in zip(far, logs, bins, strict=True)]
    return far[0], far[1]


def _among(columns: Array, z_bin: NDArray[np.int64], patient: NDArray[np.int64], bins: int) -> Array:
    """Of real slices to those of other patients, in spaces of the patients of other folds; NaN where there is none.

    A space fits its own patients better than new ones, and generated slices are new to it.
    """
    among, patients = np.full(len(columns), np.nan), np.unique(patient)
    if len(patients) < 2:
        return among
    for fold in np.array_split(patients, min(_FOLDS, len(patients))):
        left = np.isin(patient, fold)
        whitened = _Space.fit(columns[~left], z_bin[~left], bins)(columns)
        among[left] = _nearest(whitened[left], z_bin[left], whitened, z_bin, patient[left], patient)
    return among


def _nearest(
    a: Array, bin_a: NDArray[np.int64], b: Array, bin_b: NDArray[np.int64],
    owner_a: NDArray[np.int64] | None = None, owner_b: NDArray[np.int64] | None = None,
) -> Array:  # fmt: skip
    """Log distance to the nearest slice of the bin and the two beside it, of other owners; NaN where there is none."""
    out = np.full(len(a), np.nan)
    for k in np.unique(bin_a):
        rows, near = np.flatnonzero(bin_a == k), np.flatnonzero(np.abs(bin_b - k) <= 1)
        distance = torch.cdist(torch.from_numpy(a[rows]), torch.from_numpy(b[near])).numpy()
        if owner_a is not None and owner_b is not None:
            distance[owner_a[rows][:, None] == owner_b[near][None]] = np.inf
        least = distance.min(1, initial=np.inf)
        out[rows] = np.where(np.isfinite(least), np.log(np.maximum(least, _LEAST)), np.nan)
    return out


def _by_bin(values: Array, z_bin: NDArray[np.int64], bins: int) -> Array:
    """Median of each bin, ``(bins, d)``; of all where a bin has none."""
    every = np.median(values, 0)
    return np.stack([np.median(values[z_bin == k], 0) if (z_bin == k).any() else every for k in range(bins)])


def _soft_clipped(values: Array) -> Array:
    size = np.abs(values)
    beyond = _LINEAR * (1 + np.log(np.maximum(size, _LINEAR) / _LINEAR))
    return np.asarray(np.sign(values) * np.where(size < _LINEAR, size, beyond))

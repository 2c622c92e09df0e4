"""Nearest other sample: whether samples of a condition differ as much as slices of different patients.

If samples show only a few patients, their mean difference hardly changes, but the nearest other sample is nearer.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import hypergeom
from torch import Tensor

from jsddpm_eval.functional.best_match import expected_best_match, pairwise_mse
from jsddpm_eval.functional.patterns import SMALL_SIDE, averaged
from jsddpm_eval.metrics.base import NOTHING_GENERATED, Cell, Context, Metric
from jsddpm_eval.metrics.shares import share_score
from jsddpm_eval.metrics.shifts import FEW_UNITS, shift_score, side_of
from jsddpm_eval.overlap import digests
from jsddpm_eval.results.score import Score
from jsddpm_eval.results.specs import ScoreSpec
from jsddpm_eval.slice_table import SliceTable
from jsddpm_eval.stats.exceedance import share_bound
from jsddpm_eval.stats.limits import ALPHA, MIN_UNITS
from jsddpm_eval.stats.shift import Shift, closest_to_null, mean_shift

_DRAWS = 12  # of one slice of each patient
_REPEATED = 0.1  # of the median distance of real slices of the condition: what lies nearer is the same slice
_LEAST = 1e-3
_NEVER = 1e-12

NEAREST = ScoreSpec(
    name="nearest_other", heading="nearest other", group="variety", unit="log ratio", scope="levels",
    label="log distance to the nearest other sample",
    definition="mean log distance to the nearest other sample of the condition less that of real slices to the nearest "
    "of as many others, of other patients or of all, whichever is nearer; slices of norm 1, averaged to 32 pixels",
    reading="Below 0: samples resemble each other more than patients do; -0.7 is half the distance.",
    source="order statistics; linearized by patient", verified="loops over draws | 1e-9",
    hypothesis="samples are slices of different patients, or drawn from all slices, two-sided",
    blind_to="samples that look unreal, because samples are compared only with each other",
)  # fmt: skip
REPEATED = ScoreSpec(
    name="repeated_share", heading="repeated", group="variety", unit="share", scope="levels", better="lower",
    label="share of repeated samples",
    definition="share of samples, not blank, nearer to a sample of any condition, or to its mirror image, than "
    f"{_REPEATED:g} of the median distance between real slices",
    reading="Share of samples that are another sample again.", source="Clopper-Pearson", verified="counting | 0",
    hypothesis="samples are slices of new patients, or drawn from all slices, one-sided",
    blind_to="samples of one head that are not nearly equal",
)  # fmt: skip
EQUAL = ScoreSpec(
    name="repeated_exactly", heading="equal to another", group="variety", unit="share", scope="levels", better="lower",
    label="share of samples equal to another one",
    definition="share of samples that equal a sample of another volume or draw, of any condition, in 256 grey levels; "
    "none counts in a condition whose real slices equal each other, as at the ends of resampled volumes, and blank "
    "ones are counted by themselves (blank_share)",
    reading="Share of samples that equal another one.", verified="counting | 0",
    hypothesis="no sample equals another one",
    blind_to="repeated samples that differ in a single grey level, or are mirrored",
)  # fmt: skip


class _Distances(NamedTuple):
    """Logarithms of distances by row, NaN without one; see :class:`NearestOther`."""

    generated: NDArray[np.float64]
    of_others: NDArray[np.float64]
    of_all: NDArray[np.float64]
    repeated: NDArray[np.bool_]
    comparable: NDArray[np.bool_]
    real_repeated: NDArray[np.bool_]
    of_draws: NDArray[np.float64]


class NearestOther(Metric):
    """Distance to the nearest other sample beside that of real slices, at equal numbers, and repeated samples.

    A perfect generator may draw patients or slices. Real slices are compared with one slice each of other patients,
    and with all other slices, and the difference with the larger p-value counts. The share of repeats has the
    larger of both bounds. A distance belongs to two slices: where each is nearest to the other, it counts twice.
    The variance is that of the case that all do, twice as large.
    """

    name = "nearest_other"
    specs = (NEAREST, REPEATED, EQUAL)
    needs = frozenset({"pixels"})

    def compute(self, cell: Cell, context: Context) -> dict[str, Score]:
        """The log ratio, over the conditions that both sides have, and the share of repeated samples."""
        distances = context.once(self.name, partial(_distances, context))
        if not len(cell.generated):
            return self.undefined(cell, context, NOTHING_GENERATED)
        rows, patients = cell.generated.row.numpy(), context.real.patient.numpy()
        again = float(context.once(EQUAL.name, partial(_equal, context))[rows].mean())
        scores = {EQUAL.name: Score.of(again, cell.counts, p_value=_NEVER if again else 1.0)}
        shift = _shift(cell, distances, context)
        if shift is None:
            scores[NEAREST.name] = Score.undefined(FEW_UNITS, cell.counts)
        else:
            scores[NEAREST.name] = shift_score(shift, floor=_NEVER)
        known = np.isfinite(distances.of_others)
        if len(np.unique(patients[known])) < MIN_UNITS:
            few = "needs real slices of 3 patients of one condition"
            return scores | {REPEATED.name: Score.undefined(few, cell.counts)}
        compared = distances.comparable[rows]
        if not compared.any():
            none = Score.undefined("no condition has real slices of two patients, and two samples", cell.counts)
            return scores | {REPEATED.name: none}
        repeated, unit = distances.repeated[rows][compared], cell.generated.unit.numpy()[compared]
        bound = share_bound(distances.real_repeated[known], patients[known], 1 - ALPHA)
        here = cell.real.row.numpy()
        if (of_draws := distances.of_draws[here][known[here]]).size:
            bound = max(bound, share_bound(of_draws, patients[here][known[here]], 1 - ALPHA))
        counts = cell.counts._replace(n_generated=len(repeated))
        return scores | {REPEATED.name: share_score(repeated, unit, bound, counts)}


METRIC = NearestOther()


def _shift(cell: Cell, distances: _Distances, context: Context) -> Shift | None:
    """Of the differences from slices of other patients and from all other slices that of the larger p-value."""
    generated = side_of(cell.generated, distances.generated, context)
    reals = (side_of(cell.real, values, context) for values in (distances.of_others, distances.of_all))
    both = [mean_shift(real, generated) for real in reals]
    known = [shift.of_pairs for shift in both if shift is not None]
    return closest_to_null(known) if known else None


def _distances(context: Context) -> _Distances:
    real, generated, bins = context.real, context.generated, context.binning.n_bins
    images, mirrored = generated.column("small-and-mirrored", _both_sides).unbind(1)
    of_generated = np.full(len(generated), np.nan)
    of_real = np.full((3, len(real)), np.nan)
    median = np.full(len(generated), np.nan)
    real_repeated = np.zeros(len(real), bool)
    for token in generated.token(bins).unique().tolist():
        of_token = torch.nonzero(generated.token(bins) == token)[:, 0]
        rows = torch.nonzero(real.token(bins) == token)[:, 0]
        unit = generated.unit[of_token]
        count = min(len(unit.unique()), real.where(rows).n_patients)
        if count < 2:
            continue
        among = _logarithm(_apart(images[of_token]))
        if len(unit.unique()) == len(unit):
            of_generated[of_token] = _expected(among, ~torch.eye(len(of_token), dtype=torch.bool), count - 1)
        else:
            of_generated[of_token] = _one_of_each(among, unit, count, context.seed)
        drawn = len(unit.unique())
        key = (f"log {NEAREST.name}", context.binning.fingerprint, context.seed, token, count, drawn)
        compute = partial(_of_real, real.where(rows), count, drawn, context.seed)
        of_real[:, rows] = real.memo.values(key, compute).reshape(3, -1)
        middle = float(np.median(of_real[0, rows]))
        median[of_token] = middle
        real_repeated[rows] = of_real[0, rows] < middle + np.log(_REPEATED)
    near = _to_any_other(images, mirrored, generated.unit) < _REPEATED * np.exp(median)
    repeated = near & images.any(1).numpy()
    comparable = np.isfinite(median)
    return _Distances(of_generated, of_real[0], of_real[1], repeated, comparable, real_repeated, of_real[2])


def _small(images: Tensor) -> Tensor:
    """Slices of norm 1, averaged to at most 32 pixels a side, float64 ``(n, d)``."""
    small = averaged(images.double(), SMALL_SIDE).flatten(1)
    length: Tensor = small.norm(dim=1, keepdim=True) + 1e-3
    return small / length


def _both_sides(batch: SliceTable) -> Tensor:
    """Small slices as they are and mirrored, float64 ``(n, 2, d)``."""
    return torch.stack([_small(batch.images), _small(batch.images.flip(2))], 1)


def _apart(images: Tensor) -> Tensor:
    """Distance of every slice to every other one, float64 ``(n, n)``."""
    return pairwise_mse(images, images).sqrt()


def _logarithm(distance: Tensor) -> Tensor:
    """Logarithm of distances, which a distance of 0 has as well."""
    return distance.clamp(min=_LEAST).log()


def _expected(distance: Tensor, allowed: Tensor, count: int) -> Tensor:
    """Expected distance to the nearest of ``count`` allowed others; each row allows equally many, ``(n,)``."""
    return -expected_best_match(-distance[allowed].reshape(len(distance), -1), count)


def _of_real(real: SliceTable, count: int, drawn: int, seed: int) -> NDArray[np.float64]:
    """Expected logarithm of the distance to the nearest of one less than ``count`` others, float64 ``(3, n)``.

    First of slices of other patients, one each, over draws; then of all other slices. Last, the probability that a
    slice is a repeat among ``drawn`` slices that are drawn from all: neighbouring slices of a patient are nearly equal.
    """
    apart, patient = _apart(_small(real.images)), real.patient
    distance = _logarithm(apart)
    everything = _expected(distance, ~torch.eye(len(real), dtype=torch.bool), count - 1)
    of_others = _one_of_each(distance, patient, count, seed).numpy()
    limit, others = _REPEATED * np.exp(np.median(of_others)), len(real) - 1
    near = (apart.fill_diagonal_(torch.inf) < limit).sum(1).numpy()
    repeats = hypergeom.sf(0, others, near, min(drawn - 1, others))
    return np.stack([of_others, everything.numpy(), repeats])


def _one_of_each(distance: Tensor, unit: Tensor, count: int, seed: int) -> Tensor:
    """Expected distance of each slice to the nearest of one less than ``count`` slices, one each of other units."""
    generator, units = torch.Generator().manual_seed(seed), unit.unique()
    total = torch.zeros(len(unit), dtype=torch.float64)
    for _ in range(_DRAWS):
        order = torch.randperm(len(unit), generator=generator)
        first = (unit[order][None] == units[:, None]).int().argmax(1)
        total += _expected(distance[:, order[first]], unit[:, None] != units[None], count - 1)
    return total / _DRAWS


def _equal(context: Context) -> NDArray[np.bool_]:
    """Whether each sample that is not blank equals one of another unit, if real slices of its condition all differ."""
    real, generated, bins = context.real, context.generated, context.binning.n_bins
    units: dict[str, set[int]] = {}
    hashes = digests(generated)
    for digest, unit in zip(hashes, generated.unit.tolist(), strict=True):
        units.setdefault(digest, set()).add(unit)
    equal = np.array([bool(digest) and len(units[digest]) > 1 for digest in hashes], bool)
    of_real = Counter(zip(digests(real), real.token(bins).tolist(), strict=True))
    alike = [token for (digest, token), count in of_real.items() if digest and count > 1]
    return equal & ~np.isin(generated.token(bins).numpy(), alike)


def _to_any_other(images: Tensor, mirrored: Tensor, unit: Tensor) -> NDArray[np.float64]:
    """Distance of each sample to the nearest one of another unit, as it is or mirrored, of any condition."""
    nearest = np.full(len(images), np.inf)
    for rows in torch.arange(len(images)).split(256):
        if len(images) > 1:
            distance = torch.minimum(pairwise_mse(images[rows], images), pairwise_mse(mirrored[rows], images))
            distance[unit[rows][:, None] == unit[None]] = torch.inf
            nearest[rows] = distance.min(1).values.sqrt()
    return nearest

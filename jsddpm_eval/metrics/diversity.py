"""Diversity: differences between samples of different seeds, compared with real slices of different patients."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from jsddpm.wording import counted
from jsddpm_eval.features.space import FeatureSpace
from jsddpm_eval.functional.diversity import pair_dissimilarity, pair_distance, pairs, rmse_of_units, vendi_score
from jsddpm_eval.functional.reconstruction import MIN_SIDE, ms_ssim_fits
from jsddpm_eval.metrics.base import Cell, Context, Metric
from jsddpm_eval.results.score import Baseline, Counts, Score, Spread
from jsddpm_eval.results.specs import ScoreSpec
from jsddpm_eval.slice_table import SliceTable
from jsddpm_eval.stats.baseline import mean_baseline
from jsddpm_eval.stats.intervals import numbered, sample_influence
from jsddpm_eval.stats.jackknife import jackknife_variance, t_interval
from jsddpm_eval.stats.limits import MIN_PATIENTS
from jsddpm_eval.stats.resampling import one_per_patient, one_per_unit

MAX_PAIRS = 200
"""Largest number of pairs compared by SSIM; of more, evenly spread ones are used."""

_DRAWS = 20

_OfUnits = tuple[Tensor, Tensor]  # sum over the pairs of each unit, and their number

_spec = partial(
    ScoreSpec, group="variety", scope="cell", axis_from_zero=True,
    blind_to="repetition of a few different slices, because many pairs of samples still differ, and samples that look "
    "unreal",
)  # fmt: skip
RMSE = _spec(
    "diversity_rmse", "RMSE", "mean root mean squared difference over pairs of seeds", unit="intensity",
    reading="Mean RMSE between samples of different seeds; the baseline is real slices of different patients. Far "
    "below it means collapse.",
    place="compact", verified="loops | 1e-12",
)  # fmt: skip
SSIM = _spec(
    "diversity_ssim", "1 − SSIM", "mean of 1 - SSIM over at most 200 pairs of seeds", unit="1 - SSIM",
    reading="Mean of 1 − SSIM between seeds; the baseline as for RMSE.", place="main", verified="loops | 1e-5",
)  # fmt: skip
MS_SSIM = _spec(
    "diversity_ms_ssim", "1 − MS-SSIM", "mean of 1 - MS-SSIM over at most 200 pairs of seeds; sides of at least 176",
    unit="1 - MS-SSIM", verified="torchmetrics is used",
)  # fmt: skip
DISTANCE = _spec(
    "diversity", "distance", "mean Euclidean distance of features over at most 200 pairs of seeds", unit="distance",
    per_space=True, verified="loops | 1e-12",
)  # fmt: skip
VENDI = _spec(
    "vendi", "Vendi", "exp of the entropy of K / n, cosine kernel; at as many samples as there are patients",
    unit="slices", per_space=True, source="2210.02410, eq. 3",
    verified="scikit-learn kernel, NumPy eigenvalues | 1e-9 relative",
    blind_to="samples that look unreal, because only generated slices are compared",
)  # fmt: skip


class Diversity(Metric):
    """Mean pairwise differences between seeds, and Vendi scores at equal n; pairs of one volume do not count."""

    name = "diversity"
    specs = (RMSE, SSIM, MS_SSIM, DISTANCE, VENDI)

    def compute(self, cell: Cell, context: Context) -> dict[str, Score]:
        """Scores of one condition; those of pixels need slices with pixels."""
        real, generated = cell.real, cell.generated
        if len(generated) < 2:
            few = counted(len(generated), "generated slice", "has", "have")
            return self.undefined(cell, context, f"{few} no pairs")
        if generated.n_units < 2:
            return self.undefined(cell, context, "slices of one generated volume have no pairs of seeds")
        scores = {}
        for spec, too_small in self._of_pixels(generated.size):
            if not (real.has_pixels and generated.has_pixels):
                scores[spec.name] = Score.undefined("no images were given", cell.counts)
            elif too_small:
                scores[spec.name] = Score.undefined(too_small, cell.counts)
            elif context.wants(spec):
                scores[spec.name] = _pixel_score(spec, cell, context)
        for space in context.spaces:
            if context.wants(DISTANCE):
                scores[DISTANCE.named(space.name)] = _feature_score(space, cell, context)
            if context.wants(VENDI):
                scores[VENDI.named(space.name)] = _vendi(space, cell, context)
        return scores

    def _of_pixels(self, size: tuple[int, int]) -> list[tuple[ScoreSpec, str]]:
        """Scores of pixels, each with the reason why slices of this size have none."""
        window = f"slices are smaller than the window of {MIN_SIDE} pixels" if min(size) < MIN_SIDE else ""
        scales = "" if ms_ssim_fits(size) else "slices are too small for five scales: sides of at least 176"
        return [(RMSE, ""), (SSIM, window), (MS_SSIM, scales)]


METRIC = Diversity()


def _pixel_score(spec: ScoreSpec, cell: Cell, context: Context) -> Score:
    def differences(table: SliceTable, unit: Tensor) -> _OfUnits:
        if spec is RMSE:
            return rmse_of_units(table.images, numbered(unit))
        chosen = pairs(unit, MAX_PAIRS)
        values = pair_dissimilarity(table.images, chosen, data_range=1.0, multiscale=spec is MS_SSIM)
        return _of_units(values, chosen, unit)

    def reference() -> float:
        return _mean(differences(cell.real, cell.real.patient))

    baseline = Baseline.of(context.baseline(cell, spec.name, compute=reference).item())
    return _mean_score(differences(cell.generated, cell.generated.unit), cell, baseline)


def _feature_score(space: FeatureSpace, cell: Cell, context: Context) -> Score:
    def distances(table: SliceTable, unit: Tensor) -> _OfUnits:
        chosen = pairs(unit, MAX_PAIRS)
        return _of_units(pair_distance(space.of(table), chosen), chosen, unit)

    def reference() -> float:
        return _mean(distances(cell.real, cell.real.patient))

    baseline = Baseline.of(context.baseline(cell, DISTANCE.name, space.extractor.key, compute=reference).item())
    return _mean_score(distances(cell.generated, cell.generated.unit), cell, baseline)


def _of_units(values: Tensor, chosen: Tensor, unit: Tensor) -> _OfUnits:
    """Sum of the values of each unit's pairs, and their number, as :func:`rmse_of_units` gives them."""
    of_pair = numbered(unit)[chosen]
    total = torch.zeros(len(unit.unique()), dtype=torch.float64)
    for column in of_pair.T:
        total.index_add_(0, column, values.double())
    return total, of_pair.flatten().bincount(minlength=len(total))


def _mean_score(differences: _OfUnits, cell: Cell, baseline: Baseline) -> Score:
    return Score.of(_mean(differences), cell.counts, _pair_spread(*differences), baseline)


def _pair_spread(total: Tensor, number: Tensor) -> Spread:
    """Interval and influences of a mean over pairs: pairs share units, so one unit at a time is left out."""
    count = len(total)
    if count < MIN_PATIENTS:
        return Spread()
    mean, left_out = _mean((total, number)), (total.sum() / 2 - total) / (number.sum() / 2 - number)
    interval = t_interval(mean, [(jackknife_variance(left_out), count)])
    return Spread() if interval is None else Spread(interval, sample_influence(mean, left_out.numpy()))


def _vendi(space: FeatureSpace, cell: Cell, context: Context) -> Score:
    """Vendi score of as many samples as there are patients, beside one real slice of each patient."""
    real, m = cell.real, cell.generated.n_units
    count = min(m, real.n_patients)
    counts = Counts(count, count, real.n_patients)
    if count < 2:
        return Score.undefined("fewer than 2 patients to compare with at equal n", counts)

    def scores(features: Tensor, draw: Callable[[torch.Generator], Tensor]) -> list[float]:
        generator = torch.Generator().manual_seed(context.seed)  # each side has its own: the real one is kept
        drawn = (draw(generator) for _ in range(_DRAWS))
        return [vendi_score(features[rows[torch.randperm(len(rows), generator=generator)[:count]]]) for rows in drawn]

    def reference() -> list[float]:
        return scores(space.of(real), partial(one_per_patient, real.patient))

    value = np.mean(scores(space.of(cell.generated), partial(one_per_unit, cell.generated.unit)))
    key = (VENDI.name, count, space.extractor.key)
    return Score.of(
        float(value), counts, baseline=mean_baseline(torch.from_numpy(context.baseline(cell, *key, compute=reference)))
    )


def _mean(differences: _OfUnits) -> float:
    """Mean over the pairs, each of which belongs to two units; NaN without pairs."""
    total, number = differences
    return float(total.sum() / number.sum()) if number.sum() else torch.nan

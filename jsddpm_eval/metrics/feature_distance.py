"""FID and KID of generated against real features, with interval, baseline and permutation p-value by patient."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from math import isfinite

import numpy as np
import torch
from torch import Tensor

from jsddpm.wording import counted
from jsddpm_eval.checks.levels import relabellings_at
from jsddpm_eval.features.space import FeatureSpace
from jsddpm_eval.functional.frechet import frechet_of_labels
from jsddpm_eval.functional.kernel import resampled_distances
from jsddpm_eval.memo import digest
from jsddpm_eval.metrics.base import Cell, Context, Metric
from jsddpm_eval.metrics.feature_pair import FeaturePair
from jsddpm_eval.results.score import Score, block_of
from jsddpm_eval.results.specs import ScoreSpec
from jsddpm_eval.stats.baseline import baseline_of, patient_halves
from jsddpm_eval.stats.intervals import distance_spread
from jsddpm_eval.stats.resampling import (
    DRAWS,
    Draw,
    enough_to_permute,
    least_permutation_p,
    permutation_p,
    relabellings,
    without_each,
)
from jsddpm_eval.stats.two_sample import LABELLINGS, two_sample

HALVINGS = 200
_MAX_UNITS = 100
_MOST_PERMUTED = 2000  # generated samples in a permutation test; with more, evenly spread ones
_MOST_JOINT = 20_000, 5000  # real and generated slices with their conditions beside them: as many columns as conditions
_MOST_COMPARED = 1000  # generated samples of a Frechet distance; with more, evenly spread ones
_LARGE, _FEW_LABELLINGS = 20_000, 79  # patients x samples; of so many, fewer labellings

_BLIND = "copies of real slices, which lower it, single bad samples in a small set, and faults of masks"
_BIASED = f"differences smaller than its bias if there are few patients, {_BLIND}"
_spec = partial(ScoreSpec, group="feature distance", per_space=True, better="lower", blind_to=_BLIND)
KID = _spec(
    "kid", "KID", "unbiased MMD, cubic kernel, all samples; pairs of one patient are left out as i = j is; "
    "pooled, means by pair of conditions, at the generated mix of those with two patients and two samples or volumes",
    reading="Kernel distance of features, all samples, unbiased; the baseline is real against real, patients halved. "
    "Negative means no difference seen.",
    place="compact", source="1801.01401", verified="torch-fidelity `mmd2`; double sum | 1e-6 relative; 1e-12",
    hypothesis="generated slices are slices of new patients",
    headline="KID", headline_reading="baseline {baseline}",
)  # fmt: skip
FID = _spec(
    "fid", "FID", "Frechet distance, n - 1 covariances, of one real slice of each patient, mean over draws; not the "
    "customary FID of all slices, which has no baseline with equal counts",
    reading="Fréchet distance of the same features with one slice of each patient, biased upwards with few samples "
    "(marked ~); the baseline is the same with samples exchanged, so it is biased alike.",
    place="main", source="1706.08500", axis_from_zero=True,
    blind_to=_BIASED,
    verified="torch-fidelity; closed form | 1e-5 relative to torch-fidelity (its error), 1e-10 to the closed form",
)  # fmt: skip
_JOINT = "features with the one-hot condition beside them, as long as the features on average"
_CHECKED = "torch-fidelity on features with scikit-learn's one-hot columns | 1e-5 relative"
JOINT_KID = _spec(
    "kid_joint", "KID with condition", f"KID of {_JOINT}", scope="pooled", source="1907.08175", verified=_CHECKED,
    hypothesis=KID.hypothesis,
)  # fmt: skip
JOINT_FID = _spec(
    "fid_joint", "FID with condition", f"FID of {_JOINT}", scope="pooled", source="1907.08175", verified=_CHECKED,
    axis_from_zero=True, blind_to=_BIASED,
)  # fmt: skip


class FeatureDistance(Metric):
    """Distances between the distributions of generated and of real features."""

    name = "feature_distance"
    specs = (KID, FID, JOINT_KID, JOINT_FID)

    def compute(self, cell: Cell, context: Context) -> dict[str, Score]:
        """Distances in every feature space; pooled also with the condition beside the features."""
        scores: dict[str, Score] = {}
        for space in context.spaces:
            pair = FeaturePair.of(cell.real, cell.generated, space, context.binning.n_bins)
            specs = [s for s in (KID, FID) if context.wants(s)]
            scores |= {s.named(space.name): _distance(s, pair, space, cell, context) for s in specs}
            specs = [s for s in (JOINT_KID, JOINT_FID) if context.wants(s) and cell.z_bin is None]
            if specs and pair.strata is None:
                alone = Score.undefined("one condition has no joint distribution", pair.counts)
                scores |= {s.named(space.name): alone for s in specs}
            elif specs:
                joint = pair.thinned(*_MOST_JOINT).joint()
                scores |= {s.named(space.name): _distance(s, joint, space, cell, context) for s in specs}
        return scores


METRIC = FeatureDistance()


def _distance(spec: ScoreSpec, pair: FeaturePair, space: FeatureSpace, cell: Cell, context: Context) -> Score:
    if min(len(pair.real), len(pair.generated)) < 2:
        which = "real" if len(pair.real) < 2 else "generated"
        return Score.undefined(f"needs at least 2 {which} slices", pair.counts)
    if spec in (FID, JOINT_FID):
        return _fid(pair, context.seed)
    score = kid_estimate(pair)
    if score.value is None:
        return score
    tested: dict[str, float | None] = {}
    if enough_to_permute(len(pair.owner.unique()), len(pair.unit.unique())):
        few = pair.thinned(None, _MOST_PERMUTED)
        tested["p_value"] = permutation_p(few.real, few.generated, _relabellings(few, cell, context))
        if len(few.unit.unique()) < len(few.unit):
            tested["least_p"] = least_permutation_p(_relabellings(few, cell, context))
    key = (spec.name, space.extractor.key, pair.halves)
    halves = baseline_of(context.baseline(cell, *key, compute=lambda: kid_between_halves(pair, context.seed)))
    return score.model_copy(update={**tested, **halves._asdict()})


def _fid(pair: FeaturePair, seed: int) -> Score:
    pair = pair.thinned(None, _MOST_COMPARED)
    samples = len(pair.unit.unique())
    large = len(pair.owner.unique()) * samples > _LARGE
    comparison = two_sample(
        frechet_of_labels, pair.real, pair.patient_names, pair.generated,
        seed=seed, units=pair.unit, strata=pair.strata, labellings=_FEW_LABELLINGS if large else LABELLINGS,
    )  # fmt: skip
    if comparison is None:
        return Score.undefined("needs real slices of at least 2 patients", pair.counts)
    unreliable, few = None, min(comparison.n_real, samples)
    if few <= pair.dimension:
        generated = "generated slice" if samples == len(pair.generated) else "generated volume"
        which = counted(few, "patient" if few == comparison.n_real else generated)
        reason = f"{which}, the features have {counted(pair.dimension, 'effective dimension')}"
        unreliable = f"{reason}: biased upwards, compare with the baseline only"
    spread = comparison.spread
    if spread.interval:  # no distance is negative
        spread = spread._replace(interval=(max(0.0, spread.interval[0]), spread.interval[1]))
    counts = pair.counts._replace(n_real=comparison.n_real)
    return Score.of(comparison.value, counts, spread, comparison.baseline, unreliable=unreliable)


def kid_estimate(pair: FeaturePair) -> Score:
    """Kernel distance with its interval and what each patient and generated unit adds to it; no baseline, no p-value.

    No pair of one patient, or of one generated volume, counts. Above 100 volumes their blocks count as volumes do. Of
    several conditions, those without two patients or two generated units are left out.
    """
    owner, unit = pair.owner, pair.unit
    n_patients, units = (int(numbers.max()) + 1 if len(numbers) else 0 for numbers in (owner, unit))
    if min(n_patients, units) < 2:
        which = "patient" if n_patients < 2 else "volume"
        return Score.undefined(f"slices of one {which} have no independent pairs", pair.counts)
    blocks = min(units, _MAX_UNITS)
    total = n_patients + blocks
    every, real = without_each(torch.arange(total), total), torch.arange(total) < n_patients
    left = torch.cat([torch.ones_like(real)[None], every])
    value, *left_out = resampled_distances(
        torch.cat([pair.real, pair.generated]),
        torch.cat([owner, n_patients + unit % blocks]),
        torch.cat(pair.conditions),
        pair.shares,
        real | (units < len(unit)),
        (real & left, ~real & left),
    )[0].tolist()
    if not isfinite(value):
        samples = "slices" if units == len(unit) else "volumes"
        return Score.undefined(f"no condition has two patients and two generated {samples}", pair.counts)
    names = map(block_of, pair.patient_names[np.unique(pair.patient.numpy(), return_index=True)[1]].tolist())
    patients = dict(zip(names, left_out[:n_patients], strict=True))
    return Score.of(value, pair.counts, distance_spread(value, patients, left_out[n_patients:], units))


def kid_between_halves(pair: FeaturePair, seed: int) -> list[float]:
    """Kernel distance between random halves of the patients, at the generated mix of conditions.

    Of every condition one half is thinned to about as many slices as were generated.
    """
    owner = pair.owner
    n_patients = int(owner.max()) + 1
    half = patient_halves(n_patients, HALVINGS, seed)
    if not len(half):
        return []
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(pair.real)))
    condition, shares = pair.conditions[0], pair.shares
    thin = torch.cat([order[condition[order] == c][: 2 * n] for c, n in enumerate(shares.tolist())]).sort().values
    empty = torch.zeros_like(half)
    distances: list[float] = resampled_distances(
        torch.cat([pair.real, pair.real[thin]]),
        torch.cat([owner, n_patients + owner[thin]]),
        torch.cat([condition, condition[thin]]),
        shares,
        torch.ones(2 * n_patients, dtype=torch.bool),
        (torch.cat([half, empty], 1), torch.cat([empty, ~half], 1)),
    )[0].tolist()
    return distances


def _relabellings(pair: FeaturePair, cell: Cell, context: Context) -> Iterable[Draw]:
    """The draws of the permutation test; kept as bits for the next generator, as many as fit."""
    units, strata, memo = pair.unit, pair.strata, context.real.memo
    total = len(pair.owner.unique()) + len(units.unique())
    count = relabellings_at(cell.key, total)
    key = ("relabellings", digest(pair.owner, units, *(strata or ()), context.seed, count))

    def draws() -> Iterable[Draw]:
        return relabellings(pair.owner, units, strata, context.seed, count)

    def packed() -> list[tuple[int, Tensor, np.ndarray]]:
        return [(p, rows, np.packbits(labels.numpy(), axis=1)) for p, rows, labels in draws()]

    if not memo.room(key, 2 * DRAWS * count * total // 8):
        yield from draws()
        return
    for population, rows, bits in memo.once(key, packed):
        labels = np.unpackbits(bits, axis=1, count=len(rows)).view(bool)
        yield Draw(population, rows, torch.from_numpy(labels))

"""FID and KID of generated against real features, with interval, baseline and permutation p-value by patient."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from jsddpm.wording import counted
from jsddpm_eval.checks.levels import relabellings_at
from jsddpm_eval.features.space import FeatureSpace
from jsddpm_eval.functional.frechet import effective_dimension, frechet_of_labels
from jsddpm_eval.functional.kernel import KernelTable
from jsddpm_eval.functional.thinning import evenly
from jsddpm_eval.memo import digest
from jsddpm_eval.metrics.base import Cell, Context, Metric
from jsddpm_eval.results.score import Counts, Score, block_of
from jsddpm_eval.results.specs import ScoreSpec
from jsddpm_eval.slice_table import SliceTable
from jsddpm_eval.stats.baseline import baseline_of, patient_halves
from jsddpm_eval.stats.intervals import distance_spread, numbered
from jsddpm_eval.stats.mix import mix_weights
from jsddpm_eval.stats.resampling import DRAWS, Draw, enough_to_permute, permutation_p, relabellings, without_each
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
    "kid", "KID", "unbiased MMD, cubic kernel, all samples; pairs of one patient are left out as i = j is",
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


@dataclass(frozen=True, eq=False)
class FeaturePair:
    """Features of real and of generated slices of one cell, in one feature space.

    Attributes:
        real: float64 ``(n, d)``.
        patient: Patients of the real slices in name order, int64 ``(n,)``.
        patient_names: Their names, ``(n,)``.
        generated: float64 ``(m, d)``.
        weights: Weights of the real slices that give them the generated mix of conditions; None for one condition.
        strata: Conditions of both sides where there are several.
        dimension: Effective dimension of the features, for the warning of a Frechet distance.
        rows: Places of the real slices in their table.
        units: Units of the generated slices, int64 ``(m,)``; None where each is one of its own.
    """

    real: Tensor
    patient: Tensor
    patient_names: np.ndarray[tuple[int], np.dtype[np.str_]]
    generated: Tensor
    weights: Tensor | None = None
    strata: tuple[Tensor, Tensor] | None = None
    dimension: int = 0
    rows: Tensor | None = None
    units: Tensor | None = None

    @classmethod
    def of(cls, real: SliceTable, generated: SliceTable, space: FeatureSpace, n_bins: int) -> FeaturePair:
        """The features of two sets of slices, of the conditions that both have; several are weighed alike."""
        real, strata, weights = space.reference(real), None, None
        generated_tokens = generated.token(n_bins).unique()
        both = generated_tokens[torch.isin(generated_tokens, real.token(n_bins))]
        if len(generated_tokens):
            real = real.where(torch.isin(real.token(n_bins), both))
        if len(generated_tokens) > 1:
            generated = generated.where(torch.isin(generated.token(n_bins), both))
        tokens = real.token(n_bins), generated.token(n_bins)
        if len(tokens[1].unique()) > 1:
            strata, weights = tokens, mix_weights(*tokens)[tokens[0]]
        features = space.of(real), space.of(generated)
        return cls(
            features[0], real.patient, real.patient_names, features[1], weights, strata, space.dimension, real.row,
            generated.unit,
        )  # fmt: skip

    def joint(self) -> FeaturePair:
        """Features with the condition beside them, as heavy as the features (FJD, DeVries et al. 2019, 1907.08175).

        A slice that looks real under the wrong condition is then far from the real ones of that condition.
        """
        if self.strata is None:
            raise ValueError("one condition has no joint distribution")
        present = torch.cat(self.strata).unique()  # a column that is 0 everywhere would only shrink the kernel
        one_hot = [(s[:, None] == present).double() for s in self.strata]
        alpha = torch.linalg.vector_norm(self.real, dim=1).mean()  # a one-hot vector has length 1
        real = torch.cat([self.real, alpha * one_hot[0]], 1)
        generated = torch.cat([self.generated, alpha * one_hot[1]], 1)
        return replace(self, real=real, generated=generated, dimension=effective_dimension(real))

    def thinned(self, most_real: int | None, most_generated: int) -> FeaturePair:
        """At most so many slices of either side, evenly spread over the conditions; every real slice when None."""
        conditions = self.strata or (torch.zeros(len(self.real)), torch.zeros(len(self.generated)))
        most = most_real or len(self.real), most_generated
        real, generated = (evenly(c, count) for c, count in zip(conditions, most, strict=True))
        return replace(
            self, real=self.real[real], patient=self.patient[real], patient_names=self.patient_names[real],
            generated=self.generated[generated], units=self.unit[generated],
            weights=None if self.weights is None else self.weights[real],
            strata=None if self.strata is None else (self.strata[0][real], self.strata[1][generated]),
        )  # fmt: skip

    @property
    def counts(self) -> Counts:
        """Counts, as scores carry them."""
        return Counts(len(self.real), len(self.generated), len(self.patient.unique()))

    @property
    def owner(self) -> Tensor:
        """Patient numbers without gaps, int64 ``(n,)``."""
        numbers: Tensor = torch.unique(self.patient, return_inverse=True)[1]
        return numbers

    @property
    def unit(self) -> Tensor:
        """Unit numbers of the generated slices without gaps, int64 ``(m,)``."""
        return torch.arange(len(self.generated)) if self.units is None else numbered(self.units)

    @property
    def mass(self) -> Tensor:
        """Weight of each real slice."""
        return torch.ones(len(self.real), dtype=torch.float64) if self.weights is None else self.weights


def _distance(spec: ScoreSpec, pair: FeaturePair, space: FeatureSpace, cell: Cell, context: Context) -> Score:
    if min(len(pair.real), len(pair.generated)) < 2:
        which = "real" if len(pair.real) < 2 else "generated"
        return Score.undefined(f"needs at least 2 {which} slices", pair.counts)
    if spec in (FID, JOINT_FID):
        return _fid(pair, context.seed)
    score = kid_estimate(pair)
    if score.value is None:
        return score
    p_value = None
    if enough_to_permute(len(pair.owner.unique()), len(pair.unit.unique())):
        few = pair.thinned(None, _MOST_PERMUTED)
        p_value = permutation_p(few.real, few.generated, _relabellings(few, cell, context))
    key = (spec.name, space.extractor.key, len(pair.generated), digest(pair.rows, pair.weights))
    halves = baseline_of(context.baseline(cell, *key, compute=lambda: kid_between_halves(pair, context.seed)))
    return score.model_copy(update={"p_value": p_value, **halves._asdict()})


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

    No pair of one patient, or of one generated volume, counts. Above 100 volumes their blocks count as volumes do.
    """
    owner, unit = pair.owner, pair.unit
    n_patients, units = (int(numbers.max()) + 1 if len(numbers) else 0 for numbers in (owner, unit))
    if min(n_patients, units) < 2:
        which = "patient" if n_patients < 2 else "volume"
        return Score.undefined(f"slices of one {which} have no independent pairs", pair.counts)
    blocks = min(units, _MAX_UNITS)
    total = n_patients + blocks
    table = KernelTable.build(
        torch.cat([pair.real, pair.generated]),
        torch.cat([owner, n_patients + unit % blocks]),
        (torch.arange(total) < n_patients) | (units < len(unit)),
        torch.cat([pair.mass, torch.ones(len(unit), dtype=torch.float64)]),
    )
    real = torch.arange(total) < n_patients
    value = float(table.distance(real[None], ~real[None]))
    patients, samples = (
        table.distance(real & without, ~real & without).tolist()
        for without in (
            without_each(torch.arange(n_patients), total),
            without_each(torch.arange(n_patients, total), total),
        )
    )
    names = map(block_of, pair.patient_names[np.unique(pair.patient.numpy(), return_index=True)[1]].tolist())
    return Score.of(value, pair.counts, distance_spread(value, dict(zip(names, patients, strict=True)), samples, units))


def kid_between_halves(pair: FeaturePair, seed: int) -> list[float]:
    """Kernel distance between random halves of the patients, one thinned to about as many slices as were generated."""
    owner = pair.owner
    n_patients = int(owner.max()) + 1
    half = patient_halves(n_patients, HALVINGS, seed)
    if not len(half):
        return []
    share = min(1.0, 2 * len(pair.generated) / len(pair.real))
    order = np.random.default_rng(seed).permutation(len(pair.real))
    thin = torch.from_numpy(np.sort(order[: max(2, round(share * len(order)))]))
    table = KernelTable.build(
        torch.cat([pair.real, pair.real[thin]]),
        torch.cat([owner, n_patients + owner[thin]]),
        torch.ones(2 * n_patients, dtype=torch.bool),
        torch.cat([pair.mass, pair.mass[thin]]),
    )
    empty = torch.zeros_like(half)
    distances: list[float] = table.distance(torch.cat([half, empty], 1), torch.cat([empty, ~half], 1)).tolist()
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

"""Signs of memorised training slices, from feature distances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jsddpm.wording import counted
from jsddpm_eval.features.space import FeatureSpace
from jsddpm_eval.functional.neighbours import authentic, distances, nearer_share
from jsddpm_eval.metrics.base import Cell, Context, Metric
from jsddpm_eval.metrics.shares import counted_share
from jsddpm_eval.results.score import Baseline, Counts, Score, Spread
from jsddpm_eval.results.specs import ScoreSpec
from jsddpm_eval.slice_table import SliceTable
from jsddpm_eval.stats.intervals import mean_spread, numbered, sample_influence
from jsddpm_eval.stats.jackknife import jackknife_variance, t_interval
from jsddpm_eval.stats.limits import MIN_UNITS

COPYING = ScoreSpec(
    name="copying_auc", heading="copying", group="neighbourhood", per_space=True, unit="share",
    definition="probability that a generated slice is nearer to the training slices than a held-out slice is "
    "(Mann-Whitney U / nm, which C_T standardizes), by condition, weighted by held-out slices; baseline 0.5",
    reading="How often a sample is nearer to the training slices than a held-out slice is: 0.5 for new slices, 1 for "
    "copies.",
    source="2004.05675", verified="SciPy | 1e-12",
    blind_to="a few copies among many new samples, because it is a mean, and copies in conditions without held-out "
    "slices",
)  # fmt: skip
AUTHENTICITY = ScoreSpec(
    name="authenticity", heading="authenticity", group="neighbourhood", per_space=True, unit="share", better="higher",
    definition="share of samples further from their nearest training slice than that one is from other patients'",
    source="2102.08921", verified="loops; SciPy's interval | 0",
    blind_to="copies that differ more from their source than slices of other patients do",
)  # fmt: skip


class Memorisation(Metric):
    """Share of samples nearer to training slices than held-out slices are, and authenticity.

    Distances are to training slices of the same condition. Between equals the first is 0.5; the baseline of
    authenticity uses held-out slices in place of generated ones.
    """

    name = "memorisation"
    specs = (COPYING, AUTHENTICITY)

    def compute(self, cell: Cell, context: Context) -> dict[str, Score]:
        """Both scores in every feature space."""
        held, train = cell.real.where(cell.real.held_out), cell.real.where(~cell.real.held_out)
        counts = Counts(len(train), len(cell.generated), held.n_patients)
        scores: dict[str, Score] = {}
        for space in context.spaces:
            pair = _scores(cell, held, train, space, context, counts)
            scores |= {spec.named(space.name): score for spec, score in zip(self.specs, pair, strict=True)}
        return scores


METRIC = Memorisation()


def _scores(
    cell: Cell, held: SliceTable, train: SliceTable, space: FeatureSpace, context: Context, counts: Counts
) -> tuple[Score, Score]:
    n = context.binning.n_bins
    sides = cell.generated, held, train
    whole = [t for t in range(2 * n) if all((side.token(n) == t).any() for side in sides)]
    present = [_Distances.of([side.where(side.token(n) == t) for side in sides], space) for t in whole]
    if not present:
        missing = Score.undefined("needs generated, held-out and training slices of one condition", counts)
        return missing, missing
    copying = _copying(present, _counts(present))
    several = [d for d in present if len(d.patient.unique()) > 1]
    if not several:
        reason = "training slices of one patient have no other patient's to be near to"
        return copying, Score.undefined(reason, _counts(present))
    authentic_samples = _authentic([(d, d.generated) for d in several])
    reference = context.baseline(
        cell, AUTHENTICITY.name, space.extractor.key, tuple(whole),
        compute=lambda: [_authentic([(d, d.held_out) for d in several]).mean()],
    )  # fmt: skip
    unit = torch.cat([d.unit for d in several]).numpy()
    return copying, counted_share(authentic_samples, unit, _counts(several), Baseline(float(reference.item())))


def _counts(used: Sequence[_Distances]) -> Counts:
    """Training slices, generated slices and held-out patients of the conditions that a score rests on."""
    people = np.unique(np.concatenate([d.names for d in used]))
    return Counts(sum(len(d.patient) for d in used), sum(len(d.unit) for d in used), len(people))


def _copying(present: Sequence[_Distances], counts: Counts) -> Score:
    """Mean over held-out slices; its interval leaves out one held-out patient, and one generated unit, at a time."""
    shares = torch.cat([nearer_share(*d.nearest) for d in present])
    names = np.concatenate([d.names for d in present])
    value = float(shares.mean())
    by_patient = mean_spread(shares, names).influence
    without = _without_samples(present)
    parts, influence = [], sample_influence(value, without)
    if by_patient is not None and len(without) >= MIN_UNITS:
        influence = influence.model_copy(update={"patients": by_patient.patients})
        parts = [(jackknife_variance(values), len(values)) for values in (list(by_patient.patients.values()), without)]
    interval = t_interval(value, parts) if parts else None
    spread = Spread() if interval is None else Spread((max(0.0, interval[0]), min(1.0, interval[1])), influence)
    n_patients = counts.n_patients or 0
    few = counted(n_patients, "held-out patient") if n_patients < MIN_UNITS else None
    return Score.of(value, counts, spread, Baseline(0.5), unreliable=few)


def _without_samples(present: Sequence[_Distances]) -> list[float]:
    """The mean without each generated unit; a condition's only unit takes the condition with it."""
    unit = numbered(torch.cat([d.unit for d in present]))
    total = torch.zeros(int(unit.max()) + 1, dtype=torch.float64)
    weight = torch.zeros_like(total)
    for d, own in zip(present, unit.split([len(d.unit) for d in present]), strict=True):
        sample, reference = d.nearest
        further = 1 - nearer_share(reference, sample)  # held-out slices that are further than each sample
        left = len(sample) - own.bincount(minlength=len(total))
        sums = further.sum() - torch.zeros_like(total).index_add_(0, own, further)
        total += torch.where(left > 0, len(reference) * sums / left, 0)
        weight += len(reference) * (left > 0)
    return (total / weight)[weight > 0].tolist()


@dataclass(frozen=True)
class _Distances:
    """Distances to the training slices of one condition: of generated, held-out and training slices.

    Attributes:
        generated: ``(m, n)``.
        held_out: ``(h, n)``.
        train: ``(n, n)``.
        patient: Patients of the training slices, ``(n,)``.
        names: Patients of the held-out slices, ``(h,)``.
        unit: Units of the generated slices, ``(m,)``.
    """

    generated: Tensor
    held_out: Tensor
    train: Tensor
    patient: Tensor
    names: NDArray[np.str_]
    unit: Tensor

    @classmethod
    def of(cls, sides: Sequence[SliceTable], space: FeatureSpace) -> _Distances:
        """Distances of generated, held-out and training slices in a feature space."""
        a, b, training = (space.of(table) for table in sides)
        between = distances(a, training), distances(b, training), distances(training, training)
        return cls(*between, sides[2].patient, sides[1].patient_names, sides[0].unit)

    @property
    def nearest(self) -> tuple[Tensor, Tensor]:
        """Distances of generated and of held-out slices to the nearest training slice."""
        return self.generated.min(1).values, self.held_out.min(1).values


def _authentic(sides: Sequence[tuple[_Distances, Tensor]]) -> NDArray[np.bool_]:
    return np.concatenate([authentic(side, d.train, d.patient).numpy() for d, side in sides])

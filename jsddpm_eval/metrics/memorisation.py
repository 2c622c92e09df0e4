"""Signs of memorised training slices, from feature distances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from jsddpm_eval.features.space import FeatureSpace
from jsddpm_eval.functional.neighbours import authentic, copying_z, distances
from jsddpm_eval.metrics.base import Cell, Context, Metric
from jsddpm_eval.results.score import Baseline, Counts, Score, Spread
from jsddpm_eval.results.specs import ScoreSpec
from jsddpm_eval.slice_table import SliceTable
from jsddpm_eval.stats.intervals import wilson_interval
from jsddpm_eval.stats.limits import MIN_UNITS

COPYING = ScoreSpec(
    name="copying_z", heading="copying, C_T", group="neighbourhood", per_space=True, unit="z",
    definition="C_T: Mann-Whitney z of distances to training slices, by condition, weighted by held-out slices",
    source="2004.05675", verified="SciPy | 1e-12",
)  # fmt: skip
AUTHENTICITY = ScoreSpec(
    name="authenticity", heading="authenticity", group="neighbourhood", per_space=True, unit="share", better="higher",
    definition="share of samples further from their nearest training slice than that one is from other patients'",
    source="2102.08921", verified="loops | 0",
)  # fmt: skip


class Memorisation(Metric):
    """C_T and authenticity of generated slices in every feature space.

    Distances are to training slices of the same condition. The baselines take real slices for generated ones: each
    training patient's slices without that patient, for C_T; held-out slices, for authenticity.
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

    def left_out() -> list[float]:
        return [_left_out(present, patient) for patient in train.patient.unique()]

    key = (space.extractor.key, tuple(whole))
    reference = context.baseline(cell, COPYING.name, *key, compute=left_out)
    known = reference[reference == reference].tolist()
    value = copying_z([d.generated.min(1).values for d in present], [d.held_out.min(1).values for d in present])
    few = f"{counts.n_patients} held-out patients" if held.n_patients < MIN_UNITS else None
    baseline = Baseline(sum(known) / len(known) if known else None)
    copying = Score.of(value, counts, baseline=baseline, unreliable=few)
    share = _authentic_share([(d, d.generated) for d in present])
    reference = context.baseline(
        cell, AUTHENTICITY.name, *key, compute=lambda: [_authentic_share([(d, d.held_out) for d in present])]
    )
    count = sum(len(d.generated) for d in present)
    spread = Spread(wilson_interval(share, count))
    return copying, Score.of(share, counts, spread, Baseline(float(reference.item())))


@dataclass(frozen=True)
class _Distances:
    """Distances to the training slices of one condition: of generated, held-out and training slices."""

    generated: Tensor
    held_out: Tensor
    train: Tensor
    patient: Tensor

    @classmethod
    def of(cls, sides: Sequence[SliceTable], space: FeatureSpace) -> _Distances:
        """Of generated, held-out and training slices."""
        a, b, seen = (space.of(table) for table in sides)
        return cls(distances(a, seen), distances(b, seen), distances(seen, seen), sides[2].patient)


def _left_out(present: Sequence[_Distances], patient: Tensor) -> float:
    """C_T with a training patient's slices for generated ones; NaN where no condition allows it."""
    generated, held = [], []
    for d in present:
        others = d.patient != patient
        if others.any() and not others.all():
            generated.append(d.train[~others][:, others].min(1).values)
            held.append(d.held_out[:, others].min(1).values)
    return copying_z(generated, held) if generated else torch.nan


def _authentic_share(sides: Sequence[tuple[_Distances, Tensor]]) -> float:
    return float(torch.cat([authentic(side, d.train, d.patient) for d, side in sides]).double().mean())

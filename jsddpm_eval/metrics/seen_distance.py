"""Separate distances to held-out and to training patients: a smaller distance to training patients means copying."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from jsddpm_eval.features.space import FeatureSpace
from jsddpm_eval.functional.kernel import KernelTable
from jsddpm_eval.metrics.base import Cell, Context, Metric
from jsddpm_eval.results.score import Baseline, Counts, Influence, Score, Spread, block_of
from jsddpm_eval.results.specs import ScoreSpec
from jsddpm_eval.stats.intervals import SAMPLE_BLOCKS, distance_spread, numbered
from jsddpm_eval.stats.jackknife import block_sizes, jackknife_variance, t_interval
from jsddpm_eval.stats.limits import MIN_UNITS
from jsddpm_eval.stats.mix import mix_weights
from jsddpm_eval.stats.resampling import one_per_unit, without_each

_MOST = 5000, 2000  # real and generated slices compared; with more, evenly spread ones

_spec = partial(ScoreSpec, group="feature distance", per_space=True, source="1801.01401")
_OF = "patients alone, conditions that all three sides have, at the generated mix"
HELD_OUT = _spec(
    "kid_held_out", "KID, held-out", f"KID against held-out {_OF}", better="lower", verified="double sum | 1e-9",
    blind_to="copies of held-out slices, which lower it, single bad samples in a small set, and faults of masks",
)  # fmt: skip
TRAIN = _spec(
    "kid_train", "KID, training", f"KID against training {_OF}", verified="double sum | 1e-9",
    blind_to="copies of training slices, which lower it, single bad samples in a small set, and faults of masks",
)  # fmt: skip
GAP = _spec(
    "kid_seen_gap", "KID, held-out less training", "kid_held_out less kid_train; 0 is expected of new slices",
    reading="How much further samples are from held-out patients than from training patients. An interval above 0 "
    "means that the network reproduces what it was trained on.",
    verified="double sum | 1e-9",
    blind_to="single copies among many new samples, and copies of training and held-out slices in equal shares",
)  # fmt: skip


class SeenDistance(Metric):
    """KID against held-out patients, KID against training patients, and their difference."""

    name = "seen_distance"
    specs = (HELD_OUT, TRAIN, GAP)

    def compute(self, cell: Cell, context: Context) -> dict[str, Score]:
        """The three scores in every feature space."""
        scores: dict[str, Score] = {}
        for space in context.spaces:
            three = _seen(cell, space, context)
            scores |= {spec.named(space.name): score for spec, score in zip(self.specs, three, strict=True)}
        return scores


METRIC = SeenDistance()


def _seen(cell: Cell, space: FeatureSpace, context: Context) -> list[Score]:
    n_bins = context.binning.n_bins
    generated, real = cell.generated.spread(_MOST[1]), cell.real.spread(_MOST[0])
    if space.extractor.saw_training:
        return [Score.undefined("the features have learned from training slices", cell.counts)] * 3
    common = generated.token(n_bins).unique()
    for training in (False, True):
        common = common[torch.isin(common, real.where(real.held_out != training).token(n_bins))]
    generated = generated.where(torch.isin(generated.token(n_bins), common))
    generated = generated.where(one_per_unit(numbered(generated.unit), torch.Generator().manual_seed(context.seed)))
    real = real.where(torch.isin(real.token(n_bins), generated.token(n_bins)))
    held, m = real.held_out, len(generated)
    sides = [real.where(held), real.where(~held)]
    counts = [Counts(len(side), m, side.n_patients) for side in sides]
    both = Counts(len(real), m, real.n_patients)
    if m < 2 or min(side.n_patients for side in sides) < 2:
        few = "needs two held-out patients, two training patients and two generated slices of a condition"
        return [Score.undefined(few, c) for c in (*counts, both)]
    weights = torch.ones(len(real), dtype=torch.float64)
    for side in (held, ~held):
        tokens = real.token(n_bins)[side]
        weights[side] = mix_weights(tokens, generated.token(n_bins))[tokens]
    labels, owner = torch.unique(2 * real.patient + held, return_inverse=True)
    n_patients, blocks = len(labels), min(m, SAMPLE_BLOCKS)
    table = KernelTable.build(
        torch.cat([space.of(real), space.of(generated)]),
        torch.cat([owner, n_patients + torch.arange(m) % blocks]),
        torch.arange(n_patients + blocks) < n_patients,
        torch.cat([weights, torch.ones(m, dtype=torch.float64)]),
    )
    names = [cell.patient_names[int(label) // 2] for label in labels]
    units = torch.arange(n_patients + blocks)
    is_held = torch.cat([labels % 2 == 1, torch.zeros(blocks, dtype=torch.bool)])
    apart = [_Side(table, chosen, units >= n_patients) for chosen in (is_held, ~is_held & (units < n_patients))]
    scores = [side.score(names, m, c) for side, c in zip(apart, counts, strict=True)]
    return [*scores, _gap(apart, names, block_sizes(m, blocks), both)]


class _Side:
    """The distance of some units from the generated ones, and without each unit."""

    def __init__(self, table: KernelTable, chosen: Tensor, generated: Tensor) -> None:
        def without(units: Tensor) -> tuple[Tensor, Tensor]:
            others = without_each(units, len(chosen))
            return chosen & others, generated & others

        self.units = torch.nonzero(chosen)[:, 0]
        self.value = float(table.distance(chosen[None], generated[None]))
        self.without_patients = table.distance(*without(self.units))
        self.without_samples = table.distance(*without(torch.nonzero(generated)[:, 0]))

    def left_out(self, names: list[str]) -> dict[str, float]:
        return {block_of(names[int(u)]): float(v) for u, v in zip(self.units, self.without_patients, strict=True)}

    def score(self, names: list[str], m: int, counts: Counts) -> Score:
        spread = distance_spread(self.value, self.left_out(names), self.without_samples.tolist(), m)
        return Score.of(self.value, counts, spread, Baseline(0.0))


def _gap(sides: list[_Side], names: list[str], blocks: list[int], counts: Counts) -> Score:
    held, train = sides
    value, samples = held.value - train.value, held.without_samples - train.without_samples
    if min(len(held.units), len(train.units), len(blocks)) < MIN_UNITS:
        return Score.of(value, counts, Spread(), Baseline(0.0))
    parts = [(jackknife_variance(side.without_patients.numpy()), len(side.units)) for side in sides]
    interval = t_interval(value, [*parts, (jackknife_variance(samples.numpy() - value, blocks), len(blocks))])
    patients = {name: v - train.value for name, v in held.left_out(names).items()}
    patients |= {name: held.value - v for name, v in train.left_out(names).items()}
    influence = Influence.of(value, patients=patients, samples=samples.tolist(), sample_blocks=blocks)
    return Score.of(value, counts, Spread(interval, influence), Baseline(0.0))

"""Separate distances to held-out and to training patients: a smaller distance to training patients means copying."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import Tensor

from jsddpm_eval.features.space import FeatureSpace
from jsddpm_eval.functional.kernel import resampled_distances
from jsddpm_eval.metrics.base import Cell, Context, Metric
from jsddpm_eval.results.score import Baseline, Counts, Influence, Score, Spread, block_of
from jsddpm_eval.results.specs import ScoreSpec
from jsddpm_eval.stats.intervals import SAMPLE_BLOCKS, distance_spread, numbered
from jsddpm_eval.stats.jackknife import block_sizes, jackknife_variance, t_interval
from jsddpm_eval.stats.limits import MIN_UNITS
from jsddpm_eval.stats.mix import conditions_of_units
from jsddpm_eval.stats.resampling import one_per_unit, without_each

_MOST = 5000, 2000  # real and generated slices compared; with more, evenly spread ones

_spec = partial(ScoreSpec, group="feature distance", per_space=True, source="1801.01401")
_OF = "patients alone, conditions of which all three sides have two patients or samples, at the generated mix"
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
    for held in (real.held_out, ~real.held_out):
        common = common[torch.isin(common, conditions_of_units(real.token(n_bins)[held], real.patient[held]))]
    generated = generated.where(torch.isin(generated.token(n_bins), common))
    generated = generated.where(one_per_unit(numbered(generated.unit), torch.Generator().manual_seed(context.seed)))
    common = conditions_of_units(generated.token(n_bins), generated.unit)
    generated, real = (table.where(torch.isin(table.token(n_bins), common)) for table in (generated, real))
    held, m = real.held_out, len(generated)
    sides = [real.where(held), real.where(~held)]
    counts = [Counts(len(side), m, side.n_patients) for side in sides]
    both = Counts(len(real), m, real.n_patients)
    if not m:
        few = "needs two held-out patients, two training patients and two generated slices of a condition"
        return [Score.undefined(few, c) for c in (*counts, both)]
    labels, owner = torch.unique(2 * real.patient + held, return_inverse=True)
    n_patients, blocks = len(labels), min(m, SAMPLE_BLOCKS)
    units, tokens = torch.arange(n_patients + blocks), generated.token(n_bins)
    kept = torch.cat([torch.ones((1, len(units)), dtype=torch.bool), without_each(units, len(units))])
    people = [torch.nonzero(labels % 2 == is_held)[:, 0] for is_held in (1, 0)]
    distances = resampled_distances(
        torch.cat([space.of(real), space.of(generated)]),
        torch.cat([owner, n_patients + torch.arange(m) % blocks]),
        torch.cat([real.token(n_bins), tokens]),
        tokens.bincount(),
        units < n_patients,
        [kept & torch.isin(units, side) for side in (*people, units[n_patients:])],
    )
    held_out, train = distances.tolist()
    names = [block_of(cell.patient_names[int(label) // 2]) for label in labels]
    scores = []
    for (value, *left_out), side, count in zip((held_out, train), people, counts, strict=True):
        patients = {names[u]: left_out[u] for u in side.tolist()}
        spread = distance_spread(value, patients, left_out[n_patients:], m)
        scores.append(Score.of(value, count, spread, Baseline(0.0)))
    value, *left_out = (distances[0] - distances[1]).tolist()
    return [*scores, _gap(value, left_out, names, people, block_sizes(m, blocks), both)]


def _gap(
    value: float, left_out: list[float], names: list[str], people: list[Tensor], blocks: list[int], counts: Counts
) -> Score:
    samples = np.array(left_out[len(names) :])
    if min(*map(len, people), len(blocks)) < MIN_UNITS:
        return Score.of(value, counts, Spread(), Baseline(0.0))
    parts = [(jackknife_variance(np.array(left_out)[side]), len(side)) for side in people]
    interval = t_interval(value, [*parts, (jackknife_variance(samples - value, blocks), len(blocks))])
    patients = dict(zip(names, left_out, strict=False))
    influence = Influence.of(value, patients=patients, samples=samples, sample_blocks=blocks)
    return Score.of(value, counts, Spread(interval, influence), Baseline(0.0))

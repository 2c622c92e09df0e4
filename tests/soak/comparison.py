"""Are differences of two evaluations told apart as often as said? Simulated cohorts and generators, of known truth.

``python tests/soak/comparison.py [COHORTS]`` prints the table; ``tests/jsddpm_eval/test_pairing.py`` runs a short
version. Both evaluations look at the same real slices, of patients with an effect of their own
(``tests/soak/calibration.py``). A reconstruction's error of a slice has parts of the patient, of the slice, and of the
network; a generator draws from a shifted population.
"""

from __future__ import annotations

import runpy
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from jsddpm_eval.functional.frechet import frechet_of_labels
from jsddpm_eval.functional.morphology import rbf_of_labels
from jsddpm_eval.metrics.feature_distance import kid_estimate
from jsddpm_eval.results.score import Counts, Score
from jsddpm_eval.stats.holm import holm_adjusted
from jsddpm_eval.stats.intervals import mean_spread, shift_spread
from jsddpm_eval.stats.paired import contrast
from jsddpm_eval.stats.scale import Side
from jsddpm_eval.stats.shift import mean_shift
from jsddpm_eval.stats.two_sample import two_sample

CALIBRATION = runpy.run_path(str(Path(__file__).with_name("calibration.py")))
Population, pair_of, true_kid = (CALIBRATION[name] for name in ("Population", "pair_of", "true_kid"))
NEAR, FAR = (0.5, 1.0), (0.8, 1.2)


@dataclass(frozen=True)
class Found:
    """Shares of cohorts, of pairs of generators that differ (covered) and of equal ones (alarms).

    Attributes:
        covered: 95 % intervals that hold the true difference.
        alarms: p-values of at most 5 % where there is no difference.
        apart: The same for today's alternative, errors added as if independent.
        narrower: Width of the paired interval in that of the unpaired one, median.
    """

    covered: float
    alarms: float
    apart: float
    narrower: float


def judged(pairs):
    """From ``(first, second, truth)``; equal generators have truth None."""
    covered, alarms, apart, ratio = [], [], [], []
    for first, second, truth in pairs:
        found = contrast(first, second, same_seeds=False)
        loose = contrast(*(s.model_copy(update={"influence": None}) for s in (first, second)), same_seeds=False)
        if truth is None:
            alarms.append(found.p_value <= 0.05)
            apart.append(loose.p_value <= 0.05)
        else:
            covered.append(found.interval[0] <= truth <= found.interval[1])
            ratio.append((found.interval[1] - found.interval[0]) / (loose.interval[1] - loose.interval[0]))
    return Found(*(float(np.mean(v)) for v in (covered, alarms, apart)), float(np.median(ratio)))


def slice_errors(rng, who, means):
    """PSNR-like values of the same slices by several networks: patient and slice weigh more than the network."""
    people = int(who.max()) + 1
    common = 2.0 * rng.standard_normal(people)[who] + rng.standard_normal(len(who))
    own = [0.5 * rng.standard_normal(people)[who] + 0.5 * rng.standard_normal(len(who)) for _ in means]
    return [torch.from_numpy(mean + common + part) for mean, part in zip(means, own, strict=True)]


def mean_score(values, who):
    return Score.of(float(values.mean()), Counts(), mean_spread(values, who.astype(str)))


def means(cohorts, patients=12, slices=6):
    """Mean scores of two networks on the same slices, the second 0.5 better or as good."""

    def pairs():
        for seed in range(cohorts):
            rng, who = np.random.default_rng(seed), np.repeat(np.arange(patients), slices)
            for truth in (0.5, None):
                yield *(mean_score(v, who) for v in slice_errors(rng, who, (0, truth or 0))), truth

    return judged(pairs())


def distances(cohorts, settings=(FAR, NEAR), equal=FAR, **setting):
    """KID of two generators, different ones and equal ones."""
    truth = true_kid(shift=settings[1][0], scale=settings[1][1]) - true_kid(shift=settings[0][0], scale=settings[0][1])

    def pairs():
        for seed in range(cohorts):
            population = Population(seed, **setting)
            real, who = population.cohort()
            for two, known in ((settings, truth), ((equal, equal), None)):
                yield *(kid_estimate(pair_of(real, who, population.made(*s))) for s in two), known

    return judged(pairs())


def shifts(cohorts, settings=(FAR, NEAR), equal=FAR, uneven=False, **setting):
    """Mean differences of a number of two generators, different ones and equal ones, over three conditions."""
    truth = settings[1][0] - settings[0][0]

    def side(values, who):
        condition = np.arange(len(values)) % 3
        return Side(values[:, 0].numpy(), condition, who)

    def score(real, generated):
        shift = mean_shift(real, generated)
        return Score.of(shift.value, Counts(), shift_spread(shift, {k: str(k) for k in np.unique(real.unit).tolist()}))

    def pairs():
        for seed in range(cohorts):
            population = Population(seed, **setting)
            values, who = population.cohort()
            real = side(values, who.numpy())
            if uneven:  # patients with few slices
                real = real.where((np.arange(len(who)) % population.slices < 2) | (who.numpy() % 3 > 0))
            for two, known in ((settings, truth), ((equal, equal), None)):
                sides = [side(population.made(*s), np.arange(population.generated)) for s in two]
                yield *(score(real, generated) for generated in sides), known

    return judged(pairs())


def equal_alarms(statistic, cohorts, **setting):
    """False alarms of a distance with blocks of patients, between equal generators."""

    def score(real, who, made):
        found = two_sample(statistic, real, who.numpy().astype(str), made, seed=0, labellings=1)
        return Score.of(found.value, Counts(), found.spread)

    alarms = 0
    for seed in range(cohorts):
        population = Population(seed, **setting)
        real, who = population.cohort()
        alarms += (
            contrast(*(score(real, who, population.made(*FAR)) for _ in range(2)), same_seeds=False).p_value <= 0.05
        )
    return alarms / cohorts


def family(cohorts, bins=10, patients=12, slices=2):
    """Share of cohorts in which any of so many bins of the same patients is told apart though none differs."""
    alarms = 0
    for seed in range(cohorts):
        rng, who = np.random.default_rng(seed), np.repeat(np.arange(patients), slices)
        shared = rng.standard_normal((2, patients)) * 0.5  # a network that is worse on a patient is so in every bin
        found = {}
        for k in range(bins):
            values = [v + torch.from_numpy(p[who]) for v, p in zip(slice_errors(rng, who, (0, 0)), shared, strict=True)]
            found[k] = contrast(*(mean_score(v, who) for v in values), same_seeds=False).p_value
        alarms += min(holm_adjusted(found).values()) <= 0.05
    return alarms / cohorts


def table(cohorts):
    yield "setting", "quantity", "aim", "found"
    settings = {"12 patients": {}, "8 patients": {"patients": 8}, "30 patients": {"patients": 30}}
    cases = [(f"reconstruction, {name}", means(cohorts, **s)) for name, s in settings.items()]
    many = {f"{name}, {m} samples": s | {"generated": m} for name, s in settings.items() for m in (24, 100)}
    cases += [(f"KID, {name}", distances(cohorts, **s)) for name, s in many.items()]
    cases += [(f"shift, {name}", shifts(cohorts, **s)) for name, s in many.items()]
    cases.append(("shift, 12 patients of uneven slices, 100 samples", shifts(cohorts, uneven=True, generated=100)))
    for name, found in cases:
        yield name, "95 % interval of the difference covers", "93-97 %", found.covered
        yield name, "false alarms at 5 %", "3-7 %", found.alarms
        yield name, "false alarms, not paired", "", found.apart
        yield name, "width, paired / not paired", "", found.narrower
    for name, s in many.items():
        for what, statistic in {"FID": frechet_of_labels, "lesion MMD": rbf_of_labels}.items():
            yield f"{what}, {name}", "false alarms at 5 %", "3-7 %", equal_alarms(statistic, cohorts, **s)
    yield "reconstruction, 10 bins", "false alarm in any bin", "at most 5 %", family(cohorts)


if __name__ == "__main__":
    for row in table(int(sys.argv[1]) if len(sys.argv) > 1 else 1000):
        print("  ".join(f"{v:.3f}" if isinstance(v, float) else f"{v:40s}" for v in row), flush=True)

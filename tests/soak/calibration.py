"""Are the intervals, baselines and p-values what they say? Simulated cohorts with correlated slices, of known truth.

``python tests/soak/calibration.py [COHORTS]`` prints the table; ``tests/jsddpm_eval/test_calibration.py`` runs a short
version. A patient has an effect of their own, their slices scatter around it (intraclass correlation 0.6); generated
slices are independent draws from the same population, or from a shifted one.
"""

from __future__ import annotations

import sys

import numpy as np
import torch

from jsddpm_eval.evaluation import evaluate
from jsddpm_eval.features.extractor import Extractor
from jsddpm_eval.functional.frechet import frechet_distance
from jsddpm_eval.functional.kernel import KernelTable, kernel_distance
from jsddpm_eval.metrics.feature_distance import FeaturePair, kid_between_halves, kid_estimate
from jsddpm_eval.slice_table import SliceTable
from jsddpm_eval.stats.baseline import baseline_of
from jsddpm_eval.stats.intervals import mean_spread
from jsddpm_eval.stats.resampling import permutation_p, relabellings

FEATURES, CORRELATION = 6, 0.6
SHIFT, SCALE = 0.8, 1.2
GIVEN = Extractor("given", lambda images: images.flatten(1).double(), {})
"""Names features that are given as columns."""


class Population:
    """Cohorts and generated slices from one seed."""

    def __init__(self, seed: int, patients: int = 12, slices: int = 6, generated: int = 24):
        self.rng = np.random.default_rng(seed)
        self.patients, self.slices, self.generated = patients, slices, generated

    def cohort(self):
        who = np.repeat(np.arange(self.patients), self.slices)
        own = self.rng.standard_normal((self.patients, FEATURES)) * CORRELATION**0.5
        scatter = self.rng.standard_normal((len(who), FEATURES)) * (1 - CORRELATION) ** 0.5
        return torch.from_numpy(own[who] + scatter), torch.from_numpy(who)

    def made(self, shift=0.0, scale=1.0):
        return torch.from_numpy(shift + scale * self.rng.standard_normal((self.generated, FEATURES)))


def true_kid(d=FEATURES, shift=SHIFT, scale=SCALE):
    """Kernel distance of N(0, I) and N(shift, scale^2 I) in closed form, from the moments of x.y up to the third."""
    m, v = d * shift**2, scale**2  # squared length of the mean, variance of a feature
    own = 1 + 3 / d
    across = 1 + 3 * (d * v + m) / d**2
    second = m**2 + v * m + v * (d * v + m)
    third = m**3 + 3 * v * m**2 + 3 * v * (m * (m + v * d) + 2 * v * m)
    other = 1 + 3 * m / d + 3 * second / d**2 + third / d**3
    return own + other - 2 * across


def pair_of(real, who, made):
    """Features of one condition."""
    return FeaturePair(real, who, who.numpy().astype(str), made)


def fid_score(real, who, made, seed):
    """The evaluation's FID of one condition."""

    def table(features, patient=None):
        columns = {f"{GIVEN.name} {GIVEN.key}": features}
        zeros = [0] * len(features)
        return SliceTable.from_arrays(None, z_bin=zeros, pathology=zeros, patient=patient, columns=columns)

    results = evaluate(table(real, who), table(made), metrics=["fid"], features=[GIVEN], seed=seed)
    return results["fid", 0, "control"]


def slice_bootstrap(real, made, rng, repeats=200):
    """What is usually done: resample slices as if they were independent."""
    values = [
        kernel_distance(real[rng.integers(len(real), size=len(real))], made[rng.integers(len(made), size=len(made))])
        for _ in range(repeats)
    ]
    return np.quantile(values, [0.025, 0.975])


def inside(interval, truth):
    return interval is not None and interval[0] <= truth <= interval[1]


def kid_coverage(cohorts, bootstrap=True, **setting):
    """Share of 95 % intervals that hold the true distance: by patient, and by resampling slices."""
    truth = true_kid()
    hits = np.zeros(2)
    for seed in range(cohorts):
        p = Population(seed, **setting)
        real, who = p.cohort()
        made = p.made(SHIFT, SCALE)
        score = kid_estimate(pair_of(real, who, made))
        hits += [
            inside(score.interval, truth),
            bootstrap and inside(slice_bootstrap(real, made, p.rng), truth),
        ]
    return hits / cohorts


def true_fid(d=FEATURES, shift=SHIFT, scale=SCALE):
    """Frechet distance of N(0, I) and N(shift, scale^2 I) in closed form."""
    return d * (shift**2 + (1 - scale) ** 2)


def fid_coverage(cohorts, **setting):
    """Share of FID's 95 % intervals that hold the true distance, and that hold its expectation at these counts.

    The expectation is above the truth: FID is biased upwards with few samples. It is the mean over the cohorts.
    """
    intervals, values = [], []
    for seed in range(cohorts):
        p = Population(seed, **setting)
        real, who = p.cohort()
        score = fid_score(real, who, p.made(SHIFT, SCALE), seed)
        intervals.append(score.interval)
        values.append(score.value)
    expected = float(np.mean(values))
    return [float(np.mean([inside(i, truth) for i in intervals])) for truth in (true_fid(), expected)], expected


def mean_coverage(cohorts, **setting):
    """Share of 95 % intervals of a mean over slices that hold the true mean: by patient, and by slice."""
    hits = np.zeros(2)
    for seed in range(cohorts):
        real, who = Population(seed, **setting).cohort()
        values = real[:, 0]
        spreads = mean_spread(values, who.numpy().astype(str)), mean_spread(values)
        hits += [inside(spread.interval, 0) for spread in spreads]
    return hits / cohorts


def split_inside_baseline(cohorts, **setting):
    """Share of real patient-disjoint splits whose KID and FID lie in the baseline's band of those very patients."""
    hits = np.zeros(2)
    for seed in range(cohorts):
        p = Population(seed, **setting)
        real, who = p.cohort()
        first = torch.from_numpy(np.isin(who.numpy(), p.rng.permutation(p.patients)[: p.patients // 2]))
        kid = baseline_of(kid_between_halves(pair_of(real, who, real[~first]), seed))
        table = KernelTable.build(real, who, torch.ones(p.patients, dtype=torch.bool))
        chosen = torch.tensor([[bool(first[who == i].any()) for i in range(p.patients)]])
        hits[0] += inside(kid.baseline_interval, float(table.distance(chosen, ~chosen)))
        fid = fid_score(real, who, real[~first], seed)
        hits[1] += inside(fid.baseline_interval, frechet_distance(real[first], real[~first]))
    return hits / cohorts


def alarms(cohorts, shift=0.0, **setting):
    """Share of permutation p-values of at most 5 %: false alarms without a shift, power with one."""
    found = []
    for seed in range(cohorts):
        p = Population(seed, **setting)
        real, who = p.cohort()
        made = p.made(shift)
        found.append(permutation_p(real, made, relabellings(who, len(made), None, seed)))
    return float(np.mean(np.array(found) <= 0.05))


def table(cohorts):
    yield "setting", "quantity", "aim", "found"
    settings = {"12 patients": {}, "8 patients": {"patients": 8}, "30 patients": {"patients": 30}}
    for name, setting in settings.items():
        by_patient, by_slice = kid_coverage(cohorts, **setting)
        yield name, "KID, 95 % interval by patient covers", "93-97 %", by_patient
        yield name, "KID, slice bootstrap covers", "", by_slice
        (true, expected), _ = fid_coverage(cohorts, **setting)
        yield name, "FID, interval covers its expectation", "93-97 %", expected
        yield name, "FID, interval covers the true distance", "", true
        by_patient, by_slice = mean_coverage(cohorts, **setting)
        yield name, "mean, 95 % interval by patient covers", "93-97 %", by_patient
        yield name, "mean, interval by slice covers", "", by_slice
        kid, fid = split_inside_baseline(cohorts, **setting)
        yield name, "real split inside its own KID baseline", "93-97 %", kid
        yield name, "real split inside its own FID baseline", "93-97 %", fid
        yield name, "false alarms at 5 %", "3-7 %", alarms(cohorts, **setting)
        yield name, "alarms at a shift of 0.5 SD", "", alarms(cohorts, 0.5, **setting)


if __name__ == "__main__":
    for row in table(int(sys.argv[1]) if len(sys.argv) > 1 else 1000):
        print("  ".join(f"{v:.3f}" if isinstance(v, float) else f"{v:40s}" for v in row), flush=True)

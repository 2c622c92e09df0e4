"""Are the intervals, baselines and p-values what they say? Simulated cohorts with correlated slices, of known truth.

``python tests/soak/calibration.py [COHORTS]`` prints the table; ``tests/jsddpm_eval/test_calibration.py`` runs a short
version. A patient has an effect of their own, their slices scatter around it (intraclass correlation 0.6); generated
slices are independent draws from the same population, or from a shifted one, or stacks of slices of new patients.
"""

from __future__ import annotations

import sys

import numpy as np
import torch

from jsddpm_eval.evaluation import evaluate
from jsddpm_eval.features.extractor import Extractor
from jsddpm_eval.functional.frechet import frechet_of_labels
from jsddpm_eval.functional.kernel import kernel_distance
from jsddpm_eval.functional.morphology import rbf_of_labels
from jsddpm_eval.metrics.feature_distance import kid_between_halves, kid_estimate
from jsddpm_eval.metrics.feature_pair import FeaturePair
from jsddpm_eval.slice_table import SliceTable
from jsddpm_eval.stats.baseline import baseline_of
from jsddpm_eval.stats.intervals import mean_spread
from jsddpm_eval.stats.resampling import permutation_p, relabellings
from jsddpm_eval.stats.two_sample import two_sample
from jsddpm_eval.whole_table import given_column

FEATURES, CORRELATION = 6, 0.6
SHIFT, SCALE = 0.8, 1.2
GIVEN = Extractor("given", lambda images: images.flatten(1).double(), {})
"""Names features that are given as columns."""


class Population:
    """Cohorts and generated slices from one seed."""

    def __init__(self, seed: int, patients: int = 12, slices: int = 6, generated: int = 24, stack: int = 1):
        self.rng = np.random.default_rng(seed)
        self.patients, self.slices, self.generated, self.stack = patients, slices, generated, stack

    def cohort(self):
        return self._slices_of(self.patients, self.slices)

    def _slices_of(self, people, each):
        who = np.repeat(np.arange(people), each)
        own = self.rng.standard_normal((people, FEATURES)) * CORRELATION**0.5
        scatter = self.rng.standard_normal((len(who), FEATURES)) * (1 - CORRELATION) ** 0.5
        return torch.from_numpy(own[who] + scatter), torch.from_numpy(who)

    def made(self, shift=0.0, scale=1.0):
        if self.stack > 1:
            return shift + scale * self._slices_of(self.generated // self.stack, self.stack)[0]
        return torch.from_numpy(shift + scale * self.rng.standard_normal((self.generated, FEATURES)))

    @property
    def units(self):
        return torch.arange(self.generated) // self.stack


def true_kid(d=FEATURES, shift=SHIFT, scale=SCALE):
    """Kernel distance of N(0, I) and N(shift, scale^2 I) in closed form, from the moments of x.y up to the third."""
    m, v = d * shift**2, scale**2  # squared length of the mean, variance of a feature
    own = 1 + 3 / d
    across = 1 + 3 * (d * v + m) / d**2
    second = m**2 + v * m + v * (d * v + m)
    third = m**3 + 3 * v * m**2 + 3 * v * (m * (m + v * d) + 2 * v * m)
    other = 1 + 3 * m / d + 3 * second / d**2 + third / d**3
    return own + other - 2 * across


def pair_of(real, who, made, units=None):
    """Features of one condition."""
    return FeaturePair(real, who, who.numpy().astype(str), made, units=units)


def fid_score(real, who, made, seed):
    """The evaluation's FID of one condition."""

    def table(features, patient=None):
        columns = {given_column(GIVEN.name, GIVEN.key): features}
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
        score = kid_estimate(pair_of(real, who, made, p.units))
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


def inside_baseline(cohorts, shift=0.0, **setting):
    """Share of generators whose KID, FID and MMD lie in the baseline's band, and FID's mean beside its baseline's."""
    hits, fids = np.zeros(3), []
    for seed in range(cohorts):
        p = Population(seed, **setting)
        real, who = p.cohort()
        made, names = p.made(shift), who.numpy().astype(str)
        band = baseline_of(kid_between_halves(pair_of(real, who, made), seed)).baseline_interval
        hits[0] += inside(band, kernel_distance(real, made, who))
        for k, statistic in enumerate((frechet_of_labels, rbf_of_labels), 1):
            found = two_sample(statistic, real, names, made, seed=seed, interval=False)
            hits[k] += inside(found.baseline.baseline_interval, found.value)
            fids += [(found.value, found.baseline.baseline)] if k == 1 else []
    return hits / cohorts, np.mean(fids, axis=0)


def alarms(cohorts, shift=0.0, grouped=True, **setting):
    """Share of permutation p-values of at most 5 %: false alarms without a shift, power with one.

    Without ``grouped``, slices of one stack pass for independent ones.
    """
    found = []
    for seed in range(cohorts):
        p = Population(seed, **setting)
        real, who = p.cohort()
        made = p.made(shift)
        units = p.units if grouped else torch.arange(len(made))
        found.append(permutation_p(real, made, relabellings(who, units, None, seed)))
    return float(np.mean(np.array(found) <= 0.05))


def unequal_alarms(cohorts, generator="slices", shift=0.0, patients=12, generated=24):
    """The same where a patient has the more slices the larger their first feature is, as large lesions have.

    The generator is perfect, up to the shift: every slice of new patients, or every new patient, is equally likely.
    """

    def slices(effect):
        return np.clip(np.rint(3.5 + 2 * effect[:, 0]), 1, 7).astype(int)

    found = []
    for seed in range(cohorts):
        rng = np.random.default_rng(seed)
        effect, others = rng.standard_normal((patients, FEATURES)), rng.standard_normal((4000, FEATURES))
        who = np.repeat(np.arange(patients), slices(effect))
        weight = slices(others) if generator == "slices" else np.ones(len(others))
        drawn = others[rng.choice(len(others), generated, p=weight / weight.sum())]
        real, made = (
            torch.from_numpy(CORRELATION**0.5 * e + (1 - CORRELATION) ** 0.5 * rng.standard_normal(e.shape))
            for e in (effect[who], drawn)
        )
        draws = relabellings(torch.from_numpy(who), torch.arange(generated), None, seed)
        found.append(permutation_p(real, made + shift, draws))
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
        for shift in (0.0, 0.5):
            shares, (value, baseline) = inside_baseline(cohorts, shift, **setting)
            aim = "93 % and more" if shift == 0 else ""
            for what, share in zip(("KID", "FID", "MMD"), shares, strict=True):
                yield name, f"{what} inside its baseline, {shift} SD off", aim, float(share)
            yield name, f"FID, mean value, {shift} SD off", "", float(value)
            yield name, f"FID, mean baseline, {shift} SD off", "", float(baseline)
        yield name, "false alarms at 5 %", "3-7 %", alarms(cohorts, **setting)
        yield name, "alarms at a shift of 0.5 SD", "", alarms(cohorts, 0.5, **setting)
        for generator in ("slices", "patients"):
            share = unequal_alarms(cohorts, generator, **setting)
            yield name, f"unequal slices, uniform over {generator}: false alarms", "at most 7 %", share
        yield name, "unequal slices, alarms at a shift of 0.5 SD", "", unequal_alarms(cohorts, shift=0.5, **setting)
    for volumes in (4, 8):
        name, setting = f"{volumes} stacks of 6 slices", {"generated": 6 * volumes, "stack": 6}
        covered = kid_coverage(cohorts, bootstrap=False, **setting)[0]
        yield name, "KID, 95 % interval by patient and stack covers", "93-97 %", covered
        yield name, "false alarms at 5 %, by stack", "3-7 %", alarms(cohorts, **setting)
        yield name, "false alarms at 5 %, by slice", "", alarms(cohorts, grouped=False, **setting)


if __name__ == "__main__":
    for row in table(int(sys.argv[1]) if len(sys.argv) > 1 else 1000):
        print("  ".join(f"{v:.3f}" if isinstance(v, float) else f"{v:40s}" for v in row), flush=True)

"""Paired differences against textbook tests: where a score is a mean they are the same numbers."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from jsddpm.binning import ZBinning
from jsddpm_eval.compare import compare, compare_all
from jsddpm_eval.pairing import contrast
from jsddpm_eval.results import Cell, Influence, Results, Score
from jsddpm_eval.uncertainty import jackknife_fields, mean_fields, wilson_interval

SOAK = runpy.run_path(str(Path(__file__).parents[1] / "soak" / "comparison.py"))


def mean_score(values, who=None):
    values = torch.tensor(values, dtype=torch.float64)
    return Score(value=float(values.mean()), **mean_fields(values, None if who is None else np.array(who)))


def test_a_mean_by_patient_is_a_paired_t_test_of_the_patients():
    rng = np.random.default_rng(0)
    first = rng.normal(0, 5, 6).repeat(4) + rng.normal(0, 1, 24)
    second = first + 0.4 + rng.normal(0, 0.3, 24)
    who = np.repeat(list("abcdef"), 4)
    found = contrast(mean_score(first, who), mean_score(second, who), same_seeds=False)
    expected = stats.ttest_rel(second.reshape(6, 4).mean(1), first.reshape(6, 4).mean(1))
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-4)
    assert found.interval == pytest.approx(tuple(expected.confidence_interval()), rel=1e-4)
    assert (found.paired, found.n_patients) == (True, 6)


@pytest.mark.parametrize(("same_seeds", "test"), [(False, stats.ttest_ind), (True, stats.ttest_rel)])
def test_means_over_samples_are_welchs_test_or_a_paired_one_with_the_same_seeds(same_seeds, test):
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 2, 9)
    first, second = noise + rng.normal(0, 1, 9), noise + rng.normal(1, 2, 9)
    found = contrast(mean_score(first), mean_score(second), same_seeds=same_seeds)
    expected = test(second, first) if same_seeds else test(second, first, equal_var=False)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-4)
    assert found.interval == pytest.approx(tuple(expected.confidence_interval()), rel=1e-4)
    assert found.paired is same_seeds


def test_shares_have_newcombes_interval():
    """Newcombe 1998, table II, example (a), method 10: 56 of 70 less 48 of 80 is 0.2000 (0.0524 to 0.3339)."""
    low, high = (Score(value=k / n, interval=wilson_interval(k / n, n)) for k, n in ((48, 80), (56, 70)))
    found = contrast(low, high, same_seeds=False)
    assert found.interval == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert not found.paired


def test_a_patient_one_side_has_no_value_of_adds_nothing_there():
    who = list("aabbccdd")
    whole = mean_score([1.0, 2, 3, 4, 5, 6, 7, 9], who)
    fewer = mean_score([1.0, 2, 3, 4, 5, 7], who[:6])
    found = contrast(whole, fewer, same_seeds=False)
    added = np.array([whole.influence.patients[k] for k in "abcd"])
    added[:3] -= [fewer.influence.patients[k] for k in "abc"]
    error = np.sqrt(3 / 4 * ((added - added.mean()) ** 2).sum())
    difference = 11 / 3 - 37 / 8
    half = stats.t.ppf(0.975, 3) * error
    assert found.interval == pytest.approx((difference - half, difference + half), rel=1e-5)


def test_without_spread_only_the_signs_speak():
    who = list("abcde")
    zero, one = mean_score([0.0] * 5, who), mean_score([1.0] * 5, who)
    found = contrast(zero, one, same_seeds=False)
    assert found.interval is None
    assert found.p_value == pytest.approx(stats.binomtest(5, 5).pvalue)
    assert "no spread" in found.reason
    assert contrast(zero, zero, same_seeds=False).p_value == 1


def test_what_cannot_be_paired_falls_back_to_independent_errors():
    known = mean_score([1.0, 2, 3, 5], list("abcd"))
    bare = known.model_copy(update={"influence": None})
    apart = contrast(bare, bare, same_seeds=False)
    half = np.sqrt(2) * (known.interval[1] - known.interval[0]) / 2
    assert apart.interval == pytest.approx((-half, half))
    assert (apart.paired, contrast(known, known, same_seeds=False).interval) == (False, (0, 0))
    blocks = [Influence(patients=dict.fromkeys(names, 0.1)) for names in (("a+c", "b", "d"), ("a", "b+c", "d"))]
    other = [known.model_copy(update={"influence": i}) for i in blocks]
    assert contrast(*other, same_seeds=False).interval == pytest.approx((-half, half))
    assert contrast(known, Score(value=1.0), same_seeds=False).reason == "a side has no interval"


def test_blocks_of_patients_are_named_by_their_patients():
    g = torch.Generator().manual_seed(0)
    real, made = torch.randn((24, 1), generator=g), torch.randn((9, 1), generator=g)
    names = np.array([f"p{i:02d}" for i in range(12)]).repeat(2)
    fields = jackknife_fields(lambda a, b: float(a.mean() - b.mean()), real, names, made)
    assert list(fields["influence"].patients)[:3] == ["p00+p10", "p01+p11", "p02"]
    kept = ~np.isin(names, ["p01", "p11"])
    assert fields["influence"].patients["p01+p11"] == pytest.approx(float(real[kept].mean() - real.mean()), rel=1e-5)
    assert fields["influence"].samples[3] == pytest.approx(
        float(made.mean() - torch.cat([made[:3], made[4:]]).mean()), rel=1e-5
    )


def evaluation(values, **provenance):
    """Two bins of one reconstruction score, four patients each."""
    cells = [Cell(z_bin=k, scores={"psnr": mean_score(v, list("abcd"))}) for k, v in enumerate(values)]
    binning = ZBinning((0, 9), 2, n_slices=10).to_dict()
    return Results(binning=binning, provenance=provenance, utilization={}, reconstruction=cells)


def test_influences_travel_beside_the_results_and_only_with_them(tmp_path):
    whole = evaluation([[1.0, 2, 3, 4.5], [5.0, 6, 7, 9]])
    whole.write(tmp_path / "results.json")
    assert Results.read(tmp_path / "results.json") == whole
    assert whole.has_influences
    assert "influence" not in (tmp_path / "results.json").read_text()
    (tmp_path / "results.json").write_text((tmp_path / "results.json").read_text() + "\n")
    assert not Results.read(tmp_path / "results.json").has_influences


def test_p_values_are_corrected_over_all_evaluations_compared():
    base = evaluation([[1.0, 2, 3, 4.5], [5.0, 6, 7, 9]])
    near, far = evaluation([[1.1, 2.2, 3, 4.6], [5.1, 6, 7.2, 9]]), evaluation([[2.0, 3.1, 4, 5.4], [6.0, 7, 8.1, 9.8]])
    alone = [d.p_value for d in compare(base, far)]
    both = compare_all(base, {"near": near, "far": far})
    raw = [
        contrast(a.scores["psnr"], b.scores["psnr"], same_seeds=False).p_value
        for other in (near, far)
        for a, b in zip(base.reconstruction, other.reconstruction, strict=True)
    ]
    order = np.argsort(raw)
    expected = np.empty(4)
    expected[order] = np.maximum.accumulate(np.array(raw)[order] * [4, 3, 2, 1]).clip(max=1)
    assert [d.p_value for t in both.values() for d in t] == pytest.approx(expected.tolist())
    assert max(alone) < max(d.p_value for d in both["far"])


# Simulated, of known truth: a short version of tests/soak/comparison.py


def consistent(found, cohorts, wanted):
    return stats.binomtest(round(found * cohorts), cohorts, wanted).pvalue > 0.002


def test_paired_intervals_of_a_reconstruction_cover_and_are_narrower():
    found = SOAK["means"](150)
    assert consistent(found.covered, 150, 0.95)
    assert consistent(found.alarms, 150, 0.05)
    assert found.narrower < 0.4


def test_paired_intervals_of_a_distance_cover_and_are_narrower():
    found = SOAK["distances"](60, patients=8, generated=100)
    assert consistent(found.covered, 60, 0.95)
    assert found.alarms <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 60)
    assert found.narrower < 0.9

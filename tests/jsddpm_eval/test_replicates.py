"""Evaluations of several trainings: which are pairs, what is pooled, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from jsddpm.binning import ZBinning
from jsddpm.errors import JsddpmError
from jsddpm_eval.comparison import compare
from jsddpm_eval.metrics.registry import metrics
from jsddpm_eval.replicates import compare_replicates, matched
from jsddpm_eval.results.results import Results
from jsddpm_eval.results.score import Cell, Influence, Score

BINNING = ZBinning((24, 93), 2)
(SPEC,) = [spec for metric in metrics().values() for spec in metric.specs if spec.name == "grain"]


def evaluation(values, fold="a", training_seed=None, patients=None, **provenance):
    """A score that is better when lower, of two bins; ``patients`` says what each adds to it."""
    influence = None if patients is None else Influence(patients=patients)
    cells = [
        Cell(z_bin=k, scores={"grain": Score(
            value=v, interval=(v - 1, v + 1), n_patients=len(patients or {}), influence=influence
        ).placed(SPEC)} if v is not None else {"grain": Score.undefined("too few")})
        for k, v in enumerate(values)
    ]  # fmt: skip
    real = {"store": fold, "held_out_split": "test", "patients": 80, "held_out_patients": 20}
    known = {"real": real, "seed": 0} | (
        {} if training_seed is None else {"checkpoint": {"config": {"seed": training_seed}}}
    )
    return Results(
        binning=BINNING.to_dict(), provenance=known | provenance, utilization={}, generation=cells, specs=(SPEC,)
    )


def pooled(first, second):
    return compare_replicates(first, {"other": second})["other"]


def test_seeds_are_averaged_within_folds_which_are_the_units():
    first = [evaluation([1.0, 2.0], fold) for fold in "aabbcc"]
    changes = [[-0.5, 0.1], [-0.7, 0.0], [-0.4, 0.2], [-0.6, -0.2], [-0.9, 0.1], [-0.7, 0.3]]
    second = [evaluation([1 + a, 2 + b], fold) for fold, (a, b) in zip("aabbcc", changes, strict=True)]
    found = pooled(first, second)
    means = np.array(changes).reshape(3, 2, 2).mean(1)
    wider = np.sqrt((1 / 3 + 20 / 60) / (1 / 3))
    raw = [2 * stats.t.sf(abs(stats.ttest_1samp(m, 0).statistic) / wider, 2) for m in means.T]
    assert [d.difference for d in found] == pytest.approx(means.mean(0).tolist())
    assert [d.p_value for d in found] == pytest.approx([2 * raw[0], raw[1]])
    half = (stats.ttest_1samp(means[:, 0], 0).confidence_interval().high - means[:, 0].mean()) * wider
    assert found[0].interval == pytest.approx((means[:, 0].mean() - half, means[:, 0].mean() + half))
    assert {(d.n_folds, d.n_pairs, d.n_patients) for d in found} == {(3, 6, None)}
    assert (found[0].first, found[0].second) == pytest.approx((1.0, 1 + means[:, 0].mean()))


def test_of_one_fold_the_scatter_of_seeds_and_of_patients_add():
    patients = [
        dict(zip("abcde", row, strict=True)) for row in ([0.1, -0.2, 0.3, -0.3, 0.1], [0.3, 0.0, -0.1, -0.3, 0.1])
    ]
    first = [evaluation([1.0, 2.0], training_seed=s, patients=dict.fromkeys("abcde", 0.0)) for s in (0, 1)]
    second = [evaluation([1.5, 2.0], training_seed=s, patients=p) for s, p in zip((1, 0), patients, strict=True)]
    second[0].generation[0].scores["grain"] = second[0].generation[0].scores["grain"].model_copy(update={"value": 1.7})
    found = pooled(first, second)[0]
    change = np.array([list(p.values()) for p in patients]).mean(0)
    jackknife = 4 / 5 * ((change - change.mean()) ** 2).sum()
    half = np.sqrt(stats.t.ppf(0.975, 1) ** 2 * 0.02 / 2 + stats.t.ppf(0.975, 4) ** 2 * jackknife)
    assert found.interval == pytest.approx((0.6 - half, 0.6 + half))
    assert (found.n_folds, found.n_pairs, found.n_patients) == (1, 2, 5)


def test_one_pair_is_compared_as_two_evaluations_are():
    first, second = evaluation([1.0, 2.0]), evaluation([0.2, 2.5])
    alone, both = compare(first, second), pooled([first], [second])
    assert [(d.interval, d.p_value, d.difference) for d in both] == [
        (d.interval, d.p_value, d.difference) for d in alone
    ]


def test_pairs_are_matched_by_fold_and_seed_else_by_order():
    first = [evaluation([1.0], fold, seed) for fold, seed in [("a", 0), ("a", 1), ("b", 0)]]
    second = [evaluation([1.0], fold, seed) for fold, seed in [("b", 0), ("a", 1), ("a", 0)]]
    assert matched(first, second) == [[(0, 2), (1, 1)], [(2, 0)]]
    unknown = [evaluation([1.0], fold) for fold in "baa"]
    assert matched(first, unknown) == [[(0, 1), (1, 2)], [(2, 0)]]


def test_a_score_that_a_fold_leaves_undefined_is_of_the_others():
    first = [evaluation([1.0, 2.0], fold) for fold in "abc"]
    second = [evaluation([1.5, 2.0], "a"), evaluation([1.7, None], "b"), evaluation([None, None], "c")]
    two, one = pooled(first, second)
    assert (two.n_folds, two.interval is not None) == (2, True)
    assert (one.n_folds, one.interval, one.reason) == (1, None, "one fold alone defines it")


def test_what_each_patient_adds_must_be_known_within_one_fold():
    first, second = ([evaluation([v, v], training_seed=s) for s in (0, 1)] for v in (1.0, 2.0))
    assert pooled(first, second)[0].reason == "what each patient adds is not known"


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ([evaluation([1.0], "a")], r"store b \(test\): 1 and 0"),
        ([evaluation([1.0], "a"), evaluation([1.0], "c")], r"store b \(test\): 1 and 0; of store c \(test\): 0 and 1"),
        ([evaluation([1.0], "a"), evaluation([1.0], "b", seed=1)], "seed: 0 and 1"),
        ([evaluation([1.0], "a"), evaluation([1.0], real={})], "fold of an evaluation without"),
    ],
)  # fmt: skip
def test_what_makes_no_pairs_is_refused(second, message):
    with pytest.raises(JsddpmError, match=f"NOT_COMPARABLE.*{message}"):
        pooled([evaluation([1.0], "a"), evaluation([1.0], "b")], second)


def test_a_training_counts_once():
    twice = [evaluation([1.0], "a", 3), evaluation([1.1], "a", 3)]
    with pytest.raises(JsddpmError, match="two evaluations of one fold have the same training seed 3"):
        pooled(twice, twice)


def test_folds_that_lack_the_number_of_held_out_patients_are_not_pooled():
    """The variance over folds grows with held-out patients in those trained on; 0 in their place made p too small."""
    old = [evaluation([1.0], f, real={"store": f, "patients": 80}) for f in "ab"]
    with pytest.raises(JsddpmError, match=r"NOT_COMPARABLE.*store a lacks the number of held-out patients"):
        pooled(old, old)
    assert pooled(old[:1], old[:1])[0].difference == 0  # of one fold it does not matter


def test_folds_in_other_bins_are_not_pooled():
    others = [
        evaluation([1.0], f).model_copy(update={"binning": b.to_dict()})
        for f, b in zip("ab", (BINNING, ZBinning((24, 93), 3)), strict=True)
    ]
    with pytest.raises(JsddpmError, match=r"the folds differ in binning\.n_bins"):
        pooled(others, others)

"""Differences of evaluations: closed-form tests, corrected over bins; what cannot be compared is refused by field."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import norm

from jsddpm.binning import ZBinning
from jsddpm.errors import JsddpmError
from jsddpm_eval.comparison import compare, compare_all, summary
from jsddpm_eval.metrics.reconstruction import SPECS as OF_RECONSTRUCTION
from jsddpm_eval.metrics.registry import metrics
from jsddpm_eval.replicates import compare_replicates
from jsddpm_eval.results.results import Results
from jsddpm_eval.results.score import Cell, Counts, Score
from jsddpm_eval.stats.intervals import mean_spread
from jsddpm_eval.stats.paired import contrast

BINNING = ZBinning((24, 93), 4)
SPECS = {spec.name: spec for metric in metrics().values() for spec in metric.specs} | {
    s.name: s for s in OF_RECONSTRUCTION
}


def results(values, half=0.2, name="kid", **provenance):
    """One cell per value, bins in order, pathology 0."""
    spec = SPECS[name]
    space = "radiomics" if spec.per_space else ""
    scores = [
        Score.undefined("too few")
        if v is None
        else Score(value=v, interval=None if half is None else (v - half, v + half))
        for v in values
    ]
    cells = [
        Cell(z_bin=k, pathology=0, scores={spec.named(space): score.placed(spec, space)})
        for k, score in enumerate(scores)
    ]
    known = {"real": {"store": "abc", "held_out_split": "test"}, "seed": 0, "features": [{"name": "r", "hash": "1"}]}
    return Results(
        binning=BINNING.to_dict(), provenance=known | provenance, utilization={}, generation=cells, specs=(spec,)
    )


def test_differences_are_those_of_normal_theory_corrected_over_bins():
    a, b = [1.0, 1.0, 1.0, None], [1.1, 0.2, 1.5, 1.0]
    found = compare(results(a), results(b))
    assert [d.cell for d in found] == ["bin 0 control", "bin 1 control", "bin 2 control"]
    error = 0.2 / norm.ppf(0.975) * np.sqrt(2)
    p = 2 * norm.sf(np.abs([0.1, -0.8, 0.5]) / error)
    order = np.argsort(p)
    expected = np.empty(3)
    expected[order] = np.maximum.accumulate(p[order] * [3, 2, 1])
    assert [d.p_value for d in found] == pytest.approx(expected.clip(max=1).tolist())
    assert [d.interval for d in found] == [
        pytest.approx((x - 0.2 * np.sqrt(2), x + 0.2 * np.sqrt(2))) for x in (0.1, -0.8, 0.5)
    ]
    assert [d.better for d in found] == [None, "second", "first"]  # a KID is better when lower
    assert summary(found) == "better in kid_radiomics (1 of 3); worse in kid_radiomics (1 of 3)"


def test_pathologies_and_bins_are_compared_beside_their_conditions():
    """Five places of one score: the whole and a pathology are corrected together, a bin and its conditions as well."""

    def with_levels(values):
        whole = results(values, name="grain")
        places = [(None, None), (None, 0), (0, None), (0, 0), (0, 1)]
        cells = [
            c.model_copy(update={"z_bin": k, "pathology": p})
            for c, (k, p) in zip(whole.generation, places, strict=True)
        ]
        return whole.model_copy(update={"generation": tuple(cells)})

    found = compare(with_levels([0.0] * 5), with_levels([0.9, 0.6, 0.9, 0.1, 0.7]))
    assert [d.cell for d in found] == ["all bins", "all bins control", "bin 0", "bin 0 control", "bin 0 lesion"]
    error = 0.2 / norm.ppf(0.975) * np.sqrt(2)
    p = 2 * norm.sf(np.array([0.9, 0.6, 0.9, 0.1, 0.7]) / error)
    assert [d.p_value for d in found] == pytest.approx([2 * p[0], p[1], 3 * p[2], p[3], 2 * p[4]])


@pytest.mark.parametrize(("p_value", "better"), [(0.049, "second"), (0.051, None)])
def test_an_evaluation_is_better_from_five_percent_on(p_value, better):
    """Of one bin, so nothing is corrected: a KID that is smaller by the quantile of the normal distribution."""
    error = 0.2 / norm.ppf(0.975) * np.sqrt(2)
    (found,) = compare(results([1.0]), results([1.0 - norm.isf(p_value / 2) * error]))
    assert found.p_value == pytest.approx(p_value)
    assert (found.better, found.significant) == (better, better is not None)


def test_evaluations_are_read_from_their_folders(tmp_path):
    """Or from their files; what is compared is the same."""
    a, b = results([1.0, 1.0]), results([1.1, 0.2])
    for name, each in (("a", a), ("b", b)):
        (tmp_path / name).mkdir()
        each.write(tmp_path / name / "results.json")
    expected = compare(a, b)
    assert compare(str(tmp_path / "a"), tmp_path / "b" / "results.json") == compare(a, tmp_path / "b") == expected
    assert compare_all(tmp_path / "a", {"b": tmp_path / "b"})["b"] == expected
    assert compare_replicates([tmp_path / "a"], {"b": [tmp_path / "b"]})["b"] == expected
    with pytest.raises(JsddpmError, match="MISSING"):
        compare(a, tmp_path)


def test_direction_and_missing_intervals():
    up = compare(results([20.0], name="psnr"), results([25.0], name="psnr"))
    assert up[0].better == "second"
    none = compare(results([20.0], half=None), results([25.0]))
    assert (none[0].difference, none[0].interval, none[0].p_value) == (5.0, None, None)
    assert summary(none) == "no score of any condition differs significantly"
    undirected = compare(
        results([0.1], half=0.001, name="diversity_rmse"), results([0.2], half=0.001, name="diversity_rmse")
    )
    assert (undirected[0].better, undirected[0].significant) == (None, True)
    assert summary(undirected) == "different in diversity_rmse (1 of 1)"


def test_false_alarms_stay_below_the_level_over_all_bins():
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(300):
        a, b = rng.normal(0, 0.2 / norm.ppf(0.975), (2, 10))
        alarms += any(d.significant for d in compare(results(list(a)), results(list(b))))
    assert alarms <= 300 * 0.05 + 3 * np.sqrt(300 * 0.05 * 0.95)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"real": {"store": "xyz", "held_out_split": "test"}}, "real.store: abc and xyz"),
        ({"real": {"store": "abc", "held_out_split": "val"}}, "real.held_out_split: test and val"),
        ({"features": [{"name": "r", "hash": "2"}]}, "features.r.hash: 1 and 2"),
        ({"seed": 1}, "seed: 0 and 1"),
        ({"features": []}, "the first alone has the features r; fix"),
        ({"features": [{"name": "r", "hash": "1"}, {"name": "s"}]}, "the second alone has the features s; fix"),
    ],
)
def test_other_conditions_are_refused_by_field(change, message):
    with pytest.raises(JsddpmError, match=f"NOT_COMPARABLE.*{message}"):
        compare(results([1.0]), results([1.0], **change))


def test_other_bins_are_refused():
    other = results([1.0]).model_copy(update={"binning": ZBinning((24, 93), 5).to_dict()})
    with pytest.raises(
        JsddpmError, match=r"binning.n_bins: 4 and 5.*fix: import .* with the same --z-range and --bins"
    ):
        compare(results([1.0]), other)


def test_equal_bins_are_comparable_whatever_was_allowed_of_them():
    """Whether bins may be empty decides what is refused, and nothing that is computed."""
    other = ZBinning((24, 93), 4, allow_empty_bins=True)
    assert other.to_dict() != BINNING.to_dict()
    again = results([1.0]).model_copy(update={"binning": other.to_dict()})
    assert [d.difference for d in compare(results([1.0]), again)] == [0.0]


@pytest.mark.parametrize(
    ("score", "sign"),
    [("lesion_hd95", -1), ("lesion_missed", -1), ("control_false_positive_pixels", -1), ("lesion_mmd", -1),
     ("lesion_present", 1), ("lesion_dice", 1), ("psnr_brain", 1), ("fid_joint", -1), ("copy_gap", 0)],
)  # fmt: skip
def test_which_direction_is_better(score, sign):
    assert {"higher": 1, "lower": -1, None: 0}[SPECS[score].better] == sign
    found = compare(results([0.1], half=0.001, name=score), results([0.2], half=0.001, name=score))
    assert found[0].better == {1: "second", -1: "first", 0: None}[sign]


def evaluation(values, **provenance):
    """Two bins of one reconstruction score, four patients each."""
    who = np.array(list("abcd"))
    scores = [Score.of(sum(v) / 4, Counts(), mean_spread(torch.tensor(v, dtype=torch.float64), who)) for v in values]
    cells = [Cell(z_bin=k, scores={"psnr": score}) for k, score in enumerate(scores)]
    binning = ZBinning((0, 9), 2, n_slices=10).to_dict()
    return Results(binning=binning, provenance=provenance, utilization={}, reconstruction=cells)


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

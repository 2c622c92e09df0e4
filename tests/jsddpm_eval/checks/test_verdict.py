"""What each check says, and their sum in words."""

from __future__ import annotations

import pytest

from jsddpm.binning import ZBinning
from jsddpm_eval.bins.utilization import bin_utilization
from jsddpm_eval.checks.verdict import checks, with_findings
from jsddpm_eval.metrics.registry import metrics
from jsddpm_eval.results.results import Results
from jsddpm_eval.results.score import Cell, Score

BINNING = ZBinning((0, 9), 2, n_slices=10)
SPECS = {spec.name: spec for metric in metrics().values() for spec in metric.specs}


def placed(scores):
    return {
        name: score.placed(SPECS[(*name.split("_x"), "")[0]], "x" if name.endswith("_x") else "")
        for name, score in scores.items()
    }


def evaluation(**changed):
    """Two lesion conditions, the first without a fault, the second with scores changed."""
    scores = {
        "kid_x": Score(value=0.1, p_value=0.4, n_patients=9, n_generated=8),
        "diversity_rmse": Score(value=0.1, interval=(0.08, 0.12), baseline=0.11),
        "exact_copies": Score(value=0.0),
        "copy_gap": Score(value=0.2, interval=(0, 0.4), baseline=0.3),
        "z_error_bins": Score(value=0.5, baseline=0.4),
        "lesion_present": Score(value=1.0),
        "coupling_contrast": Score(value=0.3, p_value=0.001, baseline=0.3),
    }
    cells = [Cell(z_bin=k, pathology=1, scores=placed(scores | (changed if k else {}))) for k in (0, 1)]
    utilization = bin_utilization((0, 9), 2, 10)
    return with_findings(Results(binning=BINNING.to_dict(), provenance={}, utilization=utilization, generation=cells))


def answers(results, z_bin, answer):
    return [f.check for f in results.findings if (f.z_bin, f.answer) == (z_bin, answer)]


UNDEFINED = Score.undefined("too few")


@pytest.mark.parametrize(
    ("changed", "off", "unknown"),
    [
        ({}, [], []),
        ({"kid_x": Score(value=9, p_value=0.001, n_patients=9, n_generated=8)}, ["unlike_real"], []),
        # two tests: 0.04 is above 0.05 / 2
        ({"kid_x": Score(value=9, p_value=0.04, n_patients=9, n_generated=8)}, [], []),
        ({"diversity_rmse": Score(value=0.01, interval=(0, 0.02), baseline=0.11)}, ["collapsed"], []),
        ({"exact_copies": Score(value=1.0)}, ["copied"], []),
        ({"copy_gap": Score(value=9, interval=(5, 13), baseline=0.3)}, ["copied"], []),
        ({"z_error_bins": Score(value=2, baseline=0.4)}, ["misplaced"], []),
        ({"lesion_present": Score(value=0.5)}, ["disobeyed"], []),
        ({"coupling_contrast": Score(value=0.0, p_value=0.6, baseline=0.3)}, ["mask_without_lesion"], []),
        # told from swapped masks, the wrong way round
        ({"coupling_contrast": Score(value=-0.3, p_value=0.001, baseline=0.3)}, ["mask_without_lesion"], []),
        ({"kid_x": Score(value=0.1, p_value=0.4, n_patients=3, n_generated=8)}, [], ["unlike_real"]),
        ({"kid_x": UNDEFINED}, [], ["unlike_real"]),
        ({"diversity_rmse": UNDEFINED}, [], ["collapsed"]),
        ({"diversity_rmse": Score(value=0.01, baseline=0.11)}, [], ["collapsed"]),
        ({"copy_gap": UNDEFINED}, [], ["copied"]),
        ({"z_error_bins": Score(value=2)}, [], ["misplaced"]),
        ({"lesion_present": UNDEFINED}, [], ["disobeyed"]),
        ({"coupling_contrast": Score(value=0.0, p_value=0.6, baseline=-0.1)}, [], ["mask_without_lesion"]),
        # what cannot be told hides no fault that is seen
        ({"kid_x": UNDEFINED, "exact_copies": Score(value=2.0)}, ["copied"], ["unlike_real"]),
    ],
)
def test_every_check_has_three_answers(changed, off, unknown):
    results = evaluation(**changed)
    assert (answers(results, 0, "off"), answers(results, 0, "unknown")) == ([], [])
    assert (answers(results, 1, "off"), answers(results, 1, "unknown")) == (off, unknown)
    assert len([f for f in results.findings if f.z_bin == 1]) == len(checks())
    together = "off" if off else "unknown" if unknown else "fine"
    assert results.answers() == {(0, 1): "fine", (1, 1): together}
    passing = "2 pass" if together == "fine" else "1 passes"
    assert results.verdict[0].startswith(f"Of 2 conditions {passing} every check (bin 0 lesion")
    assert any("not every check could be made (bin 1 lesion)" in s for s in results.verdict) == (together == "unknown")


def test_every_answer_but_fine_has_a_reason():
    for changed in ({"kid_x": UNDEFINED, "copy_gap": UNDEFINED}, {"exact_copies": Score(value=1.0)}):
        for finding in evaluation(**changed).findings:
            assert finding.reason or finding.answer == "fine"
    found = {f.check: f.reason for f in evaluation(kid_x=UNDEFINED).findings if f.z_bin == 1}
    assert found["unlike_real"] == "too few"


def test_too_few_relabellings_for_so_many_tests_are_no_pass():
    """Four patients and eight slices: 495 relabellings, p at least 0.002; forty tests ask for 0.00125."""

    def of(score):
        scores = {f"kid_{space}": score.placed(SPECS["kid"], space) for space in "ab"}
        cells = [Cell(z_bin=k, pathology=1, scores=scores) for k in range(20)]
        update = {"generation": tuple(cells), "binning": ZBinning((0, 99), 20).to_dict()}
        return with_findings(evaluation().model_copy(update=update))

    few = Score(value=90.0, p_value=0.0021, n_patients=4, n_generated=8)
    results = of(few)
    assert all(f.answer == "unknown" for f in results.findings if f.check == "unlike_real")
    assert set(results.answers().values()) == {"unknown"}
    assert results.verdict[0] == "Of 20 conditions none passes every check."
    assert results.verdict[1].startswith("20 show no fault, but not every check could be made")
    enough = of(few.model_copy(update={"n_patients": 9, "p_value": 0.0005}))
    assert all(f.answer == "off" for f in enough.findings if f.check == "unlike_real")
    assert enough.verdict[1].startswith("20 differ from real slices of new patients")


def test_control_conditions_are_not_asked_for_lesions():
    cells = [Cell(z_bin=0, pathology=0, scores=placed({"control_empty": Score(value=0.2)}))]
    results = with_findings(evaluation().model_copy(update={"generation": tuple(cells)}))
    assert "mask_without_lesion" not in {f.check for f in results.findings}
    assert answers(results, 0, "off") == ["disobeyed"]


def test_without_generated_slices_there_is_no_verdict():
    empty = with_findings(evaluation().model_copy(update={"generation": ()}))
    assert (empty.verdict, empty.findings) == ((), ())


def test_every_check_is_described():
    names = [check.spec.name for check in checks()]
    assert len(set(names)) == len(names) == 6
    for check in checks():
        assert check.spec.rule.startswith("off: ")
        assert "unknown: " in check.spec.rule
        assert check.spec.one
        assert check.spec.many

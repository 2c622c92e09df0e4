"""The check of KID keeps its power with many samples, and parts that it cannot test say so."""

from __future__ import annotations

from functools import cache

import torch

import metric_tester as tester
from jsddpm_eval.checks.decision import decide
from jsddpm_eval.checks.levels import LEVELS
from jsddpm_eval.checks.unlike_real import UnlikeReal
from jsddpm_eval.evaluation import evaluate
from jsddpm_eval.results.score import Cell, Score
from jsddpm_eval.stats.relabellings import least_p

PATIENTS, SAMPLES = 12, 500
CHEAP = ["kid", "intensity", "texture", "sharpness", "head", "turned", "lesion_form", "lesion_contrast",
         "borderless"]  # fmt: skip


@cache
def found():
    """More than 500 patients and samples; samples have half the contrast of real slices."""
    token = torch.arange(4).repeat(PATIENTS)
    real = tester.slices(token % 2, token // 2, 0) | {"patient": torch.arange(PATIENTS).repeat_interleave(4)}
    made = tester.generated_arrays(SAMPLES // 4)
    made["images"] = 0.5 * made["images"] + 0.2
    results = evaluate(tester.table(real), tester.table(made), metrics=CHEAP, features=[tester.MEANS])
    return results, {f.place: f for f in results.findings if f.check == "unlike_real"}


def test_a_gross_fault_is_off_with_more_than_500_patients_and_samples():
    results, findings = found()
    tests = [s for s in results.pooled.values() if s.p_value is not None]
    assert len(tests) > 30  # so many share 3 %: a p-value of 1 / 1000 is not significant among them
    assert results.pooled["kid_means"].p_value < 0.03 / 68  # as small as if every check were made
    assert (findings[None, None].answer, findings[None, None].kind) == ("off", "unlike real slices")


def test_a_difference_that_is_not_significant_is_stated_with_its_p_value_after_correction():
    score = Score(spec="kid", space="means", value=1.96, p_value=0.01, n_patients=20, n_generated=80)
    others = {f"kid_{n}": score.model_copy(update={"space": str(n), "value": 0.1, "p_value": 0.9}) for n in range(4)}
    (found,) = decide([UnlikeReal()], [Cell(n_generated=80, n_patients=20, scores={**others, "kid_means": score})])
    assert (found.answer, found.reason) == (
        "unknown",
        f"KID 1.96 (means), p = {0.01 * 5 / LEVELS['whole']:.2g} after correction; a test that sees no difference "
        "does not show that there is none",
    )


def test_the_least_p_of_volumes_is_that_of_their_draws():
    """Four volumes far from twelve patients: numbers alone promise 1 / 1820, and conditions leave few labellings."""
    token = torch.arange(4).repeat(12)
    real = tester.slices(token % 2, token // 2, 0) | {"patient": torch.arange(12).repeat_interleave(4)}
    made = tester.slices(token[:16] % 2, token[:16] // 2, 1)
    made |= {"images": 1 - made["images"], "group": torch.arange(4).repeat_interleave(4)}
    results = evaluate(tester.table(real), tester.table(made), metrics=["kid"], features=[tester.MEANS])
    score = results.pooled["kid_means"]
    assert score.n_units == 4
    assert 5 * least_p(12, 4) < score.least_p <= score.p_value
    cell = Cell(scores={"kid_means": score})
    assert [e.least_p for e in UnlikeReal().evidence(cell)] == [score.least_p]
    unable = cell.model_copy(update={"scores": {"kid_means": score.model_copy(update={"least_p": 0.1})}})
    assert decide([UnlikeReal()], [unable])[0].reason == (
        "not tested here: the smallest p-value that this test can give, 0.1, is too large after the correction for "
        "all tests"
    )
    single = evaluate(tester.table(real), tester.table(made | {"group": torch.arange(16)}), metrics=["kid"],
                      features=[tester.MEANS]).pooled["kid_means"]  # fmt: skip
    assert single.least_p is None


def test_parts_that_no_relabelling_could_make_significant_say_so():
    _, findings = found()
    parts = {place: f for place, f in findings.items() if place != (None, None)}
    assert {f.answer for f in parts.values()} == {"unknown"}
    assert {f.reason for f in parts.values()} == {
        "not tested here: the smallest p-value that this test can give, 0.00025, is too large after the correction for "
        "all tests"
    }

"""Every metric of the registry in every case of ``tests/metric_tester.py``."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import brief
import jsddpm_eval
import metric_tester as tester
from jsddpm.errors import JsddpmError
from jsddpm_eval.metrics.base import Metric
from jsddpm_eval.results.score import Counts, Score
from jsddpm_eval.results.specs import ScoreSpec

pytestmark = pytest.mark.usefixtures("brief_networks")


@pytest.mark.parametrize("case", tester.CASES)
@pytest.mark.parametrize("metric", tester.EVERY, ids=tester.named)
def test_no_case_breaks_a_metric(metric, case):
    """Of one evaluation with all metrics; in the ordinary case, and where that fails, each alone."""
    tester.exercise(metric, case, alone=case == "ordinary")


@pytest.mark.parametrize("case", tester.CASES)
def test_no_case_breaks_all_metrics_together(case):
    assert {spec.name for spec in tester.together(case).specs} == {s.name for m in tester.EVERY for s in m.specs}


CONSTANT = {
    "diversity_ms_ssim",  # undefined: the slices are too small for five scales
}
"""Scores that no case changes, each with its reason."""


@pytest.mark.parametrize("metric", tester.EVERY, ids=tester.named)
def test_every_score_depends_on_the_slices(metric):
    for spec in metric.specs:
        found = tester.values_of(spec, map(tester.together, tester.CASES))
        assert (len(found) > 1) == (spec.name not in CONSTANT), (spec.name, found)


def test_every_training_of_an_evaluation_can_be_brief():
    package = Path(jsddpm_eval.__file__).parent
    with_steps = {path for path in package.rglob("*.py") if re.search("^_STEPS = ", path.read_text(), re.MULTILINE)}
    assert {Path(module.__file__) for module in brief.TRAINING} == with_steps


class Odd(Metric):
    """A metric that does what its ``scores`` says."""

    name = "odd"
    specs = (ScoreSpec(name="odd", heading="odd", group="", definition=""),)

    def __init__(self, scores):
        self._scores = scores

    def compute(self, cell, context):
        return self._scores(cell)


@pytest.mark.parametrize(
    ("scores", "error"),
    [
        (lambda cell: {}, JsddpmError),
        (lambda cell: {"odd": Score.of(float("nan"), cell.counts)}, ValueError),
        (lambda cell: {"odd": Score.of(1.0, Counts(n_generated=10**6))}, AssertionError),
        (lambda cell: {"odd": Score.of(1.0, cell.counts, p_value=0.5)}, AssertionError),
        (lambda cell: {"odd": Score.undefined("never", cell.counts)}, AssertionError),
    ],
)
def test_the_tester_sees_what_a_metric_does_wrong(scores, error):
    tester.exercise(Odd(lambda cell: {"odd": Score.of(1.0, cell.counts)}), "ordinary")
    with pytest.raises(error):
        tester.exercise(Odd(scores), "ordinary")


def test_the_tester_sees_a_score_that_is_always_the_same():
    constant = Odd(lambda cell: {"odd": Score.of(12345.0, cell.counts)})
    bright = Odd(lambda cell: {"odd": Score.of(float(cell.generated.images.sum()), cell.counts)})
    values = [
        tester.values_of(odd.specs[0], [tester.exercise(odd, case) for case in ("ordinary", "all zero")])
        for odd in (constant, bright)
    ]
    assert len(values[0]) == 1
    assert len(values[1]) > 1

"""Every metric of the registry in every case of ``tests/metric_tester.py``."""

from __future__ import annotations

import pytest

import metric_tester as tester
from jsddpm.errors import JsddpmError
from jsddpm_eval.metrics.base import Metric
from jsddpm_eval.metrics.registry import metrics
from jsddpm_eval.results.score import Counts, Score
from jsddpm_eval.results.specs import ScoreSpec

pytestmark = pytest.mark.usefixtures("brief_networks")

EVERY = list(metrics().values())


def named(metric):
    return metric.name


@pytest.mark.parametrize("case", tester.CASES)
@pytest.mark.parametrize("metric", EVERY, ids=named)
def test_no_case_breaks_a_metric(metric, case):
    tester.exercise(metric, case)


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
    ],
)
def test_the_tester_sees_what_a_metric_does_wrong(scores, error):
    tester.exercise(Odd(lambda cell: {"odd": Score.of(1.0, cell.counts)}), "ordinary")
    with pytest.raises(error):
        tester.exercise(Odd(scores), "ordinary")

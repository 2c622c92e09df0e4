"""The judge of a training on a store: it chooses, loses patience, stops at copies, and goes on from a checkpoint."""

from __future__ import annotations

import json

import numpy as np
import pytest

from jsddpm.diffusion.pipeline import JointOutput
from jsddpm_eval.monitoring.judge import SampleJudge
from jsddpm_eval.monitoring.samples import SampleMonitor
from worlds import MEANS, World

pytestmark = pytest.mark.usefixtures("brief_networks")


@pytest.fixture(scope="module")
def world():
    return World(patients=12, slices=4)


@pytest.fixture(scope="module")
def monitor(world):
    return SampleMonitor(world.real(), features=[MEANS])


def drawn(images):
    count = len(images)
    z = np.zeros(count, np.int64)
    return JointOutput(images.numpy(), np.zeros(images.shape, bool), z, z, z)


def outputs(world):
    """New slices, darker at three of four checks, and training slices."""
    new = world.new(12)
    return [drawn(gain * new) for gain in (0.7, 1.0, 0.8, 0.6)], drawn(world.image[:12])


def test_the_check_nearest_to_validation_patients_is_chosen_and_patience_ends(world, monitor):
    judge = SampleJudge(monitor, patience=2)
    said = [judge.judge(10 * (k + 1), output) for k, output in enumerate(outputs(world)[0])]
    assert [s.best for s in said] == [True, True, False, False]
    assert [s.stop for s in said] == ["", "", "", "2 checks without a better one"]
    record = json.loads(json.dumps(judge.record(), allow_nan=False))
    assert (record["step"], record["checks_since"], record["memorisation"]) == (20, 2, None)
    assert record["kid"] == pytest.approx(said[1].values["kid"])
    assert "below that of step 10" in record["reason"]


def test_copies_are_not_chosen_and_stop_training_where_asked(world, monitor):
    good, copies = outputs(world)
    for stops in (False, True):
        judge = SampleJudge(monitor, stop_at_memorisation=stops)
        judge.judge(10, good[0])
        said = judge.judge(20, copies)
        assert not said.best
        assert ("copies of training slices" in said.stop) == stops
        assert judge.record()["memorisation"]["step"] == 20


def test_a_judge_goes_on_from_a_checkpoint(world, monitor):
    good, _ = outputs(world)
    whole, first, second = (SampleJudge(monitor, patience=1) for _ in range(3))
    for k in range(4):
        whole.judge(k, good[k])
    for k in range(2):
        first.judge(k, good[k])
    second.restore(json.loads(json.dumps(first.state())))
    assert second.record() == first.record(), "a run that ends here writes the same choice.json"
    assert second.record()["baselines"]
    for k in (2, 3):
        second.judge(k, good[k])
    assert second.record() == whole.record()

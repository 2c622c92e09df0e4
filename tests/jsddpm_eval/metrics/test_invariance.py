"""What does not enter a score: the order of slices, their batches, earlier evaluations, equal slices of a volume."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

import metric_tester as tester
from jsddpm_eval import slice_table
from jsddpm_eval.evaluation import evaluate
from jsddpm_eval.metrics import lesion_shape

pytestmark = pytest.mark.usefixtures("brief_networks")

LEARNED = {m.name for m in tester.EVERY if "training" in m.needs}
DRAWN = {"precision", "recall", "density", "coverage", "fid", "fid_joint"} | {s.name for s in lesion_shape.METRIC.specs}
"""Pooled, these rest on one slice of each patient, drawn in the order of the rows; so do their baselines everywhere."""
RELABELLED = {"kid", "kid_joint"}
"""Their p-values rest on random relabellings of rows."""
FAMILY = {spec.name: metric.name for metric in tester.EVERY for spec in metric.specs}
NUMBERS = ("value", "interval", "baseline", "baseline_interval", "p_value")


def same(second, metrics=tester.EVERY, kept=lambda cell, score, number: True):
    """Whether an evaluation agrees with that of the ordinary slices; of every metric numbers are compared."""
    compared = Counter()
    for a, b in zip(tester.together("ordinary").generation, second.generation, strict=True):
        for name, other in b.scores.items():
            score, family = a.scores[name], FAMILY[other.spec]
            assert (score.n_real, score.n_generated) == (other.n_real, other.n_generated), name
            for number in NUMBERS:
                expected, found = getattr(score, number), getattr(other, number)
                if not kept(a, score, number):
                    continue
                assert (expected is None) == (found is None), (name, (a.z_bin, a.pathology), number)
                if expected is not None:
                    close = pytest.approx(expected, rel=1e-7, abs=1e-5 if family in LEARNED else 1e-7)
                    assert found == close, (name, (a.z_bin, a.pathology), number)
                    compared[family] += 1
    assert set(compared) == {metric.name for metric in metrics}


def not_drawn(cell, score, number):
    """Whether no random draw of rows enters a number."""
    return number == "value" if score.spec in DRAWN else number != "p_value" or score.spec not in RELABELLED


def shuffled(arrays):
    order = torch.randperm(len(arrays["z_bin"]), generator=torch.Generator().manual_seed(0))
    return tester.table(tester.chosen(arrays, order))


def test_the_order_of_generated_slices_does_not_enter():
    shown = shuffled(tester.generated_arrays())
    same(evaluate(tester.real_table(), shown, features=tester.SPACES), kept=not_drawn)


def test_the_order_of_real_slices_does_not_enter():
    """Of networks it does: they learn from batches."""
    others = [m for m in tester.EVERY if m.name not in LEARNED]
    generated = tester.table(tester.generated_arrays())
    same(
        evaluate(shuffled(tester.real_arrays()), generated, metrics=others, features=tester.SPACES),
        others,
        lambda cell, score, number: (
            not_drawn(cell, score, number) and (cell.z_bin is not None or score.spec not in DRAWN)
        ),
    )


def test_the_size_of_batches_does_not_enter(monkeypatch):
    monkeypatch.setattr(slice_table, "BATCH", 3)
    same(evaluate(*map(tester.table, (tester.real_arrays(), tester.generated_arrays())), features=tester.SPACES))


@pytest.mark.long
@pytest.mark.parametrize("metric", [m for m in tester.EVERY if m.name not in LEARNED], ids=tester.named)
def test_what_an_earlier_evaluation_left_does_not_enter(metric):
    """One table of real slices for generators of other conditions and counts."""
    arrays, shared = tester.generated_arrays(), tester.table(tester.real_arrays())
    token = 2 * arrays["pathology"] + arrays["z_bin"]
    parts = [
        tester.chosen(arrays, torch.isin(token, torch.tensor(t))) for t in ([0], [1], [0, 2], [1, 3], [0, 1], [2, 3])
    ]
    for part in [*parts, tester.generated_arrays(5), tester.generated_arrays(2), arrays]:
        found = tester.scores_of(metric, shared, tester.table(part))
        assert (
            found.generation
            == tester.scores_of(metric, tester.table(tester.real_arrays()), tester.table(part)).generation
        )


COUNTED = {"exact_copies"}
"""These take every slice for one."""


def test_a_volume_of_equal_slices_is_one_slice():
    """Values, intervals and what each unit adds: slices of one volume add nothing to what is known."""
    arrays, compared = tester.generated_arrays(), Counter()
    volume = torch.arange(len(arrays["z_bin"]))
    twice = tester.chosen(arrays | {"group": volume}, volume.repeat_interleave(2))
    doubled = evaluate(tester.real_table(), tester.table(twice), features=tester.SPACES)
    for a, b in zip(tester.together("ordinary").generation[1:], doubled.generation[1:], strict=True):
        for name, score in a.scores.items():
            other = b.scores[name]
            if score.spec not in COUNTED and score.value is not None:
                assert other.value == pytest.approx(score.value, rel=1e-6, abs=1e-9), name
                ends, samples = score.interval or (), score.influence.samples if score.influence else ()
                assert (other.interval or ()) == pytest.approx(ends, rel=1e-5, abs=1e-7), name
                found = other.influence.samples if other.influence else ()
                assert found == pytest.approx(samples, rel=1e-5, abs=1e-7), name
                compared[FAMILY[score.spec]] += 1
    assert set(compared) == set(FAMILY.values())

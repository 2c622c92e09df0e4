"""What does not enter a score: the order of slices, their batches, earlier evaluations, equal slices of a volume."""

from __future__ import annotations

import pytest
import torch

import metric_tester as tester
from jsddpm_eval import slice_table
from jsddpm_eval.metrics import lesion_shape
from jsddpm_eval.metrics.registry import metrics

pytestmark = pytest.mark.usefixtures("brief_networks")

EVERY = list(metrics().values())
DRAWN = {"precision", "recall", "density", "coverage", "fid", "fid_joint"} | {s.name for s in lesion_shape.METRIC.specs}
"""Pooled, these rest on one slice of each patient, drawn in the order of the rows."""


def named(metric):
    return metric.name


def same(first, second, keep=lambda cell, score: True, abs=1e-9):
    """Whether values of two evaluations of the same slices agree."""
    for a, b in zip(first.generation, second.generation, strict=True):
        for name, score in a.scores.items():
            other = b.scores[name]
            if keep(a, score):
                assert (score.value is None) == (other.value is None), name
                assert score.value is None or score.value == pytest.approx(other.value, rel=1e-7, abs=abs), name
                assert (score.n_real, score.n_generated) == (other.n_real, other.n_generated), name


@pytest.mark.parametrize("metric", EVERY, ids=named)
def test_the_order_of_generated_slices_does_not_enter(metric):
    arrays = tester.generated_arrays()
    order = torch.randperm(len(arrays["z_bin"]), generator=torch.Generator().manual_seed(0))
    tables = [tester.table(a) for a in (arrays, tester.chosen(arrays, order))]
    same(
        *(tester.scores_of(metric, tester.real_table(), t) for t in tables),
        abs=1e-5 if "training" in metric.needs else 1e-9,
    )


@pytest.mark.parametrize("metric", [m for m in EVERY if "training" not in m.needs], ids=named)
def test_the_order_of_real_slices_does_not_enter(metric):
    """Of networks it does: they learn from batches."""
    arrays = tester.real_arrays()
    order = torch.randperm(len(arrays["z_bin"]), generator=torch.Generator().manual_seed(0))
    generated = tester.table(tester.generated_arrays())
    results = [
        tester.scores_of(metric, t, generated)
        for t in (tester.real_table(), tester.table(tester.chosen(arrays, order)))
    ]
    same(*results, keep=lambda cell, score: cell.z_bin is not None or score.spec not in DRAWN)


@pytest.mark.parametrize("metric", EVERY, ids=named)
def test_the_size_of_batches_does_not_enter(metric, monkeypatch):
    results = []
    for size in (256, 3):
        monkeypatch.setattr(slice_table, "BATCH", size)
        results.append(
            tester.scores_of(metric, *(tester.table(a) for a in (tester.real_arrays(), tester.generated_arrays())))
        )
    same(*results, abs=1e-5 if "training" in metric.needs else 1e-9)


@pytest.mark.long
@pytest.mark.parametrize("metric", [m for m in EVERY if "training" not in m.needs], ids=named)
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


@pytest.mark.parametrize("metric", EVERY, ids=named)
def test_a_volume_of_equal_slices_is_one_slice(metric):
    """Values, intervals and what each unit adds: slices of one volume add nothing to what is known."""
    arrays = tester.generated_arrays()
    volume = torch.arange(len(arrays["z_bin"]))
    twice = tester.chosen(arrays | {"group": volume}, volume.repeat_interleave(2))
    single, doubled = (tester.scores_of(metric, tester.real_table(), tester.table(a)) for a in (arrays, twice))
    for a, b in zip(single.generation[1:], doubled.generation[1:], strict=True):
        for name, score in a.scores.items():
            other = b.scores[name]
            if score.spec not in COUNTED and score.value is not None:
                assert other.value == pytest.approx(score.value, rel=1e-6, abs=1e-9), name
                ends, samples = score.interval or (), score.influence.samples if score.influence else ()
                assert (other.interval or ()) == pytest.approx(ends, rel=1e-5, abs=1e-7), name
                found = other.influence.samples if other.influence else ()
                assert found == pytest.approx(samples, rel=1e-5, abs=1e-7), name

"""Rejection sampling: what obeys stays, what contradicts its pathology is drawn again from noise of its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from crash import content, killed_at
from jsddpm.binning import Condition
from jsddpm.diffusion.generate import generate_store
from jsddpm.diffusion.redraw import redrawn
from jsddpm.diffusion.sampling import SampleId
from jsddpm.slices.store import SliceStore
from jsddpm_eval.checks.verdict import with_findings
from jsddpm_eval.evaluation import evaluate
from jsddpm_eval.slice_table import SliceTable

SETTINGS = {"per_condition": 4, "steps": 2, "batch_size": 3, "redraws": 2}


def network(share):
    """A generator whose mask is present in this share of attempts, by the seed alone."""

    def sample(ids):
        present = torch.tensor([i.seed(0) / 2**63 < share for i in ids])
        return torch.where(present, 1.0, -1.0).view(-1, 1, 1, 1).expand(-1, 2, 4, 4).clone()

    return sample


@pytest.mark.parametrize("most", [0, 1, 4])
def test_the_first_attempt_that_obeys_is_kept(most):
    sample = network(0.4)
    ids = [SampleId(Condition(0, p), n) for p in (0, 1) for n in range(200)]
    first = sample(ids)
    last, x = redrawn(ids, first, most, sample)
    assert torch.equal(x, sample(last))
    assert torch.equal(first, sample(ids))
    obeys = (x[:, 1] > 0).flatten(1).any(1).numpy() == np.array([i.condition.pathology == 1 for i in ids])
    for i, one, good in zip(ids, last, obeys, strict=True):
        assert replace(one, attempt=0) == i
        assert good or one.attempt == most
        for before in range(one.attempt):
            assert bool((sample([replace(i, attempt=before)])[0, 1] > 0).any()) != (i.condition.pathology == 1)
    for kind, share in ((slice(0, 200), 0.6), (slice(200, 400), 0.4)):  # a geometric distribution, within 4 SD
        expected = 1 - (1 - share) ** (most + 1)
        assert abs(obeys[kind].mean() - expected) < 4 * (expected * (1 - expected) / 200) ** 0.5


def test_attempts_have_noise_of_their_own():
    seeds = {
        SampleId(Condition(b, p), n, attempt=a).seed(7)
        for b in (0, 1)
        for p in (0, 1)
        for n in (0, 1)
        for a in range(9)
    }
    assert len(seeds) == 72


def test_a_pipeline_keeps_what_obeys(pipe):
    once, again = (pipe(num_per_condition=4, num_inference_steps=2, redraws=n) for n in (0, 3))
    obeyed = once.masks.any((1, 2)) == once.pathology
    assert 0 < obeyed.mean() < 1
    np.testing.assert_array_equal(again.masks[obeyed], once.masks[obeyed])
    assert np.abs(again.images - once.images)[obeyed].max() < 1e-4 < np.abs(again.images - once.images)[~obeyed].max()


def test_killed_and_shared_out_it_makes_the_same_store(pipe, tmp_path):
    sampling = pipe.sampling_with(**SETTINGS)
    whole = content(generate_store(pipe, tmp_path / "whole", sampling=sampling))
    assert killed_at(17, lambda: generate_store(pipe, tmp_path / "killed", sampling=sampling))
    for out, share in (("killed", (0, 1)), ("shared", (1, 2)), ("shared", (0, 2))):
        generate_store(pipe, tmp_path / out, sampling=sampling, share=share)
    assert content(tmp_path / "killed") == content(tmp_path / "shared") == whole


def test_the_store_and_the_verdict_count_what_was_drawn_again(pipe, store, tmp_path):
    sampling = pipe.sampling_with(**SETTINGS)
    first = pipe.output(ids := pipe.ids(None, sampling), pipe.sample(ids, sampling, 0))
    wrong = int((first.masks.any((1, 2)) != first.pathology).sum())
    drawn = SliceStore(generate_store(pipe, tmp_path / "out", sampling=sampling))
    table = SliceTable.from_store(drawn, pipe.binning)
    assert table.origin["redrawn"] == wrong > 1
    results = with_findings(evaluate(SliceTable.from_store(store, pipe.binning), table, metrics=["obedience"]))
    assert f"{wrong} samples were drawn again, because masks contradicted" in " ".join(results.verdict)
    assert results.pooled["lesion_present"].n_generated == 4 * sum(c.pathology for c in pipe.trained)

"""Outline: overlap with the brain of most real slices of the bin."""

from __future__ import annotations

import pytest
import torch

from jsddpm.cohort.brain import estimate_brain
from jsddpm_eval.evaluation import evaluate
from jsddpm_eval.metrics.outline import brain_masks
from jsddpm_eval.slice_table import SliceTable


def disc(radius, size=(40, 36)):
    y, x = torch.meshgrid(torch.arange(size[0]) - 19.5, torch.arange(size[1]) - 17.5, indexing="ij")
    return 0.7 * ((y**2 + x**2) < radius**2).float()


def test_brain_shape_is_the_overlap_with_the_atlas():
    real = SliceTable.from_arrays(
        disc(12).repeat(4, 1, 1), z_bin=[0] * 4, pathology=[0] * 4, patient=["a", "a", "b", "c"]
    )
    made = torch.stack([disc(12), disc(7)])
    generated = SliceTable.from_arrays(made, z_bin=[0, 0], pathology=[0, 0])
    atlas, small = (torch.from_numpy(estimate_brain(x.numpy())) for x in made)
    assert 0 < small.sum() < atlas.sum()
    score = evaluate(real, generated, metrics=["outline"], features=[])["brain_shape", 0, "control"]
    dice = 2 * float((atlas & small).sum()) / float(atlas.sum() + small.sum())
    assert score.value == pytest.approx((1 + dice) / 2, abs=1e-12)
    assert score.baseline == pytest.approx(1)


def test_blank_samples_are_left_out_where_most_real_slices_are_blank():
    """One of four patients has a brain here; a sample without one is neither like the others nor unlike them."""
    images = torch.stack([torch.zeros(40, 36)] * 3 + [disc(12)])
    real = SliceTable.from_arrays(images, z_bin=[0] * 4, pathology=[0] * 4, patient=range(4))
    scores = []
    for made in (torch.zeros(4, 40, 36), torch.stack([torch.zeros(40, 36), disc(12)])):
        generated = SliceTable.from_arrays(made, z_bin=[0] * len(made), pathology=[0] * len(made))
        scores.append(evaluate(real, generated, metrics=["outline"], features=[])["brain_shape", 0, "control"])
    assert (scores[0].value, scores[0].status) == (None, "undefined")
    assert scores[0].reason == "neither the samples nor most real slices of the bin show a brain"
    assert (scores[1].value, scores[1].n_generated) == (0, 1)
    assert scores[1].baseline == 0  # of the one patient whose slice is not blank


def test_there_is_a_brain_mask_for_every_slice_and_none_for_none():
    assert brain_masks(torch.stack([disc(12), torch.zeros(40, 36)])).flatten(1).any(1).tolist() == [True, False]
    assert brain_masks(torch.zeros(0, 40, 36)).shape == (0, 40, 36)

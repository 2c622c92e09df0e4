"""Overlap and surface distance of masks in closed form and by brute force."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from scipy import ndimage
from scipy.spatial.distance import cdist

from jsddpm_eval.functional.masks import false_positive_pixels, hausdorff95, lesion_dice
from jsddpm_eval.functional.morphology import lesion_shapes


def test_an_empty_mask_is_never_a_perfect_one():
    empty, one, two = (torch.tensor([[[a, b]]], dtype=torch.bool) for a, b in ((0, 0), (1, 0), (1, 1)))
    assert torch.isnan(lesion_dice(empty, empty))
    assert torch.isnan(lesion_dice(one, empty))
    assert float(lesion_dice(empty, one)) == 0
    assert float(lesion_dice(two, one)) == pytest.approx(2 / 3)
    assert float(false_positive_pixels(two, empty)) == 2
    assert torch.isnan(false_positive_pixels(two, one))


def test_masks_that_do_not_fit_are_refused():
    """Two masks were compared with one, and a probability of 0.01 was a lesion."""
    two, one = torch.ones((2, 4, 4), dtype=torch.bool), torch.ones((1, 4, 4), dtype=torch.bool)
    faint = torch.full((1, 4, 4), 0.01)
    for score in (lesion_dice, false_positive_pixels, partial(hausdorff95, spacing=(1.0, 1.0))):
        for pair in ((two, one), (one, two), (one, one[:, :2])):
            with pytest.raises(ValueError, match="shapes"):
                score(*pair)
        with pytest.raises(ValueError, match=r"not \(B, H, W\)"):  # the rows of one slice were compared as slices
            score(one[0], one[0])
        for pair in ((faint, one), (one, faint), (one.int() * 255, one)):
            with pytest.raises(ValueError, match="other values than 0 and 1"):
                score(*pair)
    with pytest.raises(ValueError, match="other values than 0 and 1"):
        lesion_shapes(torch.tensor([[[1, 2], [0, 0]]]), (1.0, 1.0))
    assert lesion_dice(one.float(), one.int()).tolist() == [1.0]


def test_hausdorff95_is_the_percentile_of_surface_distances():
    rng = np.random.default_rng(2)
    a, b = (ndimage.gaussian_filter(rng.standard_normal((20, 26)), 2) > 0.1 for _ in range(2))
    spacing = (2.0, 1.5)
    surfaces = [np.argwhere(m & ~ndimage.binary_erosion(m)) * spacing for m in (a, b)]
    between = cdist(*surfaces)
    expected = max(np.percentile(between.min(1), 95), np.percentile(between.min(0), 95))
    found = hausdorff95(*(torch.from_numpy(m)[None] for m in (a, b)), spacing)
    assert float(found) == pytest.approx(expected)
    assert float(hausdorff95(torch.from_numpy(a)[None], torch.from_numpy(a)[None], spacing)) == 0
    assert torch.isnan(hausdorff95(torch.from_numpy(a)[None], torch.zeros((1, 20, 26), dtype=torch.bool), spacing))

"""Lesion copies: a lesion cut from one brain is found in another, those of new patients are their own."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from scipy import ndimage

from jsddpm_eval.evaluation import evaluate_in_detail
from jsddpm_eval.functional.lesion_copies import LEAST, nearest_lesion, windows
from jsddpm_eval.slice_table import SliceTable

SIZE, PEOPLE, SLICES = 64, 16, 2


def lesions(seed, count):
    """Slices of smooth tissue, each with a lesion of its own texture inside an outline of its own."""
    rng = np.random.default_rng(seed)
    tissue, texture, edge = (
        ndimage.gaussian_filter(rng.standard_normal((count, SIZE, SIZE)), (0, s, s)) for s in (4, 1.2, 2)
    )
    row, column = np.indices((SIZE, SIZE))
    centre = rng.uniform(26, 38, (2, count, 1, 1))
    masks = np.hypot(row - centre[0], column - centre[1]) < 6 + 3 * edge / edge.std()
    masks &= np.hypot(row - centre[0], column - centre[1]) < 9
    image = 0.4 + 0.05 * tissue / tissue.std() + masks * (0.25 + 0.08 * texture / texture.std())
    return image.clip(0, 1).astype(np.float32), masks


@cache
def real():
    images, masks = lesions(0, PEOPLE * SLICES)
    patient = np.repeat(np.arange(PEOPLE), SLICES)
    zeros = np.zeros(len(images), int)
    return SliceTable.from_arrays(
        images, masks, z_bin=zeros, pathology=zeros + 1, patient=patient, held_out=patient >= 12
    )


def judged(images, masks):
    zeros = np.zeros(len(images), int)
    made = SliceTable.from_arrays(images.astype(np.float32), masks, z_bin=zeros, pathology=zeros + 1)
    return evaluate_in_detail(real(), made, metrics=["lesion_copies"], features=())


def pasted(change, count=12):
    """Lesions of the first training slices in the tissue of new patients, with a grown outline."""
    hosts, _ = lesions(7, count)
    images, masks = change(real().images.numpy()[:count], real().masks.numpy()[:count])
    grown = ndimage.binary_dilation(masks, np.ones((1, 3, 3)))
    return np.where(grown, images, hosts), grown


CHANGES = {
    "as it is": lambda images, masks: (images, masks),
    "mirrored": lambda images, masks: (images[:, :, ::-1], masks[:, :, ::-1]),
    "moved": lambda images, masks: (np.roll(images, (3, -5), (1, 2)), np.roll(masks, (3, -5), (1, 2))),
    "of another gain": lambda images, masks: (0.9 * images, masks),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_lesion_in_another_brain_is_found_and_its_slice_named(change):
    detail = judged(*pasted(CHANGES[change]))
    assert (detail.per_slice["lesion_copy_score"] > 1).double().mean() >= 0.9
    found = detail.per_slice["lesion_copy_score"] > 1
    assert torch.equal(detail.per_slice["lesion_copy_row"][found], torch.arange(12.0).double()[found])


def test_lesions_of_new_patients_are_no_copies():
    results = judged(*lesions(9, 40)).results
    score = results["lesions_copied_share", None, "lesion"]
    assert score.value <= 0.05
    assert score.n_generated == 40
    assert score.p_value > 0.2


def test_a_mask_too_small_to_tell_is_left_out_with_the_reason():
    images, masks = lesions(9, 3)
    tiny = np.zeros_like(masks)
    tiny[:, 30:33, 30:33] = True
    assert tiny[0].sum() < LEAST
    score = judged(images, tiny).results["lesions_copied_share", None, "lesion"]
    assert score.value is None
    assert str(LEAST) in score.reason


def test_the_correlation_is_that_of_the_pixels_inside_the_mask():
    """One view of one pair beside NumPy's correlation, the lesion where it was; turns and shifts can only find more."""
    (a, masks), (b, _) = lesions(1, 1), lesions(2, 1)
    b = np.where(masks, 0.5 * a + 0.5 * b, b)  # the best fit is the lesion's own place
    expected = np.corrcoef(a[masks], b[masks])[0, 1]
    sides = [windows(torch.from_numpy(x).float(), torch.from_numpy(masks)) for x in (a, b)]
    value, place = nearest_lesion(*sides, None)
    assert float(value.tanh()) == pytest.approx(expected, abs=1e-3)
    assert place.tolist() == [0]
    assert nearest_lesion(*sides, torch.tensor([[False]]))[0].item() < -1

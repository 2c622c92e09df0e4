"""Whether slices of volumes fit together: closed forms, volumes of real patients, and shuffled ones."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from scipy.stats import t as student
from skimage.metrics import structural_similarity

from jsddpm.binning import ZBinning
from jsddpm.errors import JsddpmError
from jsddpm_eval.functional.through_plane import lesion_continuity, plane_gradient, plane_ssim
from jsddpm_eval.slice_table import SliceTable
from jsddpm_eval.stats.scale import Side
from jsddpm_eval.stats.shift import Shift
from jsddpm_eval.through_plane import _score as judged
from jsddpm_eval.through_plane import through_plane

BINS, SIZE = 5, (24, 20)
BINNING = ZBinning((0, 14), BINS, n_slices=15)


def brains(count, seed, *, lesions=True):
    """Smooth anatomies of their own that change slowly with z, one slice a bin, with a lesion over bins 1 to 3."""
    rng = np.random.default_rng(seed)
    images = np.empty((count, BINS, *SIZE))
    masks = np.zeros(images.shape, bool)
    for person in range(count):
        field = gaussian_filter(rng.normal(size=(3 * BINS, *SIZE)), (5, 2, 2))
        images[person] = (0.5 + 1.5 * field / np.abs(field).max() / 4)[1::3]
        row, column = rng.integers(4, 14, 2)
        if lesions:
            masks[person, 1:4, row : row + 5, column : column + 4] = True
    return np.clip(images, 0, 1), masks


def table(images, masks, **labels):
    flat_masks = masks.reshape(-1, *SIZE)
    return SliceTable.from_arrays(
        images.reshape(-1, *SIZE).astype(np.float32), flat_masks, z_index=np.tile(np.arange(BINS) * 3 + 1, len(images)),
        pathology=flat_masks.any((1, 2)).astype(int), binning=BINNING, **labels,
    )  # fmt: skip


def volume_numbers(images):
    return np.repeat(np.arange(len(images)), BINS)


def patients(count=12, seed=0):
    images, masks = brains(count, seed)
    return table(images, masks, patient=volume_numbers(images))


def shuffled(images, masks, seed):
    """Slices of the same bin dealt out among the volumes: every slice is right, no volume is."""
    rng = np.random.default_rng(seed)
    images, masks = images.copy(), masks.copy()
    for k in range(BINS):
        order = rng.permutation(len(images))
        images[:, k], masks[:, k] = images[order, k], masks[order, k]
    return images, masks


def test_the_numbers_have_their_closed_forms():
    lower, upper = torch.zeros(2, 16, 16), torch.zeros(2, 16, 16)
    lower[0, :8], upper[0, :8] = 0.5, 0.75
    assert plane_gradient(lower, upper).tolist()[0] == 0.25
    assert np.isnan(plane_gradient(lower, upper).tolist()[1])  # no head
    mask = torch.zeros(3, 6, 6, dtype=torch.bool)
    mask[:, 1:3, 1:5] = True  # 8 pixels
    above = torch.zeros_like(mask)
    above[0, 2:4, 1:5] = True  # half of it
    above[1, 1, 1:3] = True  # a smaller one inside
    assert lesion_continuity(mask, torch.zeros_like(mask), above).tolist() == [0.5, 1.0, 0.0]


def test_ssim_is_that_of_scikit_image():
    lower, upper = torch.rand((2, 3, 30, 26), generator=torch.Generator().manual_seed(0))
    expected = [
        structural_similarity(a.numpy(), b.numpy(), data_range=1.0, gaussian_weights=True, sigma=1.5,
                              use_sample_covariance=False)
        for a, b in zip(lower, upper, strict=True)
    ]  # fmt: skip
    np.testing.assert_allclose(plane_ssim(lower, upper), expected, atol=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_shuffled_volumes_are_told_from_real_ones(seed):
    """Whole volumes of new patients are not; with their slices dealt out anew, every number says so."""
    real, (images, masks) = patients(), brains(10, 100 + seed)
    whole = through_plane(real, table(images, masks, group=volume_numbers(images)))
    assert [score.answer for score in whole if score.answer == "off"] == []
    mixed = through_plane(real, table(*shuffled(images, masks, seed), group=volume_numbers(images)))
    assert {score.name: score.answer for score in mixed} == dict.fromkeys(
        ("plane_gradient", "plane_ssim", "lesion_continuity"), "off"
    )
    gradient, similarity, continuity = mixed
    assert gradient.shift > 0 > similarity.shift
    assert continuity.generated < 0.7 < continuity.real


@pytest.mark.parametrize(
    ("value", "half", "p_value", "answer"),
    [
        (0.3, 0.05, 1e-9, "fine"), (0.44, 0.05, 1e-9, "fine"), (0.46, 0.05, 1e-9, "unknown"),
        (0.49, 0.05, 1e-9, "unknown"), (0.51, 0.05, 1e-9, "off"), (-0.51, 0.05, 0.05, "off"),
        (-0.51, 0.05, 0.051, "unknown"), (-0.44, 0.05, 0.9, "fine"),
    ],
)  # fmt: skip
def test_answers_follow_the_rule_of_the_verdict(value, half, p_value, answer):
    """Off: 0.5 or more, and significant; fine: the interval lies within 0.5. A negligible difference is never off."""
    freedom = 20
    error = half / student.ppf(0.975, freedom)
    shift = Shift(value, value, error, freedom, error, 0.5, 12, 24, 50, 10, {}, np.zeros(10))
    side = Side(np.zeros(4), np.zeros(4, np.int64), np.arange(4))
    assert judged("plane_gradient", side, side, shift, p_value).answer == answer


def test_bins_that_are_empty_by_design_cause_no_warning():
    """Global bins of 128 slices, of which 24 to 93 are used: the first and the last have none."""
    binning, rng = ZBinning((24, 93), 10, "global", 128), np.random.default_rng(0)
    z = np.tile(np.arange(24, 94, 6), 4)
    images, owner = rng.random((len(z), 16, 16)).astype(np.float32), np.repeat(np.arange(4), len(z) // 4)
    labels = {"z_index": z, "pathology": np.zeros(len(z), int), "binning": binning}
    real = SliceTable.from_arrays(images, patient=owner, **labels)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = through_plane(real, SliceTable.from_arrays(images[::-1].copy(), group=owner, **labels))
    assert scores[0].volumes == 4


def test_slices_that_are_too_alike_are_told_too():
    images, masks = brains(10, 7)
    images[:] = images[:, :1]  # one slice all the way up
    gradient, similarity, _ = through_plane(patients(), table(images, masks, group=volume_numbers(images)))
    assert (gradient.answer, similarity.answer) == ("off", "off")
    assert gradient.shift < 0 < similarity.shift
    assert gradient.generated == 0


def test_of_thicker_volumes_the_slices_at_the_middle_of_bins_are_taken():
    """A volume of all its slices gives the numbers of one with a slice a bin."""
    images, masks = brains(6, 3)
    thick = np.repeat(images, 3, axis=1)
    thick[:, 0::3] = np.random.default_rng(0).random(images.shape)
    thick[:, 2::3] = 0
    thick_masks = np.repeat(masks, 3, axis=1).reshape(-1, *SIZE)
    whole = SliceTable.from_arrays(
        thick.reshape(-1, *SIZE).astype(np.float32), thick_masks, z_index=np.tile(np.arange(15), 6),
        pathology=thick_masks.any((1, 2)).astype(int), group=np.repeat(np.arange(6), 15), binning=BINNING,
    )  # fmt: skip
    expected = through_plane(patients(), table(images, masks, group=volume_numbers(images)))
    assert through_plane(patients(), whole) == expected


def test_few_volumes_say_what_is_needed():
    images, masks = brains(2, 5)
    scores = through_plane(patients(), table(images, masks, group=volume_numbers(images)))
    assert {score.answer for score in scores} == {"unknown"}
    assert all("2 volumes" in score.reason for score in scores)
    with pytest.raises(JsddpmError, match="VOLUMES"):
        through_plane(patients(), table(images, masks))


def test_volumes_without_lesions_leave_their_score_unknown():
    images, masks = brains(8, 5, lesions=False)
    real = table(*(brains(12, 0, lesions=False)), patient=volume_numbers(brains(12, 0)[0]))
    *_, continuity = through_plane(real, table(images, masks, group=volume_numbers(images)))
    assert (continuity.answer, continuity.shift) == ("unknown", None)


def test_patients_without_neighbouring_bins_leave_every_answer_unknown():
    """Each patient has slices of one bin; volumes have all bins."""
    images, masks = brains(6, 0)
    alone = np.arange(len(images) * BINS) % BINS == 2
    real = table(images, masks, patient=volume_numbers(images)).where(torch.from_numpy(alone))
    made = brains(4, 1)
    for score in through_plane(real, table(*made, group=volume_numbers(made[0]))):
        assert (score.answer, score.real, score.shift, score.patients) == ("unknown", None, None, 0)
        assert "0 patients, 4 volumes" in score.reason


def test_tables_that_cannot_be_compared_are_refused():
    """Exchanged tables gave differences of the other sign, and another binning an IndexError."""
    images, masks = brains(3, 1)
    volumes, numbers = table(images, masks, group=volume_numbers(images)), volume_numbers(images)
    other = SliceTable.from_arrays(
        volumes.images, volumes.masks, z_index=volumes.z_index, pathology=volumes.pathology, group=numbers,
        binning=ZBinning((0, 14), 8, n_slices=15),
    )  # fmt: skip
    labels = {"pathology": [0] * 15, "patient": numbers}
    blind = SliceTable.from_arrays(None, z_index=np.tile(np.arange(BINS) * 3, 3), binning=BINNING, **labels)
    unbinned = SliceTable.from_arrays(volumes.images, z_bin=np.tile(np.arange(BINS), 3), **labels)
    for pair, code in (
        ((volumes, patients()), "KIND.*real slices are expected"), ((volumes, volumes), "KIND"),
        ((patients(), other), "BINNING_MISMATCH.*n_bins: 8 in the generated slices, 5 in the real slices"),
        ((blind, volumes), "SLICES.*the real slices have no pixels"), ((unbinned, volumes), "BINNING.*real slices"),
    ):  # fmt: skip
        with pytest.raises(JsddpmError, match=code):
            through_plane(*pair)

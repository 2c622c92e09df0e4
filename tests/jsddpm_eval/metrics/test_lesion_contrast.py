"""Contrast and detection of lesions: planted faults are found and named, perfect and subtle lesions are not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage
from scipy.stats import binomtest

from jsddpm_eval.evaluation import evaluate
from jsddpm_eval.features.crossfit import Fold
from jsddpm_eval.metrics.lesion_contrast import _kept
from jsddpm_eval.metrics.lesion_detector import train_lesion_network
from jsddpm_eval.results.score import Score
from jsddpm_eval.slice_table import SliceTable
from jsddpm_eval.stats.scale import Side

SIZE = (32, 32)
CONTRAST = ["lesion_contrast", "borderless"]
METRICS = [*CONTRAST, "lesion_detector"]


def slices(count, seed, contrast=0.3, lesion=True):
    """A smooth brain, and a bright rectangle somewhere in it."""
    rng = np.random.default_rng(seed)
    texture = ndimage.gaussian_filter(rng.standard_normal((count, *SIZE)), (0, 1.5, 1.5))
    image, mask = np.zeros((count, *SIZE)), np.zeros((count, *SIZE), bool)
    image[:, 3:29, 3:29] = 0.4 + 0.2 * texture[:, 3:29, 3:29]
    for i in range(count if lesion else 0):
        row, column, height, width = *rng.integers(6, 18, 2), *rng.integers(5, 9, 2)
        mask[i, row : row + height, column : column + width] = True
    return torch.from_numpy((image + contrast * mask).clip(0, 1)).float(), torch.from_numpy(mask)


def joined(*parts):
    images, masks = (torch.cat(p) for p in zip(*parts, strict=True))
    return images, masks


@pytest.fixture(scope="module")
def real():
    images, masks = joined(slices(120, 0), slices(120, 1, lesion=False))
    return table(images, masks, [1] * 120 + [0] * 120, np.tile(np.arange(120) // 4, 2))


def table(images, masks, pathology, patient=None):
    return SliceTable.from_arrays(images, masks, z_bin=[0] * len(images), pathology=pathology, patient=patient)


def finding(real, images, masks, check="lesion_contrast", pathology=1, metrics=METRICS):
    made = table(images, masks, [pathology] * len(images))
    results = evaluate(real, made, metrics=metrics, features=[])
    return next(f for f in results.findings if (f.check, f.place) == (check, (None, pathology)))


def square(masks, size, grow):
    change = ndimage.binary_dilation if grow else ndimage.binary_erosion
    return torch.from_numpy(np.stack([change(m, np.ones((size, size))) for m in masks.numpy()]))


FAULTS = {
    "masks that are not where the image shows a lesion": lambda x, m: (x, m.roll(1, 0)),
    "masks without a lesion in the image": lambda x, m: (slices(24, 9, lesion=False)[0], m),
    "contrast of the wrong sign at masks": lambda x, m: (slices(24, 5, contrast=-0.3)[0], m),
    "lesions of less contrast than real ones": lambda x, m: (slices(24, 5, contrast=0.15)[0], m),
    "lesions of more contrast than real ones": lambda x, m: (slices(24, 5, contrast=0.5)[0], m),
    "masks larger than the lesions in the image, or lesions blurred": lambda x, m: (x, square(m, 5, grow=True)),
    "masks smaller than the lesions in the image": lambda x, m: (x, square(m, 3, grow=False)),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_a_planted_fault_is_off_and_named(real, kind):
    whole = finding(real, *FAULTS[kind](*slices(24, 5)))
    assert whole.answer == "off"
    assert kind in whole.kind


MISTAKEN = {
    "masks of other images": lambda x, m: (x, m.roll(1, 0)),
    "moved masks": lambda x, m: (x, m.roll(1, 2)),
    "large masks": lambda x, m: (x, square(m, 3, grow=True)),
    "small masks": lambda x, m: (x, square(m, 3, grow=False)),
}


@pytest.mark.parametrize("fault", MISTAKEN)
def test_faults_of_masks_alone_are_not_said_to_be_of_the_lesions(real, fault):
    """The images are perfect."""
    kind = finding(real, *MISTAKEN[fault](*slices(24, 5))).kind
    assert kind
    assert "lesions of less contrast" not in kind
    assert "without a lesion" not in kind
    assert ("larger" in kind, "smaller" in kind) == (fault == "large masks", fault == "small masks")


def test_without_the_network_no_cause_of_missing_contrast_is_named(real):
    masks = slices(24, 5)[1]
    for faulty, kind in (
        (slices(24, 9, lesion=False)[0], "masks at which the image shows no lesion"),
        (slices(24, 5, contrast=0.15)[0], "less contrast at masks than at real lesions"),
    ):
        assert finding(real, faulty, masks, metrics=CONTRAST).kind.split("; ")[1:] == [kind]


SEEDS = [range(20, 22), pytest.param(range(100, 200), marks=pytest.mark.long)]


def rarely(answers):
    """Whether as many false alarms are likely where one in twenty perfect generators is off."""
    return binomtest(answers.count("off"), len(answers), 0.05, alternative="greater").pvalue > 0.01


@pytest.mark.parametrize("seeds", SEEDS, ids=len)
def test_perfect_lesions_are_rarely_off(real, seeds):
    assert rarely([finding(real, *slices(24, seed)).answer for seed in seeds])


@pytest.mark.parametrize("seeds", SEEDS, ids=len)
def test_a_perfect_generator_of_lesions_that_hardly_show_is_rarely_off(seeds):
    images, masks = joined(slices(120, 0, contrast=0.01), slices(120, 1, lesion=False))
    subtle = table(images, masks, [1] * 120 + [0] * 120, np.tile(np.arange(120) // 4, 2))
    assert rarely([finding(subtle, *slices(24, seed, contrast=0.01), metrics=CONTRAST).answer for seed in seeds])


def test_dark_lesions_that_are_too_faint_are_named_so():
    images, masks = joined(slices(120, 0, contrast=-0.3), slices(120, 1, lesion=False))
    dark = table(images, masks, [1] * 120 + [0] * 120, np.tile(np.arange(120) // 4, 2))
    assert "less contrast" in finding(dark, *slices(24, 5, contrast=-0.15), metrics=CONTRAST).kind
    assert "wrong sign" in finding(dark, *slices(24, 5, contrast=0.3), metrics=CONTRAST).kind


def test_share_of_the_contrast_that_is_kept(real):
    made = table(*slices(24, 5, contrast=0.15), [1] * 24)
    results = evaluate(real, made, metrics=["lesion_contrast"], features=[])
    score = results["lesion_contrast_kept", 0, "lesion"]
    assert score.value == pytest.approx(0.5, abs=0.1)
    assert score.interval[0] < score.value < score.interval[1]


@pytest.mark.parametrize("share", [0, 0.5, 1])
def test_control_images_that_show_a_lesion_are_off(real, share):
    images = slices(24, 7, lesion=False)[0]
    images[: round(24 * share)] = slices(round(24 * share), 8)[0]
    whole = finding(real, images, torch.zeros(24, *SIZE, dtype=torch.bool), "control_lesion", 0)
    assert (whole.answer == "off") == (share > 0)
    assert whole.kind == ("control images that show a lesion" if share else "")


@pytest.mark.usefixtures("brief_networks")
def test_the_network_is_repeatable_kept_and_leaves_the_global_generator(real, tmp_path):
    some = real.where(torch.arange(0, 240, 8))
    fold = Fold(0, some, some.images)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    a, b, kept = (train_lesion_network(fold, seed=1, folder=f) for f in (None, tmp_path, tmp_path))
    assert torch.equal(torch.get_rng_state(), before)
    read = [network(some.images).detach() for network in (a, b, kept)]
    assert torch.equal(read[0], read[1])
    assert torch.equal(read[0], read[2])
    assert len(list(tmp_path.iterdir())) == 1


def test_too_few_patients_to_learn_from_is_the_reason(real):
    few = real.where(real.patient < 2)
    made = table(*slices(6, 5), [1] * 6)
    small = table(few.images, few.masks, few.pathology, few.patient)
    score = evaluate(small, made, metrics=["lesion_detector"], features=[])["lesion_seen", 0, "lesion"]
    assert score.reason == "needs 3 patients with and without a lesion to learn from"


def test_a_minority_of_masks_of_other_images_is_counted(real):
    images, masks = slices(90, 5)
    moved = masks.clone()
    moved[::3] = masks[::3].flip(0)
    made = table(images, moved, [1] * 90)
    results = evaluate(real, made, metrics=METRICS, features=[])
    share = results["lesion_borderless_share", None, "lesion"]
    assert 0.28 <= share.value <= 0.4  # a mask may fall onto another lesion, and a right one be among the faintest
    whole = next(f for f in results.findings if (f.check, f.place) == ("lesion_contrast", (None, 1)))
    assert whole.answer == "off"
    assert "masks that do not show in their images" in whole.kind


def test_the_share_of_borderless_masks_is_that_of_real_slices_for_new_patients(real):
    shares = []
    for seed in range(40, 48):
        made = table(*slices(40, seed), [1] * 40)
        score = evaluate(real, made, metrics=["borderless"], features=[])["lesion_borderless_share", None, "lesion"]
        shares.append(score.value)
        assert score.p_value > 0.05
    assert np.mean(shares) == pytest.approx(0.05, abs=0.03)


def test_what_is_kept_is_one_ratio_of_means_and_its_interval_covers_the_true_share():
    """Patients with stronger lesions have more slices, so the means over slices and over patients differ."""
    rng, trials, covered = np.random.default_rng(0), 200, 0
    for _ in range(trials):
        strength = rng.normal(1.0, 0.3, 20)
        owner = np.repeat(np.arange(20), np.where(strength > 1, 5, 2))
        values = strength[owner] + 0.2 * rng.standard_normal(len(owner))
        made = 0.6 * (rng.choice(strength, 40) + 0.2 * rng.standard_normal(40))  # of patients, equally likely
        score = _kept(Side(values, 0 * owner, owner), Side(made, np.zeros(40, int), np.arange(40)), Score(value=0.0))
        by_patient = np.mean([values[owner == p].mean() for p in range(20)])
        assert min(abs(score.value - made.mean() / mean) for mean in (values.mean(), by_patient)) < 1e-9
        covered += score.interval[0] <= 0.6 <= score.interval[1]
    assert binomtest(covered, trials, 0.95, alternative="less").pvalue > 0.001


def test_without_any_scatter_what_is_kept_is_known_exactly():
    real = Side(np.full(12, 0.6), np.zeros(12, int), np.arange(12))
    score = _kept(real, Side(np.full(8, 0.3), np.zeros(8, int), np.arange(8)), Score(value=0.0))
    assert (score.value, score.interval) == (pytest.approx(0.5), pytest.approx((0.5, 0.5)))

"""Copies: planted ones are found whatever was done to them, new slices are none."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from scipy import ndimage
from scipy.stats import binomtest

from jsddpm_eval.checks.copied import CHECK
from jsddpm_eval.functional.copies import MEASURES, References, nearest
from jsddpm_eval.functional.patterns import pattern
from jsddpm_eval.metrics.copies import clearly, copied_share
from jsddpm_eval.metrics.nearness import threshold
from jsddpm_eval.results.score import Counts
from worlds import World

SIZE, SLICES = (64, 64), 2


@cache
def world():
    """Smooth patterns, as anatomy is, of 20 patients."""
    made = World(patients=20, slices=SLICES, size=SIZE)
    smooth = ndimage.gaussian_filter(made.rng.standard_normal((20, *SIZE)), (0, 2.5, 2.5))
    smooth = 0.5 + smooth / (8 * smooth.std())
    own = np.repeat(smooth, 2 * SLICES, axis=0) + 0.01 * made.rng.standard_normal((len(made.image), *SIZE))
    made.image = torch.from_numpy(own.clip(0, 1)).float()
    return made


def fresh(count):
    smooth = ndimage.gaussian_filter(np.random.default_rng(9).standard_normal((count, *SIZE)), (0, 2.5, 2.5))
    return torch.from_numpy((0.5 + smooth / (8 * smooth.std())).clip(0, 1)).float()


def seen(count, *, held_out=False):
    return world().image[(world().z_bin == 0) & (world().held_out == held_out)][:count]


def bent(images, pixels):
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    wave = pixels * 2**0.5 * np.sin(2 * np.pi * np.stack([x, y]) / 40)
    moved = [ndimage.map_coordinates(image, [y + wave[0], x + wave[1]], order=1) for image in images.numpy()]
    return torch.from_numpy(np.stack(moved))


ALTERED = {
    "as it is": lambda x: x,
    "noise": lambda x: x + 0.03 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0)),
    "mirrored": lambda x: x.flip(2),
    "moved by 2": lambda x: x.roll((2, 2), (1, 2)),
    "moved by 5": lambda x: x.roll((5, -4), (1, 2)),
    "gain": lambda x: 1.1 * x,
    "gamma": lambda x: x**0.7,
    "blurred": lambda x: torch.from_numpy(ndimage.gaussian_filter(x.numpy(), (0, 0.7, 0.7))),
    "bent": lambda x: bent(x, 1),
    "bent further": lambda x: bent(x, 2),
    "scaled": lambda x: torch.from_numpy(
        ndimage.affine_transform(x.numpy(), np.diag([1, 1 / 1.05, 1 / 1.05]), (0, 1.5, 1.5), order=1)
    ),
    "turned far": lambda x: torch.from_numpy(ndimage.rotate(x.numpy(), 10, axes=(1, 2), reshape=False, order=1)),
    "cropped": lambda x: torch.nn.functional.pad(x[:, 6:-6, 6:-6], (6, 6, 6, 6)),
    "turned": lambda x: torch.from_numpy(
        ndimage.rotate(x.numpy(), 4, axes=(1, 2), reshape=False, order=1, mode="wrap")
    ),
}


def put_together():
    """Samples made of two training slices, and of a training slice and a new one."""
    one, other = seen(8), seen(16)[8:]
    return {
        "left of one, right of another": torch.cat([one[:, :, :32], other[:, :, 32:]], 2),
        "mean of two": (one + other) / 2,
        "half of a new one": torch.cat([one[:, :, :32], fresh(8)[:, :, 32:]], 2),
    }


@cache
def judged():
    """Nearness of eight samples of every kind and the patients named, by kind; one evaluation for all of them."""
    kinds = {name: alter(seen(8)).clamp(0, 1) for name, alter in ALTERED.items()} | put_together()
    values = world().scores(torch.cat([images.float() for images in kinds.values()]), metrics=["copies"])[1]
    named = world().patient[values["copy_row"].long()]
    return dict(zip(kinds, zip(values["copy_score"].split(8), named.split(8), strict=True), strict=True))


def owners(first, last):
    return world().patient[(world().z_bin == 0) & ~world().held_out][first:last]


@pytest.mark.parametrize("altered", ALTERED)
def test_an_altered_copy_is_one_and_its_patient_is_named(altered):
    score, named = judged()[altered]
    assert (score > 1).all()
    assert torch.equal(named, owners(0, 8))


@pytest.mark.parametrize("kind", put_together())
def test_a_sample_put_together_from_training_slices_is_a_copy(kind):
    score, named = judged()[kind]
    assert (score > 1).double().mean() >= (0.75 if "new" in kind else 1)
    assert ((named == owners(0, 8)) | (named == owners(8, 16)))[score > 1].all()


def test_what_equals_a_slice_is_an_exact_copy():
    scores, _ = world().scores(torch.cat([seen(2), seen(2).flip(2)]), metrics=["copies"])
    assert (scores["copied_exactly"].value, scores["copied_train_share"].value) == (0.5, 1)


def test_slices_of_new_patients_are_no_copies():
    scores, _ = world().scores(fresh(20), metrics=["copies"])
    assert [scores[name].value for name in ("copied_share", "copied_held_out_share", "copied_exactly")] == [0, 0, 0]
    assert scores["copied_share"].p_value == 1
    assert -1.5 < scores["copy_closeness"].value < 1.5


def test_copies_of_held_out_slices_are_told_apart():
    made = (seen(6, held_out=True) + 0.02).clamp(0, 1)
    scores, _ = world().scores(made, metrics=["copies"])
    assert (scores["copied_held_out_share"].value, scores["copied_train_share"].value) == (1, 0)


def test_a_share_has_the_exact_interval_and_the_p_value_of_the_bound():
    made = torch.cat([seen(5), fresh(15)])
    share = world().scores(made, metrics=["copies"])[0]["copied_share"]
    interval = binomtest(5, 20).proportion_ci(method="exact")
    assert (share.value, share.interval) == (0.25, pytest.approx((interval.low, interval.high)))
    bound = 1 - 0.05 ** (1 / 20)  # no copy among 20 patients: (1 - p)^20 = 5 %
    assert share.baseline_interval == (0, pytest.approx(bound))
    clear = binomtest(5, 20, 0.005, alternative="greater").pvalue  # they are exact
    assert share.p_value == pytest.approx(2 * clear)


@pytest.mark.long
def test_one_exact_copy_is_off_and_a_blank_slice_is_no_copy():
    blank = torch.zeros((1, *SIZE))
    for first, answer in ((seen(1), "off"), (blank, "unknown")):  # 0 of 40 is less than 9 %
        results = world().evaluation(torch.cat([first, fresh(39)]), metrics=["copies"]).results
        whole = next(f for f in results.findings if f.check == "copied" and f.place == (None, None))
        assert whole.answer == answer
    assert CHECK.words["copied_exactly"][1] == "exact copies of real slices"


def test_patients_are_counted_with_an_exact_interval():
    people = len(world().patient[~world().held_out].unique())
    copied = len(owners(0, 6).unique())
    results = world().evaluation(torch.cat([seen(6), fresh(10)]), metrics=["copies"]).results
    score = results.generation[0].scores["patients_copied"]
    interval = binomtest(copied, people).proportion_ci(method="exact")
    assert (score.value, score.n_patients) == (copied / people, people)
    assert score.interval == pytest.approx((interval.low, interval.high))


def test_the_threshold_falls_with_the_number_of_patients():
    assert threshold(3) > threshold(10) > threshold(1000) > 2.8


def test_only_allowed_references_are_compared():
    images = torch.cat([seen(4), fresh(4)])
    allowed = torch.ones((4, 8), dtype=torch.bool)
    allowed[:, :4] = False
    references = References(images, pattern(images), torch.arange(8))
    place = nearest(images[:4], pattern(images[:4]), references, None).place[:, : MEASURES.index("halves")]
    assert torch.equal(place, torch.arange(4)[:, None].expand(-1, 3))
    kept = nearest(images[:4], pattern(images[:4]), references, allowed)
    assert (kept.place >= 4).all()
    assert not kept.exact.any()
    assert float(kept.measures[:, 0].max()) < 1


def test_slices_that_are_not_allowed_change_nothing_where_few_are():
    own = seen(1)
    images = torch.cat([(own + 0.02 * fresh(6)).clamp(0, 1), fresh(9)[6:]])
    patient = torch.tensor([0] * 6 + [1] * 3)
    among = References(images, pattern(images), patient)
    alone = References(images[6:], pattern(images[6:]), patient[6:])
    kept = nearest(own, pattern(own), among, patient[None] == 1)
    expected = nearest(own, pattern(own), alone, None)
    assert torch.equal(kept.place - 6, expected.place)
    assert torch.allclose(kept.measures, expected.measures, atol=1e-5)


def test_large_slices_are_averaged_first():
    large = fresh(2).repeat_interleave(4, 1).repeat_interleave(4, 2)
    assert torch.allclose(pattern(large), pattern(fresh(2)), atol=1e-6)


@pytest.mark.parametrize(
    ("share", "patients", "low", "high"), [(0, 22, 0, 0.05), (0, 60, 0, 0.05), (0.125, 22, 0.95, 1)]
)
def test_new_slices_are_rarely_accused_and_an_eighth_of_copies_nearly_always(share, patients, low, high):
    """Slices of a patient are equally near; copies are as in the bench, 2.4 thresholds in the median."""
    rng, accused, limit = np.random.default_rng(0), 0, threshold(patients)
    people = np.repeat(np.arange(patients), 8)

    def nearness(own):  # exponential beyond the median, half of it the patient's; 2**-0.5 is an upper spread of 1
        return (rng.exponential(2**-0.5, own) * rng.choice((-1, 1), own)).repeat(8 if own == patients else 1) / limit

    for _ in range(200):
        beyond, samples = nearness(patients) > 1, nearness(80)
        samples = np.where(rng.random(80) < share, 2.4 * rng.lognormal(0, 0.5, 80), samples)
        score = copied_share(samples > 1, clearly(samples), np.arange(80), beyond, people, Counts(None, 80, patients))
        accused += score.p_value <= 0.05
    assert low <= accused / 200 <= high

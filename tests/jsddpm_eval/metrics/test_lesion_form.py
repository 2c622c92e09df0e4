"""Form of lesions: planted sizes, outlines and places are found and named, and perfect ones are not."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from jsddpm_eval.evaluation import evaluate
from jsddpm_eval.metrics.lesion_form import distance_from_others
from jsddpm_eval.slice_table import SliceTable

SIZE = (40, 36)


def lesions(count, rng, size=(3, 8), rows=(8, 24), columns=(8, 20), teeth=False, shown=True):
    """Discs in a head that is a rectangle."""
    yy, xx = np.mgrid[: SIZE[0], : SIZE[1]]
    image, mask = np.zeros((count, *SIZE)), np.zeros((count, *SIZE), bool)
    image[:, 3:37, 3:33] = 0.5
    for i in range(count):
        radius, row, column = rng.uniform(*size) / 2, rng.uniform(*rows), rng.uniform(*columns)
        mask[i] = (yy - row) ** 2 + (xx - column) ** 2 <= radius**2 + 0.5
        if teeth:
            mask[i, int(row) : int(row) + 12, int(column) : int(column) + 8 : 2] = True
    image[mask & shown] = 0.9
    return torch.from_numpy(image).float(), torch.from_numpy(mask)


def found(*parts, seed=0):
    """Of 24 samples, as many of each part."""
    rng = np.random.default_rng(seed)
    real = SliceTable.from_arrays(*lesions(60, rng), z_bin=[0] * 60, pathology=[1] * 60, patient=np.arange(60) // 2)
    images, masks = (torch.cat(p) for p in zip(*(lesions(24 // len(parts), rng, **p) for p in parts), strict=True))
    made = SliceTable.from_arrays(images, masks, z_bin=[0] * 24, pathology=[1] * 24)
    results = evaluate(real, made, metrics=["lesion_form"], features=[])
    return next(f for f in results.findings if (f.check, f.place) == ("lesion_shape", (None, 1)))


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"size": (9, 14)}, "lesions larger than real ones"),
        ({"size": (1, 2)}, "lesions smaller than real ones"),
        ({"rows": (22, 30)}, "lesions further down than real ones"),
        ({"columns": (6, 9)}, "lesions further left than real ones"),
        ({"rows": (15.5, 15.6), "columns": (13.5, 13.6)}, "lesions nearer to each other than real ones"),
        ({"size": (5.0, 5.01)}, "lesions more alike in size than real ones"),
        ({"columns": (24, 29)}, "lesions further right than real ones"),
        ({"teeth": True}, "outlines more ragged than real ones"),
    ],
)
def test_a_planted_fault_is_off_and_named(changed, kind):
    whole = found(changed)
    assert whole.answer == "off"
    assert kind in whole.kind


def test_masks_on_both_sides_of_the_head_are_outside():
    assert "masks outside the head" in found(*({"columns": c, "shown": False} for c in ((0, 3), (32, 35)))).kind


def test_perfect_lesions_are_not_off():
    assert [found({}, seed=seed).answer for seed in range(10)].count("off") <= 1


def test_shifts_are_differences_of_means_of_the_planted_numbers():
    """Of log area, which a disc's pixels give directly."""
    rng = np.random.default_rng(3)
    (image, mask), (other, made) = lesions(40, rng), lesions(20, rng, size=(6, 12))
    real = SliceTable.from_arrays(image, mask, z_bin=[0] * 40, pathology=[1] * 40, patient=np.arange(40))
    drawn = SliceTable.from_arrays(other, made, z_bin=[0] * 20, pathology=[1] * 20)
    score = evaluate(real, drawn, metrics=["form_size"], features=[])["form_size", 0, "lesion"]
    x, y = (np.log(m.flatten(1).sum(1).numpy()) for m in (mask, made))
    others = np.array([np.median(np.delete(x, i)) for i in range(40)])  # the median of 39 varies itself
    spread = 1.4826 * np.median(np.abs(x - others)) / np.sqrt(1 + np.pi / (2 * 39 - 2 + np.pi))
    assert score.value == pytest.approx((y.mean() - x.mean()) / spread, abs=1e-6)


def test_distance_from_others_has_the_same_mean_square_whatever_the_count():
    rng = np.random.default_rng(0)
    for units, slices in ((3, 1), (30, 1), (6, 4)):
        squares = []
        for _ in range(2000):
            own = rng.standard_normal((units, 2)).repeat(slices, axis=0)
            group, unit = np.zeros(len(own), np.int64), np.arange(units).repeat(slices)
            squares.append((distance_from_others(own, group, unit, np.ones(len(own), bool)) ** 2).mean())
        assert np.mean(squares) == pytest.approx(2, rel=0.06)  # two coordinates of variance 1
    alone = distance_from_others(np.ones((2, 1)), np.zeros(2, np.int64), np.zeros(2, np.int64), np.ones(2, bool))
    assert np.isnan(alone).all()


def test_lesions_of_images_without_a_head_have_no_place():
    rng = np.random.default_rng(0)
    images, masks = lesions(24, rng)
    images[::4] = 0
    real = SliceTable.from_arrays(*lesions(60, rng), z_bin=[0] * 60, pathology=[1] * 60, patient=np.arange(60) // 2)
    made = SliceTable.from_arrays(images, masks, z_bin=[0] * 24, pathology=[1] * 24)
    results = evaluate(real, made, metrics=["lesion_form"], features=[])
    counted = {
        name: results.score(f"form_{name}", None, 1).n_generated for name in ("size", "outside", "height", "apart")
    }
    assert counted == {"size": 24, "outside": 18, "height": 18, "apart": 18}
    assert results.score("form_outside", None, 1).value == 0

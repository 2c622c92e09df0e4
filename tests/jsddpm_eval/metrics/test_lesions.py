"""Lesions: their shapes, how they sit in their image, and whether masks obey."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from jsddpm_eval.evaluation import evaluate, evaluate_in_detail
from jsddpm_eval.metrics.lesion_shape import lesion_rows
from jsddpm_eval.slice_table import SliceTable

SIZE = (30, 28)


def lesions(count, rng, coupled=True):
    image, mask = 0.3 + 0.05 * rng.standard_normal((count, *SIZE)), np.zeros((count, *SIZE), bool)
    for i in range(count):
        row, column = rng.integers(4, 18, 2)
        mask[i, row : row + 4, column : column + 5] = True
        seat = (row, column) if coupled else rng.integers(4, 18, 2)
        image[i, seat[0] : seat[0] + 4, seat[1] : seat[1] + 5] += 0.4
    return torch.from_numpy(image.clip(0, 1)).float(), torch.from_numpy(mask)


SPACING = (1.0, 2.0, 1.0)


def table(images, masks, patient=None, spacing=SPACING):
    count = len(masks)
    return SliceTable.from_arrays(
        images, masks, z_bin=[0] * count, pathology=[1] * count, patient=patient, spacing=spacing
    )


def score(real, generated, name, seed=0):
    return evaluate(real, generated, metrics=[name], features=[], seed=seed)[name, 0, "lesion"]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def real(rng):
    return table(*lesions(12, rng), np.repeat([f"p{i}" for i in range(6)], 2))


def test_larger_lesions_are_seen_and_empty_masks_left_out(rng, real):
    images, made = lesions(9, rng)
    none = torch.zeros_like(made[:3])
    same = evaluate(
        real, table(torch.cat([images, images[:3]]), torch.cat([made, none])), metrics=["lesion_shape"], features=[]
    )
    grown = torch.nn.functional.max_pool2d(made.float()[:, None], 3, stride=1, padding=1)[:, 0] > 0
    larger = evaluate(real, table(images, grown), metrics=["lesion_shape"], features=[])
    area = same["lesion_area", 0, "lesion"]
    assert (area.n_generated, area.unit) == (9, "mm2")
    assert area.value == pytest.approx(0)
    assert larger["lesion_area", 0, "lesion"].value == pytest.approx((6 * 7 - 4 * 5) * 2)
    assert larger["lesion_count", 0, "lesion"].value == 0
    empty = evaluate(real, table(images, torch.zeros_like(made)), metrics=["lesion_shape"], features=[])
    assert empty["lesion_mmd", 0, "lesion"].reason == "needs at least 2 generated slices with a lesion"


def test_rows_of_lesions_are_their_shapes(rng):
    images, masks = lesions(2, rng)
    rows = lesion_rows(table(images, torch.stack([masks[0], torch.zeros_like(masks[0])]), ["b", "a"]))
    assert len(rows) == 1
    assert (rows[0]["origin"], rows[0]["patient"], rows[0]["area_mm2"], rows[0]["count"]) == ("real", "b", 40.0, 1.0)


def test_obedience_counts_empty_controls_and_present_lesions(real):
    mask = torch.zeros(5, *SIZE, dtype=torch.bool)
    mask[[1, 3, 4], 0, 0] = True
    made = SliceTable.from_arrays(
        torch.zeros(5, *SIZE), mask, z_bin=[0] * 5, pathology=[0, 0, 1, 1, 1], spacing=SPACING
    )
    detail = evaluate_in_detail(real, made, ["obedience"], [])
    scores = detail.results.pooled
    assert scores["control_empty"].value == pytest.approx(0.5)
    assert scores["lesion_present"].value == pytest.approx(2 / 3)
    low, high = stats.binomtest(2, 3).proportion_ci()
    assert scores["lesion_present"].interval == pytest.approx((low, high), abs=1e-6)
    expected = stats.binomtest(1, 3, 0.05, alternative="greater").pvalue  # one of three disobeys, of which 5 % may
    assert scores["lesion_present"].p_value == pytest.approx(expected)
    assert detail.per_slice["lesion_pixels"].tolist() == [0, 1, 0, 1, 1]
    only_control = SliceTable.from_arrays(torch.zeros(1, *SIZE), mask[:1], z_bin=[0], pathology=[0], spacing=SPACING)
    assert (
        evaluate(real, only_control, metrics=["obedience"], features=[]).pooled["lesion_present"].status == "undefined"
    )


def test_without_masks_every_lesion_score_says_so(real):
    made = SliceTable.from_arrays(torch.zeros(4, *SIZE), z_bin=[0] * 4, pathology=[1] * 4, spacing=SPACING)
    results = evaluate(real, made, metrics=["lesion_shape", "lesion_contrast", "obedience"], features=[])
    assert {s.reason for s in results.cells()[1].scores.values()} == {"no masks were given"}

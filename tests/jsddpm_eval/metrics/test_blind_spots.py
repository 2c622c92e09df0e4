"""Faults that scores say they do not detect (``ScoreSpec.blind_to``), planted: the score is as good as it gets."""

from __future__ import annotations

import torch

from jsddpm_eval.evaluation import evaluate
from jsddpm_eval.metrics.registry import metrics
from metric_tester import MEANS, generated_arrays, real_arrays, real_table, table

SPECS = {spec.name: spec for metric in metrics().values() for spec in metric.specs}


def scored(names, **arrays):
    """Scores of generated slices beside the real slices of the metric tester."""
    for name in names:
        assert SPECS[name.removesuffix("_means")].blind_to
    results = evaluate(real_table(), table(arrays), metrics=list(names), features=[MEANS])
    return lambda name, *condition: results[(name, *condition) if condition else name].value


def copies(rows=slice(None)):
    """The real slices again, as somebody's generator would give them."""
    return {name: values[rows] for name, values in real_arrays().items() if name not in ("patient", "held_out")}


def test_mirrored_copies_are_far_from_their_source_pixel_by_pixel():
    names = ("exact_copies", "best_match_psnr")
    mirrored = copies() | {"images": real_arrays()["images"].flip(-1)}
    assert scored(names, **mirrored)("best_match_psnr", 0, "control") < 20  # independent noise
    assert scored(names, **mirrored)("exact_copies", 0, "control") == 0


def test_one_pixel_makes_a_copy_inexact():
    changed = copies()
    changed["images"] = changed["images"].clone()
    changed["images"][:, 0, 0] += 0.01
    assert scored(("exact_copies",), **copies())("exact_copies", 0, "control") == 6
    assert scored(("exact_copies",), **changed)("exact_copies", 0, "control") == 0


def test_masks_obey_whatever_images_show():
    lesions = generated_arrays()
    control = lesions["pathology"] == 0
    lesions["images"][control, 4:8, 4:8] = 1.0
    lesions["images"][~control] = lesions["images"][~control].masked_fill(lesions["masks"][~control], 0.3)
    score = scored(("control_empty", "lesion_present"), **lesions)
    assert (score("control_empty"), score("lesion_present")) == (1.0, 1.0)


def test_precision_is_full_of_one_slice_and_recall_of_bad_samples():
    many = copies(torch.zeros(24, dtype=torch.long))
    names = ("precision", "recall")
    score = scored(names, **many)
    assert score("precision_means") == 1.0
    assert score("recall_means") < 0.5
    bad = {name: torch.cat([values, values]) for name, values in copies().items()}
    bad["images"] = torch.cat([copies()["images"], torch.rand(len(copies()["images"]), 16, 14).round()])
    score = scored(names, **bad)
    assert score("recall_means") == 1.0
    assert score("precision_means") < 1.0


def test_two_slices_that_alternate_keep_half_of_their_distance():
    first, second = (copies([k])["images"] for k in (0, 4))  # one condition, two patients
    images, zeros = torch.cat([first, second] * 4), torch.zeros(8, dtype=torch.long)
    masks = torch.zeros(images.shape, dtype=torch.bool)
    arrays = {"images": images, "masks": masks, "z_bin": zeros, "pathology": zeros}
    distance = float((first - second).square().mean().sqrt())
    value = scored(("diversity_rmse",), **arrays)("diversity_rmse", 0, "control")
    assert abs(value - distance * 16 / 28) < 1e-6  # of 28 pairs 16 differ


def test_copies_of_real_slices_have_no_kernel_distance():
    score = scored(("kid",), **copies())
    assert score("kid_means") <= 0

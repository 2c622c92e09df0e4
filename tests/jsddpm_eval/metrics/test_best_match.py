"""Best match and copies, where the answer is known by construction or by scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from jsddpm_eval.functional.best_match import expected_best_match, pairwise_mse
from worlds import World

METRICS = ["best_match"]


def test_best_match_is_within_the_bin_and_copies_are_named():
    world = World()
    there, elsewhere = world.image[world.z_bin == 0][:3], world.image[world.z_bin == 1][:3]
    noisy = (there + 0.1).clamp(0, 1)
    detail = world.evaluation(torch.cat([noisy, elsewhere]), torch.tensor([1] * 3 + [0] * 3), metrics=METRICS)
    reference = world.image[world.z_bin == 1].double().numpy()
    expected = [max(peak_signal_noise_ratio(r, n, data_range=1) for r in reference) for n in noisy.double().numpy()]
    assert detail.results["best_match_psnr", 1, "control"].value == pytest.approx(np.mean(expected), abs=1e-9)
    assert detail.results["best_match_psnr", 0, "control"].status == "ok"  # copies, but of another bin's slices
    copies = world.scores(there, metrics=METRICS)[0]["best_match_psnr"]
    assert (copies.value, copies.status) == (None, "undefined")
    assert "3 of 3 generated slices are exact copies" in copies.reason


def test_samples_beside_exact_copies_are_no_pairs_of_those_of_another_evaluation():
    """Without the copies, the first samples of two evaluations are of different seeds."""
    world = World()
    made, copied = world.new(5), world.image[world.z_bin == 0][:1]
    for images, pairs in ((made, True), (torch.cat([copied, made]), False)):
        score = world.scores(images, metrics=METRICS)[0]["best_match_psnr"]
        assert len(score.influence.samples) == 5
        assert score.influence.pairs is pairs


def test_train_and_held_out_references_are_significant():
    world = World()
    made = world.new(4)
    scores, per_slice = world.scores(made, metrics=METRICS)
    here = world.z_bin == 0
    psnr = 10 * torch.log10(1 / pairwise_mse(made, world.image))
    for name, keep in {"": here, "_train": here & ~world.held_out, "_held_out": here & world.held_out}.items():
        score = scores[f"best_match_psnr{name}"]
        assert score.value == pytest.approx(float(psnr[:, keep].max(1).values.mean()), abs=1e-9)
        assert score.n_real == int(keep.sum())
    rows = per_slice["train_row"].long()
    assert torch.equal(rows, torch.where(here & ~world.held_out, psnr, -torch.inf).argmax(1))
    assert torch.allclose(per_slice["train_psnr"], psnr[torch.arange(4), rows])


def test_equal_count_and_gap_are_their_definitions():
    world = World()
    made = world.new(4)
    scores, _ = world.scores(made, metrics=METRICS)
    here, held = world.z_bin == 0, world.held_out
    psnr = 10 * torch.log10(1 / pairwise_mse(made, world.image))
    equal = scores["best_match_psnr_equal"]
    assert equal.n_real == 27  # 30 slices in the bin, 3 of a patient put aside
    assert equal.value == pytest.approx(float(expected_best_match(psnr[:, here], 27).mean()))
    gap = scores["copy_gap"]
    assert gap.n_real == 12  # held out: patients 6 to 9; trained on: 6 patients less one
    own = [expected_best_match(psnr[:, here & k], 12).mean() for k in (~held, held)]
    assert gap.value == pytest.approx(float(own[0] - own[1]))
    assert gap.interval[0] < gap.value < gap.interval[1]


def test_the_count_of_the_gap_leaves_a_training_patient_out():
    """Six patients are held out, four trained on, with three slices each in the bin: 9 are there for any slice."""
    world = World()
    world.held_out = ~world.held_out
    made = world.new(4)
    gap = world.scores(made, metrics=METRICS)[0]["copy_gap"]
    psnr, here = 10 * torch.log10(1 / pairwise_mse(made, world.image)), world.z_bin == 0
    own = [expected_best_match(psnr[:, here & k], 9).mean() for k in (~world.held_out, world.held_out)]
    assert (gap.n_real, gap.value) == (9, pytest.approx(float(own[0] - own[1])))


def test_planted_copies_raise_the_gap_monotonically_and_are_counted():
    world = World()
    copies = world.image[(world.z_bin == 0) & ~world.held_out][:6]
    gaps, counts = [], []
    for planted in range(7):
        scores, per_slice = world.scores(torch.cat([copies[:planted], world.new(6 - planted)]), metrics=METRICS)
        gaps.append(scores["copy_gap"].value)
        counts.append(scores["exact_copies"].value)
        assert int(torch.isinf(per_slice["best_match_psnr"]).sum()) == planted
    assert counts == list(range(7))
    assert (np.diff(gaps) > 1).all()
    assert abs(gaps[0] - scores["copy_gap"].baseline) < 0.5
    partly, _ = world.scores(torch.cat([copies[:1], world.new(3)]), metrics=METRICS)
    assert partly["best_match_psnr"].status == "unreliable"
    assert "1 of 4 generated slices is an exact copy of a real one" in partly["best_match_psnr"].reason
    assert scores["best_match_psnr"].value is None


def test_baselines_are_those_of_real_slices_among_other_patients():
    world = World()
    scores, _ = world.scores(world.new(4), metrics=METRICS)
    here = torch.nonzero(world.z_bin == 0)[:, 0]
    psnr = (10 * torch.log10(1 / pairwise_mse(world.image[here], world.image[here]))).numpy()
    patient, held = world.patient[here].numpy(), world.held_out[here].numpy()

    def closest(probes, references):
        best = []
        for i in np.nonzero(probes)[0]:
            others = references & (patient != patient[i])
            best.append(psnr[i, others].max())
        return np.mean(best)

    everything = np.ones(len(here), bool)
    for name, probes, references in (
        ("", everything, everything),
        ("_train", ~held, ~held),
        ("_held_out", ~held, held),
    ):
        found = scores[f"best_match_psnr{name}"].baseline
        assert found == pytest.approx(closest(probes, references), abs=1e-9), name


def test_ssim_is_scikit_images_highest_over_the_four_nearest_by_psnr():
    world = World()
    made = world.new(5)
    scores, _ = world.scores(made, metrics=METRICS)
    here = world.image[world.z_bin == 0].double().numpy()
    expected = []
    for image in made.double().numpy():
        psnr = [peak_signal_noise_ratio(real, image, data_range=1) for real in here]
        expected.append(max(
            structural_similarity(
                image, here[i], data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
            )
            for i in np.argsort(psnr)[-4:]
        ))  # fmt: skip
    assert scores["best_match_ssim"].value == pytest.approx(np.mean(expected), abs=1e-5)


def test_slices_below_the_window_have_no_ssim_and_say_so():
    world = World(size=(10, 14))
    scores, _ = world.scores(world.new(3), metrics=METRICS)
    assert "smaller than the window of 11" in scores["best_match_ssim"].reason
    assert scores["best_match_psnr"].status == "ok"


def test_every_condition_says_what_is_missing():
    world = World()
    detail = world.evaluation(world.new(1), metrics=["best_match", "diversity", "kid"])
    single, none = (detail.results.score(n, k, 0) for n, k in (("diversity_rmse", 0), ("best_match_psnr", 1)))
    assert single.reason == "1 generated slice has no pairs"
    assert detail.results["kid", 0, "control"].reason == "needs at least 2 generated slices"
    assert none.reason == "nothing generated for this condition"
    assert (none.n_generated, none.n_patients) == (0, 10)

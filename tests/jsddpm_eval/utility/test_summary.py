"""What cells say, on cells of known content: means, paired differences, answers, sizes, bins, words."""

from __future__ import annotations

import json

import numpy as np
import pytest

from jsddpm_eval.stats.crossed import crossed_mean
from jsddpm_eval.utility.comparison import Grid, answer, compared
from jsddpm_eval.utility.scores import PRIMARY, dice, false_lesions, found_share, lesion_f1, missed_share, records
from jsddpm_eval.utility.summary import sentences, summary
from utilities import BINNING, SPACING, cells, slices


def test_scores_of_a_patient():
    patient = {"patient": 3, "bins": [[0, 6, 2, 2], [1, 0, 0, 4]], "lesions": [[9, 1], [4, 0], [1, 0]], "false": 2}
    assert dice(patient) == 12 / (12 + 2 + 6)
    assert (dice(patient, 0), dice(patient, 1), dice(patient, 2)) == (0.75, 0.0, None)
    assert (lesion_f1(patient), missed_share(patient), false_lesions(patient)) == (2 / 6, pytest.approx(2 / 3), 2.0)
    assert found_share(patient, (4, 9)) == 1.0
    control = {"patient": 1, "bins": [[0, 0, 5, 0]], "lesions": [], "false": 1}
    assert (dice(control), lesion_f1(control), missed_share(control), false_lesions(control)) == (None, None, None, 1)


def test_records_count_voxels_and_lesions_by_patient():
    world = slices(2)
    rows = np.flatnonzero(world.patient == 1)
    perfect, nothing = (records(world, rows, masks) for masks in (world.masks[rows], np.zeros((8, 32, 32), bool)))
    assert [dice(p) for p in (*perfect, *nothing)] == [1.0, 0.0]
    assert (missed_share(perfect[0]), missed_share(nothing[0])) == (0.0, 1.0)
    assert sum(size for size, _ in perfect[0]["lesions"]) == world.masks[rows].sum()
    shuffled = np.random.default_rng(0).permutation(rows)  # a volume is put together in its order
    assert records(world, shuffled, world.masks[shuffled]) == perfect


def test_a_difference_is_paired_by_patient_and_training():
    grid = Grid(cells({"real": 0, "generated": 8}, noise=0.5))
    difference = grid.difference("generated", "real", PRIMARY.of)
    assert difference.value == pytest.approx(8 * 200 / 150**2, abs=0.01)
    low, high = difference.interval
    assert high - low < 0.2 * np.ptp(grid.tables("real", PRIMARY.of)[0])


def test_answers_follow_test_and_interval():
    effects = {"real": 0, "generated": -30, "real+generated-50": 15, "real+copy-paste": 0, "real+classical": 30}
    grid = Grid(cells(effects, patients=40, seeds=9, noise=0.3))
    pairs = [(arm, "real") for arm in effects if arm != "real"]
    said = {row["arm"]: row["answer"] for row in compared(grid, pairs, PRIMARY.of)}
    assert said == {"generated": "harms", "real+generated-50": "helps", "real+copy-paste": "no difference",
                    "real+classical": "helps"}  # fmt: skip
    rows = compared(grid, pairs, PRIMARY.of)
    assert min(row["p_value"] for row in rows) >= 4 * min(grid.difference(*p, PRIMARY.of).p_value for p in pairs)


@pytest.mark.parametrize(
    ("centre", "spread", "expected"),
    [(0.0, 0.01, "no difference"), (-0.05, 0.1, "no gain"), (0.0, 0.2, "unknown"), (0.2, 0.05, "helps"),
     (-0.2, 0.05, "harms"), (0.012, 0.003, "helps")],
)  # fmt: skip
def test_what_an_interval_amounts_to(centre, spread, expected):
    offsets = spread * np.linspace(-1, 1, 20)[:, None]
    mean = crossed_mean([centre + np.repeat(offsets, 10, 1)])
    assert answer(mean, 0.2 if expected == "no gain" else mean.p_value, 0.02) == expected


def test_one_training_of_each_arm_answers_nothing():
    values = summary(cells({"real": 0, "real+classical": 20}, seeds=1), BINNING, SPACING, margin=0.02)
    (row,) = values["comparisons"]
    assert (row["answer"], row["interval"], row["p_value"]) == ("unknown", None, None)
    assert "one training of each arm" in values["sentences"][0]


def test_networks_that_found_nothing_are_not_equal():
    rows = cells({"real": 0, "real+classical": 0}, patients=20, seeds=9, noise=0.3)
    for row in rows:
        for patient in row["patients"]:
            patient["bins"] = [[k, 0, false, missed + hit] for k, hit, false, missed in patient["bins"]]
    values = summary(rows, BINNING, SPACING, margin=0.02)
    (row,) = values["comparisons"]
    assert (row["answer"], row["learned"], row["detectable"], row["patients_for_gain"]) == (
        "unknown",
        False,
        None,
        None,
    )
    assert "found almost no lesion (mean Dice below 0.05); train them for more steps" in values["sentences"][0]
    assert [r["answer"] for r in values["networks"]] == ["unknown"] * len(values["networks"])


def test_four_trainings_promise_nothing_to_more_patients():
    """Of four trainings that agree, the signs alone give a p-value of 2 / 2^4 = 0.125."""
    rows = cells({"real": 0, "real+classical": 0}, patients=6, seeds=4, noise=3)
    values = summary(rows, BINNING, SPACING, margin=1e-4)
    (row,) = values["comparisons"]
    assert (row["answer"], row["detectable"], row["patients_for_gain"]) == ("unknown", None, None)
    assert (row["trainings"], row["trainings_needed"]) == (4, 6)
    assert (
        "with 4 trainings of each arm no difference can be significant, and at least 6 are needed"
        in (values["sentences"][0])
    )


def test_a_summary_is_strict_json_and_says_no_gain_over_copy_paste_in_words():
    effects = {"real": 0, "real+generated-50": 10, "real+copy-paste": 10}
    rows = cells(effects, patients=30, folds=2, seeds=3, networks=("unet", "segresnet"), noise=0.3)
    values = summary(rows, BINNING, SPACING, margin=0.02)
    assert json.loads(json.dumps(values, allow_nan=False)) == values
    first = values["sentences"][0]
    assert first.startswith("real+generated-50 neither gains nor loses against real+copy-paste: ")
    assert values["sentences"][1].startswith("real+generated-50 gains over real. The difference in Dice is +")
    assert [(r["arm"], r["network"]) for r in values["networks"]][:2] == [
        ("real+generated-50", "segresnet"), ("real+generated-50", "unet"),
    ]  # fmt: skip
    assert len(values["cells"]) == 2 * 2 * 3 * 3
    assert values["cells"][0]["generator"] == "g"
    assert values["arms"][0]["dice"]["patients"] == 60


@pytest.mark.parametrize(
    ("trainings", "needed", "said"),
    [(9, 31, "it would detect a gain of 0.05 with 31 patients"),
     (9, 30, "it would most likely have detected a gain of 0.05"), (9, None, "however many patients"),
     (4, None, "no difference can be significant, and at least 7 are needed.")],
)  # fmt: skip
def test_what_is_not_known_says_what_would_be_needed(trainings, needed, said):
    row = {"arm": "real+generated-50", "reference": "real+poisson", "difference": 0.01, "interval": [-0.03, 0.05],
           "patients": 30, "answer": "unknown", "patients_for_gain": needed, "trainings": trainings,
           "trainings_needed": 7, "learned": True}  # fmt: skip
    (sentence,) = sentences([row], 0.02)
    neither = "The study shows neither a gain of real+generated-50 over real+poisson nor its absence; "
    assert sentence.startswith(neither)
    assert said in sentence


def test_sizes_are_thirds_of_the_true_lesions():
    rows = cells({"real": 0, "real+classical": 0}, sizes=(10, 20, 30), found=1)
    values = summary(rows, BINNING, SPACING, margin=0.02)
    assert [(s["size"], s["above_ml"], s["to_ml"], s["lesions"]) for s in values["sizes"]] == [
        ("small", 0.0, 0.1, 8), ("medium", 0.1, 0.2, 8), ("large", 0.2, None, 8),
    ]  # fmt: skip
    assert [s["arms"][0]["mean"] for s in values["sizes"]] == [1.0, 0.0, 0.0]


def test_a_bin_holds_the_patients_with_a_lesion_there():
    values = summary(cells({"real": 0, "real+classical": 5}), BINNING, SPACING, margin=0.02)
    assert [(b["z_bin"], b["z"], b["arms"][0]["patients"]) for b in values["bins"]] == [(0, [0, 3], 8), (1, [4, 7], 0)]
    assert values["bins"][0]["arms"][0]["mean"] == values["arms"][0]["dice"]["mean"]
    assert values["bins"][1]["arms"][0]["mean"] is None

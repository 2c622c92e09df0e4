"""Samples of conditions without real slices are named, and no check that cannot compare them is fine."""

from __future__ import annotations

import pytest

from jsddpm_eval.evaluation import evaluate
from jsddpm_eval.slice_table import SliceTable
from worlds import BINNING, World


def evaluated(world, made, alone):
    """Real slices of bin 0, control; the last ``alone`` of the generated slices are asked for lesions."""
    here = world.z_bin == 0
    real = SliceTable.from_arrays(
        world.image[here], z_bin=[0] * int(here.sum()), pathology=[0] * int(here.sum()), patient=world.patient[here],
        binning=BINNING,
    )  # fmt: skip
    pathology = [0] * (len(made) - alone) + [1] * alone
    generated = SliceTable.from_arrays(made, z_bin=[0] * len(made), pathology=pathology, binning=BINNING)
    return evaluate(real, generated, metrics=["nearest_other", "variety", "blank"], features=[])


@pytest.fixture(scope="module")
def world():
    return World(patients=30)


def test_samples_without_real_slices_are_named_and_nothing_is_fine_for_them(world):
    made = World(seed=5).new(64)
    alone = evaluated(world, made, alone=24)
    compared = evaluated(world, made[:40], alone=0)
    sentence = "No real slices for 24 of 64 samples (bin 0 lesion): most checks do not cover them."
    assert alone.verdict[1] == sentence
    assert not any(s.startswith("No real slices") for s in compared.verdict)
    fine = {name for name, finding in compared.whole().items() if finding.answer == "fine"}
    assert "collapsed" in fine
    assert alone.whole()["collapsed"].answer == "unknown"
    assert alone.whole()["collapsed"].reason == "24 of 64 samples have no real slices of their bin and pathology"


def test_a_tenth_without_real_slices_leaves_the_answer(world):
    """Four of 44, of which each is limited to 4 SD, move a mean by at most 0.36 SD."""
    few = evaluated(world, World(seed=5).new(44), alone=4)
    assert few.whole()["collapsed"].answer == "fine"
    assert few.verdict[1].startswith("No real slices for 4 of 44 samples")


def test_one_picture_again_and_again_is_a_fault_without_real_slices(world):
    """One of a single grey level is blank, and no real slice of the bin is."""
    made = World(seed=5).new(64)
    made[40:] = made[40]
    whole = evaluated(world, made, alone=24).whole()["collapsed"]
    assert (whole.answer, whole.kind) == ("off", "exactly the same samples again")
    made[40:] = 0.5
    whole = evaluated(world, made, alone=24).whole()["outliers"]
    assert (whole.answer, whole.kind) == ("off", "blank samples")

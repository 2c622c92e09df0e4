"""Arms are read as they are written; batches of arms differ in what an arm says, and in nothing else."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from jsddpm.errors import JsddpmError
from jsddpm_eval.utility.arms import ARMS, Arm, comparisons
from jsddpm_eval.utility.batches import Batches
from jsddpm_eval.utility.protocol import Training
from utilities import cohort

TRAINING = Training(batch_size=8)


@pytest.mark.parametrize("name", [*ARMS, "real+generated-40+classical", "real+poisson+classical"])
def test_an_arm_is_read_as_it_is_written(name):
    assert Arm.parse(name).name == name


@pytest.mark.parametrize("name", ["", "fake", "real+generated-0", "real+generated-100", "real+real", "classical",
                                  "generated+generated-50", "real+classical+generated-50"])  # fmt: skip
def test_another_word_is_refused(name):
    with pytest.raises(JsddpmError, match="unknown arm"):
        Arm.parse(name)


def test_generated_slices_are_compared_with_every_rival():
    asked = comparisons(["real", "generated", "real+generated-50", "real+copy-paste", "real+classical"])
    assert asked == [
        ("generated", "real"), ("real+generated-50", "real"), ("real+generated-50", "real+copy-paste"),
        ("real+generated-50", "real+classical"), ("real+copy-paste", "real"), ("real+classical", "real"),
    ]  # fmt: skip


def batches(name, count=3, key=(0, 1)):
    world = cohort("unseen")
    found = islice(iter(Batches(world.slices, world.folds[0], Arm.parse(name), TRAINING, key)), count)
    return world, [(images[:, 0].numpy(), masks[:, 0].numpy() > 0) for images, masks in found]


def of(images, pool):
    return np.array([any(np.array_equal(image, other) for other in pool) for image in images])


def test_real_batches_show_training_patients_half_with_a_lesion():
    world, found = batches("real")
    for images, masks in found:
        assert of(images, world.slices.images[world.folds[0].train]).all()
        assert masks.any((1, 2)).sum() == 4
    again, other = batches("real")[1], batches("real", key=(0, 2))[1]
    assert np.array_equal(found[2][0], again[2][0])
    assert not np.array_equal(found[2][0], other[2][0])


def test_an_arm_keeps_the_real_slices_that_it_does_not_replace():
    _, real = batches("real")
    world, half = batches("real+generated-50")
    _, alone = batches("generated")
    made = world.folds[0].generated.images
    for (ours, _), (mixed, masks), (all_made, _) in zip(real, half, alone, strict=True):
        generated = of(mixed, made)
        assert generated.sum() == 4
        assert np.array_equal(mixed[~generated], ours[~generated])
        assert masks.any((1, 2)).sum() == 4
        assert of(all_made, made).all()


@pytest.mark.parametrize("name", ["real+copy-paste", "real+poisson"])
def test_pasted_lesions_take_the_place_of_half_of_the_lesions(name):
    world, found = batches(name)
    for (images, masks), (ours, lesions) in zip(found, batches("real")[1], strict=True):
        changed = (images != ours).any((1, 2))
        assert changed.tolist() == [True, True] + [False] * 6
        assert (masks[:4] & lesions[:4]).any((1, 2)).all()
        assert not of(images[:2], world.slices.images).any()

"""Which preset a store asks for, and that every preset trains on a store it is meant for."""

from __future__ import annotations

import numpy as np
import pytest

from jsddpm.diffusion.denoiser import Denoiser
from jsddpm.slices.store import SliceStore
from jsddpm.slices.writer import Shard, new_store
from jsddpm.training.recommended import Recommendation

SIDES = [(64, "real64"), (96, "real64"), (128, "real128"), (160, "real160"), (256, "real160")]


def small_store(folder, size, **described):
    with new_store(folder / "store", kind="real", n_slices=128, spacing=(1.0, 1.0, 1.5), **described) as writer:
        image = np.random.default_rng(0).random((128, *size), dtype=np.float32)
        writer.add(Shard("sub-1", image, image > 0.9, {"z_index": np.arange(128)}, {"split": "train"}))
    return SliceStore(folder / "store")


@pytest.mark.parametrize(("side", "preset"), SIDES)
def test_the_longest_side_decides_and_the_network_fits_the_slices(tmp_path, side, preset):
    found = Recommendation.of(small_store(tmp_path, (side - 32, side)))
    config = found.config(["trainer.max_steps=7"])
    assert found.preset == preset
    assert f"{side - 32}x{side}" in found.reason
    assert config.trainer.max_steps == 7
    Denoiser(config.model, config.binning.for_store(128), (side - 32, side))  # raises SIZE where it does not fit


def test_the_range_is_the_one_the_store_proposes(tmp_path):
    inside = {"inside": 5, "all": 5}
    proposal = {"range": [5, 60], "rule": "as asked for", "training_lesion_slices": inside}
    proposed = small_store(tmp_path, (64, 64), z_range=proposal)
    found = Recommendation.of(proposed)
    assert found.config().binning.z_range == proposed.z_range == (5, 60)
    assert "5 to 60" in found.reason

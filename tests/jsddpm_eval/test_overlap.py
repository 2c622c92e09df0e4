"""Real slices shown as generated ones are no evaluation."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from jsddpm.errors import JsddpmError
from jsddpm.slices.store import SliceStore
from jsddpm.slices.writer import Shard, new_store
from jsddpm_eval.evaluation import evaluate
from jsddpm_eval.overlap import refuse_real_slices
from jsddpm_eval.slice_table import SliceTable
from synthetic import BINNING


def shown(path, store, rows, image=None):
    """Slices of the real store as a generated one."""
    head = {"binning": BINNING.to_dict(), "kind": "generated", "n_slices": 40, "spacing": store.spacing}
    with new_store(path, **head) as writer:
        picked = store.index[rows]
        columns = {name: picked[name] for name in ("z_index", "pathology")} | {"sample": np.arange(len(rows))}
        pixels = store.images(rows) if image is None else image
        writer.add(Shard("all", pixels, store.masks(rows), columns))
    return SliceStore(path)


def test_the_real_store_shown_as_generated_is_refused(store, tmp_path):
    """It was evaluated, and every slice was an exact copy."""
    made = shown(tmp_path / "made", store, store.select(binning=BINNING))
    with pytest.raises(
        JsddpmError, match=r"180 of 180 generated slices equal real ones, 60 of them those of held-out"
    ) as caught:
        evaluate(store, made, metrics=["outline"], features=["radiomics"])
    assert (caught.value.code, caught.value.status) == ("STORES", 3)


def test_most_of_the_held_out_slices_in_eight_bits_are_enough(store, tmp_path):
    """A detour over PNG files changes the numbers a little."""
    rows = store.select(binning=BINNING, split="test")
    images = np.round(store.images(rows) * 255) / np.float32(255)
    images[: len(rows) // 3] *= 0.7
    made = shown(tmp_path / "made", store, rows, images)
    with pytest.raises(JsddpmError, match=r"20 of 30 generated slices equal real ones, 20 of them"):
        evaluate(store, made, metrics=["outline"], features=["radiomics"])


def tables(store, made):
    return SliceTable.from_store(store, BINNING), SliceTable.from_store(made)


def test_copies_of_training_slices_are_evaluated(store, tmp_path):
    refuse_real_slices(*tables(store, shown(tmp_path / "made", store, store.select(binning=BINNING, split="train"))))


def test_a_few_held_out_slices_are_the_business_of_the_scores(store, tmp_path):
    rows = store.select(binning=BINNING, split="test")
    noise = np.random.default_rng(0).random((len(rows), *store.size), np.float32)
    noise[:5] = store.images(rows[:5])
    refuse_real_slices(*tables(store, shown(tmp_path / "made", store, rows, noise)))


def test_blank_slices_are_nobodys():
    blank = torch.zeros(4, 8, 8)
    real = SliceTable.from_arrays(blank, z_bin=[0] * 4, pathology=[0] * 4, patient=list("aabb"), held_out=[True] * 4)
    refuse_real_slices(real, SliceTable.from_arrays(blank, z_bin=[0] * 4, pathology=[0] * 4))

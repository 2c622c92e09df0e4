"""A store with other splits proposes the range that its own training patients give."""

from __future__ import annotations

import numpy as np
import pytest

from jsddpm.errors import JsddpmError
from jsddpm.slices.proposal import proposed_range
from jsddpm.slices.resplit import resplit
from jsddpm.slices.store import SliceStore
from jsddpm.slices.writer import Shard, new_store

BRAINS = {"a": (2, 5), "b": (4, 8), "c": (0, 9)}
"""First and last slice of each patient's brain; every second of them has a lesion."""


def store_of(path, requested):
    with new_store(path, kind="real", n_slices=10, spacing=(1.0, 1.0, 1.0)) as writer:
        for patient, split in zip(BRAINS, (0, 1, 2), strict=True):
            lo, hi = BRAINS[patient]
            z = np.arange(10)
            inside = (z >= lo) & (z <= hi)
            mask = np.zeros((10, 8, 8), bool)
            mask[inside & (z % 2 == 0)] = True
            rows = {"z_index": z, "pathology": mask.any((1, 2)), "split": split, "brain_fraction": inside / 2}
            info = {"patient": patient, "split": ("train", "val", "test")[split]}
            writer.add(Shard(patient, np.full(mask.shape, 0.5, np.float32), mask, rows, info))
        if requested:
            writer.info["z_range"] = proposed_range(writer.written[0].rows, requested, 10)
    return SliceStore(path)


def fold(store, folder, **splits):
    lines = [f"{p},{s}" for p, s in splits.items()]
    (folder / "fold.csv").write_text("\n".join(["patient,split", *lines]))
    return SliceStore(resplit(store, folder / "fold.csv", folder / "fold"))


@pytest.mark.parametrize(
    ("requested", "before", "after", "lesion"),
    [
        (None, None, None, None),
        ((1, 6), (1, 6), (1, 6), {"inside": 2, "all": 3}),
        ("auto", (2, 5), (4, 8), {"inside": 3, "all": 3}),
    ],
    ids=["none", "given", "automatic"],
)
def test_a_fold_proposes_a_range_of_its_own_training_patients(tmp_path, requested, before, after, lesion):
    """Folds had none: each was trained on the range of the preset, and selftest and utility refused them."""
    store = store_of(tmp_path / "store", requested)
    made = fold(store, tmp_path, a="test", b="train", c="val")
    assert (store.z_range, made.z_range) == (before, after)
    assert (made.info.get("z_range") or {}).get("training_lesion_slices") == lesion
    assert (made.info.get("z_range") or {}).get("rule") == (store.info.get("z_range") or {}).get("rule")


def test_without_training_patients_a_fold_keeps_the_range(tmp_path):
    store = store_of(tmp_path / "store", "auto")
    assert fold(store, tmp_path, a="test", b="test", c="test").z_range == (2, 5)


def test_generated_slices_have_no_patients_to_divide(tmp_path):
    with new_store(tmp_path / "made", kind="generated", n_slices=10, spacing=(1.0, 1.0, 1.0)) as writer:
        rows = {"z_index": [4], "pathology": 0, "sample": 0}
        writer.add(Shard("made", np.zeros((1, 8, 8), np.float32), np.zeros((1, 8, 8), bool), rows))
    with pytest.raises(JsddpmError, match=r"KIND.*give a real store"):
        fold(SliceStore(tmp_path / "made"), tmp_path, made="train")

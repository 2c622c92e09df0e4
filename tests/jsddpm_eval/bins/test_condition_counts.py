"""Slices and patients of each condition, counted by loops."""

from __future__ import annotations

import pytest

from jsddpm_eval.bins.condition_counts import brain_profile, condition_counts
from synthetic import BINNING


def test_cells_count_slices_and_patients_by_split(store):
    cells = condition_counts(store, BINNING)
    index = store.index
    for cell in cells:
        lo, hi = BINNING.ranges()[cell["z_bin"]]
        for split, name in enumerate(("train", "val", "test")):
            brute = [
                (str(p), int(z))
                for p, z, s, k in zip(store.patients, index["z_index"], index["split"], index["pathology"], strict=True)
                if lo <= z <= hi and s == split and k == cell["pathology"]
            ]
            assert cell["slices"][name] == len(brute)
            assert cell["patients"][name] == len({p for p, _ in brute})
        assert cell["assessable"] == (cell["patients"]["all"] >= 4)
    assert sum(c["slices"]["all"] for c in cells) == 6 * 30


def test_brain_profile_is_the_mean_over_subjects(store):
    profile = brain_profile(store)
    at = store.index["z_index"] == 17
    assert profile[17] == pytest.approx(store.index["brain_fraction"][at].mean())
    assert len(profile) == 40

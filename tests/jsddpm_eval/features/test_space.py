"""Feature spaces: the scale is that of the fair reference, the same for every selection."""

from __future__ import annotations

import torch

from jsddpm_eval.features.extractor import Extractor
from jsddpm_eval.features.space import FeatureSpace
from jsddpm_eval.slice_table import SliceTable

IMAGES = torch.rand((8, 12, 10), generator=torch.Generator().manual_seed(0))
HELD = torch.arange(8) >= 4


def space_of(**settings):
    calls = []

    def extract(batch):
        calls.append(len(batch))
        return batch.mean(2).double()

    real = SliceTable.from_arrays(IMAGES, z_bin=[0] * 8, pathology=[0] * 8, patient=torch.arange(8) // 2, held_out=HELD)
    return FeatureSpace(Extractor("x", extract, {}, **settings), real), calls


def test_columns_are_scaled_by_the_reference():
    raw = IMAGES.mean(2).double()
    for settings, fair in (({}, slice(None)), ({"saw_training": True}, HELD)):
        space, _ = space_of(standardize=True, **settings)
        expected = (raw - raw[fair].mean(0)) / raw[fair].std(0)
        assert torch.allclose(space.of(space.real), expected)
        assert torch.allclose(space.of(space.real.where(slice(2, 4))), expected[2:4])
        assert len(space.reference(space.real)) == len(raw[fair])
    plain, _ = space_of()
    assert torch.equal(plain.of(plain.real), raw)


def test_features_of_a_slice_are_computed_once():
    space, calls = space_of(standardize=True)
    for rows in (slice(3), slice(1, 5), slice(None)):
        space.of(space.real.where(rows))
    assert calls == [8]
    assert 1 <= space.dimension <= 7

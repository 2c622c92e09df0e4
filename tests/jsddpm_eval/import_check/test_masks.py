"""Masks that were read wrongly, seen with fewer patients than a comparison of images needs."""

from __future__ import annotations

import numpy as np
import pytest

from jsddpm.binning import ZBinning
from jsddpm_eval.import_check.check import ImportCheck
from jsddpm_eval.slice_table import SliceTable

BINNING = ZBinning((0, 3), 2, n_slices=4)
LESION = np.zeros((4, 16, 16), bool)
LESION[:2, 5:9, 6:10] = True  # of two slices of four


def table(rng, masks, count, **labels):
    return SliceTable.from_arrays(
        rng.random((4 * count, 16, 16)), np.tile(masks, (count, 1, 1)), z_index=np.tile(np.arange(4), count),
        pathology=np.tile([1, 1, 0, 0], count), binning=BINNING, **labels,
    )  # fmt: skip


@pytest.mark.parametrize("patients", [1, 3])
@pytest.mark.parametrize(
    ("masks", "found"),
    [(LESION, None), (~LESION, "masks cover 94% of lesion slices"), (0 * LESION, "has one in its mask")],
    ids=["right", "inverted", "empty"],
)
def test_empty_and_inverted_masks_need_no_patients(patients, masks, found):
    rng = np.random.default_rng(0)
    check = ImportCheck(table(rng, LESION, patients, patient=np.repeat(np.arange(patients), 4)), BINNING)
    suspicions = check.suspicions(table(rng, masks, 5))
    assert [s.name for s in suspicions] == ["masks"] * (found is not None)
    assert all(found in s.what for s in suspicions)

"""Lesions of a patient: by volume, at their positions."""

from __future__ import annotations

import numpy as np

from jsddpm.binning import ZBinning
from jsddpm_eval.real_slices import Slices
from jsddpm_eval.utility.scores import records

BINNING = ZBinning((0, 59), 2, n_slices=60)


def lesions(z_index, volume):
    """Sizes of the lesions of one patient whose slices all have the same two pixels of lesion."""
    count = len(z_index)
    masks = np.zeros((count, 8, 8), bool)
    masks[:, 3, 3:5] = True
    z, zeros = np.array(z_index), np.zeros(count, np.int64)
    slices = Slices(np.zeros((count, 8, 8), np.float32), masks, z, np.asarray(BINNING.index(z)), zeros + 1, zeros,
                    np.array(volume))  # fmt: skip
    (record,) = records(slices, np.arange(count), masks)
    assert all(hit for _, hit in record["lesions"])
    assert sum(row[1] for row in record["bins"]) == 2 * count
    return [size for size, _ in record["lesions"]]


def test_slices_of_two_sessions_are_no_stack():
    assert lesions([5, 6, 7, 5, 6, 7], [0, 0, 0, 1, 1, 1]) == [6, 6]
    assert lesions([5, 5, 6, 6, 7, 7], [0, 1, 0, 1, 0, 1]) == [6, 6]


def test_a_gap_between_slices_divides_a_lesion():
    assert lesions([4, 5, 55, 56], [0] * 4) == [4, 4]
    assert lesions([6, 4, 5], [0] * 3) == [6]

"""The order of slices where a patient has several sessions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from jsddpm.binning import ZBinning
from jsddpm_eval.import_check.check import suspicions
from jsddpm_eval.slice_table import SliceTable

N_SLICES, SIZE = 24, 32
BINNING = ZBinning((0, N_SLICES - 1), 4, n_slices=N_SLICES)


def stacks(rng, count, order):
    """Volumes of patterns that change slowly along z, and have nothing in common with those of other volumes."""
    volumes = gaussian_filter(rng.standard_normal((count, N_SLICES, SIZE, SIZE)), (0, 3, 2, 2))
    volumes /= volumes.std()
    return (0.5 + 0.1 * volumes).clip(0, 1).astype(np.float32)[:, order]


def table(volumes, owner, **names):
    return SliceTable.from_arrays(
        volumes.reshape(-1, SIZE, SIZE), z_index=np.tile(np.arange(N_SLICES), len(volumes)),
        pathology=np.zeros(len(volumes) * N_SLICES, int), binning=BINNING,
        **{name: np.repeat(owner, N_SLICES) for name in names},
    )  # fmt: skip


@pytest.mark.parametrize("sessions", [1, 2])
@pytest.mark.parametrize("sorted_as_text", [False, True])
def test_neighbours_of_one_session_are_compared(sessions, sorted_as_text):
    """The slices of two sessions of a patient are unlike each other, which says nothing about their order."""
    rng = np.random.default_rng(0)
    right = np.arange(N_SLICES)
    order = np.array(sorted(right, key=str)) if sorted_as_text else right
    real = table(stacks(rng, 12, right), np.arange(12), patient=True)
    generated = table(stacks(rng, 12, order), np.arange(12) // sessions, group=True)
    found = [s.what for s in suspicions(real, generated, BINNING) if s.name == "order"]
    assert [("of neighbouring slices of volumes are unlike" in what) for what in found] == [True] * sorted_as_text

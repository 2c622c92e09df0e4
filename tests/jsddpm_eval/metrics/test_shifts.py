"""What mean-shift metrics share: deviations from other patients, scores beside the band of a perfect generator."""

from __future__ import annotations

import numpy as np
import torch

from jsddpm.binning import ZBinning
from jsddpm_eval.metrics.base import Context
from jsddpm_eval.metrics.shifts import deviation
from jsddpm_eval.slice_table import SliceTable

BINNING = ZBinning((0, 1), 2, n_slices=2)


def test_a_real_slice_is_compared_with_the_median_of_other_patients_alone():
    patient, z_bin = [0, 0, 1, 2, 3, 4], [0, 0, 0, 0, 0, 1]
    real = SliceTable.from_arrays(None, z_bin=z_bin, pathology=[0] * 6, patient=patient, binning=BINNING)
    made = SliceTable.from_arrays(None, z_bin=[0, 1], pathology=[0, 0], binning=BINNING)
    context = Context(real, made, BINNING, [], 0, frozenset())
    values = {"real": torch.tensor([1.0, 2.0, 4.0, 8.0, 16.0, 5.0]), "generated": torch.tensor([10.0, 7.0])}
    centre = np.median([1, 2, 4, 8, 16])
    spread = 1.4826 * np.median(np.abs(np.array([1, 2, 4, 8, 16, 5]) - np.array([centre] * 5 + [5])))
    others = [8, 8, np.median([1, 2, 8, 16]), np.median([1, 2, 4, 16]), np.median([1, 2, 4, 8])]
    of_real = deviation(values, real, context)
    assert np.allclose(of_real[:5], (np.array([1, 2, 4, 8, 16]) - others) / spread)
    assert np.isnan(of_real[5])  # nobody else has a slice of that condition
    assert np.allclose(deviation(values, made, context), (np.array([10, 7]) - [centre, 5]) / spread)

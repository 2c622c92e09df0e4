"""A small world for planted faults: heads with a skull, tissue and lesions, of known patients."""

from __future__ import annotations

import numpy as np

from jsddpm.binning import ZBinning
from jsddpm_eval.selftest.cohort import Cohort
from jsddpm_eval.slice_table import SliceTable
from synthetic import stacked

BINNING = ZBinning((0, 11), 4, n_slices=12)
PATIENTS, SIZE = 18, (40, 32)


def slices(patients=PATIENTS, seed=0):
    """Twelve slices of each patient; lesions on every other slice of all patients."""
    rng = np.random.default_rng(seed)
    row, column = np.meshgrid(np.linspace(-1, 1, SIZE[0]), np.linspace(-1, 1, SIZE[1]), indexing="ij")
    rows = []
    for patient in range(patients):
        size = rng.uniform(0.75, 0.9)
        at = rng.uniform(-0.3, 0.3, 2)
        for z in range(12):
            radius = np.hypot(row / (size - 0.02 * z), column / (0.9 * size))
            image = np.where(radius < 1, 0.35, 0) + np.where(np.abs(radius - 0.95) < 0.05, 0.4, 0)
            image = image + np.where(radius < 1, 0.05 * rng.standard_normal(SIZE), 0)
            mask = (np.hypot(row - at[0], column - at[1]) < rng.uniform(0.2, 0.3)) & (z % 2 == 1)
            rows.append((np.clip(image + 0.25 * mask, 0, 1), mask, z, patient))
    return stacked(rows, BINNING)


def cohort():
    """Half of the patients are real, and three of these held out."""
    every = slices()
    real = every.patient < PATIENTS // 2
    held_out = every.patient < 3
    table = SliceTable.from_arrays(
        every.images[real], every.masks[real], z_index=every.z_index[real], pathology=every.pathology[real],
        patient=every.patient[real], held_out=held_out[real], binning=BINNING,
    )  # fmt: skip
    names = tuple(f"sub-{p}" for p in range(PATIENTS))
    return Cohort(every, np.flatnonzero(real), np.flatnonzero(held_out), np.flatnonzero(~real), table, BINNING, names)

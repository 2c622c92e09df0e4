"""Slices in memory, of real patients or of a generator, for repeated draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jsddpm.binning import ZBinning
from jsddpm.cohort.splits import Patient
from jsddpm.slices.store import SliceStore

Images = NDArray[np.float32]
Masks = NDArray[np.bool_]
Rows = NDArray[np.intp]
Numbers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Slices:
    """Real slices, row by row.

    Attributes:
        images: Intensities in [0, 1], float32 ``(N, H, W)``.
        masks: Lesion masks, boolean ``(N, H, W)``.
        z_index: Positions, int64 ``(N,)``.
        z_bin: Bins, int64 ``(N,)``.
        pathology: 0 control, 1 lesion, int64 ``(N,)``.
        patient: Patient numbers, int64 ``(N,)``.
        volume: Number of each slice's volume, a session of its patient, int64 ``(N,)``.
    """

    images: Images
    masks: Masks
    z_index: Numbers
    z_bin: Numbers
    pathology: Numbers
    patient: Numbers
    volume: Numbers


@dataclass(frozen=True, eq=False)
class GeneratedArrays:
    """Samples of a generator.

    Attributes:
        images: Intensities in [0, 1], float32 ``(M, H, W)``.
        masks: Lesion masks, boolean ``(M, H, W)``.
        z_bin: Bins that they are conditioned on, int64 ``(M,)``.
        pathology: Pathology that they are conditioned on, int64 ``(M,)``.
    """

    images: Images
    masks: Masks
    z_bin: Numbers
    pathology: Numbers


def read_slices(store: SliceStore, patients: Sequence[str], binning: ZBinning) -> tuple[Slices, list[str]]:
    """Slices of patients inside the bins, and the patients who have any, in the order of their numbers."""
    rows = store.select(binning=binning)
    rows = rows[np.isin(store.patients[rows], list(patients))]
    names, patient = np.unique(store.patients[rows], return_inverse=True)
    index = store.index[rows]
    z_index, pathology = index["z_index"].astype(np.int64), index["pathology"].astype(np.int64)
    z_bin, numbers = np.asarray(binning.index(z_index)), patient.astype(np.int64)
    volume = index["subject"].astype(np.int64)
    return Slices(store.images(rows), store.masks(rows), z_index, z_bin, pathology, numbers, volume), names.tolist()


def lesion_loads(store: SliceStore, binning: ZBinning) -> dict[str, Patient]:
    """Patients with slices inside the bins, and their lesion pixels there."""
    rows = store.select(binning=binning)
    names, number = np.unique(store.patients[rows], return_inverse=True)
    loads = np.bincount(number, store.index["lesion_pixels"][rows], len(names))
    return {str(n): Patient("lesion" if load else "control", float(load)) for n, load in zip(names, loads, strict=True)}

"""A small world for utility studies: heads with lesions that are bright in some patients and dark in others."""

from __future__ import annotations

import numpy as np

from jsddpm.binning import ZBinning
from jsddpm_eval.real_slices import GeneratedArrays
from jsddpm_eval.utility.cohort import Cohort, Fold
from jsddpm_eval.utility.protocol import Protocol, Training
from synthetic import stacked

BINNING = ZBinning((0, 7), 2, n_slices=8)
TINY = Protocol(("unet",), seeds=1, folds=1, training=Training(steps=70, batch_size=8, learning_rate=2e-2))
SIZE = (32, 32)
SPACING = (2.0, 2.0, 2.5)
"""A voxel of 10 cubic millimetres."""


def slices(patients, seed=0):
    """Eight slices of each patient, a lesion on every other one; lesions of the first four patients are bright."""
    rng = np.random.default_rng(seed)
    row, column = np.meshgrid(np.linspace(-1, 1, SIZE[0]), np.linspace(-1, 1, SIZE[1]), indexing="ij")
    rows = []
    for patient in range(patients):
        brain, gain = rng.uniform(0.4, 0.5), rng.uniform(0.2, 0.4) * (-1 if patient > 3 and patient % 2 else 1)
        for z in range(8):
            image = np.where(np.hypot(row, column) < 0.85, brain, 0) + 0.03 * rng.standard_normal(SIZE)
            at, radius = rng.uniform(-0.5, 0.5, 2), rng.uniform(0.15, 0.3)
            mask = (np.hypot(row - at[0], column - at[1]) < radius) & (z % 2 == 1)
            rows.append((np.clip(image + gain * mask, 0, 1), mask, z, patient))
    return stacked(rows, BINNING)


def cohort(kind="unseen", train=4, test=8, seed=0):
    """A cohort of one fold, whose generator has a known effect.

    Args:
        kind: ``unseen`` (slices of new patients), ``copies`` (of training patients), ``permuted`` (new patients, each
            image with another's mask) or ``moved`` (their masks moved by a third of the slice).
        train: Patients who train.
        test: Patients who are tested.
        seed: Seed of everything.
    """
    every = slices(train + test + 12, seed)
    ours = np.flatnonzero(every.patient < train)
    tested = np.flatnonzero((every.patient >= train) & (every.patient < train + test))
    made = ours if kind == "copies" else np.flatnonzero(every.patient >= train + test)
    masks, rng = every.masks[made].copy(), np.random.default_rng(seed)
    if kind == "permuted":
        ill = np.flatnonzero(masks.any((1, 2)))
        masks[ill] = masks[np.roll(rng.permutation(ill), 1)]
    if kind == "moved":
        masks = np.roll(masks, (SIZE[0] // 3, SIZE[1] // 3), (1, 2))
    samples = GeneratedArrays(every.images[made], masks, every.z_bin[made], every.pathology[made])
    return Cohort(every, (Fold(ours, tested, samples, kind),), BINNING, SPACING)


def record(patient, hits, missed=100, sizes=(10,), found=1, false=0):
    """A patient whose Dice is ``2 hits / (hits + 100)``, all in bin 0."""
    return {"patient": patient, "bins": [[0, hits, 0, missed - hits]], "false": false,
            "lesions": [[size, int(i < found)] for i, size in enumerate(sizes)]}  # fmt: skip


def cells(effects, patients=8, networks=("unet",), folds=1, seeds=2, noise=2.0, **others):
    """Rows of a grid in which each arm hits so many more voxels than the first one."""
    rng, rows = np.random.default_rng(0), []
    for fold in range(1, folds + 1):
        for network in networks:
            for seed in range(seeds):
                start = 50 + 10 * rng.standard_normal(patients)
                for arm, effect in effects.items():
                    hits = np.clip(start + effect + noise * rng.standard_normal(patients), 0, 100)
                    people = [record(100 * fold + i, float(h), **others) for i, h in enumerate(hits)]
                    rows.append({"fold": fold, "arm": arm, "network": network, "seed": seed, "patients": people,
                                 "generator": "g", "loss": 0.5, "seconds": 1.0})  # fmt: skip
    return rows

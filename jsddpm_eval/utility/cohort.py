"""The patients of a utility study, divided into folds, and what a generator samples for each fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from jsddpm.binning import ZBinning
from jsddpm.cohort.records import Split
from jsddpm.cohort.splits import SplitRule, k_fold
from jsddpm.errors import JsddpmError
from jsddpm.slices.store import SliceStore
from jsddpm.wording import counted
from jsddpm_eval.real_slices import GeneratedArrays, Rows, Slices, lesion_loads, read_slices

Division = Mapping[str, Split]
"""Split of every patient: ``test`` for test, all others for training."""


@dataclass(frozen=True, eq=False)
class Fold:
    """One division of the patients.

    Attributes:
        train: Rows of the slices of training patients, ``(n,)``.
        test: Rows of the slices of test patients, ``(m,)``.
        generated: Samples of a generator that was not trained on the test patients; None without a generator.
        generator: Fingerprint of the samples.
    """

    train: Rows
    test: Rows
    generated: GeneratedArrays | None = None
    generator: str | None = None


@dataclass(frozen=True, eq=False)
class Cohort:
    """Patients with their folds.

    Attributes:
        slices: Slices of all patients inside the bins.
        folds: The folds.
        binning: The bins.
        spacing: Distance of neighbouring rows, columns and slices, in mm.
    """

    slices: Slices
    folds: tuple[Fold, ...]
    binning: ZBinning
    spacing: tuple[float, float, float]

    @property
    def has_generated(self) -> bool:
        """Whether every fold has generated slices."""
        return all(fold.generated is not None for fold in self.folds)

    @property
    def counts(self) -> list[dict[str, int]]:
        """Patients of each fold who train and who are tested, those of them with a lesion, and generated slices."""
        s = self.slices
        ill = np.unique(s.patient[s.pathology == 1])
        sides = [(np.unique(s.patient[f.train]), np.unique(s.patient[f.test]), f.generated) for f in self.folds]
        return [
            {
                "train": len(train), "test": len(test), "test_with_lesion": len(np.intersect1d(test, ill)),
                "generated": 0 if samples is None else len(samples.images),
            }
            for train, test, samples in sides
        ]  # fmt: skip


def drawn_divisions(store: SliceStore, binning: ZBinning, count: int, *, seed: int) -> list[dict[str, Split]]:
    """Folds by patient, balanced over lesion loads; with one fold, the store's own split.

    Raises:
        JsddpmError: ``SPLIT`` (status 2) with fewer patients than folds.
    """
    if count == 1:
        return [store.splits]
    return k_fold(lesion_loads(store, binning), count, SplitRule(0, 0, seed))


def divided(
    store: SliceStore,
    binning: ZBinning,
    divisions: Sequence[Division],
    generators: Sequence[SliceStore | None],
) -> Cohort:
    """A store's slices with its folds, and generated slices for each.

    Args:
        store: Real store.
        binning: The bins.
        divisions: Split of every patient, fold by fold.
        generators: Generated store of each fold, or None.

    Raises:
        JsddpmError: ``UTILITY`` (status 3) when a fold has too few patients to train on or to test.
    """
    slices, names = read_slices(store, store.patients.tolist(), binning)
    folds = []
    for number, (division, samples) in enumerate(zip(divisions, generators, strict=True), 1):
        tested = np.array([division.get(name) == "test" for name in names])
        known = np.array([name in division for name in names])
        train, test = (np.flatnonzero(flags[slices.patient]) for flags in (known & ~tested, tested))
        for rows, needed, what in ((train, 2, "train on"), (test, 1, "test")):
            ill = np.unique(slices.patient[rows][slices.pathology[rows] == 1])
            if len(ill) < needed:
                problem = f"fold {number} has {counted(len(ill), 'patient')} with a lesion in the bins to {what}"
                raise JsddpmError(
                    "UTILITY", problem, fix=f"use fewer folds, so that each has {needed}", file=store.path
                )
        arrays = None if samples is None else _generated(samples, binning)
        folds.append(Fold(train, test, arrays, None if samples is None else samples.fingerprint))
    return Cohort(slices, tuple(folds), binning, store.spacing)


def _generated(store: SliceStore, binning: ZBinning) -> GeneratedArrays:
    rows = store.select(binning=binning)
    masks = store.masks(rows)
    if not masks.any():
        what = "no generated slice inside the bins has a lesion"
        raise JsddpmError("UTILITY", what, fix="give samples with lesion masks", file=store.path)
    z_bin = np.asarray(binning.index(store.index["z_index"][rows].astype(np.int64)))
    return GeneratedArrays(store.images(rows), masks, z_bin, store.index["pathology"][rows].astype(np.int64))

"""A cohort divided by patients: real patients of the evaluation, and source patients of a perfect generator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from jsddpm.binning import ZBinning
from jsddpm.cohort.splits import Patient, SplitRule, assign_splits, stratified_folds
from jsddpm.errors import JsddpmError
from jsddpm.slices.store import SliceStore
from jsddpm.wording import counted
from jsddpm_eval.real_slices import GeneratedArrays, Slices, lesion_loads, read_slices
from jsddpm_eval.selftest.world import Uniform, World, perfect_draw
from jsddpm_eval.slice_table import SliceTable
from jsddpm_eval.stats.limits import MIN_PATIENTS

HELD_OUT = 0.25
"""Share of the real patients that the generator counts as not trained on."""

Half = Literal["A", "B", "both"]


@dataclass(frozen=True, eq=False)
class Cohort:
    """Real patients, and those that a perfect generator draws from.

    Attributes:
        slices: Slices of both, inside the bins.
        real: Rows of the real patients.
        held_out: Rows of those real patients that a generator is not trained on.
        source: Rows of the patients that the perfect generator draws from.
        table: The real slices as the evaluation gets them; one object, which caches features.
        binning: The bins.
        names: Patients by their number.
    """

    slices: Slices
    real: NDArray[np.intp]
    held_out: NDArray[np.intp]
    source: NDArray[np.intp]
    table: SliceTable
    binning: ZBinning
    names: tuple[str, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Patients of each part."""
        parts = {"real": self.real, "held_out": self.held_out, "source": self.source}
        return {name: len(np.unique(self.slices.patient[rows])) for name, rows in parts.items()}

    def world(self, samples: int, rng: np.random.Generator, *, uniform: Uniform = "patient") -> World:
        """A draw of the perfect generator, for a fault to be planted in.

        Args:
            samples: Samples of each condition.
            rng: Source of randomness.
            uniform: See :data:`~jsddpm_eval.selftest.world.Uniform`.
        """
        draw = perfect_draw(
            self.slices, self.source, self.binning.n_bins, samples, rng, uniform=uniform, least=MIN_PATIENTS
        )
        training = np.setdiff1d(self.real, self.held_out)
        return World(self.slices, self.source, training, self.held_out, draw, self.binning.n_bins)

    def generated(self, samples: GeneratedArrays) -> SliceTable:
        """Samples as the evaluation gets them."""
        return SliceTable.from_arrays(
            samples.images, samples.masks, z_bin=samples.z_bin, pathology=samples.pathology, binning=self.binning,
            spacing=self.table.spacing,
        )  # fmt: skip


def divided(store: SliceStore, binning: ZBinning, *, seed: int, half: Half = "both") -> Cohort:
    """A cohort whose patients are divided at random into a real and a source part, balanced over lesion loads.

    Args:
        store: Real store.
        binning: The bins.
        seed: Seed of the division.
        half: Only half of the patients, the same one for every seed: thresholds can be set on A, and measured on B.

    Raises:
        JsddpmError: ``SELFTEST`` (status 3) with too few patients for a division.
    """
    patients = lesion_loads(store, binning)
    if half != "both":
        patients = _part(patients, {"A": 0, "B": 1}[half], seed=0)
    if len(patients) < 4 * MIN_PATIENTS:
        there = counted(len(patients), "patient", "has", "have")
        what = f"{there} slices in the bins, and {4 * MIN_PATIENTS} are needed"
        raise JsddpmError("SELFTEST", what, fix="use a larger cohort, or a wider z-range", file=store.path)
    real, source = (sorted(_part(patients, part, seed=seed)) for part in (0, 1))
    return paired((store, real), (store, source), binning, seed=seed)


def opened(path: str | Path, binning: ZBinning, seed: int, half: Half = "both") -> Cohort:
    """:func:`divided`, of a store's folder."""
    return divided(SliceStore(path), binning, seed=seed, half=half)


def paired(
    real: tuple[SliceStore, Sequence[str]], source: tuple[SliceStore, Sequence[str]], binning: ZBinning, *, seed: int
) -> Cohort:
    """A cohort of real patients of one store, and source patients of the same or another store.

    Args:
        real: Store, and names of its patients who are real.
        source: Store, and names of its patients whom the perfect generator draws from.
        binning: The bins.
        seed: Seed of the choice of held-out patients.
    """
    ours, names = read_slices(*real, binning)
    theirs, source_names = read_slices(*source, binning)
    held = assign_splits(
        {p: v for p, v in lesion_loads(real[0], binning).items() if p in set(names)}, SplitRule(0, HELD_OUT, seed)
    )
    out = np.array([held[name] == "test" for name in names])[ours.patient]
    table = SliceTable.from_arrays(
        ours.images, ours.masks, z_index=ours.z_index, pathology=ours.pathology, patient=ours.patient, held_out=out,
        binning=binning, spacing=real[0].spacing,
    )  # fmt: skip
    first = np.arange(len(ours.patient))
    others = replace(theirs, patient=len(names) + theirs.patient)
    both = Slices(*(np.concatenate([getattr(s, f.name) for s in (ours, others)]) for f in fields(Slices)))
    sampled = len(first) + np.arange(len(theirs.patient))
    return Cohort(both, first, first[out], sampled, table, binning, (*names, *source_names))


def _part(patients: dict[str, Patient], part: int, *, seed: int) -> dict[str, Patient]:
    return {name: patients[name] for name in sorted(stratified_folds(patients, 2, seed=seed)[part])}

"""Training patients of a generator; one that is also a test patient is always refused."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jsddpm.errors import JsddpmError, usage_error
from jsddpm.slices.store import SliceStore
from jsddpm.training.progress import is_run, read_provenance, store_place
from jsddpm.wording import agreeing, counted
from jsddpm_eval.overlap import slice_digests
from jsddpm_eval.utility.cohort import Division


@dataclass(frozen=True)
class Generator:
    """Samples for a fold, and the patients of their generator.

    Attributes:
        store: Its samples.
        used_patients: Patients it was trained on or chosen by; None if its store does not record them.
    """

    store: SliceStore
    used_patients: frozenset[str] | None

    def require_size(self, real: SliceStore) -> None:
        """Refuse slices of another size than the real ones.

        Raises:
            JsddpmError: ``SLICE_SHAPE`` (status 2).
        """
        if self.store.size != real.size:
            (a, b), (c, d) = self.store.size, real.size
            cure = "give samples of a generator for this store"
            raise usage_error(
                "SLICE_SHAPE",
                f"generated slices have {a}x{b} pixels, real ones {c}x{d}",
                fix=cure,
                file=self.store.path,
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, without a patient's name."""
        return {
            "store": self.store.fingerprint,
            "slices": len(self.store.index),
            "known": self.used_patients is not None,
        }


def open_generator(place: Path, known: Sequence[SliceStore]) -> Generator:
    """A run with its samples, or a generated store.

    Args:
        place: The run's folder, or the store's.
        known: Real stores; one of them may be the one that the generator was trained on.

    Raises:
        JsddpmError: ``UTILITY`` (status 2) for a run without samples, ``KIND`` (status 2) for a real store, and what
            opening a store raises.
    """
    if not is_run(place):
        store = SliceStore(place)
        trained_on = store.info.get("provenance", {}).get("training_store")
    elif (place / "samples").is_dir():
        store, provenance = SliceStore(place / "samples"), read_provenance(place)
        trained_on, where = provenance["store"].get("fingerprint"), store_place(place, provenance)
        known = [*known, *([SliceStore(where)] if where.is_dir() else [])]
    else:
        cure = f"draw them with {shlex.join(['jsddpm', 'sample', str(place), '--out', str(place / 'samples')])}"
        raise usage_error("UTILITY", "the run has no samples", fix=cure, file=place)
    store.of_kind("generated")
    source = next((s for s in known if s.fingerprint == trained_on), None)
    return Generator(store, None if source is None else _seen(source.splits))


def _seen(division: Mapping[str, str]) -> frozenset[str]:
    """Patients whom a network was trained on, or who decided when to stop."""
    return frozenset(patient for patient, split in division.items() if split != "test")


def refuse_same_patients(generator: Generator, division: Division, fold: int) -> None:
    """Refuse a generator that was trained on a test patient.

    Raises:
        JsddpmError: ``SAME_PATIENT`` (status 3).
    """
    tested = {patient for patient, split in division.items() if split == "test"}
    if both := sorted(tested & (generator.used_patients or frozenset())):
        share = f"{len(both)} of {counted(len(tested), 'test patient')} of fold {fold}"
        what = f"{share} {agreeing(len(both), 'was', 'were')} in the training set of the generator, such as {both[0]}"
        cure = "train one generator per fold on its training patients: jsddpm cohort split --folds, cache resplit"
        raise JsddpmError("SAME_PATIENT", what, fix=cure, file=generator.store.path)


def refuse_tested_slices(generator: Generator, real: SliceStore, division: Division, fold: int) -> None:
    """Refuse samples that equal slices of test patients, in 256 grey levels; blank ones do not count.

    Raises:
        JsddpmError: ``SAME_PATIENT`` (status 3).
    """
    tested = [patient for patient, split in division.items() if split == "test"]
    rows = np.flatnonzero(np.isin(real.patients, tested))
    there = set(slice_digests(real.images(rows)))
    digests = slice_digests(generator.store.images(np.arange(len(generator.store.index))))
    if copies := sum(bool(digest) and digest in there for digest in digests):
        what = f"{counted(copies, 'generated slice', 'equals', 'equal')} slices of test patients of fold {fold}"
        cure = "give samples of a generator that was not trained on them"
        raise JsddpmError("SAME_PATIENT", what, fix=cure, file=generator.store.path)

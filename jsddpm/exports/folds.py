"""Folds of a data set with synthetic cases, which are used for training alone."""

from __future__ import annotations

from collections.abc import Sequence

from jsddpm.cohort.splits import Patient, stratified_folds
from jsddpm.errors import usage_error
from jsddpm.exports.cases import Case

Fold = dict[str, list[str]]
"""Names of cases under ``train`` and ``val``."""


def folds_of(cases: Sequence[Case], count: int | None = None, *, seed: int = 0) -> list[Fold]:
    """Folds by patient; test patients are in no fold.

    Synthetic cases are in the training part of every fold. If there are any, only patients outside of the split
    ``train`` are in validation sets: the generator may have memorised its training patients, and its cases would then
    show the validation images to a segmentation network.

    Args:
        cases: Cases of a data set.
        count: Number of folds; None uses 5, or the number of patients for validation if there are fewer.
        seed: Seed of the draw.

    Returns:
        At least one fold; one for a single patient; none without a real case.

    Raises:
        JsddpmError: ``SPLIT`` (status 2) for more folds than patients for validation, or without any.
    """
    real = [case for case in cases if not case.synthetic and case.split != "test"]
    synthetic = [case.name for case in cases if case.synthetic]
    if not any(not case.synthetic for case in cases):
        return []
    unseen = [case for case in real if not synthetic or case.split == "val"]
    patients = {p: Patient(_group(real, p), _load(real, p)) for p in sorted({case.patient for case in unseen})}
    if not patients:
        which = "that the generator has not seen (split val)" if synthetic else "outside of the test set"
        cure = "make a store with validation patients: jsddpm cache resplit"
        raise usage_error("SPLIT", f"there is no patient to validate on {which}", fix=cure)
    n_folds = min(5, len(patients)) if count is None else count
    names = list(patients)
    parts = [names] if n_folds == len(names) == 1 else stratified_folds(patients, n_folds, seed=seed)
    return [
        {
            "train": [case.name for case in real if case.patient not in held_out] + synthetic,
            "val": [case.name for case in real if case.patient in held_out],
        }
        for held_out in map(frozenset, parts)
    ]


def _group(cases: Sequence[Case], patient: str) -> str:
    return next(case.group for case in cases if case.patient == patient)


def _load(cases: Sequence[Case], patient: str) -> float:
    return sum(case.lesion_mm3 for case in cases if case.patient == patient)

"""Folds of a data set with synthetic cases: those are trained on, and who is validated on has not been seen by them."""

from __future__ import annotations

from collections.abc import Sequence

from jsddpm.cohort.splits import Patient, stratified_folds
from jsddpm.errors import usage_error
from jsddpm.exports.cases import Case

Fold = dict[str, list[str]]
"""Names of cases under ``train`` and ``val``."""


def folds_of(cases: Sequence[Case], count: int | None = None, *, seed: int = 0) -> list[Fold]:
    """Folds by patient; test patients are in none.

    Synthetic cases are in the training part of every fold. Where there are any, only patients outside of the split
    ``train`` are validated on: a generator that was trained on a patient may have memorised them, and cases made by it
    would tell a segmentation network what it is tested on.

    Args:
        cases: Cases of a data set.
        count: Number of folds; None takes 5, or as many as there are patients to validate on.
        seed: Seed of the draw.

    Returns:
        At least one fold; one for a single patient; none without a real case.

    Raises:
        JsddpmError: ``SPLIT`` (status 2) for more folds than patients to validate on, or when there is none.
    """
    real = [case for case in cases if not case.synthetic and case.split != "test"]
    synthetic = [case.name for case in cases if case.synthetic]
    if not any(not case.synthetic for case in cases):
        return []
    unseen = [case for case in real if not synthetic or case.split == "val"]
    patients = {p: Patient(_group(real, p), _load(real, p)) for p in sorted({case.patient for case in unseen})}
    if not patients:
        who = "that the generator has not seen (split val)" if synthetic else "outside of the test set"
        cure = "make a store with validation patients: jsddpm cache resplit"
        raise usage_error("SPLIT", f"there is no patient to validate on {who}", fix=cure)
    wanted = min(5, len(patients)) if count is None else count
    names = list(patients)
    parts = [names] if wanted == len(names) == 1 else stratified_folds(patients, wanted, seed=seed)
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

"""Training, validation and test sets by patient: all slices of a patient are in one of them."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from jsddpm.cohort.records import Record, Split
from jsddpm.errors import usage_error
from jsddpm.wording import counted

_PARTS = 3  # lesion loads are cut into at most this many equal parts for k-fold


@dataclass(frozen=True)
class Patient:
    """A patient with the values that a split balances: the group, and the lesion load in mm^3 (0 without a lesion)."""

    group: str
    load: float


@dataclass(frozen=True)
class SplitRule:
    """Shares of patients for validation and test.

    Args:
        val: Share for validation, in [0, 1); at least one patient when above 0.
        test: Share for test, likewise.
        seed: Seed of the draw.
    """

    val: float = 0.15
    test: float = 0.15
    seed: int = 0

    def __post_init__(self) -> None:
        if not (0 <= self.val < 1 and 0 <= self.test < 1 and self.val + self.test < 1):
            what = f"val {self.val:g} and test {self.test:g} leave no patient for training"
            fix = "give shares whose sum is below 1; a store of test patients alone needs a table with a split column"
            raise usage_error("SPLIT", what, fix=fix)


def assign_splits(
    patients: Mapping[str, Patient], rule: SplitRule, given: Mapping[str, Split | None] | None = None
) -> dict[str, Split]:
    """Split of every patient, balanced over groups and lesion loads.

    Systematic sampling: patients are put in order of group and load (equal ones shuffled), and every k-th from a random
    start is taken, first for test, then for validation. So each split spans the order evenly, also with few patients.

    Args:
        patients: The patients.
        rule: Shares and seed.
        given: Splits assigned beforehand. All patients may have one, also all of them ``test``, an external test set;
            or some have ``test``, a predefined test set, and the others are divided into training and validation.

    Raises:
        JsddpmError: ``SPLIT`` (status 2) when ``given`` is neither, or no patient would be left for training.

    >>> patients = {p: Patient("fcd", load) for p, load in zip("abcdefgh", range(8))}
    >>> splits = assign_splits(patients, SplitRule(val=0.25, test=0.25))
    >>> sorted(splits.values()).count("train")
    4
    """
    assigned = {p: s for p, s in (given or {}).items() if s is not None}
    complete = bool(assigned) and set(assigned) == set(patients)
    tests_alone = set(assigned.values()) == {"test"}
    if assigned and not tests_alone and not complete:
        missing = sorted(set(patients) - set(assigned))
        what = f"{counted(len(missing), 'patient', 'has', 'have')} no split, such as {missing[0]}"
        raise usage_error("SPLIT", what, fix="complete the column split, give it for test patients alone, or remove it")
    rng = np.random.default_rng(rule.seed)
    left = {p: patients[p] for p in sorted(patients) if p not in assigned}
    result = dict(assigned)
    shares: tuple[tuple[Split, float], ...] = (
        (("val", rule.val),) if assigned else (("test", rule.test), ("val", rule.val))
    )
    few = f"{counted(len(patients), 'patient', 'is', 'are')} too few for these shares"
    for split, share in shares if left else ():
        count = max(1, round(share * len(patients))) if share > 0 else 0
        if count > len(left):
            raise usage_error("SPLIT", few, fix="lower --val or --test")
        result |= dict.fromkeys(_systematic(left, count, rng), split)
        left = {p: v for p, v in left.items() if p not in result}
    if not left and "train" not in result.values() and not (complete and tests_alone):
        what, cure = few, "lower --val or --test"
        if complete:
            what, cure = "no patient has the split train", "give it to some patients, or give all of them test"
        raise usage_error("SPLIT", what, fix=cure)
    return {p: result.get(p, "train") for p in sorted(patients)}


def k_fold(
    patients: Mapping[str, Patient], count: int, rule: SplitRule, given: Mapping[str, Split | None] | None = None
) -> list[dict[str, Split]]:
    """``count`` divisions with every patient once in the test set; as many as ``rule.val`` of all are for validation.

    A predefined test set is the test set of all divisions, and the folds are the validation sets in turn.

    Args:
        patients: The patients.
        count: Number of folds.
        rule: Share for validation, and seed; ``rule.test`` is not used.
        given: Splits assigned beforehand; only ``test`` may be among them.

    Raises:
        JsddpmError: ``SPLIT`` (status 2) with fewer patients than folds, or when other splits are given.
    """
    assigned = {p: s for p, s in (given or {}).items() if s is not None}
    if set(assigned.values()) - {"test"}:
        raise usage_error(
            "SPLIT", "the cohort already has splits", fix="remove the column split, or give it for test patients alone"
        )
    rest = {p: v for p, v in patients.items() if p not in assigned}
    divisions = []
    for number, fold in enumerate(stratified_folds(rest, count, seed=rule.seed)):
        if assigned:
            by_patient: dict[str, Split] = {**assigned, **dict.fromkeys(fold, "val")}
            divisions.append({p: by_patient.get(p, "train") for p in sorted(patients)})
        else:
            tested: dict[str, Split] = dict.fromkeys(fold, "test")
            divisions.append(assign_splits(patients, replace(rule, test=0.0, seed=rule.seed + number), tested))
    return divisions


def stratified_folds(patients: Mapping[str, Patient], count: int, *, seed: int) -> list[list[str]]:
    """Patients of each of ``count`` folds, stratified by group and lesion load.

    scikit-learn's ``StratifiedGroupKFold`` over strata of group and load, thirds of the loads above 0 where patients
    are enough for them, else halves, groups alone, or none.

    Raises:
        JsddpmError: ``SPLIT`` (status 2) with fewer patients than folds, or fewer than two folds.
    """
    if not 2 <= count <= len(patients):
        what = f"cannot make {counted(count, 'fold')} from {counted(len(patients), 'patient')}"
        raise usage_error("SPLIT", what, fix=f"use 2 to {len(patients)} folds" if len(patients) > 2 else "add patients")
    names = sorted(patients)
    folder = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    choices = (_strata(patients, names, parts) for parts in range(_PARTS, -1, -1))
    strata = next(s for s in choices if max(Counter(s).values()) >= count)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a stratum with fewer members than folds cannot be in all folds
        return [[names[i] for i in rows] for _, rows in folder.split(names, strata, names)]


def _strata(patients: Mapping[str, Patient], names: list[str], parts: int) -> list[str]:
    """Group and part of the lesion loads above 0, cut into equal parts; without any part, one stratum of all."""
    loads = np.array([patients[p].load for p in names])
    present = loads[loads > 0]
    if not parts:
        return ["all"] * len(names)
    edges = np.quantile(present, np.linspace(0, 1, parts + 1)[1:-1]) if len(present) else present
    part = np.where(loads > 0, np.searchsorted(edges, loads) + 1, 0)
    return [f"{patients[p].group} {k}" for p, k in zip(names, part, strict=True)]


def given_splits(records: Iterable[Record]) -> dict[str, Split | None]:
    """The predefined split of each patient."""
    return {r.patient: r.split for r in records}


def patients_of(records: Sequence[Record], loads: Mapping[str, float]) -> dict[str, Patient]:
    """Patients of records; ``loads`` are lesion volumes in mm^3 by record, of which a patient's mean counts."""
    return {
        p: Patient(group, float(np.mean([loads[r.subject] for r in records if r.patient == p])))
        for p, group in {r.patient: r.group for r in records}.items()
    }


def _systematic(patients: Mapping[str, Patient], count: int, rng: np.random.Generator) -> list[str]:
    names = list(patients)
    order = [names[i] for i in rng.permutation(len(names))]
    order.sort(key=lambda p: (patients[p].group, patients[p].load))
    step = len(order) / max(count, 1)
    start = rng.uniform(0, step)
    return [order[int(start + i * step)] for i in range(count)]

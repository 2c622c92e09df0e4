"""Patients never cross splits; groups and lesion loads are spread over them, however few there are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jsddpm.cohort.splits import Patient, SplitRule, assign_splits, k_fold, stratified_folds
from jsddpm.errors import JsddpmError

PEOPLE = st.dictionaries(
    st.text("abcdef0", min_size=1, max_size=4),
    st.builds(Patient, st.sampled_from(["patient", "control"]), st.sampled_from([0.0, 10.0, 20.0, 500.0])),
    min_size=4,
    max_size=60,
)


@given(PEOPLE, st.integers(0, 5))
def test_every_patient_has_one_split_and_groups_are_in_proportion(patients, seed):
    splits = assign_splits(patients, SplitRule(0.2, 0.2, seed))
    assert set(splits) == set(patients)
    assert set(splits.values()) == {"train", "val", "test"}
    wanted = max(1, round(0.2 * len(patients)))
    for name in ("val", "test"):
        assert sum(s == name for s in splits.values()) == wanted
    share = sum(p.group == "control" for p in patients.values()) / len(patients)
    assert abs(sum(patients[p].group == "control" for p, s in splits.items() if s == "test") - share * wanted) <= 1


@given(st.integers(0, 200))
def test_each_split_spans_the_lesion_loads(seed):
    """With k of n patients drawn, every run of n / k patients in order of load holds exactly one of them."""
    patients = {f"p{i:02d}": Patient("patient", float(i)) for i in range(20)}
    splits = assign_splits(patients, SplitRule(0.0, 0.2, seed))
    loads = sorted(patients[p].load for p, s in splits.items() if s == "test")
    assert [int(load // 5) for load in loads] == [0, 1, 2, 3]


def test_a_small_group_may_be_missing_in_a_split():
    """The example of the docs: 9 patients and 3 controls, two of the twelve for test."""
    people = {f"p{i}": Patient("patient", i + 1.0) for i in range(9)} | {
        f"c{i}": Patient("control", 0) for i in range(3)
    }
    splits = [assign_splits(people, SplitRule(seed=seed)) for seed in range(20)]
    tested = [[name for name, split in found.items() if split == "test"] for found in splits]
    assert {len(names) for names in tested} == {2}
    assert {any(name[0] == "c" for name in names) for names in tested} == {True, False}


def test_the_split_is_repeatable_and_every_patient_can_be_drawn():
    patients = {f"p{i}": Patient("patient", float(i % 3)) for i in range(10)}
    assert assign_splits(patients, SplitRule(seed=1)) == assign_splits(patients, SplitRule(seed=1))
    drawn = {p for seed in range(60) for p, s in assign_splits(patients, SplitRule(seed=seed)).items() if s == "test"}
    assert drawn == set(patients)


@pytest.mark.parametrize(("val", "test"), [(0.5, 0.5), (-0.1, 0.1), (1.0, 0.0)])
def test_impossible_shares_are_refused(val, test):
    with pytest.raises(JsddpmError, match="SPLIT"):
        SplitRule(val, test)
    with pytest.raises(JsddpmError, match="too few"):
        assign_splits({"a": Patient("x", 0), "b": Patient("x", 0)}, SplitRule(0.4, 0.4))
    with pytest.raises(JsddpmError, match="1 patient is too few for these shares; fix: lower --val or --test"):
        assign_splits({"a": Patient("x", 0)}, SplitRule())


def test_given_splits_win():
    patients = {p: Patient("x", 0) for p in "abcd"}
    whole = {"a": "test", "b": "train", "c": "train", "d": "val"}
    assert assign_splits(patients, SplitRule(), whole) == whole
    partly = assign_splits(patients, SplitRule(val=0.25), {"a": "test", "b": None, "c": None, "d": None})
    assert partly["a"] == "test"
    assert sorted(partly.values()) == ["test", "train", "train", "val"]
    with pytest.raises(JsddpmError, match="2 patients have no split"):
        assign_splits(patients, SplitRule(), {"a": "train", "b": "test", "c": None, "d": None})


def test_an_external_test_set_needs_no_patient_for_training():
    """It was refused as too small for the shares, which it does not use."""
    patients = {p: Patient("x", 0) for p in "ab"}
    assert assign_splits(patients, SplitRule(), dict.fromkeys("ab", "test")) == {"a": "test", "b": "test"}
    with pytest.raises(JsddpmError, match="no patient has the split train") as caught:
        assign_splits(patients, SplitRule(), {"a": "test", "b": "val"})
    assert caught.value.status == 2


@pytest.mark.parametrize(("val", "test"), [(0.5, 0.4), (0.0, 0.9)])
def test_too_few_patients_are_a_matter_of_the_command(val, test):
    """Without a patient left for a share, the exit status was that of a bad file."""
    with pytest.raises(JsddpmError, match=r"SPLIT.*lower --val or --test") as caught:
        assign_splits({"a": Patient("x", 0)}, SplitRule(val, test))
    assert caught.value.status == 2


@given(st.integers(2, 6), st.integers(0, 3))
def test_folds_test_every_patient_once_and_are_stratified(count, seed):
    patients = {f"c{i}": Patient("control", 0) for i in range(12)} | {
        f"p{i}": Patient("patient", i + 1.0) for i in range(24)
    }
    folds = stratified_folds(patients, count, seed=seed)
    assert sorted(p for fold in folds for p in fold) == sorted(patients)
    assert np.ptp([sum(p[0] == "c" for p in fold) for fold in folds]) <= 1
    assert np.ptp([sum(patients[p].load > 16 for p in fold) for fold in folds]) <= 1
    divisions = k_fold(patients, count, SplitRule(val=0.1, seed=seed))
    tested = [p for d in divisions for p, s in d.items() if s == "test"]
    assert sorted(tested) == sorted(patients)
    assert all(sum(s == "val" for s in d.values()) == 4 for d in divisions)


def test_a_predefined_test_set_stays_out_of_the_folds():
    patients = {f"p{i}": Patient("patient", float(i)) for i in range(9)}
    divisions = k_fold(patients, 4, SplitRule(), {"p0": "test", **dict.fromkeys([f"p{i}" for i in range(1, 9)])})
    assert all(d["p0"] == "test" for d in divisions)
    assert sorted(p for d in divisions for p, s in d.items() if s == "val") == [f"p{i}" for i in range(1, 9)]
    with pytest.raises(JsddpmError, match="already has splits"):
        k_fold(patients, 3, SplitRule(), {"p0": "train"})
    with pytest.raises(JsddpmError, match=r"10 folds from 9 patients.*use 2 to 9"):
        k_fold(patients, 10, SplitRule())

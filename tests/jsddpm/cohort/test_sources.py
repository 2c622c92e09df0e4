"""Sources name everything they cannot use; patients never cross splits."""

from __future__ import annotations

import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jsddpm.cohort.sources import read_cohort
from jsddpm.cohort.splits import assign_splits, split_patients
from jsddpm.errors import JsddpmError


def codes(source):
    return [p.code for p in read_cohort(source).problems]


def test_reads_a_bids_tree(bids):
    cohort = read_cohort(bids)
    assert cohort.problems == ()
    assert [(r.subject, r.group) for r in cohort.records] == [
        ("sub-00", "patient"), ("sub-01", "control"), ("sub-02", "patient"), ("sub-03", "control"),
    ]  # fmt: skip
    assert all(r.mask.name == f"{r.subject}_FLAIR_roi.nii.gz" for r in cohort.records)


def test_a_missing_mask_is_an_error_for_patients_only(bids):
    for subject in ("sub-00", "sub-01"):
        (bids / subject / "anat" / f"{subject}_FLAIR_roi.nii.gz").unlink()
    cohort = read_cohort(bids)
    assert [p.code for p in cohort.problems] == ["MASK_MISSING"]
    assert "sub-00" in str(cohort.problems[0])
    assert next(r for r in cohort.records if r.subject == "sub-01").mask is None


def test_two_runs_are_never_chosen_silently(bids):
    anat = bids / "sub-02" / "anat"
    shutil.copy(anat / "sub-02_FLAIR.nii.gz", anat / "sub-02_run-2_FLAIR.nii.gz")
    assert codes(bids) == ["BIDS_IMAGES"]


def test_an_empty_folder_says_so(tmp_path):
    with pytest.raises(JsddpmError, match="EMPTY"):
        read_cohort(tmp_path).require_clean()


def manifest(tmp_path, text, encoding="utf-8"):
    (tmp_path / "a.nii.gz").write_bytes(b"x")
    (tmp_path / "cohort.csv").write_bytes(text.encode(encoding))
    return tmp_path / "cohort.csv"


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_reads_spreadsheet_exports(tmp_path, separator):
    rows = ["image,mask,patient,group,split", "a.nii.gz,a.nii.gz,007,fcd,train", "a.nii.gz,,008,hc,test"]
    path = manifest(tmp_path, "\r\n".join(rows).replace(",", separator) + "\r\n", "utf-8-sig")
    cohort = read_cohort(path)
    assert cohort.problems == ()
    assert [(r.patient, r.split) for r in cohort.records] == [("007", "train"), ("008", "test")]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("image,mask\na.nii.gz,a.nii.gz\n", "MANIFEST"),
        ("image,mask,patient\n,a.nii.gz,p\n", "MANIFEST"),
        ("image,mask,patient\nnone.nii.gz,a.nii.gz,p\n", "MISSING"),
        ("image,mask,patient\na.nii.gz,,p\n", "MASK_MISSING"),
        ("image,mask,patient\na.nii.gz,a.nii.gz,p\na.nii.gz,a.nii.gz,p\n", "DUPLICATE"),
        ("image,mask,patient,split\na.nii.gz,a.nii.gz,p,training\n", "SPLIT"),
        (
            "image,mask,patient,session,split\na.nii.gz,a.nii.gz,p,1,train\na.nii.gz,a.nii.gz,p,2,test\n",
            "PATIENT_SPLIT",
        ),
    ],
)
def test_bad_manifests_are_named(tmp_path, text, code):
    assert codes(manifest(tmp_path, text)) == [code]


def test_every_problem_is_listed_and_the_first_is_raised_with_the_count(tmp_path):
    path = manifest(tmp_path, "image,patient,group\nx.nii.gz,a,hc\ny.nii.gz,b,hc\n")
    with pytest.raises(JsddpmError, match=r"x\.nii\.gz.*and 1 more"):
        read_cohort(path).require_clean()


@given(
    st.dictionaries(st.text("abcdef0", min_size=1, max_size=4), st.sampled_from(["x", "y"]), min_size=4, max_size=60)
)
def test_every_patient_has_one_split_and_groups_are_in_proportion(groups):
    splits = split_patients(groups, val=0.2, test=0.2, seed=3)
    assert set(splits) == set(groups)
    assert {"train", "val", "test"} == set(splits.values())
    wanted = max(1, round(0.2 * len(groups)))
    test = [p for p, s in splits.items() if s == "test"]
    assert len(test) == wanted
    share = sum(g == "x" for g in groups.values()) / len(groups)
    assert abs(sum(groups[p] == "x" for p in test) - share * wanted) <= 1


def test_the_split_is_repeatable_and_moves_with_its_seed():
    groups = {f"p{i}": "x" for i in range(40)}
    assert split_patients(groups, val=0.2, test=0.2, seed=1) == split_patients(groups, val=0.2, test=0.2, seed=1)
    assert split_patients(groups, val=0.2, test=0.2, seed=1) != split_patients(groups, val=0.2, test=0.2, seed=2)


@pytest.mark.parametrize(("val", "test"), [(0.5, 0.5), (-0.1, 0.1), (1.0, 0.0)])
def test_impossible_shares_are_refused(val, test):
    with pytest.raises(JsddpmError, match="SPLIT"):
        split_patients({"a": "x", "b": "x"}, val=val, test=test, seed=0)


def test_splits_of_the_manifest_win(tmp_path):
    path = manifest(tmp_path, "image,mask,patient,split\na.nii.gz,a.nii.gz,p,test\na.nii.gz,a.nii.gz,q,train\n")
    assert assign_splits(read_cohort(path).records, val=0.5, test=0.4, seed=0) == {"p": "test", "q": "train"}
    path = manifest(tmp_path, "image,mask,patient,split\na.nii.gz,a.nii.gz,p,test\na.nii.gz,a.nii.gz,q,\n")
    with pytest.raises(JsddpmError, match="SPLIT"):
        assign_splits(read_cohort(path).records, val=0.5, test=0.4, seed=0)

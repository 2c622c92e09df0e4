"""From NIfTI to store: every subject accounted for, the same bytes whatever the number of processes."""

from __future__ import annotations

import gzip
import os
import resource
import shutil
import signal
import struct
from dataclasses import replace

import numpy as np
import pytest

from crash import content, killed_at
from jsddpm.cohort.inspect import cohort_problems, inspect_records
from jsddpm.cohort.masks import TOO_LARGE, MaskReading
from jsddpm.cohort.nifti import open_nifti, write_nifti
from jsddpm.cohort.preprocess import Preprocessing
from jsddpm.cohort.records import Selection
from jsddpm.cohort.sources import read_cohort
from jsddpm.cohort.splits import SplitRule
from jsddpm.cohort.subject import LESION_OF_CONTROL, named
from jsddpm.errors import ExitStatus, JsddpmError
from jsddpm.slices.build import build_slice_cache
from jsddpm.slices.resplit import resplit
from jsddpm.slices.store import SliceStore
from jsddpm.slices.writer import BUILD_ONLY
from jsddpm_cli.contents import notes_of

SPEC = Preprocessing((24, 32, 28), (3.0, 3.0, 3.0))


def build(bids, out, **options):
    records = read_cohort(bids).require_clean()
    return build_slice_cache(records, out, spec=SPEC, split=SplitRule(0.25, 0.25), **options)


def test_keeps_every_slice_and_says_where_it_came_from(bids, tmp_path):
    outcomes = build(bids, tmp_path / "store")
    store = SliceStore(tmp_path / "store")
    assert [(o.subject, o.slices, o.problem) for o in outcomes] == [(f"sub-{s:02d}", 28, None) for s in range(4)]
    assert (store.size, store.n_slices, len(store.index)) == ((32, 24), 28, 4 * 28)
    for subject in store.subjects:
        assert subject["source"]["image"]["name"] == f"{subject['name']}_FLAIR.nii.gz"
        assert len(subject["source"]["image"]["sha256"]) == 64
    lesion = store.index["z_index"][(store.index["subject"] == 2) & (store.index["pathology"] == 1)]
    assert lesion.tolist() == list(range(10, 16))  # where the mask was written, on an unchanged grid
    assert store.verify() == []


def test_masks_that_mean_something_else_are_noted_in_the_store(bids, tmp_path):
    """Inverted masks, and controls with a lesion, passed a build without a word."""
    for path in bids.rglob("sub-02*_roi.nii.gz"):
        mask = open_nifti(path)
        write_nifti(path, (mask.data == 0).astype(np.uint8), mask.affine)
    records = [replace(r, group="control" if r.subject == "sub-00" else r.group) for r in read_cohort(bids).records]
    outcomes = {o.subject: o.notes for o in build_slice_cache(records, tmp_path / "store", spec=SPEC)}
    assert outcomes == {"sub-00": (LESION_OF_CONTROL,), "sub-01": (), "sub-02": (TOO_LARGE,), "sub-03": ()}
    assert notes_of(SliceStore(tmp_path / "store")) == [("sub-00", LESION_OF_CONTROL), ("sub-02", TOO_LARGE)]


@pytest.mark.long
def test_bytes_do_not_depend_on_the_number_of_processes(bids, tmp_path):
    build(bids, tmp_path / "one")
    build(bids, tmp_path / "two", jobs=2)
    assert SliceStore(tmp_path / "one").fingerprint == SliceStore(tmp_path / "two").fingerprint


def damage(bids):
    path = bids / "sub-02" / "anat" / "sub-02_FLAIR.nii.gz"
    path.write_bytes(path.read_bytes()[:-40])
    return path


def test_one_bad_file_stops_the_build_by_name(bids, tmp_path):
    path = damage(bids)
    with pytest.raises(JsddpmError, match=f"NIFTI_.*{path.name}.*--skip-bad"):
        build(bids, tmp_path / "store")
    assert not (tmp_path / "store").exists()
    with pytest.raises(JsddpmError, match=r"UNFINISHED.*--resume"):
        build(bids, tmp_path / "store")
    with pytest.raises(JsddpmError, match=r"STORE_INCOMPLETE.*after 3 subjects.*--resume"):
        SliceStore(tmp_path / "store")


def test_or_is_left_out_with_its_reason(bids, tmp_path):
    damage(bids)
    outcomes = build(bids, tmp_path / "store", skip_bad=True)
    assert [o.problem is not None for o in outcomes] == [False, False, True, False]
    assert "sub-02" not in set(SliceStore(tmp_path / "store").patients)


def relabelled(bids, mapping):
    """The manifest of the cohort with other patients and splits by subject."""
    rows = ["image,mask,patient,session,group,split"]
    for subject, (patient, split) in mapping.items():
        names = (f"{subject}/anat/{subject}_{name}.nii.gz" for name in ("FLAIR", "FLAIR_roi"))
        rows.append(",".join([*names, patient, subject[-2:], "fcd", split]))
    (bids / "cohort.csv").write_text("\n".join(rows))
    return read_cohort(bids / "cohort.csv")


@pytest.mark.parametrize(
    ("second", "split", "code"),
    [("007", "test", "PATIENT_NAME"), ("7", "test", "PATIENT_SPLIT"), ("7", "", "PATIENT_SPLIT")],
)
def test_nobody_is_parted_by_leaving_out_what_is_bad(bids, tmp_path, second, split, code):
    """Two spellings, two splits: with skip_bad both images were kept, in train and in test."""
    people = {"sub-00": ("7", "train"), "sub-01": (second, split), "sub-02": ("b", "train"), "sub-03": ("c", "val")}
    cohort = relabelled(bids, people)
    with pytest.raises(JsddpmError, match=code):
        cohort.without_bad()
    with pytest.raises(JsddpmError, match=code):
        build_slice_cache(cohort.records, tmp_path / "store", spec=SPEC, skip_bad=True)
    assert list(tmp_path.glob("*store*")) == []


@pytest.mark.parametrize("second", ["sub-00", "SUB-00"])
def test_a_name_given_twice_is_refused_before_an_image_is_read(bids, tmp_path, second):
    """One file took the place of the other, and then both seemed to have the same image."""
    records = read_cohort(bids).require_clean()
    twice = [*records[:3], replace(records[3], subject=second, patient=records[0].patient)]
    with pytest.raises(JsddpmError, match=r"DUPLICATE.*sub-03_FLAIR.*sub-00 (occurs 2 times|differ only in upper)"):
        build_slice_cache(twice, tmp_path / "store", spec=SPEC, skip_bad=True)
    assert list(tmp_path.glob("*store*")) == []


@pytest.mark.parametrize("level", [1, 9], ids=["gzipped-again", "gzipped-better"])
def test_one_image_under_two_names_is_found_by_its_voxels(bids, tmp_path, level):
    """Compressed again it has other bytes, and was in train and in test."""
    first, second = (bids / f"sub-{s:02d}" / "anat" / f"sub-{s:02d}_FLAIR.nii.gz" for s in (0, 3))
    second.write_bytes(gzip.compress(gzip.decompress(first.read_bytes()), level))
    assert first.read_bytes() != second.read_bytes()
    with pytest.raises(JsddpmError, match=r"sub-03_FLAIR.*sub-00 and sub-03 have the same image"):
        build(bids, tmp_path / "store", skip_bad=True)
    records = read_cohort(bids).records
    found = cohort_problems(records, inspect_records(records), MaskReading())
    assert [(p.code, p.file) for p in found] == [("SAME_IMAGE", str(second))]


def test_one_person_under_two_names_is_noted_by_the_lesion(bids, tmp_path):
    """The images differ in every voxel, as a second scan or a resampled copy does; the masks are equal."""
    with_lesion, other = sorted(bids.glob("sub-*/anat/*_roi.nii.gz"))[:2]
    other.write_bytes(with_lesion.read_bytes())
    names = [path.name.split("_")[0] for path in (with_lesion, other)]
    expected = {
        one: f"its lesion mask equals that of {two}: if they are one person, give all scans one patient name"
        for one, two in (names, names[::-1])
    }
    outcomes = build(bids, tmp_path / "store")
    inspected = inspect_records(read_cohort(bids).records)
    for of_all in (outcomes, inspected):
        assert {o.subject: n for o in of_all for n in o.notes if "lesion mask equals" in n} == expected
    notes = {s["name"]: s["notes"] for s in SliceStore(tmp_path / "store").subjects}
    assert {name for name, of_subject in notes.items() if expected.get(name) in of_subject} == set(names)


def test_a_wild_affine_has_a_name_and_is_left_out(bids, tmp_path):
    """What a library raised ended the build of everybody, and said of nobody."""
    folder = bids / "sub-02" / "anat"
    for path in folder.iterdir():
        content = bytearray(gzip.decompress(path.read_bytes()))
        struct.pack_into("<12f", content, 280, 800, 0, 0, 0, 0, 300, 0, 0, 0, 0, 0.002, 0)
        path.write_bytes(gzip.compress(content))
    with pytest.raises(JsddpmError, match=r"sub-02_FLAIR\.nii\.gz"):
        build(bids, tmp_path / "store")
    outcomes = build(bids, tmp_path / "without", skip_bad=True)
    assert [o.subject for o in outcomes if o.problem] == ["sub-02"]
    assert outcomes[2].problem.file == str(folder / "sub-02_FLAIR.nii.gz")


def test_whatever_a_library_raises_has_the_name_of_the_image(bids):
    record = read_cohort(bids).records[0]
    with pytest.raises(JsddpmError, match=r"sub-00_FLAIR.*FloatingPointError: underflow") as caught, named(record):
        raise FloatingPointError("underflow")
    assert (caught.value.code, caught.value.status) == ("IMAGE", 3)
    with pytest.raises(JsddpmError, match=r"sub-00_FLAIR") as caught, named(record):
        raise MemoryError
    assert (caught.value.code, caught.value.status) == ("MEMORY", 5)


@pytest.mark.parametrize(
    ("reading", "message"),
    [
        (MaskReading((1, 99)), r"no mask has the label 99; fix: use labels that occur: 0, 1$"),
        (
            MaskReading(threshold=7.0),
            r"no mask has a value above the threshold 7; fix: lower the threshold: mask values range from 0 to 1$",
        ),
    ],
)
def test_a_reading_that_no_mask_bears_out_is_refused_and_leaves_nothing(bids, tmp_path, reading, message):
    """It made a store without one lesion, and exit status 0."""
    with pytest.raises(JsddpmError, match=message) as caught:
        build(bids, tmp_path / "store", masks=reading)
    assert (caught.value.code, caught.value.status) == ("MASK_READING", 3)
    build(bids, tmp_path / "store", masks=MaskReading((1,)))
    assert (SliceStore(tmp_path / "store").index["pathology"] == 1).any()


def test_a_store_does_not_keep_what_only_a_build_needs(bids, tmp_path):
    build(bids, tmp_path / "store")
    assert all(BUILD_ONLY not in subject for subject in SliceStore(tmp_path / "store").subjects)


def test_when_all_are_bad_the_first_cause_is_given(bids, tmp_path):
    for path in bids.rglob("*_FLAIR.nii.gz"):
        path.write_bytes(b"")
    with pytest.raises(JsddpmError, match=r"NIFTI_EMPTY.*3 more of 4"):
        build(bids, tmp_path / "store", skip_bad=True)


def test_images_lie_in_the_unit_range(bids, tmp_path):
    build(bids, tmp_path / "store")
    store = SliceStore(tmp_path / "store")
    images = store.images(np.arange(len(store.index)))
    assert (images.min(), images.max()) == (0, 1)


def test_a_mended_cohort_is_finished_to_the_same_bytes(bids, tmp_path):
    build(bids, tmp_path / "whole")
    path = bids / "sub-02" / "anat" / "sub-02_FLAIR.nii.gz"
    clean = path.read_bytes()
    damage(bids)
    with pytest.raises(JsddpmError, match="then continue with --resume"):
        build(bids, tmp_path / "store")
    path.write_bytes(clean)
    outcomes = build(bids, tmp_path / "store", resume=True)
    assert [o.reused for o in outcomes] == [True, True, False, True]
    assert content(tmp_path / "store") == content(tmp_path / "whole")
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(".")) == []


def stop_at_the_last(bids, out):
    """A build that is refused because of its last image, which is sound again afterwards; its bytes are returned."""
    last = bids / "sub-03" / "anat" / "sub-03_FLAIR.nii.gz"
    clean = last.read_bytes()
    last.write_bytes(b"")
    with pytest.raises(JsddpmError, match="NIFTI_EMPTY"):
        build(bids, out)
    last.write_bytes(clean)
    return clean


def test_a_corrected_table_counts_when_the_build_goes_on(bids, tmp_path):
    """The finished subjects kept patient, session and group of the first attempt."""
    stop_at_the_last(bids, tmp_path / "store")
    first, *others = read_cohort(bids).records
    corrected = [replace(first, patient="anna", session="2", group="control"), *others]
    outcomes = build_slice_cache(corrected, tmp_path / "store", spec=SPEC, split=SplitRule(0.25, 0.25), resume=True)
    assert [o.reused for o in outcomes] == [True, True, True, False]
    entry = SliceStore(tmp_path / "store").subjects[0]
    assert (entry["name"], entry["patient"], entry["session"], entry["group"]) == ("sub-00", "anna", "2", "control")


def test_a_removed_patient_is_in_no_file_when_the_build_goes_on(bids, tmp_path):
    """The arrays of a patient who withdrew between two attempts were published."""
    damage(bids)
    with pytest.raises(JsddpmError, match="NIFTI_"):
        build(bids, tmp_path / "store")
    assert list((tmp_path / ".store.building" / "arrays").glob("sub-00*"))
    kept = [r for r in read_cohort(bids).records if r.subject in ("sub-01", "sub-03")]
    build_slice_cache(kept, tmp_path / "store", spec=SPEC, split=SplitRule(0.5, 0), resume=True)
    names = {f"sub-{s}.{kind}.npy" for s in ("01", "03") for kind in ("image", "mask")}
    assert {p.name for p in (tmp_path / "store" / "arrays").iterdir()} == names
    assert not [p for p in (tmp_path / "store").rglob("*") if "sub-00" in p.name or b"sub-00" in bytes_of(p)]


def bytes_of(path):
    return path.read_bytes() if path.is_file() else b""


def test_finished_subjects_are_done_again_when_they_or_their_files_changed(bids, tmp_path):
    clean = stop_at_the_last(bids, tmp_path / "store")
    array = tmp_path / ".store.building" / "arrays" / "sub-00.image.npy"
    array.write_bytes(array.read_bytes()[:-1] + b"\1")
    for name in ("FLAIR", "FLAIR_roi"):
        folder = bids / "sub-01" / "anat"
        (folder / f"sub-01_{name}.nii.gz").write_bytes(
            (bids / "sub-02" / "anat" / f"sub-02_{name}.nii.gz").read_bytes()
        )
    (bids / "sub-02" / "anat" / "sub-02_FLAIR.nii.gz").write_bytes(clean)
    with pytest.raises(JsddpmError, match=r"SAME_IMAGE.*sub-02 and sub-03"):
        build(bids, tmp_path / "store", resume=True)


def test_another_plan_is_not_mixed_in(bids, tmp_path):
    damage(bids)
    with pytest.raises(JsddpmError, match="NIFTI_"):
        build(bids, tmp_path / "store")
    other = Preprocessing((24, 32, 28), (3.0, 3.0, 2.5))
    with pytest.raises(JsddpmError, match=r"PLAN_DIFFERS.*spacing: \[3.0, 3.0, 3.0\] then, \[3.0, 3.0, 2.5\] now"):
        build_slice_cache(read_cohort(bids).records, tmp_path / "store", spec=other, resume=True)


@pytest.mark.parametrize("moment", range(0, 30, 5))
def test_killed_at_any_moment_it_resumes_to_the_same_bytes(bids, tmp_path, moment):
    """A child is killed at its n-th call that changes the disk; then the build goes on."""
    build(bids, tmp_path / "whole")
    assert killed_at(moment, lambda: build(bids, tmp_path / "store"))
    with pytest.raises(JsddpmError, match=r"STORE_INCOMPLETE|MISSING"):
        SliceStore(tmp_path / "store")
    build(bids, tmp_path / "store", resume=True)
    assert content(tmp_path / "store") == content(tmp_path / "whole")


def test_two_builders_never_mix(bids, tmp_path):
    seen = []

    def second(outcome):
        with pytest.raises(JsddpmError, match=f"LOCKED.*process {os.getpid()}"):
            build(bids, tmp_path / "store", resume=True)
        seen.append(outcome.subject)

    build(bids, tmp_path / "store", progress=second)
    assert len(seen) == 4
    assert SliceStore(tmp_path / "store").verify() == []


def test_a_full_disk_is_an_error_and_the_build_can_go_on(bids, tmp_path):
    build(bids, tmp_path / "whole")
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
        try:
            build(bids, tmp_path / "store")
        except JsddpmError as error:
            os._exit(error.status if error.code == "DISK_FULL" else 1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == ExitStatus.ENVIRONMENT
    assert not list((tmp_path).rglob("*.partial"))
    build(bids, tmp_path / "store", resume=True)
    assert content(tmp_path / "store") == content(tmp_path / "whole")


def test_an_automatic_range_comes_from_training_patients_alone(bids, tmp_path):
    build(bids, tmp_path / "store", z_range="auto")
    store = SliceStore(tmp_path / "store")
    area = np.zeros(28)
    for z in range(28):
        rows = (store.index["z_index"] == z) & (store.index["split"] == 0)
        area[z] = store.index["brain_fraction"][rows].mean()
    used = [z for z in range(28) if area[z] >= area.max() / 4]
    assert store.z_range == (used[0], used[-1])
    assert 0 < used[0] < used[-1] < 27
    lesion = store.info["z_range"]["training_lesion_slices"]
    rows = (store.index["split"] == 0) & (store.index["pathology"] == 1)
    assert lesion == {"inside": int(rows.sum()), "all": int(rows.sum())}
    build(bids, tmp_path / "given", z_range=(3, 20))
    assert SliceStore(tmp_path / "given").z_range == (3, 20)


@pytest.mark.parametrize(
    ("splits", "options", "code"),
    [
        (["train", "train", "val", "test"], {"z_range": (3, 28)}, "Z_RANGE"),
        (["train", "", "val", "test"], {}, "SPLIT.*1 patient has no split"),
        (["", "", "", ""], {"split": SplitRule(0.9, 0.05)}, "SPLIT.*lower --val"),
        (["test"] * 4, {"z_range": "auto"}, "Z_RANGE.*there is none"),
        (
            [""] * 4,
            {"spec": replace(SPEC, shape=(99999, 99999, 40))},
            r"SHAPE.*--shape 99999 99999 40 needs 1\.49e\+03 GiB",
        ),
        ([""] * 4, {"max_volume_bytes": 4 * 24 * 32 * 28 - 1}, "SHAPE.*--shape 24 32 28"),
    ],
)
def test_a_request_that_cannot_be_met_is_refused_before_an_image_is_read(bids, tmp_path, splits, options, code):
    """It was refused after the last image, which may take hours."""
    records = relabelled(bids, {f"sub-{s:02d}": (f"p{s}", split) for s, split in enumerate(splits)}).records
    for path in bids.rglob("*_FLAIR.nii.gz"):
        path.write_bytes(b"")
    with pytest.raises(JsddpmError, match=code) as caught:
        build_slice_cache(records, tmp_path / "store", **{"spec": SPEC} | options)
    assert (caught.value.status, list(tmp_path.glob("*store*"))) == (2, [])


def test_an_external_test_set_is_a_store(bids, tmp_path):
    records = relabelled(bids, {f"sub-{s:02d}": (f"p{s}", "test") for s in range(4)}).records
    build_slice_cache(records, tmp_path / "store", spec=SPEC, z_range=(3, 20))
    store = SliceStore(tmp_path / "store")
    assert len(store.select(split="test")) == len(store.index) == 4 * 28
    assert (store.z_range, store.info["z_range"]["training_lesion_slices"]) == ((3, 20), {"inside": 0, "all": 0})


def test_the_same_cohort_in_another_layout_gives_the_same_slices(bids, tmp_path):
    build(bids, tmp_path / "a")
    root = tmp_path / "BraTS"
    for s in range(4):
        (root / f"sub-{s:02d}x").mkdir(parents=True)
        for suffix, name in (("flair", "FLAIR"), ("seg", "FLAIR_roi")):
            source = bids / f"sub-{s:02d}" / "anat" / f"sub-{s:02d}_{name}.nii.gz"
            shutil.copy(source, root / f"sub-{s:02d}x" / f"sub-{s:02d}x_{suffix}.nii.gz")
    cohort = read_cohort(root, layout="brats", selection=Selection(controls=("sub-01x", "sub-03x")))
    build_slice_cache(cohort.require_clean(), tmp_path / "b", spec=SPEC, split=SplitRule(0.25, 0.25))
    a, b = SliceStore(tmp_path / "a"), SliceStore(tmp_path / "b")
    assert np.array_equal(a.index, b.index)


def test_another_division_shares_the_slices(bids, tmp_path):
    build(bids, tmp_path / "store", z_range="auto")
    first = SliceStore(tmp_path / "store")
    table = tmp_path / "fold.csv"
    table.write_text("patient,split\nsub-00,test\nsub-01,val\nsub-02,train\nsub-03,train\n")
    again = SliceStore(resplit(first, table, tmp_path / "again"))
    assert [s["split"] for s in again.subjects] == ["test", "val", "train", "train"]
    assert set(again.patients[again.select(split="test")]) == {"sub-00"}
    assert again.verify() == []
    rows = np.arange(len(first.index))
    assert np.array_equal(first.images(rows), again.images(rows))
    arrays = [p / "arrays" / "sub-02.image.npy" for p in (first.path, again.path)]
    assert arrays[0].samefile(arrays[1])
    table.write_text("patient,split\nsub-00,test\nsub-01,val\nsub-02,train\n")
    with pytest.raises(JsddpmError, match="sub-03 has no split"):
        resplit(first, table, tmp_path / "third")

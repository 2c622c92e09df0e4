"""Sources name everything they cannot use; patients never cross splits."""

from __future__ import annotations

import os
import shutil
import unicodedata

import numpy as np
import pytest

from calls import open_to_all
from jsddpm.cohort.inspect import inspect_records
from jsddpm.cohort.nifti import write_nifti
from jsddpm.cohort.records import Selection, manifest_rows
from jsddpm.cohort.sources import read_cohort
from jsddpm.csvfiles import to_csv
from jsddpm.errors import JsddpmError
from jsddpm.slices.writer import Shard, write_shard


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


def test_participants_may_be_named_with_or_without_sub(bids):
    """Without it, all groups were lost: controls without a mask were refused."""
    table = bids / "participants.tsv"
    table.write_text(table.read_text().replace("sub-01", "01").replace("sub-02", "02"))
    cohort = read_cohort(bids)
    assert [(r.subject, r.group) for r in cohort.records] == [
        ("sub-00", "patient"), ("sub-01", "control"), ("sub-02", "patient"), ("sub-03", "control"),
    ]  # fmt: skip
    header = table.read_text().split("\n")[0].split("\t")
    row = "\t".join({"participant_id": "sub-01", "group": "fcd"}.get(name, "x") for name in header)
    table.write_text(table.read_text().rstrip("\n") + f"\n{row}\n")
    problems = read_cohort(bids).problems
    assert [(p.code, p.file) for p in problems] == [("PARTICIPANTS", str(table))]
    assert "sub-01" in problems[0].what


def test_a_table_without_groups_is_named_where_a_mask_is_missing(bids):
    """Controls that ``participants.tsv`` declares in a column of another name look like patients without a mask."""
    table = bids / "participants.tsv"
    table.write_text(table.read_text().replace("group", "diagnosis"))
    for mask in bids.glob("sub-*/anat/*_roi.nii.gz"):
        mask.unlink()
    problems = read_cohort(bids).problems
    assert {p.code for p in problems} == {"MASK_MISSING"}
    heading = ", ".join(table.read_text().split("\n")[0].split("\t"))
    assert all(f"(participants.tsv has no column group; it has {heading})" in p.what for p in problems)


def test_images_of_another_suffix_are_named(bids):
    problems = read_cohort(bids, selection=Selection(modality="T2w")).problems
    assert {p.code for p in problems} == {"BIDS_IMAGES"}
    assert all("suffixes: FLAIR, roi" in p.fix for p in problems)


def test_two_runs_are_never_chosen_silently(bids):
    anat = bids / "sub-02" / "anat"
    shutil.copy(anat / "sub-02_FLAIR.nii.gz", anat / "sub-02_run-2_FLAIR.nii.gz")
    shutil.copy(anat / "sub-02_FLAIR_roi.nii.gz", anat / "sub-02_run-2_FLAIR_roi.nii.gz")
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
        ("image,mask,patient\na.nii.gz,a.nii.gz\n", "MANIFEST"),
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


def test_one_image_of_several_is_chosen_by_the_rule_and_said(bids):
    anat = bids / "sub-02" / "anat"
    shutil.copy(anat / "sub-02_FLAIR.nii.gz", anat / "sub-02_acq-T2sel_FLAIR.nii.gz")
    chosen = {r.subject: r for r in read_cohort(bids).records}["sub-02"]
    assert (chosen.image.name, chosen.note) == ("sub-02_FLAIR.nii.gz", "of 2 images, the one with a lesion mask")
    shutil.copy(anat / "sub-02_FLAIR_roi.nii.gz", anat / "sub-02_acq-T2sel_FLAIR_roi.nii.gz")
    assert codes(bids) == ["BIDS_IMAGES"]
    for folder in bids.glob("sub-0[013]/anat"):
        for path in folder.iterdir():
            path.rename(folder / path.name.replace("_FLAIR", "_acq-T2sel_FLAIR"))
    cohort = read_cohort(bids, selection=Selection(entities={"acq": "T2sel"}))
    assert cohort.problems == ()
    assert {r.image.name for r in cohort.records} == {f"sub-{s:02d}_acq-T2sel_FLAIR.nii.gz" for s in range(4)}


@pytest.mark.parametrize(("run", "name"), [("first", "run-2"), ("last", "run-10")])
def test_runs_are_taken_by_number_when_asked(bids, run, name):
    anat = bids / "sub-01" / "anat"
    for number in (10, 2):
        shutil.copy(anat / "sub-01_FLAIR.nii.gz", anat / f"sub-01_run-{number}_FLAIR.nii.gz")
        shutil.copy(anat / "sub-01_FLAIR_roi.nii.gz", anat / f"sub-01_run-{number}_FLAIR_roi.nii.gz")
    (anat / "sub-01_FLAIR.nii.gz").unlink()
    cohort = read_cohort(bids, selection=Selection(run=run))
    assert [r.image.name for r in cohort.records if r.subject == "sub-01"] == [f"sub-01_{name}_FLAIR.nii.gz"]


def test_masks_of_bids_derivatives_are_found(bids):
    anat = bids / "sub-00" / "anat"
    folder = bids / "derivatives" / "lesions" / "sub-00" / "anat"
    folder.mkdir(parents=True)
    (anat / "sub-00_FLAIR_roi.nii.gz").rename(folder / "sub-00_label-lesion_mask.nii.gz")
    cohort = read_cohort(bids)
    assert cohort.problems == ()
    assert cohort.records[0].mask.parent == folder
    shutil.copy(folder / "sub-00_label-lesion_mask.nii.gz", folder / "sub-00_label-lesion_desc-b_mask.nii.gz")
    assert codes(bids) == ["BIDS_MASKS"]


def masked_by(bids, *names, images=("sub-00_FLAIR", "sub-00_run-2_FLAIR")):
    """The first subject with these images, and with its mask under these names."""
    anat = bids / "sub-00" / "anat"
    mask = (anat / "sub-00_FLAIR_roi.nii.gz").read_bytes()
    (anat / "sub-00_FLAIR_roi.nii.gz").unlink()
    for image in images:
        if not (anat / f"{image}.nii.gz").exists():
            shutil.copy(anat / "sub-00_FLAIR.nii.gz", anat / f"{image}.nii.gz")
    if "sub-00_FLAIR" not in images:
        (anat / "sub-00_FLAIR.nii.gz").unlink()
    for name in names:
        (anat / f"{name}_mask.nii.gz").write_bytes(mask)
    return read_cohort(bids)


def of_first(cohort):
    [record] = [r for r in cohort.records if r.subject == "sub-00"]
    return record.image.name.split(".")[0], record.mask.name.split(".")[0], record.note


@pytest.mark.parametrize("entity", ["run-2", "acq-T2sel"])
def test_a_mask_is_that_of_the_image_that_it_names(bids, entity):
    """An image got the mask of another run, because it has no entity that the mask lacks."""
    two = ("sub-00_FLAIR", f"sub-00_{entity}_FLAIR")
    found = of_first(masked_by(bids, f"sub-00_{entity}_label-lesion", images=two))
    assert found == (two[1], f"sub-00_{entity}_label-lesion_mask", "of 2 images, the one with a lesion mask")


def test_a_mask_of_a_run_that_is_not_there_is_no_mask(bids):
    cohort = masked_by(bids, "sub-00_run-2_label-lesion", images=["sub-00_FLAIR"])
    [problem] = cohort.problems
    assert problem.code == "MASK_MISSING"
    assert "sub-00_run-2_label-lesion_mask.nii.gz is of another session, acquisition or run" in problem.what


def test_a_mask_may_say_more_than_its_image(bids):
    found = of_first(masked_by(bids, "sub-00_run-2_desc-b_label-lesion", images=["sub-00_run-2_FLAIR"]))
    assert found == ("sub-00_run-2_FLAIR", "sub-00_run-2_desc-b_label-lesion_mask", "")


def test_a_mask_that_is_named_as_one_in_another_space_is_the_last_choice_and_said(bids):
    found = of_first(masked_by(bids, "sub-00_space-T1w_label-lesion", images=["sub-00_FLAIR"]))
    assert found[1:] == ("sub-00_space-T1w_label-lesion_mask", "its mask is named as one in the space T1w")
    anat = bids / "sub-00" / "anat"
    shutil.copy(anat / "sub-00_space-T1w_label-lesion_mask.nii.gz", anat / "sub-00_label-lesion_mask.nii.gz")
    assert of_first(read_cohort(bids))[1:] == ("sub-00_label-lesion_mask", "")


def test_masks_of_one_name_are_told_apart_by_their_folders(bids):
    """One name was written twice."""
    masked_by(bids, images=["sub-00_FLAIR"])
    places = [bids / "derivatives" / name / "sub-00" / "anat" for name in "xy"]
    for place in places:
        place.mkdir(parents=True)
        shutil.copy(bids / "sub-01/anat/sub-01_FLAIR_roi.nii.gz", place / "sub-00_label-lesion_mask.nii.gz")
    [problem] = read_cohort(bids).problems
    assert problem.code == "BIDS_MASKS"
    assert all(f"derivatives/{name}/sub-00/anat/sub-00_label-lesion_mask.nii.gz" in problem.what for name in "xy")


def test_an_image_of_another_patient_in_a_folder_is_named(bids):
    anat = bids / "sub-02" / "anat"
    for path in anat.iterdir():
        path.rename(anat / path.name.replace("sub-02", "sub-99"))
    [problem] = read_cohort(bids).problems
    assert (problem.code, problem.what) == ("BIDS_IMAGES", "sub-99_FLAIR.nii.gz lies in the folder of sub-02")


@pytest.mark.parametrize("layout", ["bids", "nnunet"])
def test_files_that_macos_writes_are_no_images(bids, tmp_path, layout):
    """They made two images of each session, and cases of their own."""
    root = bids if layout == "bids" else nnunet(tmp_path / "nn", bids)
    expected = read_cohort(root, selection=Selection(controls=("sub-01", "sub-03")))
    assert expected.problems == ()
    for path in [*root.rglob("*.nii.gz")]:
        (path.parent / f"._{path.name}").write_bytes(b"\0\5\x16\7" + bytes(100))
    assert read_cohort(root, selection=Selection(controls=("sub-01", "sub-03"))) == expected


def participants(bids, old, new):
    table = bids / "participants.tsv"
    assert old in table.read_text()
    table.write_text(table.read_text().replace(old, new))


@pytest.mark.parametrize("name", ["Sub-01", "sub-1", "1"])
def test_a_control_whose_row_is_spelled_otherwise_is_told_its_row(bids, name):
    (bids / "sub-01" / "anat" / "sub-01_FLAIR_roi.nii.gz").unlink()
    participants(bids, "sub-01", name)
    [problem] = read_cohort(bids).problems
    assert problem.code == "MASK_MISSING"
    assert f"(participants.tsv names {name.removeprefix('sub-')} instead of 01)" in problem.what


def test_a_group_is_the_same_in_capitals(bids):
    table = bids / "participants.tsv"
    head, row = table.read_text().splitlines()[:2]
    table.write_text(table.read_text().rstrip("\n") + f"\n{row.upper().replace('SUB', 'sub')}\n")
    assert (head.split("\t")[0], codes(bids)) == ("participant_id", [])


def test_a_quotation_mark_in_a_cell_is_named_by_its_line(bids):
    table = bids / "participants.tsv"
    lines = table.read_text().splitlines()
    lines[2] = lines[2].rpartition("\t")[0] + '\t"5 ft" tall'
    table.write_text("\n".join(lines))
    problem = read_cohort(bids).problems[0]
    assert (problem.code, "line 3: " in problem.what) == ("TABLE", True)
    assert "remove the quotation mark" in problem.fix


def nnunet(root, bids, channels='{"0": "T1", "1": "FLAIR"}'):
    """The BIDS cohort as nnU-Net stores it: two channels, the last case in the test set."""
    for number, (part, labels) in enumerate((("imagesTr", "labelsTr"),) * 3 + (("imagesTs", "labelsTs"),)):
        anat = bids / f"sub-{number:02d}" / "anat"
        for folder in (part, labels):
            (root / folder).mkdir(parents=True, exist_ok=True)
        for channel in (0, 1):
            shutil.copy(anat / f"sub-{number:02d}_FLAIR.nii.gz", root / part / f"sub-{number:02d}_{channel:04d}.nii.gz")
        shutil.copy(anat / f"sub-{number:02d}_FLAIR_roi.nii.gz", root / labels / f"sub-{number:02d}.nii.gz")
    (root / "dataset.json").write_text(f'{{"channel_names": {channels}, "labels": {{"lesion": 1}}}}')
    return root


def test_reads_nnunet_folders(bids, tmp_path):
    cohort = read_cohort(nnunet(tmp_path / "nn", bids), selection=Selection(controls=("sub-01", "sub-03")))
    assert (cohort.layout, cohort.problems) == ("nnunet", ())
    assert [(r.patient, r.group, r.image.name, r.split) for r in cohort.records] == [
        ("sub-00", "patient", "sub-00_0001.nii.gz", None),
        ("sub-01", "control", "sub-01_0001.nii.gz", None),
        ("sub-02", "patient", "sub-02_0001.nii.gz", None),
        ("sub-03", "control", "sub-03_0001.nii.gz", "test"),
    ]
    (tmp_path / "nn" / "labelsTr" / "sub-00.nii.gz").unlink()
    (tmp_path / "nn" / "imagesTr" / "sub-02_0001.nii.gz").unlink()
    assert codes(tmp_path / "nn") == ["MASK_MISSING", "NNUNET_CHANNEL"]


@pytest.mark.parametrize(
    ("folder", "name", "code"),
    [
        ("imagesTr", "sub-02_0001.nii", "NNUNET_FILES"),
        ("imagesTr", "sub-02_0000.nii", None),  # of another channel
        ("labelsTr", "sub-02.nii", "NNUNET_FILES"),
        ("labelsTr", "sub-02.nii.bak", None),
    ],
)
def test_of_two_files_for_one_case_none_is_chosen_silently(bids, tmp_path, folder, name, code):
    """The later image and the earlier label were used."""
    root = nnunet(tmp_path / "nn", bids)
    (root / folder / name).write_bytes(b"")
    cohort = read_cohort(root, selection=Selection(controls=("sub-01", "sub-03")))
    found = [(p.code, p.file, p.what) for p in cohort.problems]
    assert found == ([(code, str(root / folder), f"sub-02 has {name} and {name}.gz")] if code else [])
    assert [r.mask.name for r in cohort.records if r.patient == "sub-02"] == ([] if code else ["sub-02.nii.gz"])


@pytest.mark.parametrize(("wanted", "channel"), [("T1", 0), ("t1ce", 1), ("ce", 1)])
def test_a_channel_of_exactly_that_name_is_meant(bids, tmp_path, wanted, channel):
    """T1 was refused beside T1ce, which contains it."""
    root = nnunet(tmp_path / "nn", bids, '{"0": "T1", "1": "T1ce"}')
    records = read_cohort(root, selection=Selection(wanted, controls=("sub-01", "sub-03"))).require_clean()
    assert {r.image.name.split("_")[1] for r in records} == {f"{channel:04d}.nii.gz"}


@pytest.mark.parametrize("channels", ['["FLAIR", "T1"]', '{"FLAIR": 0}', '"FLAIR"', "1"])
def test_channels_that_are_no_mapping_are_named(bids, tmp_path, channels):
    """A list was an internal error."""
    root = nnunet(tmp_path / "nn", bids, channels)
    with pytest.raises(JsddpmError, match=r"NNUNET_CHANNEL.*dataset.json: channel_names is not a mapping"):
        read_cohort(root).require_clean()


def test_an_unnamed_nnunet_channel_is_not_guessed(bids, tmp_path):
    root = nnunet(tmp_path / "nn", bids, '{"0": "a", "1": "b"}')
    with pytest.raises(JsddpmError, match=r"channels: 0 a, 1 b.*--modality"):
        read_cohort(root).require_clean()
    assert read_cohort(root, selection=Selection("0")).records[0].image.name == "sub-00_0000.nii.gz"


@pytest.mark.parametrize(
    ("cases", "join", "suffix", "expected"),
    [
        (
            ["BraTS-GLI-00002-000", "BraTS-GLI-00002-001"],
            "-",
            "t2f",
            [("BraTS-GLI-00002", "000"), ("BraTS-GLI-00002", "001")],
        ),
        (["BraTS20_Training_001"], "_", "flair", [("BraTS20_Training_001", "")]),
    ],
)
def test_reads_brats_folders_and_knows_visits(bids, tmp_path, cases, join, suffix, expected):
    for case in cases:
        folder = tmp_path / "brats" / case
        folder.mkdir(parents=True)
        for name in (suffix, "t1ce", "seg"):
            shutil.copy(bids / "sub-00" / "anat" / "sub-00_FLAIR.nii.gz", folder / f"{case}{join}{name}.nii.gz")
    cohort = read_cohort(tmp_path / "brats")
    assert (cohort.layout, cohort.problems) == ("brats", ())
    assert [(r.patient, r.session) for r in cohort.records] == expected
    assert all(r.image.name.endswith(f"{suffix}.nii.gz") for r in cohort.records)
    (folder / f"{cases[-1]}{join}{suffix}.nii.gz").unlink()
    assert codes(tmp_path / "brats") == ["BRATS_FILES"]


@pytest.mark.parametrize(
    ("a", "b", "code"),
    [
        ("007", "7", "PATIENT_NAME"), ("P1", "p01", "PATIENT_NAME"), ("P1", "p1", "DUPLICATE"),
        ("1", "1.0", "PATIENT_NAME"), ("p1", "p1\u200b", "PATIENT_NAME"), ("sub 1", "sub1", "PATIENT_NAME"),
    ],
)  # fmt: skip
def test_one_person_is_not_written_two_ways(tmp_path, a, b, code):
    path = manifest(tmp_path, f"image,mask,patient\na.nii.gz,a.nii.gz,{a}\na.nii.gz,a.nii.gz,{b}\n")
    assert codes(path) == [code]
    if code == "DUPLICATE":
        assert "P1 and p1 differ only in upper and lower case" in str(read_cohort(path).problems[0])


@pytest.mark.parametrize(("a", "b"), [("sub-1_1", "sub-11"), ("1 11", "11 1"), ("Li Na", "Lina"), ("p1.0", "p1")])
def test_names_that_may_be_of_two_persons_are_kept(tmp_path, a, b):
    assert codes(manifest(tmp_path, f"image,mask,patient\na.nii.gz,a.nii.gz,{a}\na.nii.gz,a.nii.gz,{b}\n")) == []


def test_an_image_is_no_cohort(tmp_path):
    """The message was about a codec."""
    path = tmp_path / "a.nii.gz"
    write_nifti(path, np.arange(720, dtype=np.int16).reshape(8, 9, 10), np.eye(4))
    with pytest.raises(JsddpmError, match=r"MANIFEST.*not UTF-8 text.*a cohort is a folder or a table"):
        read_cohort(path).require_clean()


@pytest.mark.parametrize(
    ("patient", "session"), [("a/b", ""), ("a\\b", ""), ("p", "../1"), ("é" * 123, ""), ("p" * 244, "1")]
)
def test_a_name_that_no_file_can_have_is_refused(tmp_path, patient, session):
    rows = f"image,mask,patient,session\na.nii.gz,a.nii.gz,{patient},{session}\n"
    [problem] = read_cohort(manifest(tmp_path, rows)).problems
    assert (problem.code, problem.status) == ("SUBJECT_NAME", 3)
    assert "245 bytes" in problem.fix


def test_the_longest_name_is_that_of_files(tmp_path):
    longest = "é" * 122 + "p"
    [record] = read_cohort(manifest(tmp_path, f"image,mask,patient\na.nii.gz,a.nii.gz,{longest}\n")).records
    shard = Shard(record.subject, np.zeros((1, 8, 8), np.float32), np.zeros((1, 8, 8), bool), {})
    assert write_shard(tmp_path, shard).entry["name"] == longest


def test_two_unicode_forms_of_a_name_look_like_one_patient(tmp_path):
    names = [unicodedata.normalize(form, "Zoë") for form in ("NFC", "NFD")]
    assert names[0] != names[1]
    rows = "".join(f"a.nii.gz,a.nii.gz,{name}\n" for name in names)
    assert codes(manifest(tmp_path, f"image,mask,patient\n{rows}")) == ["PATIENT_NAME"]


@pytest.mark.parametrize("how", ["dots", "absolute", "link", "linked folder"])
def test_a_table_names_no_file_outside_of_its_folder(tmp_path, how):
    """A table from elsewhere could read every image of the disk."""
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (outside / "b.nii.gz").write_bytes(b"x")
    (inside / "link.nii.gz").symlink_to(outside / "b.nii.gz")
    (inside / "folder").symlink_to(outside)
    name = {"dots": "../outside/b.nii.gz", "absolute": outside / "b.nii.gz", "link": "link.nii.gz",
            "linked folder": "folder/b.nii.gz"}[how]  # fmt: skip
    for mask, image in (("a.nii.gz", name), (name, "a.nii.gz")):
        table = manifest(inside, f"image,mask,patient\n{image},{mask},p\n")
        [problem] = read_cohort(table).problems
        assert (problem.code, problem.status) == ("OUTSIDE", 3)
        assert "--root FOLDER" in problem.fix
        assert read_cohort(table, selection=Selection(root=tmp_path)).problems == ()
        assert codes(manifest(inside, f"image,mask,patient\na.nii.gz,{inside}/a.nii.gz,p\n")) == []


def as_nobody(work):
    """What ``work`` gives to a user who owns nothing; root may read everything."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        try:
            os.write(write, work().encode())
        finally:
            os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    with os.fdopen(read) as stream:
        return stream.read()


def test_brackets_in_names_are_no_patterns(bids):
    """The mask of sub-[a] was not found; as a control it had none, in silence."""
    for old, new in (("sub-00", "sub-[a]"), ("sub-01", "sub-a")):
        (bids / old).rename(bids / new)
        for path in (bids / new / "anat").iterdir():
            path.rename(path.with_name(path.name.replace(old, new)))
    masks = {r.subject: r.mask for r in read_cohort(bids, selection=Selection(controls=("*",))).records}
    assert masks["sub-[a]"].name == "sub-[a]_FLAIR_roi.nii.gz"
    assert masks["sub-a"].name == "sub-a_FLAIR_roi.nii.gz"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("closed", [".", "sub-02", "sub-02/anat", "participants.tsv"])
def test_what_may_not_be_read_is_said_by_name(bids, closed):
    """An unreadable folder was an internal error."""
    assert read_cohort(bids).problems == ()  # imports what the other user may not read
    folder = open_to_all()
    shutil.copytree(bids, folder / "bids")
    (folder / "bids" / closed).chmod(0)

    def work():
        try:
            return " ".join(f"{int(p.status)} {p}" for p in read_cohort(folder / "bids").problems)
        except JsddpmError as error:
            return f"{int(error.status)} {error}"

    try:
        said = as_nobody(work)
    finally:
        shutil.rmtree(folder)
    assert said.startswith("5 error[NOT_READABLE]")
    assert str(folder / "bids" / closed) in said
    if closed.startswith("sub"):
        assert said.count("error[") == 1


def test_what_a_scan_writes_reads_back(bids):
    records = read_cohort(bids).records
    (bids / "cohort.csv").write_text(to_csv(manifest_rows(records)))
    again = read_cohort(bids / "cohort.csv").records
    assert [(r.patient, r.group, r.image.resolve(), r.mask.resolve()) for r in again] == [
        (r.patient, r.group, r.image.resolve(), r.mask.resolve()) for r in records
    ]


def test_visits_of_one_patient_stay_together_in_nnunet_folders(tmp_path):
    """Cases with names of BraTS 2023 were patients, so that visits of one person were in training and test."""
    for folder, ending in (("imagesTr", "_0000"), ("labelsTr", "")):
        (tmp_path / folder).mkdir()
        for case in ("BraTS-GLI-00002-000", "BraTS-GLI-00002-001", "BraTS-GLI-00003-000", "other-001"):
            (tmp_path / folder / f"{case}{ending}.nii.gz").write_bytes(b"x")
    records = read_cohort(tmp_path, layout="nnunet", selection=Selection(modality="0")).records
    assert [(r.patient, r.session) for r in records] == [
        ("BraTS-GLI-00002", "000"), ("BraTS-GLI-00002", "001"), ("BraTS-GLI-00003", "000"), ("other-001", ""),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("names", "noted"),
    [
        ("MS00_tp0 MS00_tp1 MS01_tp0", "MS00_tp0 and MS00_tp1"),
        ("P1-ses1 P1-ses2 P2", "P1-ses1 and P1-ses2"),
        ("01v1 01v2 02v1", "01v1 and 01v2"),
        ("003_baseline 003_fu 004", "003_baseline and 003_fu"),
        ("003_01 003_02 004_01", "003_01 and 003_02"),
        ("003-001 003-002 004-001 004-002", "003-001 and 003-002; 004-001 and 004-002"),
        ("site1_01 site1_02 site1_03 site2_01 site2_02 site2_03", ""),  # patients of two centres
        ("sub-v01 sub-v02 sub-v03", ""),  # volunteers
        ("BraTS20_Training_001 BraTS20_Training_002", ""),
        ("BraTS2021_00495 BraTS2021_00500 1 2 10 r001s001 r001s002", ""),
        ("sub-01 sub-02 sub-03 MS_01 MS_02", ""),
    ],
)
def test_patients_whose_names_differ_in_a_visit_are_noted(tmp_path, names, noted):
    """A manifest that names each visit as a patient divided the visits between training and test without a word."""
    rows = "".join(f"a.nii.gz,{name},hc\n" for name in names.split())
    notes = read_cohort(manifest(tmp_path, "image,patient,group\n" + rows)).notes
    assert [text.partition(" differ in a visit alone: if they are one person")[0] for text in notes] == [noted][
        : bool(noted)
    ]


def test_columns_that_are_not_read_are_named(tmp_path):
    """A split under another heading was ignored, and patients were divided anew."""
    cohort = read_cohort(manifest(tmp_path, "image,lesion_mask,patient,group,partition\na.nii.gz,a.nii.gz,p,hc,test\n"))
    assert cohort.notes == (
        "columns that are not read: lesion_mask, partition "
        "(read are image, mask, brain, patient, session, group, split)",
    )
    (problem,) = read_cohort(manifest(tmp_path, "image,seg,patient\na.nii.gz,a.nii.gz,p\n")).problems
    assert problem.code == "MASK_MISSING"
    assert "the table has no column mask or group; it has image, seg, patient" in problem.what
    assert read_cohort(manifest(tmp_path, "image,mask,patient\na.nii.gz,a.nii.gz,p\n")).notes == ()


def test_a_split_is_read_in_any_case(tmp_path):
    rows = "".join(f"a.nii.gz,{n},hc,{s}\n" for n, s in enumerate(("Train", "VAL", "test")))
    cohort = read_cohort(manifest(tmp_path, "image,patient,group,Split\n" + rows))
    assert (cohort.problems, [r.split for r in cohort.records]) == ((), ["train", "val", "test"])


def test_folders_and_participants_without_an_image_are_noted(bids):
    """They were left out without a word."""
    assert read_cohort(bids).notes == ()
    (bids / "sub-07").mkdir()
    (bids / "sub-08" / "ses-1" / "anat").mkdir(parents=True)
    shutil.copy(bids / "sub-01/anat/sub-01_FLAIR.nii.gz", bids / "sub-08/ses-1/anat/sub-08_ses-1_FLAIR.nii.gz")
    (bids / "sub-08" / "ses-2" / "func").mkdir(parents=True)
    with (bids / "participants.tsv").open("a") as table:
        columns = (bids / "participants.tsv").read_text().split("\n")[0].split("\t")
        for name in ("sub-08", "sub-99"):
            table.write("\t".join({"participant_id": name, "group": "hc"}.get(c, "x") for c in columns) + "\n")
    assert read_cohort(bids).notes == (
        "no image is read of sub-07, sub-08/ses-2: there is no folder anat",
        "participants.tsv names sub-99, and there is no such folder",
    )


@pytest.mark.parametrize("run", ["refuse", "first", "last"])
def test_an_image_in_two_forms_is_never_chosen(bids, run):
    """``--run first`` took one of ``.nii`` and ``.nii.gz``, and called it the first run."""
    image = bids / "sub-02" / "anat" / "sub-02_FLAIR.nii.gz"
    image.with_name("sub-02_FLAIR.nii").write_bytes(image.read_bytes())
    (problem,) = read_cohort(bids, selection=Selection(run=run)).problems
    assert (problem.code, problem.fix) == ("BIDS_IMAGES", "keep one of sub-02_FLAIR.nii and sub-02_FLAIR.nii.gz")


@pytest.mark.parametrize("number", ["²", "x", "٣٣٣x"])
def test_a_run_that_is_no_number_counts_as_the_first(bids, number):
    anat = bids / "sub-01" / "anat"
    for path in (anat / "sub-01_FLAIR.nii.gz", anat / "sub-01_FLAIR_roi.nii.gz"):
        shutil.copy(path, anat / path.name.replace("_FLAIR", f"_run-{number}_FLAIR"))
        path.rename(anat / path.name.replace("_FLAIR", "_run-2_FLAIR"))
    cohort = read_cohort(bids, selection=Selection(run="last"))
    assert [r.image.name for r in cohort.records if r.patient == "sub-01"] == ["sub-01_run-2_FLAIR.nii.gz"]


@pytest.mark.parametrize("what", ["image", "mask", "participants", "lfs"])
def test_what_was_not_fetched_has_the_command_that_fetches_it(bids, what):
    path = {"mask": bids / "sub-00/anat/sub-00_FLAIR_roi.nii.gz", "participants": bids / "participants.tsv"}.get(
        what, bids / "sub-00/anat/sub-00_FLAIR.nii.gz"
    )
    path.unlink()
    if what == "lfs":
        path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 12\n")
        (problem,) = [i.problem for i in inspect_records(read_cohort(bids).records) if i.problem]
    else:
        path.symlink_to(".git/annex/objects/x")
        problem = read_cohort(bids).problems[0]
    assert problem.code == ("PARTICIPANTS" if what == "participants" else "NIFTI_NOT_PRESENT")
    assert ("git lfs pull" if what == "lfs" else "git annex get") in problem.fix
    assert problem.file == str(path)


def test_a_table_that_cannot_be_used_is_the_reason_of_missing_groups(bids):
    """Each control without a mask was said to have no group."""
    (bids / "sub-01/anat/sub-01_FLAIR_roi.nii.gz").unlink()
    table = bids / "participants.tsv"
    text = table.read_text()
    table.write_text("\n".join([text.split("\n")[0], *(line + "\t" for line in text.strip().split("\n")[1:])]))
    assert read_cohort(bids).problems == ()  # a tab at the end of each row is no cell
    table.write_bytes(text.encode("utf-16-le"))  # without the mark that says so
    assert [p.code for p in read_cohort(bids).problems] == ["TABLE", "MASK_MISSING"]
    assert "(participants.tsv cannot be used)" in read_cohort(bids).problems[1].what


@pytest.mark.parametrize("name", ["sub-00_label-lesion_probseg", "sub-00_label-L_desc-T1lesion_mask", "sub-00_dseg"])
@pytest.mark.parametrize("place", ["sub-00/anat", "derivatives/x/sub-00/anat"])
def test_a_file_that_may_be_the_missing_mask_is_named(bids, name, place):
    (bids / "sub-00/anat/sub-00_FLAIR_roi.nii.gz").unlink()
    (bids / place).mkdir(parents=True, exist_ok=True)
    (bids / place / f"{name}.nii.gz").touch()
    (problem,) = read_cohort(bids).problems
    assert problem.code == "MASK_MISSING"
    assert f"{name}.nii.gz is not read as a mask: names are sub-00_FLAIR_roi.nii.gz and *_label-lesion*" in problem.what

"""``jsddpm cohort`` and ``jsddpm cache``: cohorts are scanned and divided, stores built, resumed and verified."""

from __future__ import annotations

import json
import re
import shlex
import shutil

import nibabel as nib
import numpy as np
import pytest

from contract.case import SMALL
from jsddpm.cohort.nifti import write_nifti
from jsddpm.slices.store import SliceStore


def test_a_manifest_works_like_a_tree(jsddpm, bids, tmp_path):
    status, out, _ = jsddpm("cohort", "scan", bids, "--out", tmp_path / "cohort.csv", "--format", "json")
    assert (status, len(json.loads(out)["records"])) == (0, 4)
    assert jsddpm("cache", "build", tmp_path / "cohort.csv", "--out", tmp_path / "a", *SMALL)[0] == 0
    assert jsddpm("cache", "build", bids, "--out", tmp_path / "b", *SMALL)[0] == 0
    assert SliceStore(tmp_path / "a").fingerprint == SliceStore(tmp_path / "b").fingerprint


def test_scanning_names_every_problem_and_reads_files_when_asked(jsddpm, bids, tmp_path):
    path = bids / "sub-02" / "anat" / "sub-02_FLAIR.nii.gz"
    path.write_bytes(path.read_bytes()[:-40])
    (bids / "sub-00" / "anat" / "sub-00_FLAIR_roi.nii.gz").unlink()
    scan = ["cohort", "scan", bids, "--read", "--jobs", 1, "--out", tmp_path / "cohort.csv", "--format", "json"]
    status, out, err = jsddpm(*scan)
    found = json.loads(out)
    assert status == 3
    assert [r["patient"] for r in found["records"]] == ["sub-01", "sub-03"]
    assert [p.split("]")[0] for p in found["problems"]] == ["error[MASK_MISSING", "error[NIFTI_TRUNCATED"]
    assert found["read"][0]["shape"] == [20, 24, 28]
    assert "1 MASK_MISSING, 1 NIFTI_TRUNCATED" in err
    assert len((tmp_path / "cohort.csv").read_text().splitlines()) == 3
    out = jsddpm("cohort", "scan", bids, "--read", "--jobs", 1)[1]
    assert "2 images have 20x24x28 voxels of 3x3x3 mm" in out
    assert "layout bids: 0 images of patients, 2 of controls" in out


def test_a_scan_notes_patients_whose_mask_is_empty_as_it_is_read(jsddpm, bids):
    """With label 2 only one patient has a lesion; the mask of the other has the value 1."""
    path = bids / "sub-00" / "anat" / "sub-00_FLAIR_roi.nii.gz"
    mask = nib.load(path)
    nib.save(nib.Nifti1Image(2 * np.asarray(mask.dataobj), mask.affine), path)
    status, out, _ = jsddpm("cohort", "scan", bids, "--read", "--jobs", 1, "--mask-label", 2, "--format", "json")
    notes = {read["subject"]: read["notes"] for read in json.loads(out)["read"]}
    assert status == 0
    values = f"its mask has {np.count_nonzero(mask.dataobj)} voxels, none with label 2 (values 0, 1)"
    empty = [values, "no lesion voxel: all its slices count as control"]
    assert notes == {"sub-00": [], "sub-01": [], "sub-02": empty, "sub-03": []}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("scan", "--out", "a.xlsx"), "--out a.xlsx has the unknown extension .xlsx; fix: end it with .csv"),
        (("scan", "--out", "a"), "--out a has no extension; fix: end it with .csv"),
        (("split", "--out", "a.tsv"), "--out a.tsv has the unknown extension .tsv; fix: end it with .csv"),
        (("split", "--out", "a.csv", "--folds", 2), "--out a.csv is the name of a table, and --folds makes a folder"),
    ],
)
def test_a_manifest_ends_with_csv(jsddpm, bids, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    status, out, err = jsddpm("cohort", words[0], bids, *words[1:])
    assert (status, out, said in err) == (2, "", True), err
    assert list(tmp_path.iterdir()) == [bids]


@pytest.mark.parametrize("size", ["1e308", "inf"])
def test_a_size_in_bytes_is_a_number(jsddpm, bids, size):
    """1e308 GiB ended with status 70."""
    status, _, err = jsddpm("cohort", "scan", bids, "--read", "--jobs", 1, "--max-volume-gib", size)
    assert (status, f"error[OPTION]: --max-volume-gib {float(size):g} is not a size" in err) == (2, True)


def test_a_source_without_usable_images_prints_no_table(jsddpm, bids):
    status, out, err = jsddpm("cohort", "scan", bids, "--modality", "T2w")
    assert (status, out) == (3, "layout bids: 0 images of patients, 0 of controls\n")
    assert "4 problems: 4 BIDS_IMAGES" in err


def test_the_root_of_a_manifest_can_be_pasted(jsddpm, bids, tmp_path):
    """A folder with blanks is quoted as the shell needs it."""
    bids = bids.rename(tmp_path / "my bids")
    (tmp_path / "tables").mkdir()
    _, _, err = jsddpm("cohort", "scan", bids, "--out", tmp_path / "tables" / "cohort.csv")
    said = shlex.split(err.split("jsddpm cache build needs ")[1].split("\n")[0])
    assert said == ["--root", str(bids)]


def test_the_root_of_a_manifest_of_one_image_is_its_folder(jsddpm, tmp_path):
    """It was the file."""
    (tmp_path / "images").mkdir()
    (tmp_path / "tables").mkdir()
    write_nifti(tmp_path / "images" / "a.nii.gz", np.ones((8, 9, 10), np.float32), np.eye(4))
    (tmp_path / "one.csv").write_text("image,patient\nimages/a.nii.gz,a\n")
    out = tmp_path / "tables" / "cohort.csv"
    status, _, err = jsddpm("cohort", "scan", tmp_path / "one.csv", "--controls", "a", "--out", out)
    assert (status, f"needs --root {tmp_path / 'images'}\n" in err) == (0, True), err


def test_a_scan_overwrites_no_manifest_that_was_edited(jsddpm, bids, tmp_path):
    table = tmp_path / "cohort.csv"
    table.write_text("image,patient\nmine.nii.gz,p\n")
    status, out, err = jsddpm("cohort", "scan", bids, "--out", table)
    assert (status, out, "error[EXISTS]" in err) == (2, "", True)
    assert table.read_text() == "image,patient\nmine.nii.gz,p\n"


def test_problems_of_one_kind_are_one_message_and_json_has_all(jsddpm, tmp_path):
    rows = [f"gone-{n:03d}.nii.gz,p{n:03d}" for n in range(170)] + ["also-gone.nii.gz,q"]
    (tmp_path / "cohort.csv").write_text("\n".join(["image,patient", *rows]) + "\n")
    status, out, err = jsddpm("cohort", "scan", tmp_path / "cohort.csv", "--format", "json")
    assert (status, len(json.loads(out)["problems"])) == (3, 171)
    lines = err.splitlines()
    first = ", ".join(str(tmp_path / f"gone-{n:03d}.nii.gz") for n in range(3))
    assert f"error[MISSING] {first} and 168 more: no such file (171 files); fix: restore it or remove its row" in lines
    assert sum("error[" in line for line in lines) == 1


def test_folds_share_one_store(jsddpm, bids, tmp_path):
    folds, store = tmp_path / "folds", tmp_path / "store"
    split = ["cohort", "split", bids, "--folds", 2, "--val", 0.25, "--jobs", 1]
    status, out, err = jsddpm(*split, "--out", folds, "--format", "json")
    tested = [p for fold in json.loads(out)["folds"] for p, s in fold.items() if s == "test"]
    assert (status, sorted(tested)) == (0, [f"sub-{s:02d}" for s in range(4)])
    built = ["cache", "build", folds / "fold-1.csv", "--out", store, *SMALL]
    refused = jsddpm(*built)
    assert (refused[0], "OUTSIDE" in refused[2], "--root FOLDER" in refused[2]) == (3, True, True)
    assert f"jsddpm cache build needs --root {bids.resolve()}" in err
    assert jsddpm(*built, "--root", bids)[0] == 0
    assert jsddpm("cache", "resplit", store, folds / "fold-2.csv", "--out", tmp_path / "second")[0] == 0
    splits = [
        json.loads(jsddpm("cache", "info", s, "--format", "json")[1])["slices"] for s in (store, tmp_path / "second")
    ]
    assert [{k: v["patients"] for k, v in s.items()} for s in splits] == [{"train": 1, "val": 1, "test": 2}] * 2
    one = ["cohort", "split", bids, "--val", 0.25, "--test", 0.25, "--jobs", 1, "--out", tmp_path / "one.csv"]
    assert jsddpm(*one)[0] == 0
    assert jsddpm(*one)[0] == 2
    assert jsddpm("cache", "build", tmp_path / "one.csv", "--out", tmp_path / "third", *SMALL)[0] == 0


def test_a_build_counts_the_lesion_slices_of_training_patients_where_there_are_any(jsddpm, bids, tmp_path):
    build = ["--shape", 24, 32, 28, "--spacing", 3, 3, 3, "--jobs", 1, "--z-range", 5, 20]
    split = ["cohort", "split", bids, "--val", 0.25, "--test", 0.25, "--jobs", 1]
    assert jsddpm(*split, "--out", bids / "divided.csv")[0] == 0
    external = re.sub(r"\b(train|val)\b", "test", (bids / "divided.csv").read_text())
    (bids / "external.csv").write_text(external)
    notes = [" ".join(jsddpm("cache", "build", bids / f"{name}.csv", "--out", tmp_path / name, *build)[1].split())
             for name in ("external", "divided")]  # fmt: skip
    assert "the store has no lesion slices of training patients" in notes[0]
    assert re.search(r"[1-9]\d* of [1-9]\d* lesion slices of training patients lie inside", notes[1])


def test_an_interrupted_build_goes_on(jsddpm, bids, tmp_path):
    path = bids / "sub-03" / "anat" / "sub-03_FLAIR.nii.gz"
    clean = path.read_bytes()
    path.write_bytes(b"")
    build = ["cache", "build", bids, "--out", tmp_path / "store", *SMALL, "--z-range", "auto"]
    assert jsddpm(*build)[0] == 3
    path.write_bytes(clean)
    status, _, err = jsddpm(*build)
    assert (status, "UNFINISHED" in err) == (4, True)
    status, _, err = jsddpm("cache", "info", tmp_path / "store")
    assert (status, "after 3 subjects" in err) == (4, True)
    status, out, err = jsddpm(*build, "--resume")
    assert (status, out.count("reused"), "z-range" in out) == (0, 3, True)
    sheet = tmp_path / "sheet.png"
    status, out, _ = jsddpm("cache", "info", tmp_path / "store", "--thumbnails", sheet)
    assert (status, sheet.read_bytes()[:4]) == (0, b"\x89PNG")
    assert "kB per slice" in out
    assert jsddpm("cache", "build", bids, "--out", tmp_path / "b", *SMALL, "--z-range", 5, 20)[0] == 0
    report = ["bins", "report", "--bins", 3, "--format", "json"]
    assert json.loads(jsddpm(*report, "--store", tmp_path / "b")[1])["z_range"] == [5, 20]
    assert jsddpm(*report)[0] == 2
    assert SliceStore(tmp_path / "b").z_range == (5, 20)
    assert jsddpm("cache", "build", bids, "--out", tmp_path / "c", *SMALL, "--z-range", 5, "x")[0] == 2


def test_damage_is_found_by_verify(jsddpm, store, tmp_path):
    shutil.copytree(store.path, tmp_path / "s")
    path = tmp_path / "s" / "arrays" / "sub-2.mask.npy"
    path.chmod(0o644)
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(bytes(raw))
    assert jsddpm("cache", "verify", store.path) == (0, f"{store.path}: all checksums match\n", "")
    status, out, err = jsddpm("cache", "verify", tmp_path / "s")
    assert (status, " ".join(out.split())) == (4, f"{tmp_path / 's'}: damaged in 1 place")
    cure = "remove the folder and build the store again"
    assert err == f"error[STORE_DAMAGED] {tmp_path / 's'}: sub-2 mask: slices z [38]; fix: {cure}\n"
    status, out, _ = jsddpm("cache", "verify", tmp_path / "s", "--format", "json")
    assert (status, json.loads(out)) == (4, {"damaged": ["sub-2 mask: slices z [38]"]})


def test_a_shifted_mask_stops_the_build(jsddpm, bids, tmp_path):
    mask = bids / "sub-00" / "anat" / "sub-00_FLAIR_roi.nii.gz"
    write_nifti(mask, np.zeros((20, 24, 27), np.uint8), np.diag([3.0, 3.0, 3.0, 1.0]))
    status, _, err = jsddpm("cache", "build", bids, "--out", tmp_path / "s", *SMALL)
    assert status == 3
    assert f"error[MASK_SHAPE] {mask}" in err
    assert not (tmp_path / "s").exists()

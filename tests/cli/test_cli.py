"""The commands as a user meets them: the whole way on small data, and every wrong input in one line."""

from __future__ import annotations

import errno
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest

from jsddpm.binning import ZBinning
from jsddpm.cohort.nifti import write_nifti
from jsddpm.errors import ExitStatus, JsddpmError
from jsddpm.slices.importing.layouts import import_layouts
from jsddpm.slices.store import SliceStore
from jsddpm.slices.writer import Shard, new_store
from jsddpm_cli.app import command, main
from synthetic import write_store

pytestmark = pytest.mark.usefixtures("brief_networks")

DOCS = Path(__file__).parents[2] / "docs"
SMALL = ["--shape", "24", "32", "28", "--spacing", "3", "3", "3", "--val", "0.25", "--test", "0.25", "--jobs", "1"]
TINY = [
    "model.channels=[8,16]", "trainer.max_steps=2", "trainer.check_every=2", "optimizer.warmup_steps=1",
    "binning.z_range=[6,21]",
    "binning.n_bins=2", "data.batch_size=4", "sampling.steps=2", "sampling.per_condition=2",
]  # fmt: skip


@pytest.fixture
def jsddpm(monkeypatch, capsys):
    """Run a command in this process: exit status, stdout, stderr."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["jsddpm", *map(str, arguments)])
        monkeypatch.delenv("JSDDPM_DEBUG", raising=False)
        try:
            main()
            status = 0
        except SystemExit as leaving:
            status = int(leaving.code or 0)
        out, err = capsys.readouterr()
        return status, out, err

    return call


def test_the_whole_way_from_nifti_to_report(jsddpm, bids, tmp_path):
    store, run, more = tmp_path / "store", tmp_path / "runs" / "a", tmp_path / "more"
    status, out, _ = jsddpm("cache", "build", bids, "--out", store, *SMALL, "--format", "json")
    assert status == 0
    assert [s["slices"] for s in json.loads(out)["subjects"]] == [28] * 4
    assert jsddpm("cache", "verify", store)[0] == 0
    shown = json.loads(jsddpm("cache", "info", store, "--format", "json")[1])
    assert (shown["size"], shown["mask_reading"]) == ([32, 24], {"labels": [], "threshold": None})
    status, out, err = jsddpm("cache", "info", store)
    assert (status, err) == (0, "")
    volumes = "volumes: 24x32x28 voxels of 3x3x3 mm; percentiles 0.1 to 99.9 inside the brain"
    summary = [f"real store {shown['fingerprint']}: 112 slices of 32x24, 4 subjects", volumes, "masks: values 0 and 1"]
    assert set(summary) <= set(out.splitlines())
    settings = [part for s in TINY for part in ("--set", s)]
    assert jsddpm("train", "--preset", "demo", "--store", store, "--out", run, *settings)[0] == 0
    assert (
        json.loads(jsddpm("checkpoint", "info", run / "checkpoints" / "last.ckpt", "--format", "json")[1])["step"] == 2
    )
    assert (
        jsddpm("sample", run, "--out", more, "--per-condition", 1, "--bins", "0", "--pathology", "0", "--seed", 3)[0]
        == 0
    )
    assert len(SliceStore(more).index) == 1
    for share, there in (("2/2", False), ("1/2", True)):
        status, _, err = jsddpm("sample", run, "--out", tmp_path / "shared", "--per-condition", 20, "--share", share)
        assert (status, (tmp_path / "shared").exists(), "part 2 of 2" in err) == (0, there, not there)
    assert SliceStore(tmp_path / "shared").verify() == []
    status, _, err = jsddpm("sample", run, "--out", tmp_path / "shared", "--per-condition", 20)
    assert (status, "shared is complete" in err) == (0, True)
    assert jsddpm("sample", run, "--out", tmp_path / "shared", "--per-condition", 21)[0] == 2
    assert jsddpm("sample", run, "--out", tmp_path / "x", "--share", "3/2")[0] == 2
    status, out, err = jsddpm("eval", run, "--bin-aware", "--format", "json")
    results = json.loads(out, parse_constant=pytest.fail)
    undefined = [
        s for c in results["generation"] + results["reconstruction"] for s in c["scores"].values() if s["value"] is None
    ]
    assert (status, f"{len(undefined)} scores are undefined" in err) == (0, True)
    assert "drawn now with its settings" in err
    for name in ("results.json", "per_bin.csv", "per_slice.csv", "report.html"):
        assert (run / "evaluation" / name).stat().st_size > 0
    page = (run / "evaluation" / "report.html").read_bytes()
    assert jsddpm("report", run / "evaluation", "--out", tmp_path / "again.html")[0] == 0
    assert (tmp_path / "again.html").read_bytes() == page
    saving = ["--figures", tmp_path / "figures", "--figure-format", "pdf"]
    assert jsddpm("report", run / "evaluation", *saving)[0] == 0
    assert {p.suffix for p in (tmp_path / "figures").iterdir()} == {".pdf"}
    assert (tmp_path / "figures" / "montage.pdf").read_bytes()[:4] == b"%PDF"
    assert jsddpm("report", run, *saving)[0] == 2


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


def test_an_impossible_division_is_refused_before_files_are_read(jsddpm, bids, tmp_path, monkeypatch):
    monkeypatch.setattr("jsddpm_cli.commands.cohort._inspect", lambda *_: pytest.fail("files were read"))
    for out, *words in (("a.csv", "--test", 1.5), ("a", "--folds", 5), ("a", "--folds", 0)):  # of four patients
        status, _, err = jsddpm("cohort", "split", bids, "--out", tmp_path / out, *words)
        assert (status, "error[SPLIT]" in err) == (2, True)


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


def test_a_value_with_a_full_stop_is_named_whole(jsddpm):
    status, _, err = jsddpm("bins", "report", "--bins", "1. 2")
    assert (status, "'--bins': '1. 2' is not a whole number; fix: see jsddpm bins report --help" in err) == (2, True)


def test_a_scan_overwrites_no_manifest_that_was_edited(jsddpm, bids, tmp_path):
    table = tmp_path / "cohort.csv"
    table.write_text("image,patient\nmine.nii.gz,p\n")
    status, out, err = jsddpm("cohort", "scan", bids, "--out", table)
    assert (status, out, "error[EXISTS]" in err) == (2, "", True)
    assert table.read_text() == "image,patient\nmine.nii.gz,p\n"


def test_an_evaluation_is_not_compared_with_itself(jsddpm, tmp_path):
    first, copied = tmp_path / "first", tmp_path / "copied"
    for folder in (first, copied):
        folder.mkdir()
        (folder / "results.json").write_text("{}")
    for others in [[first / ".." / "first"], [first / "results.json"], [copied], ["--baseline", copied]]:
        status, _, err = jsddpm("compare", first, *others)
        assert (status, "error[OPTION]" in err, "give different evaluations" in err) == (2, True, True)


def test_a_folder_without_a_network_is_no_run(jsddpm, store, run, tmp_path):
    status, _, err = jsddpm("sample", store.path, "--out", tmp_path / "out")
    assert (status, "error[NO_RUN]" in err, "folder of jsddpm train" in err) == (2, True, True)
    status, _, err = jsddpm("sample", run / "checkpoints" / "last.ckpt", "--out", tmp_path / "out")
    assert (status, "error[NO_RUN]" in err, f"give the run: {run}" in " ".join(err.split())) == (2, True, True)


def test_a_picture_has_the_extension_of_its_content(jsddpm, store, tmp_path):
    status, _, err = jsddpm("cache", "info", store.path, "--thumbnails", tmp_path / "x.jpg")
    assert (status, "end it with .png" in err, list(tmp_path.iterdir())) == (2, True, [])


@pytest.mark.parametrize("words", [("train", "--out", "run", "--store"), ("selftest",)])
def test_generated_slices_in_place_of_real_ones_are_named_first(jsddpm, generated, words):
    status, _, err = jsddpm(*words, generated.path)
    assert (status, "error[KIND]" in err, "is a generated store" in err) == (2, True, True)


def test_a_run_in_place_of_its_evaluation_is_named(jsddpm, tmp_path):
    (tmp_path / "my run" / "evaluation").mkdir(parents=True)
    (tmp_path / "my run" / "evaluation" / "results.json").write_text("{}")
    for words in (
        ("compare", tmp_path / "my run", tmp_path / "other"),
        ("card", tmp_path / "my run", "--out", "new"),
    ):
        status, _, err = jsddpm(*words)
        assert (status, shlex.split(err)[-1]) == (2, str(tmp_path / "my run" / "evaluation"))


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (("plan.json", "utility.json"), "is a utility study, .* open its page .*folder/utility.html"),
        (("plan.json", "selftest.json"), "is a self-test, .* names.csv and faults.csv"),
        (("plan.json",), "is an unfinished utility study or self-test, .* repeat its command"),
        (("store.json",), "is a slice store, .* jsddpm eval"),
    ],
)
def test_a_folder_of_another_command_is_named_by_report_and_card(jsddpm, tmp_path, files, said):
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in files:
        (folder / name).write_text("{}")
    for words in (("report", folder), ("card", folder, "--out", tmp_path / "new")):
        status, out, err = jsddpm(*words)
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert re.search(rf"error\[NO_RESULTS\] .*folder: {said}", err)


def test_a_demo_is_not_made_in_a_folder_of_something_else(jsddpm, run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    before = sorted(p.name for p in (tmp_path / "run").iterdir())
    status, _, err = jsddpm("demo", "--out", tmp_path / "run")
    assert (status, "error[DEMO]" in err) == (2, True)
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == before


@pytest.mark.long
def test_an_interrupted_demo_goes_on_when_it_is_repeated(jsddpm, tmp_path, monkeypatch):
    """Before: UNFINISHED in the second stage, and the advice of jsddpm train in the fourth."""
    module, out = "jsddpm_cli.commands", tmp_path / "demo"
    for name, value in {"SUBJECTS": 4, "CONTROLS": 1, "SHAPE": (16, 16, 128), "SPACING": (12.0, 12.0, 1.25)}.items():
        monkeypatch.setattr(f"{module}.demo.{name}", value)
    for name in ("demo", "cohort"):
        monkeypatch.setattr(f"{module}.{name}.cores", lambda: 1)

    def interrupt(done, total):
        if done == 2:
            raise KeyboardInterrupt

    def stop(*_, **__):
        raise JsddpmError("TERMINATED", "SIGTERM at step 3", fix="continue with --resume", status=ExitStatus.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(f"{module}.cache.tracked", lambda title: nullcontext(SimpleNamespace(update=interrupt)))
        status, _, err = jsddpm("demo", "--out", out)
    assert (status, "[2/7]" in err, (out / "store").exists()) == (130, True, False)
    assert err.endswith("error[TERMINATED]: interrupted; fix: repeat the command to continue\n")
    monkeypatch.setattr(f"{module}.train.run_training", stop)
    status, _, err = jsddpm("demo", "--out", out)
    assert (status, "[4/7]" in err, SliceStore(out / "store").verify()) == (143, True, [])
    assert err.endswith("error[TERMINATED]: SIGTERM at step 3; fix: repeat the command to continue\n")


def test_an_option_with_too_few_values_names_the_help_of_its_command(jsddpm):
    status, _, err = jsddpm("cache", "build", "bids", "--out", "store", "--shape", 8, 8)
    assert (status, err.rstrip().endswith("see jsddpm cache build --help")) == (2, True)


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


@pytest.mark.long
def test_imported_slices_are_evaluated_like_our_own(jsddpm, store, tmp_path):
    rows = store.select(binning=ZBinning((5, 34), 5, n_slices=40), split="train")[::5]
    lines = ["image,mask,z,pathology"]
    for n, row in enumerate(rows):
        image, mask = store.images(rows[n : n + 1])[0], store.masks(rows[n : n + 1])[0]
        np.savez(tmp_path / f"{n}.npz", image=image, mask=mask)
        lines.append(f"{n}.npz,,{store.index['z_index'][row]},{store.index['pathology'][row]}")
    (tmp_path / "made.csv").write_text("\n".join(lines))
    imported = tmp_path / "imported"
    asked = ["--real", store.path, "--z-range", 5, 34, "--bins", 5, "--out", imported]
    status, _, err = jsddpm("cache", "import", tmp_path / "made.csv", *asked)
    assert (status, f"--generated {imported} --bin-aware" in err) == (0, True)
    binning = ZBinning((5, 34), 5, n_slices=40)
    native = {"binning": binning.to_dict(), "kind": "generated", "n_slices": 40, "spacing": store.spacing}
    with new_store(tmp_path / "native", **native) as writer:
        picked = SliceStore(imported).index
        columns = {name: picked[name] for name in ("z_index", "pathology", "sample")}
        writer.add(Shard("all", store.images(rows), store.masks(rows), columns))
    scores = []
    for generated in (imported, tmp_path / "native"):
        evaluated = ["--real", store.path, "--generated", generated, "--bin-aware", "--features", "radiomics"]
        status, out, err = jsddpm("eval", *evaluated, "--out", tmp_path / f"eval-{generated.name}", "--format", "json")
        assert (status, "scores are undefined" in err) == (0, True), "six patients are too few for some scores"
        scores.append(json.loads(out)["generation"])
    assert scores[0] == scores[1]
    assert len(scores[0]) >= 10


def test_warnings_of_an_import_are_also_strict_json(jsddpm, store, tmp_path):
    """Half of the samples are inverted, which the import check finds."""
    rows = store.select(binning=ZBinning((5, 34), 5, n_slices=40), split="train")[::2]
    images = store.images(rows)
    images[::2] = 1 - images[::2]
    index = store.index[rows]
    labels = {"z_index": index["z_index"].astype(int), "pathology": index["pathology"].astype(int)}
    np.savez(tmp_path / "made.npz", image=images, mask=store.masks(rows), **labels)
    words = ["cache", "import", tmp_path / "made.npz", "--real", store.path, "--z-range", 5, 34, "--bins", 5]
    status, out, err = jsddpm(*words, "--out", tmp_path / "out", "--format", "json")
    found = json.loads(out)
    assert (status, found["slices"], found["layout"], found["files_left"]) == (0, len(rows), "arrays", [])
    assert found["warnings"]
    for warning in found["warnings"]:
        assert set(warning) == {"name", "what", "cure"}
        assert f"warning: {warning['what']}; if this is not intended, {warning['cure']}" in err
    assert all(f"not checked: {question}" in err for question in found["not_checked"])


def test_an_import_advises_no_option_that_it_lacks(jsddpm, store, tmp_path):
    words = ["cache", "import", tmp_path, "--real", store.path, "--z-range", 5, 34, "--bins", 10**9]
    status, _, err = jsddpm(*words, "--out", tmp_path / "out")
    assert (status, "error[N_BINS]" in err, "--allow-empty" in err) == (2, True, False)
    assert "fix: give the --z-range and --bins with which the samples were generated" in err


@pytest.mark.parametrize("text", ["0,,1", "0,", ",0", ","])
def test_a_list_of_bins_has_no_gap(jsddpm, run, tmp_path, text):
    """A number that was forgotten was left out."""
    status, _, err = jsddpm("sample", run, "--out", tmp_path / "s", "--per-condition", 1, "--bins", text)
    assert (status, f"--bins '{text}' is not valid" in err) == (2, True)


def test_bins_report_is_the_documented_json(jsddpm):
    status, out, err = jsddpm("bins", "report", "--z-range", 24, 93, "--format", "json")
    report = json.loads(out)
    assert (status, err) == (0, "")
    assert (report["z_range"], report["n_bins"], report["n_slices"]) == ([24, 93], 10, 128)
    assert set(report["schemes"]["local"]) == {
        "bins_total", "bins_used", "utilization", "counts", "ranges", "min_per_used_bin", "max_per_used_bin",
        "spread", "entropy", "unused_bins", "unused_embeddings",
    }  # fmt: skip
    assert [report["schemes"][s]["bins_used"] for s in ("local", "global")] == [10, 7]


@pytest.mark.parametrize("how", ["csv", "markdown", "html"])
def test_bins_report_in_every_format_with_a_store(jsddpm, tmp_path, how):
    store = write_store(tmp_path / "store", patients=3)  # too few to simulate, which takes its time
    common = ["bins", "report", "--z-range", 5, 34, "--bins", 5, "--store", store.path, "--format", how]
    file = tmp_path / f"bins.{'md' if how == 'markdown' else how}"
    status, out, _ = jsddpm(*common, "--out", file)
    assert (status, file.read_bytes().decode().splitlines()) == (0, out.splitlines())
    assert "lesion" in out


@pytest.mark.parametrize(("name", "begins"), [("a.csv", b"z_bin,"), ("a.png", b"\x89PNG"), ("a.json", b"{")])
def test_the_extension_decides_the_file_and_the_format_what_is_printed(jsddpm, tmp_path, name, begins):
    report = ["bins", "report", "--z-range", 24, 93, "--format", "json"]
    status, out, _ = jsddpm(*report, "--out", tmp_path / name)
    assert (status, out) == (0, jsddpm(*report)[1])
    assert json.loads(out)["schemes"]["global"]["bins_used"] == 7
    assert (tmp_path / name).read_bytes().startswith(begins)


@pytest.mark.parametrize("how", ["table", "markdown", "html"])
def test_a_bins_report_says_what_its_words_mean(jsddpm, store, how):
    """With six patients in bins of two slices, some conditions could not show any shift that is looked for."""
    _, out, _ = jsddpm("bins", "report", "--store", store.path, "--z-range", 6, 21, "--bins", 8, "--format", how)
    assert re.search(r"\bnone\b", out.split("none: not even a shift of")[0])
    assert "none: not even a shift of" in out
    assert "s/p: slices/patients" in out
    assert "detectable: the smallest difference between 16 samples" in out


def test_bins_sweep_takes_a_list(jsddpm, store):
    status, out, err = jsddpm(
        "bins", "sweep", "--z-range", 5, 34, "--bins", 2, 5, 30, "--store", store.path, "--format", "json"
    )
    sweep = json.loads(out)
    assert (status, err, [e["n_bins"] for e in sweep["choices"]]) == (0, "", [2, 5, 30])
    status, out, err = jsddpm("bins", "sweep", "--z-range", 5, 34, "--bins", 2, 5)
    assert (status, err, "recommended: 5 bins: the most bins with every bin used" in out) == (0, "", True)


def test_rebinning_leads_to_a_warm_start(jsddpm, run, store, tmp_path):
    start, next_run = tmp_path / "start.ckpt", tmp_path / "next"
    rebin = ["checkpoint", "rebin", run / "checkpoints" / "last.ckpt", "--z-range", 5, 34, "--out", start]
    assert jsddpm(*rebin, "--bins", 40)[0] == 2
    status, _, err = jsddpm(*rebin, "--bins", 3)
    assert (status, "continue with\njsddpm train --warm-start" in err) == (0, True)
    assert jsddpm(*rebin, "--bins", 3)[0] == 2
    settings = [part for s in ("binning.n_bins=3", "trainer.max_steps=5") for part in ("--set", s)]
    again = ["train", "--config", run / "config.yaml", "--store", store.path, "--out", next_run, *settings]
    assert jsddpm(*again, "--warm-start", start)[0] == 0
    assert (
        json.loads(jsddpm("checkpoint", "info", next_run / "checkpoints" / "last.ckpt", "--format", "json")[1])["step"]
        == 5
    )


def test_bins_report_table_and_figure(jsddpm, tmp_path):
    status, out, _ = jsddpm("bins", "report", "--z-range", 24, 93, "--out", tmp_path / "bins.png")
    assert status == 0
    said = "With local bins, all 10 bins have slices; with global bins, 3 of 10 bins have no slice"
    assert said in " ".join(out.replace("│", " ").split())
    assert "\x1b" not in out
    assert (tmp_path / "bins.png").read_bytes()[:4] == b"\x89PNG"


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


def fresh(*arguments, **environment):
    command = [sys.executable, "-c", "from jsddpm_cli.app import main; main()", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, env=os.environ | environment, timeout=120, check=False
    )


def test_an_unknown_backend_of_matplotlib_is_not_asked(tmp_path):
    command = [
        sys.executable,
        "-m",
        "jsddpm_cli",
        "bins",
        "report",
        "--z-range",
        "24",
        "93",
        "--out",
        tmp_path / "b.png",
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"MPLBACKEND": "bogus"}, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "b.png").is_file()


@pytest.mark.parametrize(
    "arguments", [["--help"], ["bins", "report", "--z-range", "24", "93"], ["train", "--help"], ["eval", "--help"]]
)
def test_light_commands_import_nothing_heavy(arguments):
    code = (
        "import sys, atexit\n"
        "heavy = {'torch', 'numpy', 'pandas', 'lightning', 'matplotlib', 'nibabel'}\n"
        "atexit.register(lambda: print('HEAVY', sorted(heavy & set(sys.modules)), file=sys.stderr))\n"
        "from jsddpm_cli.app import main\nmain()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0
    assert "HEAVY []" in done.stderr


def test_a_generated_store_has_no_patients(jsddpm, generated):
    status, out, err = jsddpm("cache", "info", generated.path)
    assert status == 0
    assert "patients" not in out
    assert "subjects" not in out + err
    shown = json.loads(jsddpm("cache", "info", generated.path, "--format", "json")[1])
    assert shown["patients"] is None
    assert shown["slices"] == {"generated": {"control": 10, "lesion": 10}}  # 5 bins, 2 samples of each condition


def leaves(node, *words):
    """The words of every command below a command."""
    inner = getattr(node, "commands", None)
    return [words] if inner is None else [leaf for name in inner for leaf in leaves(inner[name], *words, name)]


@pytest.mark.parametrize("words", leaves(command()), ids=" ".join)
def test_a_seed_out_of_range_is_refused_by_every_command_that_takes_one(jsddpm, words):
    """It was an internal error where an option forgot an end."""
    node = command()
    for word in words:
        node = node.commands[word]
    if any("--seed" in parameter.opts for parameter in node.params):
        status, _, err = jsddpm(*words, "--seed", -1)
        assert status == 2
        assert re.search(r"USAGE.*--seed.*-1 is below 0", err), err
        status, _, err = jsddpm(*words, "--seed", 2**64)  # more than PyTorch takes
        assert (status, "USAGE" in err, "--seed" in err) == (2, True, True), err


@pytest.mark.parametrize("words", leaves(command()), ids=" ".join)
def test_every_command_has_help_with_an_example(jsddpm, words):
    status, out, _ = jsddpm(*words, "--help")
    assert status == 0
    assert f"Example: jsddpm {' '.join(words)} " in " ".join(out.split()) + " "


@pytest.mark.parametrize("words", [(), ("cache",), *leaves(command())], ids=" ".join)
def test_the_help_of_80_columns_cuts_nothing_and_hides_nothing(jsddpm, monkeypatch, words):
    monkeypatch.setenv("COLUMNS", "80")
    out = jsddpm(*words, "--help")[1]
    assert "…" not in out
    assert max(map(len, out.splitlines())) <= 80
    prose = [line for line in out.splitlines() if line[:2] not in ("╭─", "╰─", "│ ")]
    paragraphs = "\n".join(line.rstrip() for line in prose).split("\n\n")
    for line, following in ((a, b) for p in paragraphs for a, b in pairwise(p.strip("\n").split("\n"))):
        assert len(line) + len(following.split()[0]) + 1 > 79, line  # the next word had no room
    node = command()
    for word in words:
        node = node.commands[word]
    meant, shown = ({w.rstrip(".") for w in s.split()} for s in (" ".join(p.help or "" for p in node.params), out))
    assert meant <= shown


@pytest.mark.parametrize("words", leaves(command()), ids=" ".join)
def test_the_help_has_the_words_of_the_reference(jsddpm, monkeypatch, words):
    """Python's words, such as ``<list[Path]>`` and ``{source}``, stood in their place."""
    monkeypatch.setenv("COLUMNS", "200")
    out = jsddpm(*words, "--help")[1]
    reference = (DOCS / "reference" / "cli.md").read_text().split(f" jsddpm {' '.join(words)}\n", 1)[1].split("\n#")[0]
    rows = [re.split(r"(?<!\\\\) \| ", line.strip("| ")) for line in reference.splitlines() if line.startswith("| `")]
    shown = [line.strip("│ ") for line in out.splitlines()]
    arguments = []
    for name, default, _ in ([cell.strip(" `").replace("\\|", "|") for cell in row] for row in rows):
        assert any(line == name or line.startswith(f"{name}  ") for line in shown), name
        assert f"[{default}]" in out if default == "required" else not default or f"[default: {default}]" in out
        if not name.startswith("-"):
            arguments.append(name if default == "required" else f"[{name}]")
    (usage,) = (line for line in shown if line.startswith("Usage: "))
    assert usage.endswith(" ".join(["jsddpm", *words, "[OPTIONS]", *arguments]))


def test_the_help_shows_defaults_as_they_are_typed_and_a_line_for_each_layout(jsddpm, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert "[default: 160 160 128]" in jsddpm("cache", "build", "--help")[1]
    lines = jsddpm("cache", "import", "--help")[1].splitlines()
    found = [found[1] for found in (re.search(r" - ([a-z0-9-]+): ", line) for line in lines) if found]
    assert found == [*import_layouts(), "auto"]


def test_the_help_lists_the_commands_in_the_order_of_the_work(jsddpm):
    shown = [line.split()[1] for line in jsddpm("--help")[1].splitlines() if re.match("│ [a-z]", line)]
    work = ["demo", "cohort", "cache", "bins", "train", "sample", "eval", "compare", "report"]
    assert [name for name in shown if name in work] == work


def test_a_new_file_is_a_new_command(tmp_path):
    (tmp_path / "hello.py").write_text(
        "import typer\napp = typer.Typer()\nORDER = 0\n@app.command(epilog='Example: jsddpm hello')\n"
        "def hello() -> None:\n    print('hello')\n"
    )
    code = (
        f"import sys\nfrom jsddpm_cli import commands\ncommands.__path__.append({str(tmp_path)!r})\n"
        "from jsddpm_cli.app import main\nmain()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "hello"], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout) == (0, "hello\n"), done.stderr


def test_piped_output_has_no_escapes_and_head_is_no_error():
    done = fresh("bins", "report", "--z-range", "24", "93", FORCE_COLOR="", TERM="dumb")
    assert "\x1b" not in done.stdout + done.stderr
    shell = f"{sys.executable} -c 'from jsddpm_cli.app import main; main()' bins report --z-range 24 93 | head -1"
    piped = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, timeout=120, check=False)
    assert "Traceback" not in piped.stderr
    assert "Error" not in piped.stderr


def test_version(jsddpm):
    assert jsddpm("--version")[1] == "jsddpm 0.1.0\n"


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), (5, "error[DISK_FULL]: No space left on device; fix:")),
        (OSError(errno.ENOSPC, "No space left on device", "a"), (5, "error[DISK_FULL] a: No space left on device;")),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), (5, "error[MEMORY]: out of memory; fix:")),
        (OSError(errno.ENAMETOOLONG, "File name too long", "a"), (5, "error[NOT_READABLE] a: File name too long;")),
        (OSError(errno.EIO, "Input/output error"), (70, "error[INTERNAL]: OSError: this is a bug in jsddpm;")),
    ],
)
def test_a_refusal_of_the_machine_is_no_bug(jsddpm, monkeypatch, tmp_path, refusal, expected):
    """Of a stream that is open, and of memory, the system names no file."""

    def refuse(*_, **__):
        raise refusal

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("jsddpm_cli.commands.bins.utilization_report", refuse)
    status, _, err = jsddpm("bins", "report", "--z-range", 24, 93, "--bins", 10, "--slices", 128)
    assert (status, err[: len(expected[1])]) == expected

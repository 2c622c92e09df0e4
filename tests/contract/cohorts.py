"""Group B: folders, manifests and configurations. What is wrong is named; nobody gets into two splits."""

from __future__ import annotations

import shutil
from collections.abc import Callable

from calls import Found, child, open_to_all
from contract.case import NOBODY, ROOT, SMALL, UNFINISHED, Build, Row, World
from jsddpm.cohort.sources import read_cohort
from jsddpm.config import load_config
from jsddpm.csvfiles import read_rows
from synthetic import write_bids

BUILD = ("cache", "build", "{bids}", "--out", "{tmp}/new", *SMALL)
FROM_TABLE = ("cache", "build", "{tmp}/cohort.csv", "--out", "{tmp}/new", *SMALL)
SCAN = ("cohort", "scan", "{bids}", "--format", "json")
READ = (*SCAN, "--read", "--jobs", 1)


def image(subject: int) -> str:
    """Path of a subject's image below the row's folder."""
    return f"bids/sub-{subject:02d}/anat/sub-{subject:02d}_FLAIR.nii.gz"


def lines(*rows: str, columns: str = "image,mask,patient,group,split") -> Build:
    """A manifest of the four subjects' files; ``0`` to ``3`` stand for their image and mask."""

    def build(world: World) -> None:
        assert world.bids
        text = [columns]
        for row in rows:
            number, rest = row.split(",", 1)
            path = image(int(number))
            text.append(f"{path},{path.replace('_FLAIR', '_FLAIR_roi')},{rest}")
        (world.tmp / "cohort.csv").write_text("\n".join(text) + "\n")

    return build


FOUR = ("0,a,fcd,train", "1,b,fcd,train", "2,c,fcd,val", "3,d,fcd,test")


def twice(world: World) -> None:
    lines(*FOUR)(world)
    shutil.copy(world.tmp / image(0), world.tmp / image(2))
    shutil.copy(
        world.tmp / image(0).replace("_FLAIR", "_FLAIR_roi"), world.tmp / image(2).replace("_FLAIR", "_FLAIR_roi")
    )


def text(content: bytes) -> Build:
    """A manifest of these bytes, and an image for it."""

    def build(world: World) -> None:
        assert world.bids
        (world.tmp / "cohort.csv").write_bytes(content)

    return build


def spreadsheet(world: World) -> Found:
    """Byte-order mark, semicolons, carriage returns; ``007`` stays a name."""
    rows = ["image;mask;patient;group", f"{image(0)};;007;hc", f"{image(1)};;010;hc"]
    (world.tmp / "cohort.csv").write_bytes("\r\n".join(rows).encode("utf-8-sig"))
    cohort = read_cohort(world.tmp / "cohort.csv")
    assert cohort.problems == ()
    assert [r.patient for r in cohort.records] == ["007", "010"]
    return world.call("cohort", "scan", "{tmp}/cohort.csv", "--format", "json")


def renamed(name: str) -> Build:
    """A subject of a manifest whose file lies under a hostile name."""

    def build(world: World) -> None:
        lines(*FOUR)(world)
        path = world.tmp / "bids" / name
        shutil.copy(world.tmp / image(3), path)
        rows = (world.tmp / "cohort.csv").read_text().splitlines()
        rows[4] = f'"bids/{name}",{rows[4].split(",", 1)[1]}'.replace('""', '"')
        (world.tmp / "cohort.csv").write_text("\n".join(rows) + "\n")

    return build


def link(target: str) -> Build:
    """An image that is a link."""

    def build(world: World) -> None:
        path = world.bids.parent / image(2)
        path.unlink()
        path.symlink_to(target)

    return build


def pointer(world: World) -> None:
    (world.bids.parent / image(2)).write_bytes(b"/annex/objects/SHA256E-s123--abc.nii.gz\n")


def placed(path: str) -> Build:
    """A manifest in a folder of its own that names one image, by that path."""

    def build(world: World) -> None:
        assert world.bids
        (world.tmp / "below").mkdir()
        (world.tmp / "below" / "linked.nii.gz").symlink_to(world.tmp / image(0))
        row = f"{world.fill(path)},,a,hc"
        (world.tmp / "below" / "cohort.csv").write_text(f"image,mask,patient,group\n{row}\n")

    return build


def subject(name: str) -> Build:
    """One subject of the tree under another name, its files too."""

    def build(world: World) -> None:
        old = world.bids / "sub-03"
        for path in (old / "anat").iterdir():
            path.rename(path.with_name(path.name.replace("sub-03", name)))
        old.rename(world.bids / name)

    return build


def all_bad(world: World) -> None:
    for path in world.bids.rglob("*_FLAIR.nii.gz"):
        path.write_bytes(b"")


def unreadable(*words: object) -> Callable[[World], Found]:
    """A file that may not be read: as an ordinary user, which root becomes for it."""

    def command(world: World) -> Found:
        folder = open_to_all()
        try:
            write_bids(folder / "bids")
            named = [str(w).replace("OPEN", str(folder)) for w in words]
            assert world.call(*named).status == 0  # imports what the other user may not read
            shutil.rmtree(folder / "new", ignore_errors=True)
            (folder / image(2)).chmod(0)
            return child(*named, user=NOBODY if ROOT else None)
        finally:
            shutil.rmtree(folder)

    return command


def configuration(content: str, case: str, what: str, *words: str) -> Row:
    """A configuration file that must be refused."""
    command = ("train", "--config", "{tmp}/c.yaml", "--store", "{store}", "--out", "{tmp}/new", "--dry-run")
    return Row(case, what, command, 2, "CONFIG", words, lambda world: (world.tmp / "c.yaml").write_text(content))


def numbers_are_numbers(world: World) -> Found:
    """YAML 1.2: ``1e-4`` is a number, ``no`` a word."""
    path = world.tmp / "c.yaml"
    path.write_text("optimizer: {learning_rate: 1e-4}\n")
    assert load_config(path).optimizer.learning_rate == 1e-4
    assert load_config(None, ["seed=08"]).seed == 8
    return Found(0)


def canary(content: str) -> Callable[[World], Found]:
    """A configuration that would write a file if anything in it were run."""

    def command(world: World) -> Found:
        path, fired = world.tmp / "c.yaml", world.tmp / "fired"
        path.write_text(content.replace("FIRED", str(fired)))
        found = world.call("train", "--config", path, "--store", "{store}", "--out", "{tmp}/new", "--dry-run")
        assert not fired.exists()
        path.unlink()
        return found

    return command


def names_read_back(world: World) -> Found:
    """What a scan writes of hostile names, a scan reads as they were; a number is no formula."""
    lines("0,=1+1,fcd,", "1,-2,fcd,", "2,@x,fcd,", "3,+7,fcd,")(world)
    found = world.call("cohort", "scan", "{tmp}/cohort.csv", "--out", "{tmp}/again.csv")
    cells = [line.split(",")[3] for line in (world.tmp / "again.csv").read_text().splitlines()[1:]]
    assert cells == ["'=1+1", "-2", "'@x", "+7"]
    assert [row["patient"] for row in read_rows(world.tmp / "again.csv")] == ["=1+1", "-2", "@x", "+7"]
    return found


LONG = "n" * 248 + ".nii.gz"

ROWS = (
    Row("28", "one subject twice", ("cohort", "scan", "{tmp}/cohort.csv"), 3, "DUPLICATE", ("a occurs 2 times",),
        lines("0,a,fcd,", "1,a,fcd,", columns="image,mask,patient,group,split")),
    Row("29", "one image under two patients", FROM_TABLE, 3, "SAME_IMAGE", ("a and c",), twice,
        leaves=UNFINISHED),
    Row("30", "a patient in two splits", FROM_TABLE, 3, "PATIENT_SPLIT", ("a is in several splits (test, train)",),
        lines("0,a,x,fcd,train", "1,a,y,fcd,test", columns="image,mask,patient,session,group,split")),
    Row("30", "a patient with and without leading zeros", FROM_TABLE, 3, "PATIENT_NAME", ("007 and 7",),
        lines("0,7,fcd,train", "1,007,fcd,test")),
    Row("30", "a patient in two splits, bad ones left out", (*FROM_TABLE, "--skip-bad"), 3, "PATIENT_SPLIT", (),
        lines("0,a,x,fcd,train", "1,a,y,fcd,test", columns="image,mask,patient,session,group,split")),
    Row("30", "two spellings of a patient, bad ones left out", (*FROM_TABLE, "--skip-bad"), 3, "PATIENT_NAME", (),
        lines("0,7,fcd,train", "1,007,fcd,test")),
    Row("31", "a path that leaves the folder", ("cohort", "scan", "{tmp}/below/cohort.csv"), 3, "OUTSIDE", ("--root",),
        placed("../" + image(0))),
    Row("31", "an absolute path", ("cohort", "scan", "{tmp}/below/cohort.csv"), 3, "OUTSIDE", ("--root",),
        placed("{tmp}/" + image(0))),
    Row("31", "a link that leaves the folder", ("cohort", "scan", "{tmp}/below/cohort.csv"), 3, "OUTSIDE", ("--root",),
        placed("linked.nii.gz")),
    *(Row("32", f"a folder whose name holds {what}", ("cohort", "scan", "{tmp}/bids"), 0, "", (said,), subject(name))
      for what, name, said in (("an escape", "sub-\x1b[31mred", "\\x1b[31mred"),
                               ("a line end", "sub-a\nb", "sub-a\\nb"),
                               ("right-to-left text", "sub-\u202egnp", "\\u202egnp"))),
    Row("32", "a folder whose name is no UTF-8, built", BUILD, 3, "SUBJECT_NAME", ("\\udcff",), subject("sub-\udcff")),
    Row("34", "a link that leads nowhere", SCAN, 3, "NIFTI_NOT_PRESENT", ("git annex get",),
        link("gone.nii.gz")),
    Row("34", "a link to itself", SCAN, 3, "", (), link("sub-02_FLAIR.nii.gz")),
    Row("34", "a pointer of git-annex", READ, 3, "NIFTI_NOT_PRESENT", ("git annex get",),
        pointer),
    Row("35", "an empty folder", ("cohort", "scan", "{tmp}"), 3, "EMPTY"),
    Row("35", "an empty manifest", ("cohort", "scan", "{tmp}/cohort.csv"), 3, "MANIFEST", (), text(b"")),
    Row("35", "a manifest of headings alone", ("cohort", "scan", "{tmp}/cohort.csv"), 3, "EMPTY", (),
        text(b"image,mask,patient\n")),
    Row("35", "every subject is bad", (*BUILD, "--skip-bad"), 3, "NIFTI_EMPTY", ("sub-00", "3 more of 4"), all_bad),
    Row("36", "a table as spreadsheets write it", spreadsheet, 0, "", ("007",), lambda world: world.bids),
    Row("36", "a column missing", ("cohort", "scan", "{tmp}/cohort.csv"), 3, "MANIFEST", ("lacks the column patient",),
        text(b"image,mask\na.nii.gz,b.nii.gz\n")),
    Row("36", "a column named twice", ("cohort", "scan", "{tmp}/cohort.csv"), 3, "MANIFEST", ("'patient' twice",),
        text(b"image,patient,patient\na.nii.gz,b,c\n")),
    Row("36", "more cells than columns", ("cohort", "scan", "{tmp}/cohort.csv"), 3, "MANIFEST", ("3 cells",),
        text(b"image,patient\na.nii.gz,b,c\n")),
    Row("36", "another encoding", ("cohort", "scan", "{tmp}/cohort.csv"), 3, "MANIFEST", ("UTF-8",),
        text("image,patient\nä.nii.gz,b\n".encode("latin-1"))),
    Row("33", "blanks in a name", FROM_TABLE, 0, "", (), renamed("a b  c.nii.gz")),
    Row("33", "quotes in a name", FROM_TABLE, 0, "", (), renamed("it's.nii.gz")),
    Row("33", "a name that begins with a minus", FROM_TABLE, 0, "", (), renamed("-rf.nii.gz")),
    Row("33", "a name of 255 bytes", FROM_TABLE, 0, "", (), renamed(LONG)),
    Row("37", "names that differ in their case", FROM_TABLE, 3, "DUPLICATE", ("P1 and p1",),
        lines("0,P1,fcd,train", "1,p1,fcd,test")),
    Row("38", "an image that may not be read, built", unreadable(
        "cache", "build", "OPEN/bids", "--out", "OPEN/new", *SMALL), 5, "NIFTI_PERMISSION", ("sub-02",)),
    Row("38", "an image that may not be read, scanned", unreadable(
        "cohort", "scan", "OPEN/bids", "--read", "--jobs", 1), 5, "NIFTI_PERMISSION", ("sub-02", "3 images")),
    Row("39", "numbers with an exponent or leading zero", numbers_are_numbers),
    configuration("seed: no\n", "39", "a word for a number", "seed"),
    configuration("seed: 1\nseed: 2\n", "39", "a key twice", "YAML"),
    configuration("trainer: {max_step: 3}\n", "39", "a misspelt key", "did you mean trainer.max_steps"),
    configuration("optimiser: {learning_rate: 1}\n", "39", "a misspelt section", "did you mean optimizer"),
    configuration("- a\n- b\n", "39", "a list for a mapping", "is not a mapping of sections"),
    Row("40", "a YAML tag that runs Python", canary("seed: !!python/object/apply:os.system ['touch FIRED']\n"), 2,
        "CONFIG", ("YAML",)),
    Row("40", "a target to instantiate", canary("model: {_target_: os.system, command: 'touch FIRED'}\n"), 2, "CONFIG",
        ("unknown key",)),
    Row("103", "cells that a spreadsheet would run", names_read_back, 0, "", (), lambda world: world.bids),
    Row("36", "a field of more than 128 KiB", ("cohort", "scan", "{tmp}/cohort.csv"), 3, "MANIFEST", (),
        text(b"image,patient\n" + b"a" * 200_000 + b",b\n")),
    Row("M3", "a patient with a slash", FROM_TABLE, 3, "SUBJECT_NAME", ("a/b",), lines("0,a/b,fcd,train", *FOUR[1:])),
    Row("M3", "a patient of 300 letters", FROM_TABLE, 3, "SUBJECT_NAME", ("245 bytes",),
        lines(f"0,{'x' * 300},fcd,train", *FOUR[1:])),
    Row("M1", "a mask label that no mask holds", (*BUILD, "--mask-label", 99), 3, "MASK_READING", ("0, 1",),
        lambda world: world.bids),
    Row("M1", "a mask threshold of NaN", (*READ, "--mask-threshold", "nan"), 2, "MASK_READING"),
    Row("M1", "a mask threshold of infinity", (*READ, "--mask-threshold", "inf"), 2, "MASK_READING"),
)  # fmt: skip

"""``jsddpm utility``: a table or strict JSON, files, shares, a second call that trains nothing again, refusals."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from calls import invoke
from jsddpm.binning import ZBinning
from jsddpm.errors import JsddpmError
from jsddpm.slices.writer import Shard, new_store
from jsddpm_cli.commands.utility import _generators
from synthetic import N_SLICES, write_store

QUICK = [
    "--preset",
    "quick",
    "--steps",
    "2",
    "--seeds",
    "2",
    "--folds",
    "2",
    "--z-range",
    "5",
    "34",
    "--bins",
    "2",
    "--jobs",
    "1",
]
ARMS = ["--arm", "real", "--arm", "real+copy-paste"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("utility")
    write_store(folder / "store", patients=8)
    return folder


def utility(place, *more, out="out"):
    words = ["utility", place / "store", "--out", place / out, *QUICK, *ARMS, *more]
    return invoke(*words)


@pytest.fixture(scope="module")
def found(place):
    return utility(place)


def test_a_study_is_a_table_sentences_and_files(found, place):
    assert found.status == 0, found.err
    said = " ".join(found.out.split())
    assert "real+copy-paste" in said
    assert said.count("The study cannot compare real+copy-paste with real") == 1  # after so few steps nothing is found
    assert max(map(len, found.out.splitlines())) <= 100
    assert {path.name for path in (place / "out").iterdir()} == {
        "cells", "cells.csv", "patients.csv", "plan.json", "SHA256SUMS", "table.md", "table.tex", "utility.html",
        "utility.json",
    }  # fmt: skip
    assert len(list((place / "out" / "cells").iterdir())) == 8
    written = b"".join(path.read_bytes() for path in (place / "out").rglob("*") if path.is_file())
    assert not [w for w in (str(place).encode(), b"sub-", b'"p1"') if w in written]  # neither a folder nor a patient


def test_a_second_call_trains_nothing_and_prints_strict_json(found, place):
    before = {path: path.read_bytes() for path in (place / "out" / "cells").iterdir()}
    again = utility(place, "--format", "json")
    values = json.loads(again.out)
    assert {path: path.read_bytes() for path in before} == before
    assert json.loads((place / "out" / "utility.json").read_text()) == values
    rows = list(csv.DictReader((place / "out" / "patients.csv").read_text().splitlines()))
    assert len(rows) == 2 * 2 * 8  # arms, repeats, and every patient in one fold
    assert len({row["patient"] for row in rows}) == 8


def test_shares_train_a_part_each_and_the_last_one_writes(found, place):
    first = utility(place, "--share", "1/2", out="shared")
    assert first.status == 0, first.err
    assert "part 1 of 2 is complete" in first.err
    assert not (place / "shared" / "utility.json").exists()
    assert utility(place, "--share", "2/2", out="shared").status == 0
    ours, alone = (json.loads((place / out / "utility.json").read_text()) for out in ("shared", "out"))
    for values in (ours, alone):
        for cell in values["cells"]:
            del cell["seconds"]
    assert ours == alone


@pytest.mark.parametrize(
    ("words", "code", "status"),
    [(["--seed", "3"], "UTILITY", 2), (["--arm", "generated"], "UTILITY", 2), (["--arm", "fake"], "ARM", 2),
     (["--network", "resnet"], "SEGMENTER", 2), (["--fold", "x.csv"], "OPTION", 2), (["--share", "3/2"], "OPTION", 2),
     (["--generator", "1={store}"], "UTILITY", 2), (["--generator", "{store}"], "KIND", 2)],
)  # fmt: skip
def test_what_cannot_be_done_is_refused(found, place, words, code, status):
    error = utility(place, *(w.replace("{store}", str(place / "store")) for w in words)).error
    assert (error.code, error.status) == (code, status)


@pytest.mark.parametrize("words", [["1=a", "1=b"], ["a", "b"], ["a", "1=b"], ["1=b", "a"], ["0=a"]], ids=str)
def test_generators_are_named_by_fold_or_stand_alone(words):
    with pytest.raises(JsddpmError, match="--generator"):
        _generators(words)


@pytest.mark.usefixtures("found")
def test_studies_of_two_generators_are_compared(place, tmp_path):
    """The samples of one hold the other's lesions on other images; both are tested on the same patients."""
    rng = np.random.default_rng(0)
    for name in ("first", "second"):
        images = rng.random((8, 32, 24)).astype(np.float32)
        columns = {"z_index": [20] * 8, "pathology": [1] * 8, "sample": range(8)}
        info = {"kind": "generated", "n_slices": N_SLICES, "spacing": (3.0, 2.0, 1.5)}
        with new_store(tmp_path / name, **info, binning=ZBinning((5, 34), 2, n_slices=N_SLICES).to_dict()) as writer:
            writer.add(Shard("made", images, images > 0.9, columns))
        words = ["--generator", f"1={tmp_path / name}", "--generator", f"2={tmp_path / name}", "--arm", "generated"]
        found = utility(place, *words, "--out", tmp_path / f"{name}.utility")
        assert found.status == 0, found.err
    both = [str(tmp_path / f"{name}.utility") for name in ("first", "second")]
    files = [tmp_path / f"between{suffix}" for suffix in (".csv", ".md", ".tex")]
    out = [word for file in files for word in ("--out", str(file))]
    found = invoke("compare", *both, *out, "--format", "json")
    assert found.status == 0, found.err
    assert json.loads(found.out)["studies"] == {"A": "first.utility", "B": "second.utility"}
    (row,) = json.loads(found.out)["comparisons"]
    assert (row["arm"], row["reference"], row["patients"]) == ("B: generated", "A: generated", 5)
    studies = [json.loads((Path(folder) / "utility.json").read_text()) for folder in both]
    means = [arm["dice"]["mean"] for values in studies for arm in values["arms"] if arm["arm"] == "generated"]
    assert all("is an assumption of this study" in values["limits"][-1] for values in studies)
    assert row["difference"] == pytest.approx(means[1] - means[0])
    assert invoke("compare", both[0], str(place / "out")).error.code == "NOT_COMPARABLE"
    many = [str(shutil.copytree(both[0], tmp_path / "many" / str(number))) for number in range(27)]
    assert "27 studies are given" in str(invoke("compare", *many).error)
    with open(files[0], newline="") as stream:
        (written,) = csv.DictReader(stream)
    assert [float(written[key]) for key in ("difference", "low", "high")] == [row["difference"], *row["interval"]]
    assert all("B: generated" in file.read_text() for file in files[1:])
    for words in (["--all"], ["--out", str(tmp_path / "between.png")]):
        assert invoke("compare", *both, *words).error.code == "OPTION"

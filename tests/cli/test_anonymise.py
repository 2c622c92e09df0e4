"""What commands leave for others to see names no place on this disk, and with ``--anonymise`` no patient."""

from __future__ import annotations

import csv
import json
import re
import zipfile

import numpy as np
import pytest

from calls import invoke
from jsddpm.binning import ZBinning
from jsddpm.slices.store import SliceStore
from jsddpm.slices.writer import Shard, new_store
from jsddpm_eval.comparison import compare
from jsddpm_eval.results.results import Results
from synthetic import N_SLICES, synthetic_slices

PEOPLE = ("Meier_Anna", "Schmidt", "Kim-Lee", "Oezil", "Ngo", "Papadakis", "Ruiz", "Sato")
BINNING = ZBinning((5, 34), 2, n_slices=N_SLICES)
METRICS = ("copies", "feature_distance", "best_match")
"""Those that name patients."""

NAMED = {"results.influence.json", "per_slice.csv", "lesions.csv", "privacy.json", "report.html", "panels.npz"}
"""Files of an evaluation that name patients."""


def jsddpm(*words):
    """A command that did what was asked; 7 says that a score is undefined."""
    done = invoke(*words)
    assert done.status in (0, 7), done.said + repr(done.error)
    return done


def asked(metrics):
    return [word for metric in metrics for word in ("--metrics", metric)]


def contents(folder):
    """Bytes of every file below a folder and of every member of an archive, by name."""
    found = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        found[str(path.relative_to(folder))] = path.read_bytes()
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                found |= {f"{path.name}/{name}": archive.read(name) for name in archive.namelist()}
    return found


def holding(folder, words):
    """Files below a folder that hold one of the words: in their bytes (UTF-8, and NumPy's UTF-32) or their names."""
    codes = [word.encode(code) for word in words for code in ("utf-8", "utf-32-le", "utf-16-le")]
    return [n for n, data in contents(folder).items() if any(code in data or code in n.encode() for code in codes)]


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory, run, store, generated):
    """Where the tiny run was evaluated, and its pages."""
    out = tmp_path_factory.mktemp("evaluated")
    jsddpm("eval", run, "--generated", generated.path, "--bin-aware", "--out", out / "evaluation",
           "--feature-cache", out / "features", "--features", "radiomics", *asked(METRICS))  # fmt: skip
    jsddpm("report", out / "evaluation", "--out", out / "page.html", "--figures", out / "figures")
    jsddpm("report", run, "--out", out / "run.html")
    return out


@pytest.mark.long
def test_nothing_names_a_place_on_the_disk(evaluated, run, generated):
    """Checkpoints, results, tables, pages, figures, features and samples: no folder of this machine in any byte."""
    places = [str(run.parents[1]), str(SliceStore(generated.path).path.parents[1])]
    for folder in (evaluated, run, generated.path):
        assert len(contents(folder)) >= 5
        assert holding(folder, places) == []


@pytest.mark.long
def test_a_run_and_its_page_name_no_patient(evaluated, run, store):
    names = [s["name"] for s in store.subjects]
    assert holding(run, names) == []
    assert not [name for name in names if name in (evaluated / "run.html").read_text()]


@pytest.fixture(scope="module")
def named(tmp_path_factory):
    """A store of patients with names, and copies of training slices as if they were generated."""
    folder = tmp_path_factory.mktemp("named")
    with new_store(folder / "store", kind="real", n_slices=N_SLICES, spacing=(3.0, 2.0, 1.5)) as writer:
        for p, name in enumerate(PEOPLE):
            image, mask, inside = synthetic_slices(np.random.default_rng(p), lesion=range(p % 4, N_SLICES, 2))
            rows = {"z_index": np.arange(N_SLICES), "pathology": mask.any((1, 2)), "split": 0 if p < 5 else 2}
            info = {"patient": name, "session": "2019", "split": "train" if p < 5 else "test"}
            rows["brain_fraction"] = inside.mean((1, 2))
            writer.add(Shard(f"{name}_2019", image, mask, rows, info))
    store = SliceStore(folder / "store")
    for number, first in enumerate((0, 1)):
        rows = store.select(binning=BINNING, split="train")[first::9]
        columns = {n: store.index[n][rows] for n in ("z_index", "pathology")} | {"sample": list(range(len(rows)))}
        info = {"binning": BINNING.to_dict(), "kind": "generated", "n_slices": N_SLICES, "spacing": store.spacing}
        with new_store(folder / f"made-{number}", **info) as writer:
            writer.add(Shard("all", store.images(rows), store.masks(rows), columns))
    return folder


def evaluate(named, out, *more, made=0, metrics=METRICS):
    return jsddpm(
        "eval", "--real", named / "store", "--generated", named / f"made-{made}", "--bin-aware", "--out", out,
        "--features", "radiomics", "--feature-cache", named / "features", *asked(metrics), *more,
    )  # fmt: skip


@pytest.fixture(scope="module")
def both(named):
    """The same evaluation with names and, over files that hold names, with codes; what that said; and the key."""
    evaluate(named, named / "plain")
    evaluate(named, named / "coded", metrics=["best_match"])
    said = evaluate(named, named / "coded", "--anonymise", "--key", named / "keys" / "key.csv")
    with open(named / "keys" / "key.csv", newline="") as stream:
        key = {row["image"]: row["code"] for row in csv.DictReader(stream)}
    return named, key, said


def decoded(text, key):
    for image, code in key.items():
        text = text.replace(code, image)
    return text


def test_with_codes_every_score_is_the_same_and_no_name_is_left(both):
    named, key, said = both
    assert set(key) == {f"{name}_2019" for name in PEOPLE}
    found = holding(named / "plain", PEOPLE)
    assert {name.partition("/")[0] for name in found} == NAMED
    assert holding(named / "coded", PEOPLE) == []
    assert {p.name for p in (named / "coded").iterdir()} == {p.name for p in (named / "plain").iterdir()}
    assert not [name for name in PEOPLE if name in said.out + said.err]
    plain, coded = (json.loads((named / side / "results.json").read_text()) for side in ("plain", "coded"))
    assert re.fullmatch("[0-9a-f]{16}", coded["provenance"].pop("patient_codes"))
    assert coded == plain
    assert (named / "coded" / "per_bin.csv").read_bytes() == (named / "plain" / "per_bin.csv").read_bytes()


def test_tables_say_the_same_of_the_same_patients(both):
    named, key, _ = both
    people = {name: key[f"{name}_2019"].rpartition("-")[0] for name in PEOPLE}
    plain, coded = ((named / side / "per_slice.csv").read_text() for side in ("plain", "coded"))
    assert decoded(coded, key) == plain
    plain, coded = ((named / side / "lesions.csv").read_text().splitlines() for side in ("plain", "coded"))
    back = [decoded(line, key) for line in coded]
    for name, code in people.items():
        back = [line.replace(f",{code},", f",{name},") for line in back]
    assert sorted(back) == sorted(plain)
    owners = [line.split(",")[2] for line in coded if line.startswith("real")]
    assert owners == sorted(owners)
    plain, coded = (json.loads((named / s / "results.influence.json").read_text())["influence"]
                    for s in ("plain", "coded"))  # fmt: skip
    assert list(plain) == list(coded)
    for place, influence in plain.items():
        assert list(coded[place]["patients"]) == sorted(coded[place]["patients"])
        assert coded[place]["samples"] == influence["samples"]
        assert sorted(coded[place]["patients"].values()) == sorted(influence["patients"].values())
    one = next(p for p in plain if set(plain[p]["patients"]) == set(PEOPLE))
    assert coded[one]["patients"] == {people[name]: value for name, value in plain[one]["patients"].items()}
    privacy = json.loads((named / "coded" / "privacy.json").read_text())
    assert privacy["worst_patient"]["patient"] in people.values()


def test_a_comparison_pairs_the_same_patients(both, tmp_path):
    named, _, _ = both
    for name, more in (("plain", ()), ("coded", ("--anonymise", "--key", named / "keys" / "key.csv"))):
        evaluate(named, tmp_path / name, *more, made=1, metrics=["feature_distance"])
    found = {}
    for name in ("plain", "coded"):
        sides = [Results.read(place / "results.json") for place in (named / name, tmp_path / name)]
        found[name] = compare(*sides)
    assert any(d.paired for d in found["plain"])
    for a, b in zip(found["plain"], found["coded"], strict=True):  # in another order, sums round otherwise
        assert (a.score, a.difference, a.n_patients, a.paired) == (b.score, b.difference, b.n_patients, b.paired)
        assert a.interval == (None if b.interval is None else pytest.approx(b.interval, rel=1e-9, abs=1e-12))
    mixed = invoke("compare", str(named / "plain"), str(tmp_path / "coded"))
    assert "NOT_COMPARABLE" in str(mixed.error)
    assert "key file" in str(mixed.error)


def test_a_report_of_names_is_written_with_codes(both, tmp_path):
    named, key, _ = both
    asked = ["report", named / "plain", "--out", tmp_path / "shared" / "page.html", "--anonymise"]
    (tmp_path / "shared").mkdir()
    jsddpm(*asked, "--real", named / "store", "--key", named / "keys" / "key.csv")
    assert holding(tmp_path / "shared", PEOPLE) == []
    page = (tmp_path / "shared" / "page.html").read_text()
    assert any(code in page for code in key.values())
    jsddpm(*asked, "--key", named / "keys" / "key.csv")
    assert (tmp_path / "shared" / "page.html").read_text() == page
    jsddpm("report", named / "coded", "--out", tmp_path / "again.html", "--anonymise")
    with pytest.raises(AssertionError, match="needs the names of the patients"):
        jsddpm(*asked)


def test_a_store_is_given_away_under_codes(both):
    named, key, _ = both
    jsddpm("cache", "anonymise", named / "store", "--out", named / "given", "--key", named / "keys" / "key.csv")
    assert holding(named / "given", PEOPLE) == []
    assert sorted(s["name"] for s in SliceStore(named / "given").subjects) == sorted(key.values())
    jsddpm("cache", "anonymise", named / "made-0", "--out", named / "given-samples")
    assert SliceStore(named / "given-samples").binning == BINNING


@pytest.mark.parametrize(
    ("words", "code"),
    [(["--anonymise", "--key", "e/key.csv"], "KEY"), (["--key", "key.csv"], "OPTION")],
)
def test_a_key_that_would_be_shared_or_unused_is_refused(named, tmp_path, monkeypatch, words, code):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AssertionError, match=code):
        evaluate(named, "e", *words)
    assert not list(tmp_path.rglob("*.csv"))

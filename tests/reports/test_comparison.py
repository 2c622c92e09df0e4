"""A comparison says the same in every form, and the command refuses what cannot be compared."""

from __future__ import annotations

import csv
import json

import pytest

from calls import invoke
from evaluations import SPECS, made_up
from jsddpm.binning import ZBinning
from jsddpm_eval.comparison import compare, compare_all
from jsddpm_eval.results.results import Results
from jsddpm_eval.results.score import Cell, Score
from jsddpm_reports import comparison
from jsddpm_reports.forest import forest_figure, forest_scores
from jsddpm_reports.wording import signed

BINNING = ZBinning((24, 93), 4)
KID = next(spec for spec in SPECS if spec.name == "kid")


def results(values, half=0.2, fold="abc"):
    """One KID per bin, control."""
    scores = [Score(value=v, interval=(v - half, v + half)).placed(KID, "radiomics") for v in values]
    cells = [Cell(z_bin=k, pathology=0, scores={"kid_radiomics": score}) for k, score in enumerate(scores)]
    real = {"store": fold, "held_out_split": "test", "patients": 8, "held_out_patients": 2}
    known = {"real": real, "seed": 0, "features": [{"name": "r", "hash": "1"}]}
    return Results(binning=BINNING.to_dict(), provenance=known, utilization={}, generation=cells, specs=(KID,))


def test_tables_hold_the_same_in_every_format():
    found = compare_all(results([1.0, 2.0]), {"far": results([0.1, 2.0]), "a|b": results([1.1, 2.5])})
    rows = list(csv.DictReader(comparison.comparison_text(found, ".csv", baseline="first").splitlines()))
    assert [float(r["difference"]) for r in rows] == pytest.approx([-0.9, 0.0, 0.1, 0.5])
    assert [r["significant"] for r in rows] == ["True", "False", "False", "True"]
    markdown = comparison.comparison_text(found, ".md", baseline="first").splitlines()
    assert markdown[0] == "- A: first, the reference"
    cells = [c.strip() for c in markdown[6].strip("|").split("|")]
    assert cells[:5] == ["bin 0 control", "kid_radiomics", "1.00", "0.10", "better −0.90 −1.18 to −0.62"]
    assert cells[5:] == ["1.10", "+0.10 −0.18 to +0.38"]
    alone = comparison.comparison_table({"far": found["far"]})[1][0]
    assert alone == ["bin 0 control", "kid_radiomics", "1.00", "0.10", "−0.90", "−1.18 to −0.62", "<0.001", "better"]
    latex = comparison.comparison_text(found, ".tex", baseline="a_b")
    assert r"a\_b" in latex
    assert latex.count(r"kid\_radiomics & ") == 2
    assert latex.index(r"\toprule") < latex.index(r"\midrule") < latex.index(r"\bottomrule")


def test_a_forest_chart_shows_what_is_significant():
    found = compare(results([1.0, 2.0]), results([0.1, 2.0]))
    (axes,) = forest_figure({"B": found}, ["kid_radiomics"]).axes
    points = [line for line in axes.lines if line.get_marker() == "o"]
    assert [float(p.get_xdata()[0]) for p in points] == pytest.approx([-0.9, 0])
    assert [p.get_markerfacecolor() == p.get_color() for p in points] == [True, False]
    spans = [line.get_xdata() for line in axes.lines if len(line.get_xdata()) == 2 and line.get_marker() == "None"]
    assert tuple(spans[1]) == pytest.approx(found[0].interval)
    assert (axes.get_xlabel(), axes.get_title(loc="left")) == ("← B better", "KID radiomics, control")


def test_charts_are_of_the_compact_scores_first_in_reading_order():
    first = made_up(4).results
    scores = forest_scores(compare(first, first), first)
    assert len(scores) == 12
    assert scores[:3] == ["best_match_psnr", "copy_gap", "diversity_rmse"]
    assert scores.index("kid_radiomics") < scores.index("z_error_bins") < scores.index("control_empty")
    assert "best_match_psnr_train" not in scores  # a further one


def test_the_page_is_inert_and_says_what_differs():
    name = "<script>alert(1)</script>"
    found = compare_all(results([1.0, 2.0]), {name: results([0.1, 2.0])})
    page = comparison.comparison_page(found, "base & line", ["kid_radiomics"])
    assert "<script>alert" not in page
    assert "base &amp; line" in page
    assert "better in kid_radiomics (1 of 2)" in page
    same = compare_all(results([1.0]), {"same": results([1.0])})
    assert "No difference is significant." in comparison.comparison_page(same, "base", ["kid_radiomics"])


def test_a_difference_is_never_worded_as_none():
    assert [signed(v) for v in (0.0, -1e-14, 0.0004, -0.25)] == ["0.000", "0.000", "+0.0004", "−0.25"]
    assert [signed(v, "share") for v in (0.125, -0.004)] == ["+12 pp", "−0.4 pp"]
    assert [signed(v, decimals=3) for v in (0.125, -0.0002, None)] == ["+0.125", "−0.0002", "–"]


@pytest.fixture
def folders(tmp_path):
    for name, values in (("a", [1.0, 2.0]), ("b", [0.1, 2.0]), ("c", [1.0, 2.1])):
        (tmp_path / name).mkdir()
        results(values).write(tmp_path / name / "results.json")
    return tmp_path


def test_the_command_compares_folders(folders):
    a, b, c = (folders / n for n in "abc")
    found = invoke("compare", a, b, "--out", folders / "t.tex", "--out", folders / "t.png", "--out", folders / "t.html")
    assert found.status == 0, found.err
    assert "better" in found.out
    assert "better in kid_radiomics (1 of 2)" in found.out
    assert "does not hold what each patient adds" in found.err
    assert (folders / "t.png").read_bytes().startswith(b"\x89PNG")
    assert {p.name for p in folders.glob("t.*")} == {"t.tex", "t.png", "t.html"}
    several = json.loads(invoke("compare", a, b, c / "results.json", "--format", "json").out)
    assert {name: len(t) for name, t in several["differences"].items()} == {"b": 2, "c": 2}
    for score in ("kid", "kid_radiomics"):
        named = json.loads(invoke("compare", a, b, "--score", score, "--format", "json").out)
        assert {d["score"] for d in named["differences"]["b"]} == {"kid_radiomics"}
    assert all(str(folders) not in (folders / f"t.{form}").read_text() for form in ("tex", "html"))


@pytest.fixture
def trainings(tmp_path):
    """Four folds; the second way to train has a KID that is lower by 1 in bin 0, more or less."""
    for fold, change in enumerate((-1.0, -1.1, -0.9, -1.05)):
        for name, values in (("global", [2.0, 3.0]), ("local", [2.0 + change, 3.0 + (-1) ** fold])):
            place = tmp_path / f"{name}-{fold}"
            place.mkdir()
            results(values, fold=f"fold {fold}").write(place / "results.json")
    return tmp_path


def test_pooled_evaluations_are_compared_in_every_form(trainings, monkeypatch):
    monkeypatch.chdir(trainings)
    monkeypatch.setenv("COLUMNS", "80")
    first, second = ([f"{name}-{fold}" for fold in range(4)] for name in ("global", "local"))
    files = [x for form in ("csv", "md", "tex", "html", "png") for x in ("--out", f"t.{form}")]
    found = invoke("compare", *second, "--baseline", *reversed(first), "--all", *files)
    assert found.status == 0, found.err
    assert "fold 1: local-3 less global-3" in found.out
    assert "better in kid_radiomics (1 of 2)" in found.out
    assert "\\n" not in found.out
    for part in ("better −1.01", "0.001", "4/4/–"):
        assert part in found.out
    assert max(map(len, found.out.splitlines())) <= 80
    rows = list(csv.DictReader((trainings / "t.csv").read_text().splitlines()))
    assert [(r["n_folds"], r["n_pairs"]) for r in rows] == [("4", "4")] * 2
    means = (trainings / "t.md").read_text()
    assert "| bin 0 control | kid_radiomics | 2.00 | 0.99 | better −1.01 −1.22 to −0.80 |" in means
    assert "Nadeau and Bengio 2003" in means
    assert r"kid\_radiomics" in (trainings / "t.tex").read_text()
    assert "local-0 and 3 more" in (trainings / "t.html").read_text()
    values = json.loads(invoke("compare", *second, "--baseline", *first, "--format", "json").out)
    assert values["pairs"][1] == {"fold": 2, "baseline": "global-1", "evaluation": "local-1"}
    (differences,) = values["differences"].values()
    assert [d["better"] for d in differences] == ["second", None]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a"], "at least two evaluations are needed"),
        (["a", "b", "b"], "an evaluation is given twice"),
        (["a", "--baseline", "b", "c"], "store abc (test): 2 and 1"),
        (["a", "a", "--baseline", "b", "c"], "an evaluation is given twice"),
        (["a", "b", "--score", "fid"], "'fid' is not a score of both"),
        (["a", "b", "--out", "t.docx"], "end it with one of"),
    ],
)
def test_what_cannot_be_compared_is_refused(folders, monkeypatch, arguments, message):
    monkeypatch.chdir(folders)
    found = invoke("compare", *arguments)
    assert found.status != 0
    assert message in str(found.error)

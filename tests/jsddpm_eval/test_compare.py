"""Differences of evaluations: closed-form tests, corrected over bins; what cannot be compared is refused by field."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from typer.testing import CliRunner

from jsddpm.binning import ZBinning
from jsddpm.errors import JsddpmError
from jsddpm_cli.app import app
from jsddpm_eval.compare import compare, compare_all, direction, summary
from jsddpm_eval.multiplicity import holm_adjusted
from jsddpm_eval.results import Cell, Results, Score
from jsddpm_reports import comparison
from jsddpm_reports.forest import forest_figure

BINNING = ZBinning((24, 93), 4)


def jsddpm(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def results(values, half=0.2, name="kid_radiomics", **provenance):
    """One cell per value, bins in order, pathology 0."""
    cells = [
        Cell(
            z_bin=k,
            pathology=0,
            scores={
                name: Score.undefined("too few")
                if v is None
                else Score(value=v, interval=None if half is None else (v - half, v + half))
            },
        )
        for k, v in enumerate(values)
    ]
    known = {"real": {"store": "abc", "held_out_split": "test"}, "seed": 0, "features": [{"name": "r", "hash": "1"}]}
    return Results(binning=BINNING.to_dict(), provenance=known | provenance, utilization={}, generation=cells)


def test_differences_are_those_of_normal_theory_corrected_over_bins():
    a, b = [1.0, 1.0, 1.0, None], [1.1, 0.2, 1.5, 1.0]
    found = compare(results(a), results(b))
    assert [d.cell for d in found] == ["bin 0 control", "bin 1 control", "bin 2 control"]
    error = 0.2 / norm.ppf(0.975) * np.sqrt(2)
    p = 2 * norm.sf(np.abs([0.1, -0.8, 0.5]) / error)
    order = np.argsort(p)
    expected = np.empty(3)
    expected[order] = np.maximum.accumulate(p[order] * [3, 2, 1])
    assert [d.p_value for d in found] == pytest.approx(expected.clip(max=1).tolist())
    assert [d.interval for d in found] == [
        pytest.approx((x - 0.2 * np.sqrt(2), x + 0.2 * np.sqrt(2))) for x in (0.1, -0.8, 0.5)
    ]
    assert [d.better for d in found] == [None, "second", "first"]  # a KID is better when lower
    assert summary(found) == "better in kid_radiomics (1 of 3); worse in kid_radiomics (1 of 3)"


def test_direction_and_missing_intervals():
    up = compare(results([20.0], name="psnr"), results([25.0], name="psnr"))
    assert up[0].better == "second"
    none = compare(results([20.0], half=None), results([25.0]))
    assert (none[0].difference, none[0].interval, none[0].p_value) == (5.0, None, None)
    assert summary(none) == "no score of any condition is told apart"
    undirected = compare(
        results([0.1], half=0.001, name="diversity_rmse"), results([0.2], half=0.001, name="diversity_rmse")
    )
    assert (undirected[0].better, undirected[0].told_apart) == (None, True)
    assert summary(undirected) == "other in diversity_rmse (1 of 1)"


def test_false_alarms_stay_below_the_level_over_all_bins():
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(300):
        a, b = rng.normal(0, 0.2 / norm.ppf(0.975), (2, 10))
        alarms += any(d.told_apart for d in compare(results(list(a)), results(list(b))))
    assert alarms <= 300 * 0.05 + 3 * np.sqrt(300 * 0.05 * 0.95)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"real": {"store": "xyz", "held_out_split": "test"}}, "real.store: abc and xyz"),
        ({"real": {"store": "abc", "held_out_split": "val"}}, "real.held_out_split: test and val"),
        ({"features": [{"name": "r", "hash": "2"}]}, "features.r.hash: 1 and 2"),
        ({"seed": 1}, "seed: 0 and 1"),
    ],
)
def test_other_conditions_are_refused_by_field(change, message):
    with pytest.raises(JsddpmError, match=f"NOT_COMPARABLE.*{message}"):
        compare(results([1.0]), results([1.0], **change))


def test_other_bins_are_refused():
    other = results([1.0]).model_copy(update={"binning": ZBinning((24, 93), 5).to_dict()})
    with pytest.raises(JsddpmError, match=r"binning.n_bins: 4 and 5"):
        compare(results([1.0]), other)


@given(st.dictionaries(st.integers(), st.floats(0, 1), max_size=8))
def test_adjusted_p_values_reject_what_the_step_down_procedure_rejects(p_values):
    adjusted = holm_adjusted(p_values)
    assert set(adjusted) == set(p_values)
    for level in (0.01, 0.05, 0.2):
        rejected = set()
        for rank, key in enumerate(sorted(p_values, key=p_values.__getitem__)):
            if p_values[key] * (len(p_values) - rank) > level:
                break
            rejected.add(key)
        assert {k for k, p in adjusted.items() if p <= level} == rejected


def test_tables_hold_the_same_in_every_format():
    found = compare_all(results([1.0, 2.0]), {"far": results([0.1, 2.0]), "a|b": results([1.1, 2.5])})
    rows = list(csv.DictReader(comparison.comparison_text(found, ".csv", baseline="first").splitlines()))
    assert [float(r["difference"]) for r in rows] == pytest.approx([-0.9, 0.0, 0.1, 0.5])
    assert [r["told_apart"] for r in rows] == ["True", "False", "False", "True"]
    markdown = comparison.comparison_text(found, ".md", baseline="first").splitlines()
    assert markdown[0] == "- A: first, the baseline"
    cells = [c.strip() for c in markdown[6].strip("|").split("|")]
    assert cells[:5] == ["bin 0 control", "kid_radiomics", "1.00", "0.10", "better −0.90 −1.18 to −0.62"]
    assert cells[5:] == ["1.10", "+0.10 −0.18 to +0.38"]
    alone = comparison.comparison_table({"far": found["far"]})[1][0]
    assert alone == ["bin 0 control", "kid_radiomics", "1.00", "0.10", "−0.90", "−1.18 to −0.62", "<0.001", "better"]
    latex = comparison.comparison_text(found, ".tex", baseline="a_b")
    assert r"a\_b" in latex
    assert latex.count(r"kid\_radiomics & ") == 2
    assert latex.index(r"\toprule") < latex.index(r"\midrule") < latex.index(r"\bottomrule")


def test_the_first_forest_chart_shows_what_is_told_apart():
    found = compare(results([1.0, 2.0]), results([0.1, 2.0]))
    figure = forest_figure({"B": found}, ["kid_radiomics"])
    points = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert [float(p.get_xdata()[0]) for p in points] == pytest.approx([-0.9, 0])
    assert [p.get_markerfacecolor() == p.get_color() for p in points] == [True, False]
    spans = [
        line.get_xdata() for line in figure.axes[0].lines if len(line.get_xdata()) == 2 and line.get_marker() == "None"
    ]
    assert tuple(spans[1]) == pytest.approx(found[0].interval)
    assert figure.axes[0].get_xlabel() == "← B better"


def test_the_page_is_inert_and_says_what_differs():
    name = "<script>alert(1)</script>"
    page = comparison.comparison_page(compare_all(results([1.0, 2.0]), {name: results([0.1, 2.0])}), "base & line")
    assert "<script>alert" not in page
    assert "base &amp; line" in page
    assert "better in kid_radiomics (1 of 2)" in page
    nothing = comparison.comparison_page(compare_all(results([1.0]), {"same": results([1.0])}), "base")
    assert "No difference is told apart" in nothing


def test_a_difference_is_never_worded_as_none():
    assert [comparison.signed(v, "") for v in (0.0, -1e-14, 0.0004, -0.25)] == ["0.000", "0.000", "+0.0004", "−0.25"]
    assert comparison.signed(0.125, "share") == "+12 pp"


@pytest.fixture
def folders(tmp_path):
    for name, values in (("a", [1.0, 2.0]), ("b", [0.1, 2.0]), ("c", [1.0, 2.0])):
        (tmp_path / name).mkdir()
        results(values).write(tmp_path / name / "results.json")
    return tmp_path


def test_the_command_compares_folders(folders):
    a, b, c = (folders / n for n in "abc")
    found = jsddpm("compare", a, b, "--out", folders / "t.tex", "--out", folders / "t.png", "--out", folders / "t.html")
    assert found.exit_code == 0, found.stderr
    assert "better" in found.stdout
    assert "better in kid_radiomics (1 of 2)" in found.stderr
    assert "does not say what each patient adds" in found.stderr
    assert (folders / "t.png").read_bytes().startswith(b"\x89PNG")
    assert {p.name for p in folders.glob("t.*")} == {"t.tex", "t.png", "t.html"}
    several = json.loads(jsddpm("compare", a, b, c / "results.json", "--format", "json").stdout)
    assert [len(t) for t in several["differences"].values()] == [2, 2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a"], "nothing to compare"),
        (["a", "b", "b"], "nothing to compare"),
        (["a", "b", "--score", "fid"], "no score 'fid'"),
        (["a", "b", "--out", "t.docx"], "end it with one of"),
    ],
)
def test_what_cannot_be_compared_is_refused(folders, monkeypatch, arguments, message):
    monkeypatch.chdir(folders)
    found = jsddpm("compare", *arguments)
    assert found.exit_code != 0
    assert message in str(found.exception)


@pytest.mark.parametrize(
    ("score", "sign"),
    [("lesion_hd95", -1), ("lesion_missed", -1), ("control_false_positive_pixels", -1), ("lesion_mmd", -1),
     ("lesion_present", 1), ("lesion_dice", 1), ("psnr_brain", 1), ("fid_joint_x", -1), ("copy_gap", 0)],
)  # fmt: skip
def test_which_direction_is_better(score, sign):
    assert direction(score) == sign

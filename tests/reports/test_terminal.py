"""The terminal says the same as the page, at any width."""

from __future__ import annotations

import re

import pytest
from rich.console import Console

from evaluations import made_up
from jsddpm_eval.bins.utilization import bin_utilization
from jsddpm_eval.results.score import Score
from jsddpm_reports import binning, score_table, terminal, wording
from jsddpm_reports.columns import columns, compact_columns


def printed(view, width):
    console = Console(width=width, file=None, record=True, force_terminal=False)
    with console.capture() as captured:
        console.print(view)
    return captured.get()


@pytest.mark.parametrize("width", [60, 80, 100, 200])
@pytest.mark.parametrize("spaces", [("radiomics",), ("radiomics", "slice-encoder", "inception-v3-compat", "clip")])
def test_an_evaluation_fits_any_width_with_any_number_of_feature_spaces(width, spaces):
    results = made_up(10, spaces).results
    text = printed(terminal.evaluation_view(results, width), width)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    assert "Of 20 conditions 1 passes every check" in " ".join(text.replace("│", " ").split())
    rows = [line for line in text.splitlines() if re.match(r" *\d+  ?\d+–\d+ ", line)]
    assert len(rows) % 20 == 0
    scores = [c.of(cell) for cell in results.cells() for c in compact_columns(results)]
    assert sum(line.split().count("–") for line in rows) == sum(s.value is None for s in scores)
    headings = "".join(text.split())
    assert all(space.split("-")[0] in headings for space in spaces)


def test_values_carry_the_marks_of_the_page():
    results = made_up(10).results
    text = printed(terminal.evaluation_view(results, 100), 100)
    row = next(line for line in text.splitlines() if "0–6" in line and "control" in line)
    scores = [c.of(results.cells()[0]) for c in compact_columns(results)]
    assert [part.rstrip("▲▼") for part in row.split()[4:]] == [wording.number(s) for s in scores]
    marks = {9.0: "▲", 7.0: "▲", 5.5: "", 1.0: "▼", None: "", 4.0: "", 3.25: ""}
    expected = [marks.get(s.value, "") if s.baseline is not None else "" for s in scores]
    assert [re.sub(r"[^▲▼]", "", part) for part in row.split()[4:]] == expected


def test_what_could_not_be_told_never_looks_like_fine():
    results = made_up(3).results
    text = printed(terminal.evaluation_view(results, 100), 100)
    signs = [line.split()[3] for line in text.splitlines() if re.match(r" *\d+ +\d+–\d+ ", line)]
    assert signs == ["✓", "!", "!", "?", "!", "!"]
    unasked = results.model_copy(update={"findings": (), "verdict": ()})
    rows = score_table.table_rows(unasked, [])
    assert {(r.answer, r.sign, r.finding) for r in rows} == {("unknown", "?", "no check was made")}
    rows = score_table.table_rows(results, [])
    assert (rows[0].finding, rows[3].finding) == ("every check is fine", "unknown: collapsed")
    assert "collapsed: unknown (too few seeds" in rows[3].note
    assert "differs: off (p = 0.01)" in rows[1].note


def test_joint_spaces_are_no_spaces_of_their_own():
    results = made_up(1).results
    pooled = results.generation[0]
    assert "kid_joint_radiomics" in pooled.scores
    assert {c.space for c in columns(results)} == {"", "radiomics", "slice-encoder"}


def test_numbers_are_worded_alike_everywhere():
    results = made_up(2).results
    lines = {what: (value, reading) for what, value, reading in score_table.headlines(results)}
    assert lines["control: empty mask"] == ("75%", "of 80 samples")
    assert lines["position error"][1].startswith("bin widths; chance 3.30, baseline ")
    assert lines["bins used"] == ("2 of 2", "local binning")
    assert wording.number(Score(value=3.2, status="unreliable", reason="4 slices")) == "~3.20"
    assert wording.number(Score.undefined("none")) == "–"
    assert wording.plain(-0.0001) == "0.000"
    assert wording.plain(2.0, "slices") == "2"
    score = Score(value=9.0, interval=(8, 10), baseline=5.0, baseline_interval=(4, 6), p_value=0.01, n_real=3)
    score = score.model_copy(update={"standing": score.stand()})
    assert wording.context(score) == (
        "95% interval 8.00 to 10.00; baseline 5.00, its 95% band 4.00 to 6.00; above the baseline with the whole "
        "interval; p = 0.01; 3 real"
    )


def test_undefined_scores_are_gathered_by_reason_and_none_is_lost():
    results = made_up(3).results
    lines = wording.reasons(results)
    assert (
        "lesion_dice: all bins t=100, all bins control t=100, all bins t=500, all bins control t=500"
        in (lines["no slice with a lesion here"])
    )
    named = [(n, w) for part in lines.values() for line in part for n in line.split(": ")[0].split(", ")
             for w in line.split(": ")[1].split(", ")]  # fmt: skip
    assert sorted(f"{w}: {n}" for n, w in named) == sorted(line.split(" (")[0] for line in results.undefined())


def test_the_bins_report_fits_80_columns():
    report = bin_utilization((24, 93), 10, 128)
    summary = terminal.results_table(*binning.summary_table(report))
    text = printed(terminal.utilization_panel(report, binning.sentence(report), [summary]), 80)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80
    assert "87–93" in text

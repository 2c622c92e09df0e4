"""The terminal says the same as the page, at any width."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from evaluations import CHECKS, HOSTILE, made_up
from jsddpm_eval.bins.utilization import bin_utilization
from jsddpm_eval.metrics import position
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
    assert "1 of 9 checks is off" in " ".join(text.replace("│", " ").split())
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
    values = [s.value if s.value is None or s.unit != "share" else round(10 * s.value, 2) for s in scores]
    expected = [marks[v] if s.baseline is not None else "" for s, v in zip(scores, values, strict=True)]
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
    asked = sum(check.pathology in (None, 1) for check in CHECKS)
    assert (rows[0].finding, rows[3].finding) == ("every check is fine", f"{asked - 1} of {asked} checks fine")
    assert f"unknown: {CHECKS[0].heading}" in rows[3].note.split("\n")
    assert (rows[1].finding, rows[1].answer) == (CHECKS[-1].heading, "off")
    off, fine = rows[1].note.split("\n")
    assert off == f"{CHECKS[-1].heading}: p = 0.01"
    assert CHECKS[1].heading in fine.removeprefix("fine: ").split(", ")
    unmade = results.model_copy(update={"findings": [f for f in results.findings if f.check != CHECKS[1].name]})
    rows = score_table.table_rows(unmade, [])
    assert (rows[0].answer, rows[0].sign) == ("unknown", "?")  # a check that was not made is no pass
    assert f"not looked at: {CHECKS[1].heading}" in rows[0].note.split("\n")


def checks_table(results, width):
    """Rows of the table of checks by heading: the sign, what was seen, and what stands to its right."""
    lines = printed(terminal.evaluation_view(results, width), width).splitlines()
    first = next(i for i, line in enumerate(lines) if "all bins together" in line)
    table = lines[first : lines.index(" " * len(lines[first]), first) if " " * len(lines[first]) in lines else None]
    return [line for line in table if line[1:2] in "!✓?–" and line[4:].strip()]


def test_every_check_is_a_row_with_a_sign_for_each_bin():
    results = made_up(10).results
    rows = {next(c for c in CHECKS if c.heading in line): line for line in checks_table(results, 100)}
    assert next(iter(rows)) == CHECKS[-1]  # what is off comes first
    assert set(rows) == set(CHECKS)
    assert rows[CHECKS[-1]].split()[:2] == ["!", CHECKS[-1].heading]
    assert "unlike real slices: p = 0.01" in rows[CHECKS[-1]]
    assert "✓!!!!!!!!!" in rows[CHECKS[-1]]
    assert rows[CHECKS[1]].startswith(" ✓")
    assert rows[CHECKS[1]].count("✓✓✓✓✓✓✓✓✓✓") == (2 if CHECKS[1].pathology is None else 1)
    assert "?✓✓✓✓✓✓✓✓✓" in rows[CHECKS[0]]
    text = " ".join(printed(terminal.evaluation_view(results, 200), 200).split())
    assert f"a -1.0 to 2.0; too few seeds {HOSTILE}" in text


def test_many_bins_are_counted_and_still_fit():
    results = made_up(30).results
    text = printed(terminal.evaluation_view(results, 80), 80)
    assert max(map(len, text.splitlines())) <= 80
    rows = {next(c for c in CHECKS if c.heading in line): line.split()[-3:] for line in checks_table(results, 80)}
    conditions = 60 if CHECKS[-1].pathology is None else 30
    assert rows[CHECKS[-1]] == [str(conditions * 29 // 30), str(conditions // 30), "0"]


def test_nothing_piped_has_escapes():
    console = Console(width=80, file=io.StringIO())
    console.print(terminal.evaluation_view(made_up(10).results, 80))
    assert "\x1b" not in console.file.getvalue()


def test_joint_spaces_are_no_spaces_of_their_own():
    results = made_up(1).results
    pooled = results.generation[0]
    assert "kid_joint_radiomics" in pooled.scores
    assert {c.space for c in columns(results)} == {"", "radiomics", "slice-encoder"}


def test_numbers_are_worded_alike_everywhere():
    results = made_up(2).results
    pooled = results.generation[0].scores
    pooled["z_error_bins"] = Score(value=0.9, interval=(0.8, 1.0), baseline=0.6).placed(position.BINS)
    pooled["z_error_chance_bins"] = Score(value=3.3).placed(position.CHANCE)
    lines = {what: (value, reading) for what, value, reading in score_table.headlines(results)}
    assert lines["control: empty mask"] == ("75%", "of 80 samples")
    assert lines["position error"] == ("0.90", "bin widths; chance 3.30, baseline 0.60; 95% interval 0.80 to 1.00")
    assert lines["bins used"] == ("2 of 2", "local binning")
    assert wording.number(Score(value=3.2, status="unreliable", reason="4 slices")) == "~3.20"
    assert wording.number(Score.undefined("none")) == "–"
    assert [wording.plain(v) for v in (0.0, -1e-17, -0.0001, 0.0003, 0.0123)] == [
        "0.000", "0.000", "-0.0001", "0.0003", "0.012",
    ]  # fmt: skip
    assert [wording.plain(v, "share") for v in (0.0, 0.004, 0.25, 1.0)] == ["0%", "0.4%", "25%", "100%"]
    assert [wording.plain(v) for v in (123.45, 12345.6, 1234567.0)] == ["123.5", "12346", "1.23e+06"]
    assert wording.plain(0.03, "dB") == "0.03"
    assert wording.plain(2.0, "slices") == "2"
    score = Score(value=9.0, interval=(8, 10), baseline=5.0, baseline_interval=(4, 6), p_value=0.01, n_real=3)
    score = score.model_copy(update={"standing": score.stand()})
    assert wording.context(score) == (
        "95% interval 8.00 to 10.00; baseline 5.00, its 95% band 4.00 to 6.00; above the baseline with the whole "
        "interval; p = 0.01 (uncorrected); 3 real"
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


def test_conditions_without_training_slices_are_never_trained():
    """Of a store without lesions; in global bins its slices are not counted, so what lacks slices is a lower bound."""
    report = bin_utilization((8, 32), 2, 40)
    assert [row[-1] for row in binning.summary_table(report)[1]] == ["0 of 4", "0 of 4"]
    report["store"] = {"cells": [{"slices": {"train": n}} for n in (12, 13, 0, 0)]}
    assert [row[-1] for row in binning.summary_table(report)[1]] == ["2 of 4", "not counted"]
    report["schemes"]["global"] = bin_utilization((1, 19), 2, 40)["schemes"]["global"]  # one of two bins is empty
    assert binning.summary_table(report)[1][1][-1] == "2 or more of 4"


@pytest.mark.parametrize("width", [30, 60, 80])
def test_a_wide_table_is_broken_at_words_and_loses_nothing(width):
    headings = ["condition", "score", "A", "B", "95% interval of the difference", "p (Holm)"]
    cells = [["all bins control t=100 (reconstruction)", "kid_joint_slice-encoder", "1234.5", "–", "−17 pp to +17 pp",
              "<0.001"]] * 2  # fmt: skip
    text = printed(terminal.results_table(headings, cells), width)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    kept = sorted("".join(text.replace("─", "").split()))
    assert kept == sorted("".join("".join(headings + cells[0] + cells[1]).split()))
    if width == 80:
        words = {word for row in [headings, *cells] for cell in row for word in re.split(r"(?<=[_/-])|\s", cell)}
        assert {part for word in text.split() for part in re.split(r"(?<=[_/-])", word)} <= words | {"─" * 77}


def test_notes_of_many_subjects_are_one_line_each_kind():
    notes = [(f"sub-{n}", "no lesion voxel") for n in range(5)] + [("sub-1", "tilted\x1b")]
    assert terminal.notes_by_text(notes).plain == "no lesion voxel: sub-0, sub-1, sub-2 and 2 more\ntilted\\x1b: sub-1"


def test_a_table_without_headings_begins_with_its_rows():
    assert printed(terminal.results_table(["", ""], [["device", "cpu"]]), 80).split() == ["device", "cpu"]

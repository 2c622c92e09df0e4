"""A metric of another package is in every table, figure and comparison: its spec says all that a report needs."""

from __future__ import annotations

import numpy as np
import pytest
from rich.console import Console

from evaluations import made_up
from jsddpm_eval.comparison import compare_all
from jsddpm_eval.results.score import Score
from jsddpm_eval.results.specs import ScoreSpec
from jsddpm_reports import columns, comparison, curves, page, score_table, terminal
from jsddpm_reports.forest import forest_figure, forest_scores
from jsddpm_reports.per_bin import per_bin_text

SHARPNESS = ScoreSpec(
    name="edge_width", heading="edges", group="image quality", unit="mm2", better="lower", place="compact",
    definition="made up", reading="How wide edges are.", axis_from_zero=True,
    headline="edge width", headline_reading="mm² of {n_generated} samples, baseline {baseline}",
)  # fmt: skip
CONTROLS = ScoreSpec(name="grey_control", heading="grey", group="tissue", definition="made up", pathology=0)
LESIONS = ScoreSpec(name="grey_lesion", heading="grey", group="tissue", definition="made up", pathology=1)


@pytest.fixture(scope="module")
def evaluation():
    made = made_up(4, more=(SHARPNESS, CONTROLS, LESIONS))
    score = Score(value=2.5, baseline=1.5, n_generated=80).placed(SHARPNESS)
    made.results.generation[0].scores["edge_width"] = score
    return made


def test_it_has_its_column_group_tooltip_and_first_number_on_the_page(evaluation):
    html = page.render(evaluation)
    assert '<th class="group" colspan="1" scope="colgroup">image quality</th>' in html
    assert '<th scope="col" title="How wide edges are.">edges</th>' in html
    assert "<caption>Tissue</caption>" in html
    assert ("edge width", "2.50", "mm² of 80 samples, baseline 1.50") in score_table.headlines(evaluation.results)


def test_it_is_in_the_terminal_and_in_tables_for_papers(evaluation):
    results = evaluation.results
    console = Console(width=100)
    with console.capture() as captured:
        console.print(terminal.evaluation_view(results, 100))
    assert "edges" in captured.get()
    (heading,) = [c for c in per_bin_text(results, ".md").splitlines() if c.startswith("| bin")]
    assert heading.split("|")[-2].strip() == "edges"  # a group of its own comes last
    assert "edges: How wide edges are." in per_bin_text(results, ".md")
    assert "edges" in per_bin_text(results, ".tex", ["edge_width"])


def test_it_is_drawn_along_the_bins_from_zero_with_its_unit(evaluation):
    shown = curves.curve_columns(evaluation.results)
    axes = curves.curves_figure(evaluation.results, shown).axes[[c.names[0] for c in shown].index("edge_width")]
    assert axes.get_title(loc="left") == "edges [mm²]"
    assert axes.get_ylim()[0] == 0


def test_scores_with_one_heading_in_a_group_share_a_column(evaluation):
    (grey,) = [c for c in columns.further_columns(evaluation.results) if c.heading == "grey"]
    assert grey.names == ["grey_control", "grey_lesion"]
    for cell in evaluation.results.cells():
        assert grey.of(cell) == cell.scores[f"grey_{('control', 'lesion')[cell.pathology]}"]
    assert grey.of(evaluation.results.generation[0]) is None  # the pooled scores are two


def test_it_is_compared_with_its_direction(evaluation):
    first = evaluation.results
    cells = []
    for cell in first.generation:
        if "edge_width" not in cell.scores:  # of a pathology or a bin, which only scores of all levels have
            cells.append(cell)
            continue
        score = cell.scores["edge_width"]
        moved = {"value": None if score.value is None else score.value + 90, "standing": None}
        if score.interval:
            moved["interval"] = tuple(np.add(score.interval, 90))
        cells.append(cell.model_copy(update={"scores": cell.scores | {"edge_width": score.model_copy(update=moved)}}))
    found = compare_all(first, {"other": first.model_copy(update={"generation": tuple(cells)})})
    assert "edge_width" in forest_scores(found["other"], first)
    axes = forest_figure({"B": found["other"]}, ["edge_width"]).axes[0]
    assert (axes.get_title(loc="left"), axes.get_xlabel()) == ("edges [mm²]", "← B better")
    rows = comparison.comparison_table(comparison.significant(found))[1]
    assert {(row[1], row[-1]) for row in rows} == {("edge_width", "worse")}
    assert "edge_width" in comparison.comparison_page(found, "first", ["edge_width"])

"""Tables for papers: the same numbers as the results, escaped, and LaTeX that compiles."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from calls import invoke
from evaluations import SPECS
from jsddpm.binning import ZBinning
from jsddpm.errors import JsddpmError
from jsddpm_eval.bins.utilization import bin_utilization
from jsddpm_eval.results.results import Results
from jsddpm_eval.results.score import Cell, Score
from jsddpm_reports import tables
from jsddpm_reports.per_bin import per_bin_text

HOSTILE = r"50% of \input{x} & ~a_b|c <script> 患 é"


@pytest.fixture
def results():
    def scores(pathology, k):
        return {
            "best_match_psnr": Score(value=24.13 + k, unit="dB", baseline=26.0, interval=(23.0, 25.26)),
            "diversity_rmse": Score(value=0.12),
            "kid_radiomics": Score.undefined(HOSTILE) if k else Score(value=-0.5),
            ("control_empty", "lesion_present")[pathology]: Score(value=0.75, unit="share"),
        }

    counts = {"n_real": 9, "n_patients": 3, "n_generated": 4}
    cells = [Cell(z_bin=k, pathology=p, **counts, scores=scores(p, k)) for p in (0, 1) for k in (0, 1)]
    pooled = Cell(scores={"kid_radiomics": Score(value=1.5)})
    for cell in (pooled, *cells):
        if kid := cell.scores.get("kid_radiomics"):
            cell.scores["kid_radiomics"] = kid.model_copy(update={"space": "radiomics"})
    return Results(
        binning=ZBinning((0, 9), 2, n_slices=10).to_dict(), provenance={}, generation=[pooled, *cells],
        utilization=bin_utilization((0, 9), 2, 10), specs=SPECS,
    )  # fmt: skip


def rows_of(markdown):
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    return [[c.strip() for c in re.split(r"(?<!\\)\|", line)[1:-1]] for line in (lines[0], *lines[2:])]


def test_markdown_has_value_baseline_interval_and_counts(results):
    headings, *rows = rows_of(per_bin_text(results, ".md"))
    assert headings == ["bin", "slices", "condition", "n", "match", "RMSE", "KID radiomics", "obeys"]
    assert rows[0] == ["0", "0–4", "control", "9/3/4", "24.1 (26.0) [23.0, 25.3]", "0.12", "-0.50", "75%"]
    assert [r[2] for r in rows] == ["control", "control", "lesion", "lesion", ""]
    assert rows[-1] == ["all", "", "", "", "", "", "1.50", ""]
    assert [r[6] for r in rows[:4]] == ["-0.50", "–", "-0.50", "–"]
    text = per_bin_text(results, ".md")
    assert "KID radiomics of bin 1 control, bin 1 lesion (50% of" in text


def test_columns_are_chosen_by_score(results):
    chosen = per_bin_text(results, ".md", ["kid_radiomics", "best_match_psnr"])
    assert rows_of(chosen)[0][4:] == ["KID radiomics", "match"]
    assert per_bin_text(results, ".md", ["kid", "best_match_psnr"]) == chosen
    assert rows_of(per_bin_text(results, ".md", ["lesion_present"]))[0][4:] == ["obeys"]
    with pytest.raises(JsddpmError, match="unknown column 'fid'"):
        per_bin_text(results, ".md", ["fid"])


def test_a_cell_can_neither_end_its_row_nor_be_html():
    text = tables.markdown((["a", "b"], [["x | y", "<b>1</b>\n2"], [], ["\\|", "< 1"]]))
    assert rows_of(text)[1:] == [[r"x \| y", "&lt;b>1&lt;/b> 2"], [r"\\\|", "< 1"]]


def document(text, tmp_path):
    """Pages of a document with this table, or the log where it does not compile."""
    head = r"\documentclass{article}\usepackage{booktabs,graphicx,longtable}"
    (tmp_path / "table.tex").write_text(text, encoding="utf-8")
    (tmp_path / "main.tex").write_text(head + r"\begin{document}\input{table}\end{document}")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "main.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    return int(re.search(r"\((\d+) pages?,", done.stdout)[1]) if done.returncode == 0 else done.stdout


def balanced(text):
    """Whether braces and environments close in the order they were opened."""
    open_ones = []
    for token in re.findall(r"\\begin\{\w+\}|\\end\{\w+\}|(?<!\\)[{}]", re.sub(r"\\\\", "", text)):
        if token.startswith(r"\end"):
            if open_ones.pop() != token.replace("end", "begin"):
                return False
        elif token == "}":
            if open_ones.pop() != "{":
                return False
        else:
            open_ones.append(token)
    return not open_ones


@pytest.mark.parametrize("rows", [4, 90])
def test_latex_is_whole_and_compiles(results, tmp_path, rows):
    table = ["a", HOSTILE], [[HOSTILE, "1 (2)\n[-3, 4]"]] * rows
    hostile = tables.latex(table, left=1, caption=HOSTILE, notes=[HOSTILE])
    for text in (per_bin_text(results, ".tex"), hostile):
        assert balanced(text)
        body = text.split(r"\midrule", 1)[1].split(r"\end{tabular}")[0] if rows == 4 else ""
        assert len({line.count(" & ") for line in body.splitlines() if " & " in line}) <= 1
        if shutil.which("pdflatex"):
            pages = document(text, tmp_path)
            assert pages == 1 if rows == 4 or text is not hostile else pages > 1, pages


def test_the_command_writes_every_form_and_refuses_others(results, tmp_path):
    results.write(tmp_path / "results.json")
    places = [tmp_path / f"t{suffix}" for suffix in (".md", ".tex", ".csv")]
    found = invoke("report", str(tmp_path), *(w for p in places for w in ("--out", str(p))))
    assert found.status == 0, found.err
    assert places[0].read_text() == per_bin_text(results, ".md")
    assert len(places[2].read_text().splitlines()) == 1 + len(list(results.rows()))
    for arguments in (["--out", "t.docx"], ["--out", "t.html", "--score", "kid_radiomics"]):
        assert "OPTION" in str(invoke("report", str(tmp_path), *arguments).error)

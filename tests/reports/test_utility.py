"""A utility study as tables and a page: every number is there, and every name is inert."""

from __future__ import annotations

import pytest

from evaluations import HOSTILE
from jsddpm_eval.utility.summary import summary
from jsddpm_reports.utility import arm_table, comparison_table, part_table, render_utility, utility_text
from reports.test_page import parsed
from utilities import BINNING, SPACING, cells


@pytest.fixture(scope="module")
def values():
    rows = cells({"real": 0, "real+generated-50": 10, "real+copy-paste": 10}, networks=("unet", "segresnet"), seeds=2)
    counts = [{"train": 4, "test": 8, "test_with_lesion": 8, "generated": 30}]
    protocol = {"networks": ["unet", "segresnet"], "training": {"steps": 3, "batch_size": 4}}
    return {"cohort": {"counts": counts}, "protocol": protocol, "seed": 0, "jsddpm": HOSTILE,
            **summary(rows, BINNING, SPACING, margin=0.02)}  # fmt: skip


def test_tables_hold_what_the_study_says(values):
    headings, rows = comparison_table(values, values["comparisons"])
    assert headings[-1] == "patients for 0.05"
    assert rows[0][:3] == ["real+generated-50", "real", values["comparisons"][0]["answer"]]
    assert rows[0][3] == f"{values['comparisons'][0]['difference']:+.3f}"
    assert comparison_table(values, values["networks"])[0][0] == "network"
    headings, rows = arm_table(values)
    assert headings == ["trained on", "Dice", "lesion F1", "missed", "false lesions"]
    assert rows[0][1].startswith(f"{values['arms'][0]['dice']['mean']:.2f}\n")
    headings, rows = part_table(values, values["bins"], "bin")
    assert [row[0] for row in rows] == ["0 (z 0 to 3)", "1 (z 4 to 7)"]
    assert rows[1][2] == "–"
    assert part_table(values, values["sizes"], "lesions")[1][0][0].startswith("small (to 0.1 ml")


@pytest.mark.parametrize(("suffix", "word"), [(".md", "| trained on |"), (".tex", r"\begin{table}")])
def test_tables_for_a_paper(values, suffix, word):
    text = utility_text(values, suffix)
    assert text.count(word) == 2
    assert "real+generated-50" in text


def test_the_page_says_it_in_words_and_is_inert(values):
    html = render_utility(values)
    found = parsed(html)
    text = " ".join("".join(found.text.values()).split())
    assert values["sentences"][0] in text
    assert "<svg" in html
    assert HOSTILE in "".join(found.text.values())
    assert not [a for _, a in found.tags for name in a if name.startswith("on")]

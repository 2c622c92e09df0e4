"""The terms of CONTRIBUTING.md are kept: ``make check`` refuses the words of ``.ci/terms.txt`` and misspellings."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from documented import ROOT

TERMS = dict(line.split("->") for line in (ROOT / ".ci" / "terms.txt").read_text().splitlines())


def refused(path) -> list[str]:
    """What codespell says of a file with the settings of the project."""
    run = subprocess.run(
        [sys.executable, "-m", "codespell_lib", str(path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stderr) == ((65 if run.stdout else 0), "")
    return run.stdout.splitlines()


@pytest.mark.parametrize("name", ["page.md", "code.py", "page.html"])
def test_every_word_with_a_better_term_is_refused(tmp_path, name):
    """One planted in each line, as prose has them: first in a sentence, and inside of one."""
    page = tmp_path / name
    planted = [text for word in TERMS for text in (f"{word.capitalize()} of a slice.", f"Here is {word} (a word).")]
    page.write_text("\n".join(planted))
    lines = refused(page)
    assert [int(line.split(":")[1]) for line in lines] == list(range(1, len(planted) + 1))


def test_a_misspelling_is_refused(tmp_path):
    (tmp_path / "page.md").write_text("The slices are seperated.\n")
    assert "seperated ==> separated" in refused(tmp_path / "page.md")[0]


def test_terms_and_code_are_accepted(tmp_path):
    text = (
        "The baseline of held-out patients; `np.floor(x)`, snr_floor, build_slice_cache, drawn, a fake_table, status.\n"
    )
    (tmp_path / "page.md").write_text(text)
    assert refused(tmp_path / "page.md") == []


def test_make_check_runs_it():
    assert re.search(r"^check:.*\n(\t.*\n)*\t\$\(BIN\)/codespell .*\bdocs\b", (ROOT / "Makefile").read_text(), re.M)

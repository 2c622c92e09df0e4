"""The table of rivals: means and ranges by hand, and a baseline beside the score whose conditions differ."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pandas as pd
import pytest

RIVALS = Path(__file__).parents[1] / "benchmarks" / "rivals"


@pytest.fixture
def rivals(monkeypatch):
    monkeypatch.syspath_prepend(str(RIVALS))
    return import_module("benchmarks.rivals.run")


def row(rivals, contender, seed, steps, **values):
    scores = {name: values.get(name, 1.0) for name in rivals.SCORES}
    baselines = {f"{name}_baseline": values.get(f"{name}_baseline", 0.5) for name in rivals.SCORES}
    return {"contender": contender, "seed": seed, "budget": 1200.0, "steps": steps, **scores, **baselines}


def test_means_ranges_and_baselines(rivals):
    rows = pd.DataFrame([
        row(rivals, "ours", 0, 1000, kid_held_out_radiomics=0.2, lesion_area=210.0, lesion_area_baseline=190.0),
        row(rivals, "ours", 1, 3000, kid_held_out_radiomics=0.4, lesion_area=250.0, lesion_area_baseline=210.0),
        row(rivals, "theirs", 0, 60, kid_held_out_radiomics=123.4, control_empty_baseline=None),
    ])  # fmt: skip
    head, _, ours, theirs, real, *rest = rivals.table(rows).splitlines()
    assert rest == []
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in (head, ours, theirs, real)]
    column = cells[0].index("KID, radiomics")
    area = cells[0].index("lesion area distance [mm²]")
    assert [line[column] for line in cells[1:]] == ["0.3 (0.2 to 0.4)", "123", "0.5"]
    assert [line[area] for line in cells[1:]] == ["230 (210 to 250), real 200", "1, real 0.5", ""]
    assert cells[1][:4] == ["1200", "ours", "2", "2,000"]
    assert cells[2][:4] == ["1200", "theirs", "1", "60"]


def test_a_row_that_the_file_holds_is_not_measured_again(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(RIVALS))
    rows_of = import_module("benchmarks.rivals.rows").Rows
    made = (tmp_path, "rows", ("name", "seed"), "table.md", lambda rows: f"{len(rows)} rows\n")
    first = rows_of(*made)
    assert ("a", 0) not in first
    first.add({"name": "a", "seed": 0, "value": 1.5})
    again = rows_of(*made)
    assert (("a", 0) in again, ("a", 1) in again, ("b", 0) in again) == (True, False, False)
    again.add({"name": "a", "seed": 1, "value": 2.5})
    assert (tmp_path / "rows.csv").read_text() == "name,seed,value\na,0,1.5\na,1,2.5\n"
    assert (tmp_path / "table.md").read_text() == "2 rows\n"

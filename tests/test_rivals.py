"""The table of rivals: means and ranges by hand, and a baseline beside the score whose conditions differ."""

from __future__ import annotations

import shutil
import sys
from importlib import import_module
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.rows import Rows
from jsddpm.binning import ZBinning

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


def test_a_row_that_the_file_holds_is_not_measured_again(tmp_path):
    first = Rows(tmp_path / "out" / "rows.csv", ["name"])
    assert not first.has({"name": "a", "seed": 0})
    first.add({"name": "a", "seed": 0, "value": 1.5}, {"name": "", "seed": 0, "value": None})
    again = Rows(tmp_path / "out" / "rows.csv", ["name"])
    keys = [{"name": name, "seed": seed} for name in ("a", "", "b") for seed in (0, 1)]
    assert [again.has(key) for key in keys] == [True, False, True, False, False, False]
    again.add({"name": "a", "seed": 1, "value": 2.5})
    assert (tmp_path / "out" / "rows.csv").read_text() == "name,seed,value\na,0,1.5\n,0,\na,1,2.5\n"


PEER = """
import json, pathlib, sys
import numpy as np
task = json.loads(pathlib.Path(sys.argv[1]).read_text())
with open(pathlib.Path(__file__).with_name("calls"), "a") as calls:
    calls.write("x")
shape = (len(task["tokens"]), *np.load(task["slices"])["image"].shape[1:])
np.savez(task["samples"], image=np.full(shape, 0.5, np.float32), mask=np.zeros(shape, bool))
print(json.dumps({"steps": 7, "cpu_seconds": 1.5, "parameters": 3}))
"""


def test_a_peer_whose_samples_are_published_is_not_trained_again(rivals, store, tmp_path, monkeypatch):
    contenders = import_module("contenders")
    (tmp_path / "peer.py").write_text(PEER)
    monkeypatch.setattr(contenders, "_PEERS", tmp_path)
    monkeypatch.setenv("PEER_PYTHON", sys.executable)
    task = contenders.Task(store, ZBinning((5, 34), 2, n_slices=store.n_slices), 0, 1.0, tmp_path / "samples")
    peer = contenders.Peer("made up", "peer.py")
    records = [peer.run(task) for _ in range(2)]  # the second as after a kill before the row was written
    assert records == [{"steps": 7, "cpu_seconds": 1.5, "parameters": 3}] * 2
    assert (tmp_path / "calls").read_text() == "x"
    shutil.rmtree(tmp_path / "samples")  # a record alone is of a training whose samples were lost
    assert peer.run(task) == records[0]
    assert (tmp_path / "calls").read_text() == "xx"

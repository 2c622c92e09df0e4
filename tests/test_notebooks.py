"""The notebooks of the docs run as they stand, and what they show is there for those who only read them."""

from __future__ import annotations

import os

import nbformat
import pytest
from nbclient import NotebookClient

from documented import ROOT

NOTEBOOKS = sorted((ROOT / "docs" / "tutorial").glob("*.ipynb"))


@pytest.mark.long
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_runs(path, tmp_path, monkeypatch):
    trees = [str(ROOT / part) for part in (".", "cli", "reports")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(trees))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources=resources).execute()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_shows_its_outputs_and_nothing_of_a_machine(path):
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert sum(bool(cell.outputs) for cell in cells) >= 4
    assert not any(output.output_type == "error" for cell in cells for output in cell.outputs)
    text = path.read_text()
    assert "/home/" not in text
    assert str(ROOT) not in text
    assert path.stat().st_size < 300_000


def test_there_are_notebooks():
    assert {path.name for path in NOTEBOOKS} == {"arrays.ipynb", "results.ipynb"}

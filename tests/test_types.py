"""What mypy says of users' scripts, in one run: types are there to help them, and wrong calls are found."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from documented import ROOT
from scripts import EVALUATION, TRAINING

pytestmark = pytest.mark.long

SETTINGS = """
[mypy]
strict = True
follow_imports = silent
ignore_missing_imports = True
[mypy-torch.*,torchmetrics.*,pandas.*,matplotlib.*,lightning.*,diffusers.*,scipy.*,skimage.*,sklearn.*,torchio.*]
follow_imports = skip
"""
"""Ours are read in full, and so is NumPy; large libraries of others are not what this is about."""


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """Lines of mypy by the script they are of."""
    folder = tmp_path_factory.mktemp("types")
    scripts = {name: folder / f"{name}.py" for name in ("training", "evaluation")}
    for name, text in (("training", TRAINING), ("evaluation", EVALUATION)):
        scripts[name].write_text(text)
    (folder / "mypy.ini").write_text(SETTINGS)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", "mypy.ini", "--cache-dir", "cache", *scripts.values()],
        capture_output=True, text=True, check=False, cwd=folder, env=os.environ | {"MYPYPATH": str(ROOT)},
    )  # fmt: skip
    assert "Found" in done.stdout, done.stdout + done.stderr
    return {name: [line for line in done.stdout.splitlines() if f"{name}.py:" in line] for name in scripts}


def test_types_of_public_names_are_seen_and_wrong_calls_are_errors(said):
    revealed = [line.rsplit("Revealed type is ", 1)[1] for line in said["training"] if "Revealed" in line]
    assert [r.strip('"').replace("builtins.", "") for r in revealed[:2]] == ["int", "pathlib.Path"], said
    assert "numpy.bool" in revealed[2]
    errors = [line for line in said["training"] if ": error:" in line]
    assert [e.split(":")[1] for e in errors] == ["10", "11"], said


def test_a_script_of_an_evaluation_is_typed_and_every_ignore_in_it_is_needed(said):
    assert said["evaluation"] == []

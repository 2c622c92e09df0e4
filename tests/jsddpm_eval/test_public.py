"""What a user meets first: a lean import, the public names, a script that runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

import jsddpm_eval
from scripts import EVALUATION

NAMES = {
    "BinAwareEvaluation", "BinAwareMetrics", "BinAwareScore", "Cell", "Context", "Extractor", "Finding", "Metric",
    "Results", "SampleMonitor", "Score", "ScoreSpec", "SliceTable", "bin_utilization", "compare", "compare_all",
    "evaluate", "evaluate_into", "log_to",
}  # fmt: skip


def run(code):
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=False)


def test_the_import_is_lean():
    code = """
import json, sys, jsddpm_eval
light = list(sys.modules)
jsddpm_eval.evaluate
print(json.dumps([light, list(sys.modules)]))
"""
    done = run(code)
    assert done.returncode == 0, done.stderr
    light, with_evaluate = ({name.partition(".")[0] for name in names} for names in json.loads(done.stdout))
    assert not light & {"torch", "numpy", "pandas", "scipy", "pydantic"}
    assert "torch" in with_evaluate
    assert not with_evaluate & {"lightning", "diffusers", "torchio", "nibabel", "pandas", "matplotlib"}


def test_public_names_are_listed():
    assert set(jsddpm_eval.__all__) == NAMES
    assert set(dir(jsddpm_eval)) >= NAMES
    for name in NAMES:
        assert getattr(jsddpm_eval, name).__doc__


@pytest.mark.long
def test_a_users_script_runs():
    """That it is typed: tests/test_types.py."""
    done = run(EVALUATION)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == "kid"

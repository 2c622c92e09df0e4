"""What a user meets first: a lean import, the public names, types."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import jsddpm_eval

NAMES = {
    "BinAwareMetrics", "Cell", "Context", "Extractor", "Finding", "Metric", "Results", "Score", "ScoreSpec",
    "SliceTable", "bin_utilization", "compare", "compare_all", "evaluate", "evaluate_into",
}  # fmt: skip

SCRIPT = """
from collections.abc import Mapping

import numpy as np
import jsddpm_eval as je

rng = np.random.default_rng(0)
images, gen = rng.random((24, 16, 14)), rng.random((16, 16, 14))
masks, gen_masks = images > 0.98, gen > 0.98
bins, path, ids = np.arange(24) % 4, np.arange(24) // 4 % 2, [f"p{i % 6}" for i in range(24)]
test = [i % 6 > 3 for i in range(24)]
asked_bin, asked = np.arange(16) % 4, np.arange(16) // 4 % 2


class Largest(je.Metric):
    name = "largest"
    specs = (je.ScoreSpec(name="largest", heading="largest", group="tone", definition="largest intensity"),)
    needs = frozenset({"pixels"})

    def compute(self, cell: je.Cell, context: je.Context) -> Mapping[str, je.Score]:
        if not len(cell.generated):
            return self.undefined(cell, context, "nothing generated")
        return {"largest": je.Score.of(float(cell.generated.images.max()), cell.counts)}


real = je.SliceTable.from_arrays(images, masks, z_bin=bins, pathology=path, patient=ids, held_out=test)
fake = je.SliceTable.from_arrays(gen, gen_masks, z_bin=asked_bin, pathology=asked)
results = je.evaluate(real, fake, metrics=["kid", "best_match", "lesion_shape", Largest()])
score: je.Score = results["kid", 3, "lesion"]
value: float | None = score.value
findings: tuple[je.Finding, ...] = results.findings
print(len(results.to_frame()), value, len(findings), len(results._repr_html_()), results.plot("kid").get_ylabel())
results.findings[0].answer.upper()
differences = je.compare(results, results)
assert not any(d.significant for d in differences)
use = je.bin_utilization((24, 93))


def wrong() -> float:  # each line is an error that the types tell; an ignore that is not needed would be one as well
    je.evaluate(real)  # type: ignore[call-arg]
    je.SliceTable.from_arrays(images, pathology=path, patients=ids)  # type: ignore[call-arg]
    return score.value + 1  # type: ignore[operator]
"""


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


def test_a_users_script_runs_and_is_typed(tmp_path):
    done = run(SCRIPT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == "kid"
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    (tmp_path / "mypy.ini").write_text(
        "[mypy]\nstrict = True\nfollow_imports = silent\nignore_missing_imports = True\n"
        "[mypy-torch.*,torchmetrics.*,pandas.*,matplotlib.*]\nfollow_imports = skip\n"
    )
    arguments = ["--config-file", str(tmp_path / "mypy.ini"), "--cache-dir", str(tmp_path / "cache"), str(path)]
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", *arguments], capture_output=True, text=True, check=False,
        env=os.environ | {"MYPYPATH": str(Path(jsddpm_eval.__file__).parents[1])},
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout + checked.stderr

"""What a module must not load: each costs seconds, or a package that its user may not have."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {
    "torch", "torchio", "nibabel", "nilearn", "lightning", "diffusers", "pandas", "matplotlib", "torchmetrics",
    "torchvision",
}  # fmt: skip


@pytest.mark.parametrize(
    ("module", "allowed"),
    [
        ("jsddpm.cohort.brain", set()),
        ("jsddpm.cohort.layouts", set()),
        ("jsddpm.csvfiles", set()),
        ("jsddpm.slices.imported", set()),
        ("jsddpm.slices.store", set()),
        ("jsddpm.cohort.nifti", {"nibabel"}),
        ("jsddpm_eval.functional.reconstruction", {"torch"}),
    ],
)
def test_light_modules_load_nothing_heavy(module, allowed):
    code = f"import json, sys, {module}; print(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert HEAVY & {name.partition(".")[0] for name in json.loads(done.stdout)} == allowed

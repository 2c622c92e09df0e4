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


ALLOWED = {
    "jsddpm.cohort.brain": set(),
    "jsddpm.cohort.layouts": set(),
    "jsddpm.csvfiles": set(),
    "jsddpm.slices.imported": set(),
    "jsddpm.slices.store": set(),
    "jsddpm.cohort.nifti": {"nibabel"},
}
"""Modules and what they load, in the order in which one process imports them: light ones first."""


def loaded(*modules):
    """Heavy packages that are there after each of the modules, imported in this order in one process."""
    steps = "".join(f"import {module}\nprint(json.dumps(list(sys.modules)))\n" for module in modules)
    done = subprocess.run(
        [sys.executable, "-c", f"import json, sys\n{steps}"], capture_output=True, text=True, timeout=120, check=True
    )
    return [HEAVY & {name.partition(".")[0] for name in json.loads(line)} for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def one_after_another():
    return dict(zip(ALLOWED, loaded(*ALLOWED), strict=True))


@pytest.mark.parametrize("module", ALLOWED)
def test_light_modules_load_nothing_heavy(module, one_after_another):
    assert one_after_another[module] == ALLOWED[module]


def test_the_functions_of_the_evaluation_load_torch_alone():
    assert loaded("jsddpm_eval.functional.reconstruction") == [{"torch"}]

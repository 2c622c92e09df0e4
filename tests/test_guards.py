"""Guards that ``tests/soak/mutations.py`` removes are lines that exist, and their tests too."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GUARDS = runpy.run_path(str(ROOT / "tests" / "soak" / "guards.py"))["GUARDS"]


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.what)
def test_a_guard_is_found_once(guard):
    """A variable in one was renamed, and the removal of guards ended there."""
    assert (ROOT / guard.file).read_text(encoding="utf-8").count(guard.text) == 1
    assert (ROOT / guard.tests[0]).is_file()

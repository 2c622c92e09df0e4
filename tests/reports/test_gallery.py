"""The committed gallery is what the code makes today."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

GALLERY = Path(__file__).parents[2] / "reports" / "gallery"


def test_committed_binning_tables_are_current(tmp_path):
    runpy.run_path(str(GALLERY / "build.py"))["build"](tmp_path)
    made = sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*.*"))
    assert made == sorted(p.relative_to(GALLERY) for p in (GALLERY / "binning").iterdir())
    for name in made:
        if name.suffix == ".md":
            assert (tmp_path / name).read_text() == (GALLERY / name).read_text(), f"run make reports ({name})"
        else:
            assert (tmp_path / name).read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("row", ["| 9 | 87–93 | 7 | – | 0 |", "| 1 | 31–37 | 7 | 24–25 | 2 |"])
def test_the_seeds_numbers_are_in_the_gallery(row):
    assert row in (GALLERY / "binning" / "z24-93-10.md").read_text()

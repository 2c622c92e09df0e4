"""The committed gallery is what the code makes today."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from jsddpm.binning import ZBinning
from jsddpm.files import make_directory
from jsddpm_eval.results import Cell, Results, Score
from jsddpm_eval.tables import to_csv

GALLERY = Path(__file__).parents[2] / "reports" / "gallery"


def test_committed_binning_tables_are_current(tmp_path):
    runpy.run_path(str(GALLERY / "build.py"))["build_binning"](tmp_path)
    made = sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*.*"))
    assert made == sorted(p.relative_to(GALLERY) for p in (GALLERY / "binning").iterdir())
    for name in made:
        if name.suffix == ".md":
            assert (tmp_path / name).read_text() == (GALLERY / name).read_text(), f"run make reports ({name})"
        else:
            assert (tmp_path / name).read_bytes()[:4] == b"\x89PNG"


def test_a_demo_far_from_the_committed_one_is_told(tmp_path):
    gallery = runpy.run_path(str(GALLERY / "build.py"))

    def results(error, floor=0.5):
        scores = {"z_error_bins": Score(value=error, floor=floor), "kid_radiomics": Score(value=error)}
        return Results(
            binning=ZBinning((0, 9), 2, n_slices=10).to_dict(), provenance={}, utilization={},
            generation=[Cell(scores=scores), Cell(z_bin=1, pathology=0, scores=scores)],
        )  # fmt: skip

    def differing(now):
        now.write(make_directory(tmp_path / "demo" / "run" / "evaluation") / "results.json")
        return gallery["check"](tmp_path / "demo", tmp_path)

    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "scores.csv").write_text(to_csv(gallery["demo_scores"](results(1.0))))
    assert differing(results(1.3)) == []
    assert differing(results(1.5)) == ["all bins: value of z_error_bins is 1.5, committed 1.0, allowed 0.4"]
    assert len(differing(results(3.6))) == 2
    assert len(differing(results(1.0, floor=0.9))) == 2
    assert len(differing(results(1.0, floor=None))) == 2


@pytest.mark.parametrize("row", ["| 9 | 87–93 | 7 | – | 0 |", "| 1 | 31–37 | 7 | 24–25 | 2 |"])
def test_the_seeds_numbers_are_in_the_gallery(row):
    assert row in (GALLERY / "binning" / "z24-93-10.md").read_text()

"""The committed gallery is what the code makes today."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from jsddpm.binning import ZBinning
from jsddpm.csvfiles import to_csv
from jsddpm.files import make_directory
from jsddpm_eval.results.results import Results
from jsddpm_eval.results.score import Cell, Score

GALLERY = Path(__file__).parents[2] / "reports" / "gallery"


@pytest.fixture(scope="module")
def build():
    return runpy.run_path(str(GALLERY / "build.py"))


def pixels(path):
    return np.asarray(Image.open(path).convert("RGBA"))


def test_committed_binning_tables_and_figures_are_current(build, tmp_path):
    build["build_binning"](tmp_path)
    made = sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*.*"))
    assert made == sorted(p.relative_to(GALLERY) for p in (GALLERY / "binning").iterdir())
    for name in made:
        if name.suffix == ".md":
            assert (tmp_path / name).read_text() == (GALLERY / name).read_text(), f"run make reports ({name})"
        else:
            assert np.array_equal(pixels(tmp_path / name), pixels(GALLERY / name)), f"run make reports ({name})"


def test_tolerances_are_prediction_intervals_of_one_more_seed(build):
    allowed = build["tolerances"]()
    values = pd.read_csv(GALLERY / "demo" / "seeds.csv").query("cell == 'all bins'")
    kid = values.query("score == 'kid_radiomics'")["value"].to_numpy()
    assert len(kid) == 4
    expected = 6.2315 * np.sqrt(2) * kid.std(ddof=1) / kid.mean()  # Student's t, 3 degrees of freedom, 0.025 / 6 above
    assert allowed["kid_radiomics", False] == pytest.approx(expected, rel=1e-4)
    assert allowed["z_error_slices", False] * 4.5 < 2  # slices; below what tells local from global bins


def results(error=4.0, kid=60.0, baseline=3.5, kinds=(0, 1)):
    def scores():
        return {
            "z_error_slices": Score(value=error, baseline=baseline), "kid_radiomics": Score(value=kid, baseline=0.0),
            "lesion_present": Score(value=1.0, unit="share"), "vendi_radiomics": Score(value=error),
        }  # fmt: skip

    cells = [Cell(z_bin=1, pathology=p, scores=scores()) for p in kinds]
    return Results(
        binning=ZBinning((0, 9), 2, n_slices=10).to_dict(), provenance={}, utilization={},
        generation=[Cell(scores=scores()), *cells],
    )  # fmt: skip


@pytest.fixture
def differing(build, tmp_path):
    """What differs between given results and committed ones."""
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "scores.csv").write_text(to_csv(build["demo_scores"](results())))

    def compared(now):
        now.write(make_directory(tmp_path / "demo" / "run" / "evaluation") / "results.json")
        return build["check"](tmp_path / "demo", tmp_path)

    return compared


def test_a_demo_within_the_spread_of_seeds_passes(differing):
    assert differing(results()) == []
    assert differing(results(error=4.5, kid=64.0, baseline=4.5)) == []


def test_a_demo_far_from_the_committed_one_is_named(differing):
    far = "value of kid_radiomics is 110, committed 60, allowed"
    assert [line.rpartition(" ")[0] for line in differing(results(kid=110.0))] == [f"bin 1: {far}", f"all bins: {far}"]
    assert [line.split(":")[0] for line in differing(results(error=8.0))] == ["bin 1", "all bins"]
    assert differing(results(baseline=5.5)) == [
        "all bins: baseline of z_error_slices is 5.5, committed 3.5, allowed 1.6"
    ]


def test_scores_that_are_missing_or_undefined_now_are_named(differing):
    assert len(differing(results(kinds=(0,)))) == 3
    now = results()
    scores = now.generation[1].scores | {"kid_radiomics": Score.undefined("one patient")}
    cells = (now.generation[0], now.generation[1].model_copy(update={"scores": scores}), *now.generation[2:])
    told = differing(now.model_copy(update={"generation": cells}))
    assert told == ["bin 1 control: kid_radiomics was ok, is undefined"]


@pytest.mark.parametrize("row", ["| 9 | 87–93 | 7 | – | 0 |", "| 1 | 31–37 | 7 | 24–25 | 2 |"])
def test_the_seeds_numbers_are_in_the_gallery(row):
    assert row in (GALLERY / "binning" / "z24-93-10.md").read_text()

"""Cells are what their key says, whoever trains them and however often they were interrupted."""

from __future__ import annotations

import pytest

from crash import without_time
from jsddpm.errors import JsddpmError
from jsddpm_eval.utility.grid import Cell, grid, run_cells
from jsddpm_eval.utility.protocol import Training
from utilities import cohort

QUICK = Training(steps=2, batch_size=4)
CELLS = grid(1, ["real", "real+generated-50"], ["unet"], 2)


def run(out, cells=CELLS, training=QUICK, **options):
    return run_cells(out, cells, cohort, ("unseen",), training, **{"seed": 3, "plan": {}, **options})


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return without_time(run(tmp_path_factory.mktemp("whole")))


def test_a_grid_holds_every_training_once():
    cells = grid(2, ["real", "generated"], ["unet", "segresnet"], 3)
    assert len({cell.key for cell in cells}) == len(cells) == 24
    assert cells == sorted(cells, key=lambda cell: cell.seed)  # a share of an unfinished grid has whole repeats


def test_a_row_says_what_was_trained_and_keeps_every_patient(whole):
    row = whole[0]
    assert row["key"] == CELLS[0].key
    assert Cell(row["fold"], row["arm"], row["network"], row["seed"]) == CELLS[0]
    assert row["generator"] == "unseen"
    assert [record["patient"] for record in row["patients"]] == list(range(4, 12))
    lesion_pixels = sum(tp + fn for record in row["patients"] for _, tp, _, fn in record["bins"])
    world = cohort("unseen")
    assert lesion_pixels == world.slices.masks[world.folds[0].test].sum()


def test_an_interrupted_grid_comes_to_the_cells_of_an_uninterrupted_one(tmp_path, whole):
    def stop(done, total):
        assert (done, total) == (1, 4)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, progress=stop)
    (first,) = (tmp_path / "cells").iterdir()
    before = first.read_bytes()
    assert without_time(run(tmp_path)) == whole
    assert first.read_bytes() == before


def test_shares_come_to_the_same_cells(tmp_path, whole):
    assert run(tmp_path, share=(1, 3)) is None
    assert len(list((tmp_path / "cells").iterdir())) == 1
    assert run(tmp_path, share=(0, 3)) is None
    assert without_time(run(tmp_path, share=(2, 3))) == whole


def test_more_cells_join_a_folder_and_another_plan_does_not(tmp_path, whole):
    run(tmp_path, CELLS[:1])
    assert without_time(run(tmp_path)) == whole
    with pytest.raises(JsddpmError, match="other settings: training"):
        run(tmp_path, training=Training(steps=3, batch_size=4))
    with pytest.raises(JsddpmError, match="other settings: seed"):
        run(tmp_path, seed=4)
    with pytest.raises(JsddpmError, match="other settings: store"):
        run(tmp_path, plan={"store": "b"})


def test_a_damaged_cell_is_named(tmp_path):
    run(tmp_path, CELLS[:1])
    (file,) = (tmp_path / "cells").iterdir()
    file.write_bytes(file.read_bytes().replace(b'"unet"', b'"tenu"'))
    with pytest.raises(JsddpmError, match="differs from its checksum") as refused:
        run(tmp_path, CELLS[:1])
    assert (refused.value.code, refused.value.status) == ("CELL", 4)

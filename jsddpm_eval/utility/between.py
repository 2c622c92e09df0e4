"""Compare utility studies that differ only in their generators: which samples are more useful."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jsddpm.checksums import read_recorded
from jsddpm.errors import usage_error
from jsddpm.files import parse_json, read_json
from jsddpm_eval.plan_file import PLAN
from jsddpm_eval.utility.arms import Arm
from jsddpm_eval.utility.comparison import Grid, compared
from jsddpm_eval.utility.grid import Cell, read_cell
from jsddpm_eval.utility.run import RESULT
from jsddpm_eval.utility.scores import PRIMARY


def is_study(folder: str | Path) -> bool:
    """Whether a folder holds a finished utility study."""
    return (Path(folder) / RESULT).is_file()


def between_studies(folders: Mapping[str, Path]) -> dict[str, Any]:
    """Differences in Dice of the arms with generated slices, each study less the first one.

    Patients and trainings are pairs: studies of one plan train on the same real slices from the same weights.

    Args:
        folders: Folders of the studies, by the letter that stands for each; the first is the baseline.

    Returns:
        ``margin``, ``gain``, and ``comparisons`` as in ``utility.json``, whose arms are named ``B: generated``.

    Raises:
        JsddpmError: ``NOT_COMPARABLE`` (status 2) when they differ in more than their generators, or share no arm.
    """
    plans = {name: read_json(folder / PLAN) for name, folder in folders.items()}
    (baseline, plan), *others = plans.items()
    for name, other in others:
        if differing := [k for k in {**plan, **other} if k != "generators" and plan.get(k) != other.get(k)]:
            what = f"the studies {baseline} and {name} differ in {', '.join(differing)}"
            raise usage_error("NOT_COMPARABLE", what, fix="repeat one with the other's store, folds, preset and seed")
    results = {name: parse_json(_result(folder), folder / RESULT) for name, folder in folders.items()}
    cells = {name: _cells(values) for name, values in results.items()}
    shared = set.intersection(*cells.values())
    arms = list(dict.fromkeys(arm["arm"] for arm in results[baseline]["arms"]))
    with_generated = [arm for arm in arms if Arm.parse(arm).generated and any(cell.arm == arm for cell in shared)]
    if not with_generated:
        what, cure = "the studies share no arm with generated slices", "train the same arms, networks and seeds"
        raise usage_error("NOT_COMPARABLE", what, fix=cure)
    rows = [
        {**row, "arm": f"{name}: {row['arm']}"}
        for name, folder in folders.items()
        for cell in sorted(shared, key=lambda c: c.key) if cell.arm in with_generated
        for row in [read_cell(folder, cell)]
    ]  # fmt: skip
    pairs = [(f"{name}: {arm}", f"{baseline}: {arm}") for name, _ in others for arm in with_generated]
    margin = results[baseline]["margin"]
    differences = compared(Grid(rows), pairs, PRIMARY.of, margin=margin)
    return {"margin": margin, "gain": results[baseline]["gain"], "comparisons": differences}


def _result(folder: Path) -> bytes:
    return read_recorded(folder / RESULT, "RESULTS", "repeat jsddpm utility")


def _cells(values: Mapping[str, Any]) -> set[Cell]:
    return {Cell(c["fold"], c["arm"], c["network"], c["seed"]) for c in values["cells"]}

"""Trainings at equal CPU cost on one store, evaluated with held-out patients; resumable, one row per training.

    PEER_PYTHON=peer/bin/python python benchmarks/rivals/run.py STORE --out reports/gallery/rivals --work DIR

PEER_PYTHON is a Python with ``diffusers``, ``monai`` and ``slim-diff==1.0.0``. Every process computes on one thread.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from contenders import CONTENDERS, Task

from benchmarks.rows import Rows
from jsddpm.cohort.records import SPLITS
from jsddpm.files import make_directory, write_text
from jsddpm.slices.store import SliceStore
from jsddpm.training.recommended import Recommendation
from jsddpm_eval.evaluation import evaluate
from jsddpm_eval.slice_table import SliceTable

SCORES = {
    "kid_held_out_radiomics": "KID, radiomics",
    "kid_slice-encoder": "KID, slice encoder",
    "z_error_bins": "position error [bins]",
    "lesion_area": "lesion area distance [mm²]",
    "lesion_present": "lesion samples with a mask",
    "control_empty": "control samples with an empty mask",
}
_BY_CONDITION = ("lesion_area",)
_OF_HELD_OUT = ("lesion_area",)
_METRICS = ("kid", "seen_distance", "z_error_bins", "lesion_present", "control_empty")


def row_of(task: Task, name: str, record: dict[str, float], cache: Path) -> dict[str, Any]:
    """One row: what the training was, and the pooled scores with their baselines.

    Distances are to patients whom no contender was trained on, because a distance to training patients rewards copies.
    The slice encoder is trained on the training patients and compared with the others.
    """
    generated, unseen = SliceStore(task.samples), [split for split in SPLITS if split != "train"]
    held_out = SliceTable.from_store(task.store, generated.binning, only=unseen)
    scores = dict(evaluate(task.store, generated, metrics=_METRICS, split="test", cache=cache).pooled)
    scores |= evaluate(held_out, generated, metrics=_OF_HELD_OUT, cache=cache).pooled
    row: dict[str, Any] = {"contender": name, "seed": task.seed, "budget": task.cpu_seconds, **record}
    for score in SCORES:
        pooled = scores[score]
        row |= {score: pooled.value, f"{score}_baseline": pooled.baseline}
    return row


def table(rows: pd.DataFrame) -> str:
    """Means for each contender and budget, with the smallest and largest of several seeds; last, the baselines.

    The baseline of lesions depends on the conditions in which a contender drew any, so it stands in each cell.
    """
    lines = [
        "| CPU s | trained | seeds | steps | " + " | ".join(SCORES.values()) + " |",
        "|---:|---|---:|---:|" + "---:|" * len(SCORES),
    ]
    for (budget, name), group in rows.groupby(["budget", "contender"], sort=False):
        cells = [cell(group, score) for score in SCORES]
        steps = f"{group['steps'].mean():,.0f}"
        lines.append(f"| {budget:g} | {name} | {len(group)} | {steps} | " + " | ".join(cells) + " |")
    real = ["" if s in _BY_CONDITION else _number(rows[f"{s}_baseline"].mean()) for s in SCORES]
    lines.append("|  | real slices |  |  | " + " | ".join(real) + " |")
    return "\n".join(lines) + "\n"


def cell(group: pd.DataFrame, score: str) -> str:
    """The mean of a score over seeds, with the smallest and largest of several."""
    values = group[score]
    text = _number(values.mean())
    if len(values) > 1:
        text += f" ({_number(values.min())} to {_number(values.max())})"
    return text + (f", real {_number(group[f'{score}_baseline'].mean())}" if score in _BY_CONDITION else "")


def _number(value: float) -> str:
    return "–" if pd.isna(value) else f"{value:.0f}" if abs(value) >= 100 else f"{value:.2g}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", type=Path, help="real store with training and test patients")
    parser.add_argument("--work", type=Path, required=True, help="runs and samples; what is there is not made again")
    parser.add_argument("--out", type=Path, required=True, help="folder of rows.csv and table.md")
    parser.add_argument("--cpu-seconds", type=float, default=1200)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--only", nargs="+", help="names of contenders")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    store, rows = SliceStore(asked.store), Rows(asked.out / "rows.csv")
    binning = Recommendation.of(store).config().binning.for_store(store.n_slices)
    for seed in asked.seeds:
        for contender in (c for c in CONTENDERS if not asked.only or c.name in asked.only):
            if rows.has({"contender": contender.name, "seed": seed, "budget": asked.cpu_seconds}):
                continue
            name = f"{contender.name.replace(' ', '-')}-{asked.cpu_seconds:g}-{seed}"
            task = Task(store, binning, seed, asked.cpu_seconds, make_directory(asked.work) / name)
            print(f"training {name}", flush=True)
            rows.add(row_of(task, contender.name, contender.run(task), asked.work / "features"))
            write_text(asked.out / "table.md", table(rows.table))


if __name__ == "__main__":
    main()

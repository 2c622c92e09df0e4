"""One trained network, many samplers: scores with held-out patients; resumable, one row per sampling.

    python benchmarks/rivals/samplers.py STORE --out reports/gallery/rivals --work DIR

DIR holds the runs that ``run.py`` has trained (``jsddpm-1200-SEED-run``). Every process computes on one thread.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
import torch
from contenders import PER_CONDITION, Task
from run import SCORES, cell, row_of

from benchmarks.rows import Rows
from jsddpm.diffusion.generate import generate_store
from jsddpm.diffusion.pipeline import JointPipeline
from jsddpm.files import write_text
from jsddpm.slices.store import SliceStore
from jsddpm.training.recommended import Recommendation

KEYS = ("sampler", "spacing", "sampler_steps", "redraws")
SAMPLINGS = (
    ("dpmpp", "karras", 30, 0), ("dpmpp", "trailing", 30, 0),
    ("dpmpp_sde", "trailing", 30, 0), ("dpmpp_sde", "trailing", 60, 0), ("dpmpp_sde", "karras", 30, 0),
    ("dpmpp_sde", "karras", 60, 0), ("ddpm", "trailing", 30, 0), ("ddpm", "trailing", 60, 0),
    ("ddpm", "trailing", 100, 0), ("ddpm", "karras", 60, 0), ("ddim", "trailing", 60, 0),
    ("dpmpp_sde", "trailing", 30, 5),
)  # fmt: skip
"""Sampler, spacing of the noise levels, steps, largest number of redraws: the columns KEYS."""


def table(rows: pd.DataFrame) -> str:
    """Means for each sampling, with the smallest and largest of several seeds."""
    lines = [
        "| sampler | spacing | steps | redraws | networks | " + " | ".join(SCORES.values()) + " |",
        "|---|---|---:|---:|---:|" + "---:|" * len(SCORES),
    ]
    for (sampler, spacing, steps, redraws), group in rows.groupby(list(KEYS), sort=False):
        cells = [cell(group, score) for score in SCORES]
        lines.append(f"| {sampler} | {spacing} | {steps} | {redraws} | {len(group)} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", type=Path, help="real store with training and test patients")
    parser.add_argument("--work", type=Path, required=True, help="trained runs; samples are added")
    parser.add_argument("--out", type=Path, required=True, help="folder of samplers.csv and samplers.md")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--cpu-seconds", type=float, default=1200, help="of the trainings")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    store, rows = SliceStore(asked.store), Rows(asked.out / "samplers.csv")
    binning = Recommendation.of(store).config().binning.for_store(store.n_slices)
    for seed in asked.seeds:
        run = asked.work / f"jsddpm-{asked.cpu_seconds:g}-{seed}-run"
        pipe = JointPipeline.from_checkpoint(run / "checkpoints" / "last.ckpt", device="cpu")
        for chosen in SAMPLINGS:
            key = dict(zip(KEYS, chosen, strict=True))
            if rows.has(key | {"seed": seed}):
                continue
            sampler, spacing, steps, redraws = chosen
            name = f"{run.name}-{sampler}-{spacing}-{steps}"
            samples = asked.work / (f"{name}-{redraws}" if redraws else name)
            drawn = pipe.sampling_with(
                per_condition=PER_CONDITION, sampler=sampler, spacing=spacing, steps=steps, redraws=redraws
            )
            if not samples.exists():
                generate_store(pipe, samples, sampling=drawn, seed=seed)
            row = row_of(Task(store, binning, seed, asked.cpu_seconds, samples), "jsddpm", {}, asked.work / "features")
            rows.add(key | row)
            write_text(asked.out / "samplers.md", table(rows.table))


if __name__ == "__main__":
    main()

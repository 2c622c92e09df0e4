"""Samples of one network in float32 and in bfloat16: CPU time, and their scores beside held-out patients.

python benchmarks/precision.py STORE CHECKPOINT --work DIR --out reports/gallery/benchmarks/precision.csv
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import pandas as pd

from jsddpm.diffusion.generate import generate_store
from jsddpm.diffusion.pipeline import JointPipeline
from jsddpm.files import write_text
from jsddpm.slices.store import SliceStore
from jsddpm_eval.evaluation import evaluate

METRICS = "kid", "z_error_bins", "lesion_area", "sharpness"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", type=Path, help="real store with the training patients and others held out")
    parser.add_argument("checkpoint", type=Path, help="network trained on it")
    parser.add_argument("--work", type=Path, required=True, help="new folder of the samples")
    parser.add_argument("--out", type=Path, required=True, help="table")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--per-condition", type=int, default=16)
    args = parser.parse_args()
    pipe, real, rows = JointPipeline.from_checkpoint(args.checkpoint), SliceStore(args.store), []
    for precision in ("32-true", "bf16-mixed"):
        for seed in range(args.seeds):
            samples = args.work / f"{precision}-{seed}"
            sampling = pipe.sampling_with(per_condition=args.per_condition, precision=precision)
            start = time.process_time()
            generate_store(pipe, samples, sampling=sampling, seed=seed)
            took = time.process_time() - start
            pooled = evaluate(real, SliceStore(samples), metrics=METRICS, cache=args.work / "cache").pooled
            scores = {name: score.value for name, score in pooled.items()}
            rows.append({"precision": precision, "seed": seed, "cpu_seconds": round(took, 1), **scores})
            write_text(args.out, pd.DataFrame(rows).to_csv(index=False, float_format="%.4g"))


if __name__ == "__main__":
    main()

"""SLIM-Diff's FID and KID of ready features, measured in its own environment; prints JSON.

Run by `benchmarks/evaluation.py` with the Python that PEER_PYTHON names (`pip install slim-diff==1.0.0`).
"""

from __future__ import annotations

import json
import time

import torch
from src.diffusion.scripts.similarity_metrics.metrics.fid import FIDComputer
from src.diffusion.scripts.similarity_metrics.metrics.kid import KIDComputer


def features(count: int, seed: int) -> torch.Tensor:
    return torch.randn((count, 2048), generator=torch.Generator().manual_seed(seed))


def main() -> None:
    found = {}
    for name, computer, count in (
        ("fid_200", FIDComputer(device="cpu"), 200),
        ("kid_1000", KIDComputer(device="cpu"), 1000),
    ):
        sides = features(count, 0), features(count, 1)
        start = time.perf_counter()
        result = computer.compute_from_features(*sides)
        found[name] = time.perf_counter() - start
        found[f"{name}_value"] = float(result.value)
    print(json.dumps(found))


if __name__ == "__main__":
    main()

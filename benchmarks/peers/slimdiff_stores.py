"""SLIM-Diff's slice cache on an nnU-Net folder, measured in its own environment; prints JSON.

Run by `benchmarks/stores.py` with the Python that PEER_PYTHON names (`pip install slim-diff==1.0.0`).
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from omegaconf import OmegaConf
from src.diffusion.data.caching.builders.epilepsy import EpilepsySliceCacheBuilder
from src.diffusion.data.dataset import SliceDataset
from torch.utils.data import DataLoader


def main(root: str, out: str, first: int, last: int) -> None:
    config = OmegaConf.create(
        {
            "cache_dir": out,
            "z_bins": 30,
            "slice_sampling": {"z_range": [first, last], "filter_empty_brain": False},
            "transforms": {
                "target_spacing": [1.25, 1.25, 1.25],
                "roi_size": [160, 160, 128],
                "intensity_norm": {
                    "type": "percentile", "lower": 0.1, "upper": 99.9, "b_min": -1.0, "b_max": 1.0, "clip": True,
                },
            },
            "datasets": {
                "epilepsy": {
                    "root_dir": root,
                    "epilepsy_dataset": {"name": "Dataset210_MRIe_none", "modality_index": 0},
                    "splits": {"use_predefined_test": True, "val_fraction": 0.2, "seed": 0},
                }
            },
        }
    )  # fmt: skip
    start = time.perf_counter()
    EpilepsySliceCacheBuilder(config).build_cache()
    built = time.perf_counter() - start
    files = list(Path(out, "slices").iterdir())
    data = SliceDataset(out, "train")
    loader = DataLoader(data, batch_size=8, shuffle=True)
    list(loader)
    start = time.perf_counter()
    count = sum(len(batch["image"]) for batch in loader)
    reading = count / (time.perf_counter() - start)
    size = sum(f.stat().st_size for f in files) / len(files)
    print(json.dumps({"build_s": built, "slices": len(files), "bytes_per_slice": size, "slices_per_s": reading}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))

"""The contenders: each takes training slices, CPU seconds and a seed, and writes a generated store."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.budget import train_within
from jsddpm.binning import Condition, ZBinning
from jsddpm.config import RunConfig
from jsddpm.diffusion.generate import generate_store
from jsddpm.diffusion.pipeline import JointPipeline
from jsddpm.files import read_json, write_json
from jsddpm.publish import beside
from jsddpm.slices.dataset import SliceDataset
from jsddpm.slices.store import SliceStore
from jsddpm.slices.writer import Shard, new_store
from jsddpm.training.recommended import Recommendation

PER_CONDITION = 8
_PEERS = Path(__file__).parent / "peers"


@dataclass(frozen=True)
class Task:
    """The task of each contender.

    Attributes:
        store: Real store; its training split is the training set.
        binning: The bins.
        seed: Seed of weights, batches and noise.
        cpu_seconds: Budget of the training.
        samples: Folder for the generated store.
    """

    store: SliceStore
    binning: ZBinning
    seed: int
    cpu_seconds: float
    samples: Path


@dataclass(frozen=True)
class Ours:
    """The preset that the store asks for, with some keys changed."""

    name: str = "jsddpm"
    settings: tuple[str, ...] = ()

    def run(self, task: Task) -> dict[str, float]:
        """Train, sample, and describe the training."""
        run = task.samples.parent / f"{task.samples.name}-run"
        done = train_within(task.cpu_seconds, partial(self._config, task), task.store, run)
        pipe = JointPipeline.from_checkpoint(done.checkpoint, device="cpu")
        sampling = pipe.sampling_with(per_condition=PER_CONDITION)
        generate_store(pipe, task.samples, sampling=sampling, seed=task.seed)
        weights = sum(p.numel() for p in pipe.denoiser.parameters())
        return {"steps": done.steps, "cpu_seconds": done.cpu_seconds, "parameters": weights}

    def _config(self, task: Task, fixed: tuple[str, ...]) -> RunConfig:
        return Recommendation.of(task.store).config([*self.settings, f"seed={task.seed}", *fixed])


@dataclass(frozen=True)
class Peer:
    """A script of ``peers``, run by the Python that has the peer installed (PEER_PYTHON)."""

    name: str
    script: str
    variant: str = "example"

    def run(self, task: Task) -> dict[str, float]:
        """Train, sample, and describe the training; its record lies beside the samples, which are not made again."""
        kept = beside(task.samples, ".json")
        if task.samples.is_dir() and kept.is_file():
            return read_json(kept)
        data, n_bins = SliceDataset(task.store, task.binning, "train"), task.binning.n_bins
        trained = data.token.unique().tolist()
        tokens = [t for t in trained for _ in range(PER_CONDITION)]
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            np.savez(
                folder / "slices.npz", image=task.store.images(data.rows), mask=task.store.masks(data.rows),
                token=data.token.numpy(),
            )  # fmt: skip
            asked = {
                "slices": str(folder / "slices.npz"), "samples": str(folder / "samples.npz"), "tokens": tokens,
                "conditions": 2 * n_bins, "seed": task.seed, "cpu_seconds": task.cpu_seconds, "variant": self.variant,
            }  # fmt: skip
            (folder / "task.json").write_text(json.dumps(asked), encoding="utf-8")
            record = self._record(folder / "task.json")
            write_json(kept, record)
            with np.load(folder / "samples.npz", allow_pickle=False) as drawn:
                self._store(drawn["image"], drawn["mask"], tokens, task)
        return record

    def _record(self, file: Path) -> dict[str, float]:
        python = os.environ.get("PEER_PYTHON", sys.executable)
        done = subprocess.run([python, _PEERS / self.script, file], check=True, stdout=subprocess.PIPE, text=True)
        record: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return record

    @staticmethod
    def _store(image: Any, mask: Any, tokens: list[int], task: Task) -> None:
        conditions = [Condition.from_token(t, task.binning.n_bins) for t in tokens]
        rows = {
            "z_index": [task.binning.representative(c.z_bin) for c in conditions],
            "pathology": [c.pathology for c in conditions],
        }
        with new_store(
            task.samples, kind="generated", n_slices=task.binning.n_slices, spacing=task.store.spacing,
            binning=task.binning.to_dict(), seed=task.seed,
        ) as writer:  # fmt: skip
            writer.add(Shard("generated", image.astype(np.float32), mask, rows))


CONTENDERS: tuple[Ours | Peer, ...] = (
    Ours(),
    Peer("diffusers example", "diffusers_unet.py"),
    Peer("diffusers tuned", "diffusers_unet.py", "tuned"),
    Peer("MONAI tutorial", "monai_unet.py"),
    Peer("MONAI tuned", "monai_unet.py", "tuned"),
    Peer("slim-diff", "slimdiff.py"),
    Peer("slim-diff tuned", "slimdiff.py", "tuned"),
)
"""*tuned* peers predict x0 with a learning rate of 5e-4 in batches of 4 and in bfloat16, and are half as wide. Their
examples are made for more than minutes of a processor: in 20 of them they take some sixty steps.
"""

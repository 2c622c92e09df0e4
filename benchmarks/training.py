"""A full training step, and a sample, against the bare network."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from measure import Comparison, alone, printed, side_by_side

from jsddpm.binning import Condition
from jsddpm.config import RunConfig, load_config
from jsddpm.diffusion.pipeline import JointPipeline
from jsddpm.diffusion.sampling import SampleId
from jsddpm.slices.store import SliceStore
from jsddpm.slices.writer import Shard, new_store
from jsddpm.training.run import prepare, train

ROUNDS, STEPS = 3, 30


def small_store(folder: Path, size: int) -> SliceStore:
    with new_store(folder / "store", kind="real", n_slices=128, spacing=(3, 3, 1.25)) as writer:
        image = np.random.default_rng(0).random((128, size, size), dtype=np.float32)
        for p, (split, z) in enumerate((("train", np.arange(128)), ("val", np.arange(40, 42)))):
            rows = {"z_index": z, "split": int(split == "val"), "pathology": z % 2}
            writer.add(Shard(f"sub-{p}", image[z], image[z] > 0.99, rows, {"split": split}))
    return SliceStore(folder / "store")


def step_times(config: RunConfig, store: SliceStore, out: Path) -> list[float]:
    """CPU seconds of each step of a run: Lightning, data, noise, loss, checks, average, clipping, logs."""
    ends: list[float] = []
    train(config, store, out, progress=lambda *_: ends.append(time.process_time()))
    return [float(t) for t in np.diff(ends)][1:]


def bare_times(config: RunConfig, store: SliceStore) -> list[float]:
    """CPU seconds of forward, backward and optimiser of the same network on one ready batch."""
    module, data, _ = prepare(config, store)
    network, batch = module.denoiser, data.train.batch(range(config.data.batch_size))
    optimizer = module.configure_optimizers()["optimizer"]
    x = batch["x0"].contiguous(memory_format=torch.channels_last)
    t, tokens, times = torch.arange(len(x)) * 7, batch["token"], []
    for _ in range(STEPS):
        start = time.process_time()
        loss = (network(x, t, tokens) - x).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        times.append(time.process_time() - start)
    return times[2:]


def training_step(preset: str, size: int, batch: int) -> Comparison:
    """Median step of a run against the bare one, in CPU time: other work on the machine falls on neither."""
    settings = [f"trainer.max_steps={STEPS}", f"data.batch_size={batch}", "evaluation.timesteps=[500]"]
    config = load_config(preset, [*settings, "optimizer.warmup_steps=1", "logging.grid=0"])
    own: list[float] = []
    bare: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        store = small_store(Path(name), size)
        for k in range(ROUNDS):
            own += step_times(config, store, Path(name) / str(k))
            bare += bare_times(config, store)
    return f"training step (CPU time), {preset}, {size}x{size}", median(own), "bare network", median(bare)


def demo_step() -> Comparison:
    """The demo preset on its own slices."""
    return training_step("demo", 64, 16)


def sampling() -> Comparison:
    """Sixteen samples of 20 steps against 20 passes of the bare network."""
    config = load_config("demo", ["sampling.steps=20"])
    with tempfile.TemporaryDirectory() as name:
        module, _, info = prepare(config, small_store(Path(name), 64))
    pipe, ids = (
        JointPipeline.of(module.denoiser.eval(), info),
        [SampleId(Condition(k % 10, k % 2), k) for k in range(16)],
    )
    x, tokens = torch.randn(16, 2, 64, 64), torch.zeros(16, dtype=torch.int64)

    @torch.inference_mode()
    def bare() -> None:
        for t in range(20):
            pipe.denoiser(x, torch.full((16,), t), tokens)

    def own() -> None:
        pipe.sample(ids, pipe.sampling, 0)

    seconds, other = side_by_side(own, bare)
    return "16 samples, 20 steps", seconds, "bare network", other


PEER_STEPS = 4
PEER_SETTINGS = {
    "[32, 64, 128], 128x128, batch 4": {
        "channels": [32, 64, 128], "attention": [False, False, True], "groups": 32, "size": 128, "batch": 4,
    },
    "[64, 128, 256, 256], 160x160, batch 1": {
        "channels": [64, 128, 256, 256], "attention": [False, False, True, True], "groups": 32, "size": 160, "batch": 1,
    },
}  # fmt: skip


def peer_like_run(settings: dict[str, Any]) -> dict[str, float]:
    """Median step of a whole run as SLIM-Diff would be set up: self-conditioned in every step, x0, L1.5 and L2."""
    levels = [k for k, attends in enumerate(settings["attention"]) if attends]
    values = {
        "model.channels": settings["channels"], "model.attention_levels": levels,
        "model.norm_num_groups": settings["groups"], "model.self_conditioning": 1.0,
        "data.batch_size": settings["batch"], "trainer.max_steps": PEER_STEPS, "evaluation.timesteps": [500],
        "logging.grid": 0,
    }  # fmt: skip
    config = load_config("slimdiff", [f"{key}={json.dumps(value)}" for key, value in values.items()])
    with tempfile.TemporaryDirectory() as name:
        store = small_store(Path(name), settings["size"])
        times = step_times(config, store, Path(name) / "run")
        weights = sum(p.numel() for p in prepare(config, store)[0].denoiser.unet.parameters())
    return {"step_s": median(times), "parameters": weights}


@cache
def against_peer(name: str) -> tuple[dict[str, float], dict[str, float]]:
    """Ours and SLIM-Diff's step, each in a process of its own."""
    settings = PEER_SETTINGS[name] | {"steps": PEER_STEPS}
    own = alone(f"import training; found |= training.peer_like_run({settings!r})", threads=1)
    script = Path(__file__).parent / "peers" / "slimdiff_step.py"
    peer = printed([os.environ["PEER_PYTHON"], script, json.dumps(settings)], threads=1)
    million = [f"{side['parameters'] / 1e6:.1f}" for side in (own, peer)]
    print(f"{name}: {million[0]} against {million[1]} million weights", file=sys.stderr)
    return own, peer


def step_against_peer(name: str) -> Callable[[], Comparison]:
    def compare() -> Comparison:
        own, peer = against_peer(name)
        return f"training step (CPU time), {name}", own["step_s"], "slim-diff", peer["step_s"]

    return compare


def memory_against_peer(name: str) -> Callable[[], Comparison]:
    def compare() -> Comparison:
        own, peer = against_peer(name)
        return f"the same, peak GiB of the process, {name}", own["peak"] / 1024, "slim-diff", peer["peak"] / 1024

    return compare


COMPARISONS = (
    demo_step,
    sampling,
    *(
        compare(name)
        for name in (PEER_SETTINGS if os.environ.get("PEER_PYTHON") else ())
        for compare in (step_against_peer, memory_against_peer)
    ),
)

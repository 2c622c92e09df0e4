"""Provenance of a run: the machine, the data, the networks it started from, and its resumptions."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from jsddpm.anonymise import way
from jsddpm.cohort.records import SPLITS
from jsddpm.config import RunConfig
from jsddpm.diffusion.checkpoint import CheckpointInfo
from jsddpm.runtime import best_device, processes
from jsddpm.slices.dataset import ClassDistribution, SliceDataset
from jsddpm.slices.store import SliceStore
from jsddpm.training.trainer import resolved_precision

_VERSIONED = ("jsddpm", "torch", "lightning", "diffusers", "numpy")


def begun(
    config: RunConfig, store: SliceStore, out: Path, info: CheckpointInfo, training: SliceDataset
) -> dict[str, Any]:
    """Provenance of a new run. It names no patient; the store's fingerprint identifies the splits.

    Args:
        config: The run's configuration.
        store: Its store.
        out: Its folder.
        info: Metadata of its checkpoints.
        training: Its training slices.
    """
    splits = list(store.splits.values())
    started = {"ancestors": info.origins} if info.ancestors else {}
    return {
        **_machine(config),
        "seed": config.seed,
        "store": {
            "path": way(store.path, out),
            "fingerprint": store.fingerprint,
            "patients": len(set(store.patients)),
            "slices": len(store.index),
        },
        "split": {name: splits.count(name) for name in SPLITS},
        "binning": info.binning.to_dict(),
        "drawn": vars(ClassDistribution.of(training, config.data.lesion_share)),
        **started,
    }


def resumed(provenance: dict[str, Any], step: int, config: RunConfig, changed: dict[str, Any]) -> dict[str, Any]:
    """The provenance with a further resumption: its step, its machine, and whether the results are unaffected.

    The last step is recorded again when the resumed training ends.

    Args:
        provenance: Provenance until now.
        step: Step from which the run resumes.
        config: Its configuration.
        changed: New values of keys that were changed.
    """
    now, earlier = _machine(config), provenance.get("resumed", [])
    before = earlier[-1] if earlier else provenance
    exact = all(before.get(name) == value for name, value in now.items())
    open_ = {name: value for name, value in provenance.items() if name != "steps"}
    settings = {"changed": changed} if changed else {}
    return open_ | {"resumed": [*earlier, {"step": step, "bit_exact": exact, **now, **settings}]}


def _machine(config: RunConfig) -> dict[str, Any]:
    """Properties of the machine on which the bytes of a run depend."""
    return {
        "versions": {name: version(name) for name in _VERSIONED} | {"python": platform.python_version()},
        **_device(),
        "precision": resolved_precision(config),
        "processes": processes().world,
    }


def _device() -> dict[str, Any]:
    """The GPU; or the instructions of the CPU and the number of threads, which order the sums of a network."""
    if torch.cuda.is_available():
        return {"device": torch.cuda.get_device_name(best_device())}
    return {"device": "cpu", "cpu": torch.backends.cpu.get_cpu_capability(), "threads": torch.get_num_threads()}

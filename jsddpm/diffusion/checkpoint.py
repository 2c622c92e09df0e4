"""Checkpoints: written whole or not at all, carrying configuration and binning, loaded without executing anything."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import torch

from jsddpm.binning import Condition, ZBinning
from jsddpm.config import RunConfig, parse_config
from jsddpm.diffusion.denoiser import Denoiser
from jsddpm.errors import integrity_error, usage_error
from jsddpm.files import atomic_open, make_directory

KEY = "jsddpm"
VERSION = 1
Weights = Literal["ema", "raw"]
PREFIXES: dict[Weights, str] = {"ema": "ema.module.", "raw": "denoiser."}
"""Where the averaged and the raw weights of the network lie in a checkpoint's ``state_dict``."""


@dataclass(frozen=True)
class CheckpointInfo:
    """Metadata that a checkpoint carries.

    Attributes:
        config: Configuration of the run.
        binning: The z-bins of the condition tokens.
        size: ``(H, W)`` of the slices.
        spacing: ``(row, column, z)`` of the training store, in mm.
        store: Fingerprint of the training store.
        token_counts: Training slices of each condition token.
        step: Optimiser steps done.
    """

    config: RunConfig
    binning: ZBinning
    size: tuple[int, int]
    spacing: tuple[float, float, float]
    store: str
    token_counts: tuple[int, ...]
    step: int = 0

    @property
    def trained(self) -> list[Condition]:
        """Conditions with at least one training slice."""
        return [Condition.from_token(t, self.binning.n_bins) for t, n in enumerate(self.token_counts) if n]

    @property
    def untrained(self) -> list[Condition]:
        """Conditions without a training slice."""
        return [Condition.from_token(t, self.binning.n_bins) for t, n in enumerate(self.token_counts) if not n]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, stored inside the checkpoint."""
        return {
            "version": VERSION,
            "config": self.config.model_dump(mode="json"),
            "binning": self.binning.to_dict(),
            "size": list(self.size),
            "spacing": list(self.spacing),
            "store": self.store,
            "token_counts": list(self.token_counts),
        }


def write_checkpoint(path: str | Path, checkpoint: dict[str, Any]) -> None:
    """Write a checkpoint; the old file stays until the new one is complete on the disk."""
    make_directory(Path(path).parent)
    with atomic_open(path) as stream:
        torch.save(checkpoint, stream)


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Load a checkpoint file onto the CPU, tensors and plain values only.

    Raises:
        JsddpmError: ``CHECKPOINT`` (status 4) when it is damaged, not ours, or holds anything but data.
    """
    path = Path(path)
    if not path.is_file():
        raise usage_error("MISSING", "no such checkpoint", fix="train first, or check the path", file=path)
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # damage raises many types; all of them mean an unreadable file
        reason = str(error).split("\n", 1)[0]
        cure = "use another checkpoint"
        raise integrity_error("CHECKPOINT", f"cannot be loaded safely ({reason})", fix=cure, file=path) from error
    if not isinstance(loaded, dict) or not isinstance(loaded.get(KEY), dict):
        cure = "give one that jsddpm train wrote"
        raise integrity_error("CHECKPOINT", "is not a checkpoint of jsddpm", fix=cure, file=path)
    if loaded[KEY].get("version") != VERSION:
        what = f"has format version {loaded[KEY].get('version')}, not {VERSION}"
        raise integrity_error("CHECKPOINT", what, fix="use a matching jsddpm", file=path)
    return cast(dict[str, Any], loaded)


def checkpoint_info(path: str | Path, *, expected: ZBinning | None = None) -> CheckpointInfo:
    """Metadata of a checkpoint file; a binning other than ``expected`` is refused."""
    return info_of(read_checkpoint(path), Path(path), expected)


def load_denoiser(
    path: str | Path, *, weights: Weights = "ema", expected: ZBinning | None = None, device: str | torch.device = "cpu"
) -> tuple[Denoiser, CheckpointInfo]:
    """The trained network, ready to sample.

    Args:
        path: Checkpoint file.
        weights: Averaged weights, or the raw ones.
        expected: Binning it must have been trained with.
        device: Where the network goes.

    Raises:
        JsddpmError: ``BINNING_MISMATCH`` (status 2) field by field; ``CHECKPOINT`` (status 4) when the
            requested weights are absent or do not fit the network.
    """
    loaded = read_checkpoint(path)
    info = info_of(loaded, Path(path), expected)
    prefix = PREFIXES[weights]
    state = {k.removeprefix(prefix): v for k, v in loaded["state_dict"].items() if k.startswith(prefix)}
    if not state:
        raise integrity_error("CHECKPOINT", f"holds no {weights} weights", fix="use the other weights", file=path)
    denoiser = Denoiser(info.config.model, info.binning, info.size)
    try:
        denoiser.load_state_dict(state)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        cure = "use another checkpoint"
        raise integrity_error("CHECKPOINT", f"does not fit its network ({reason})", fix=cure, file=path) from error
    return denoiser.to(device, memory_format=torch.channels_last).eval(), info  # type: ignore[call-overload]


def info_of(loaded: dict[str, Any], path: Path, expected: ZBinning | None = None) -> CheckpointInfo:
    """Metadata of a loaded checkpoint; see :func:`checkpoint_info`."""
    stored = loaded[KEY]
    binning = ZBinning.from_dict(stored["binning"])
    if expected is not None:
        binning.require_same(expected, mine="the checkpoint", others="the request", file=str(path))
    return CheckpointInfo(
        config=parse_config(stored["config"], str(path)),
        binning=binning,
        size=(stored["size"][0], stored["size"][1]),
        spacing=(stored["spacing"][0], stored["spacing"][1], stored["spacing"][2]),
        store=stored["store"],
        token_counts=tuple(stored["token_counts"]),
        step=int(loaded.get("global_step", 0)),
    )

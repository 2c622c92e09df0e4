"""Checkpoints: written atomically, with configuration and binning, and loaded without executing code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Annotated, Any, Literal, cast

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from jsddpm.binning import Condition, ZBinning
from jsddpm.checksums import require_sound_zip
from jsddpm.config import RunConfig, parse_config
from jsddpm.diffusion.denoiser import Denoiser
from jsddpm.diffusion.exported import read_exported
from jsddpm.errors import JsddpmError, first_line, integrity_error, usage_error
from jsddpm.files import atomic_open, make_directory
from jsddpm.runtime import usable_device
from jsddpm.slices.description import LARGEST_SIDE, first_fault

KEY = "jsddpm"
VERSION = 1
Weights = Literal["ema", "raw"]
PREFIXES: dict[Weights, str] = {"ema": "ema.module.", "raw": "denoiser."}
"""Prefixes of the averaged and the raw weights in a checkpoint's ``state_dict``."""
_CURE = "use another checkpoint"


class Ancestor(BaseModel):
    """A network whose weights another one started from."""

    model_config = ConfigDict(strict=True, frozen=True)

    store: str
    """Fingerprint of its training store."""
    seed: int
    step: int
    images: list[str] | None = None
    """Its :attr:`CheckpointInfo.images`."""
    compared: bool = False
    """Whether they are known not to be of patients who are held out in the store of the other network."""


class _Stored(BaseModel):
    """The form of a checkpoint's metadata."""

    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)

    config: dict[str, Any]
    binning: dict[str, Any]
    size: Annotated[list[Annotated[int, Field(ge=1, le=LARGEST_SIDE)]], Field(min_length=2, max_length=2)]
    spacing: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=3, max_length=3)]
    store: str
    token_counts: list[Annotated[int, Field(ge=0)]]
    images: list[str] | None = None
    ancestors: list[Ancestor] = []


@dataclass(frozen=True)
class CheckpointInfo:
    """Metadata of a checkpoint.

    Attributes:
        config: Configuration of the run.
        binning: The z-bins of the condition tokens.
        size: ``(H, W)`` of the slices.
        spacing: ``(row, column, z)`` of the training store, in mm.
        store: Fingerprint of the training store.
        token_counts: Training slices of each condition token, without those that ``data.lesion_share`` never draws.
        step: Optimiser steps done.
        images: :func:`~jsddpm.slices.layout.image_digest` of the training images; None if not recorded.
        ancestors: Networks from which the weights came by warm starts, the first one first.
    """

    config: RunConfig
    binning: ZBinning
    size: tuple[int, int]
    spacing: tuple[float, float, float]
    store: str
    token_counts: tuple[int, ...]
    step: int = 0
    images: tuple[str, ...] | None = None
    ancestors: tuple[Ancestor, ...] = ()

    @property
    def trained(self) -> list[Condition]:
        """Conditions with at least one training slice that is drawn."""
        return [Condition.from_token(t, self.binning.n_bins) for t, n in enumerate(self.token_counts) if n]

    @property
    def augmented(self) -> bool:
        """Whether the network is conditioned on how training slices were moved."""
        return self.config.augmentation.probability > 0

    @property
    def untrained(self) -> list[Condition]:
        """Conditions without such a slice."""
        return [Condition.from_token(t, self.binning.n_bins) for t, n in enumerate(self.token_counts) if not n]

    def network(self, weights: Weights = "ema") -> dict[str, Any]:
        """What identifies a network of the checkpoint in the provenance of samples and results."""
        named = {"training_store": self.store, "training_seed": self.config.seed, "step": self.step, "weights": weights}
        return named | ({"ancestors": self.origins} if self.ancestors else {})

    @property
    def origins(self) -> list[dict[str, Any]]:
        """The ancestors as plain values, without their images."""
        return [ancestor.model_dump(exclude={"images"}) for ancestor in self.ancestors]

    def shareable(self) -> dict[str, Any]:
        """Plain values that say nothing of single training images."""
        return {name: v for name, v in self.to_dict().items() if name != "images"} | {"ancestors": self.origins}

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
            "images": None if self.images is None else list(self.images),
            "ancestors": [ancestor.model_dump() for ancestor in self.ancestors],
        }


def write_checkpoint(path: str | Path, checkpoint: dict[str, Any]) -> None:
    """Write a checkpoint; the old file stays until the new one is complete on the disk."""
    make_directory(Path(path).parent)
    with atomic_open(path) as stream:
        try:
            torch.save(checkpoint, stream)
        except RuntimeError as error:  # after a failed write torch closes its archive, which raises another error
            if isinstance(error.__context__, OSError | JsddpmError):
                raise error.__context__ from None
            raise


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Load a checkpoint file, or the folder of an exported network, onto the CPU: tensors and plain values only.

    The CRC-32 of every part of the file is compared first.

    Raises:
        JsddpmError: ``CHECKPOINT`` (status 4) when it is damaged, not of jsddpm, or contains anything but data;
            ``MISSING`` (status 2) for the folder of a run.
    """
    path = Path(path)
    if (path / "checkpoints").is_dir():
        cure = f"give one of its checkpoints, such as {path / 'checkpoints' / 'last.ckpt'}"
        raise usage_error("MISSING", "is the folder of a run and not a checkpoint", fix=cure, file=path)
    if path.is_dir():
        return _checked(_of_exported(path), path)
    if not path.is_file():
        raise usage_error("MISSING", "there is no such checkpoint", fix="train first, or correct the path", file=path)
    require_sound_zip(path, "CHECKPOINT", _CURE)
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # a damaged file raises many types of errors
        # torch's message would suggest to load it unsafely
        reason = "it contains more than tensors and plain values"
        reason = reason if isinstance(error, UnpicklingError) else first_line(error)
        raise integrity_error("CHECKPOINT", f"cannot be loaded safely ({reason})", fix=_CURE, file=path) from error
    return _checked(loaded, path)


def _of_exported(folder: Path) -> dict[str, Any]:
    about, state = read_exported(folder)
    prefix = next((prefix for weights, prefix in PREFIXES.items() if weights == about.get("weights")), "")
    return {KEY: about, "global_step": about.get("step"), "state_dict": {prefix + k: v for k, v in state.items()}}


def _checked(loaded: Any, path: Path) -> dict[str, Any]:
    """The loaded content, if it has the form of a checkpoint."""
    if not isinstance(loaded, dict) or not isinstance(loaded.get(KEY), dict):
        cure = "give a checkpoint of jsddpm train"
        raise integrity_error("CHECKPOINT", "is not a checkpoint of jsddpm", fix=cure, file=path)
    if loaded[KEY].get("version") != VERSION:
        what = f"has the format version {loaded[KEY].get('version')}, and {VERSION} is expected"
        raise integrity_error("CHECKPOINT", what, fix="use the version of jsddpm that wrote it", file=path)
    step, state = loaded.get("global_step", 0), loaded.get("state_dict")
    if type(step) is not int or step < 0:
        raise integrity_error("CHECKPOINT", "its step is not a number", fix=_CURE, file=path)
    if not isinstance(state, dict) or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise integrity_error("CHECKPOINT", "its weights are not tensors", fix=_CURE, file=path)
    return cast(dict[str, Any], loaded)


def checkpoint_info(path: str | Path, *, expected: ZBinning | None = None) -> CheckpointInfo:
    """Metadata of a checkpoint file; a binning other than ``expected`` is refused."""
    return info_of(read_checkpoint(path), Path(path), expected)


def load_denoiser(
    path: str | Path,
    *,
    weights: Weights = "ema",
    expected: ZBinning | None = None,
    device: str | torch.device | None = "cpu",
) -> tuple[Denoiser, CheckpointInfo]:
    """The trained network, ready to sample.

    Args:
        path: Checkpoint file.
        weights: Averaged weights, or the raw ones.
        expected: Binning it must have been trained with.
        device: Device for the network; None uses the GPU if there is one.

    Raises:
        JsddpmError: ``BINNING_MISMATCH`` (status 2) field by field; ``OPTION`` (status 2) for unknown weights or a
            device that this machine lacks; ``CHECKPOINT`` (status 4) when the requested weights are absent or do not
            fit the network.
    """
    if weights not in PREFIXES:
        raise usage_error("OPTION", f"the weights {weights!r} are unknown", fix=f"give {' or '.join(PREFIXES)}")
    place = usable_device(device)
    loaded = read_checkpoint(path)
    info = info_of(loaded, Path(path), expected)
    prefix = PREFIXES[weights]
    state = {k.removeprefix(prefix): v for k, v in loaded["state_dict"].items() if k.startswith(prefix)}
    if not state:
        raise integrity_error("CHECKPOINT", f"has no {weights} weights", fix="use the other weights", file=path)
    try:
        with torch.device("meta"):  # compared before a network of any size is made
            require_fit(Denoiser(info.config.model, info.binning, info.size, augmented=info.augmented), state)
        denoiser = Denoiser(info.config.model, info.binning, info.size, augmented=info.augmented)
        denoiser.load_state_dict(state)
    except MemoryError:
        raise
    except Exception as error:  # settings that make no network raise many types of errors
        reason = " ".join(str(getattr(error, "what", error)).split())[:200]
        raise integrity_error("CHECKPOINT", f"does not fit its network ({reason})", fix=_CURE, file=path) from error
    return denoiser.to(place, memory_format=torch.channels_last).eval(), info  # type: ignore[call-overload]


def both_sets(state: Mapping[str, Tensor], step: int) -> dict[str, Tensor]:
    """Averaged and raw weights: of an exported network, which has one of the two sets, both are that one.

    Args:
        state: A checkpoint's ``state_dict``.
        step: Optimiser steps done, which are as many averages.

    >>> sorted(both_sets({"denoiser.w": torch.zeros(1)}, 7))
    ['denoiser.w', 'ema.module.w', 'ema.n_averaged']
    """
    filled = {"ema.n_averaged": torch.tensor(step), **state}
    averaged, raw = PREFIXES.values()
    for own, other in ((averaged, raw), (raw, averaged)):
        if not any(name.startswith(own) for name in state):
            filled |= {own + k.removeprefix(other): v for k, v in state.items() if k.startswith(other)}
    return filled


def require_fit(network: torch.nn.Module, state: Mapping[str, Tensor]) -> None:
    """Compare names, shapes and types of weights with those of a network.

    Raises:
        ValueError: Naming the first difference.
    """
    own = network.state_dict()
    for name in own.keys() | state.keys():
        pair = [f"{part[name].dtype} {tuple(part[name].shape)}" if name in part else "nothing" for part in (own, state)]
        if pair[0] != pair[1]:
            raise ValueError(f"{name}: {pair[1]}, not {pair[0]}")


def info_of(loaded: dict[str, Any], path: Path, expected: ZBinning | None = None) -> CheckpointInfo:
    """Metadata of a loaded checkpoint; see :func:`checkpoint_info`."""
    try:
        stored = _Stored.model_validate(loaded[KEY])
        binning, config = ZBinning.from_dict(stored.binning), parse_config(stored.config)
    except ValidationError as error:
        raise integrity_error("CHECKPOINT", first_fault(error), fix=_CURE, file=path) from None
    except (JsddpmError, TypeError) as error:
        raise integrity_error("CHECKPOINT", str(getattr(error, "what", error)), fix=_CURE, file=path) from error
    if len(stored.token_counts) != 2 * binning.n_bins:
        what = f"counts slices of {len(stored.token_counts)} conditions instead of {2 * binning.n_bins}"
        raise integrity_error("CHECKPOINT", what, fix=_CURE, file=path)
    if expected is not None:
        binning.require_same(expected, mine="the checkpoint", others="the request", file=str(path))
    return CheckpointInfo(
        config=config,
        binning=binning,
        size=(stored.size[0], stored.size[1]),
        spacing=(stored.spacing[0], stored.spacing[1], stored.spacing[2]),
        store=stored.store,
        token_counts=tuple(stored.token_counts),
        step=loaded.get("global_step", 0),
        images=None if stored.images is None else tuple(stored.images),
        ancestors=tuple(stored.ancestors),
    )

"""A training run: its folder, its trainer, its provenance."""

from __future__ import annotations

import logging
import platform
import warnings
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lightning as L  # noqa: N812 - the library's own convention
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger

from jsddpm.config import RunConfig, load_config, write_config
from jsddpm.errors import integrity_error, usage_error
from jsddpm.files import read_json, refuse_existing, require_directory, require_writable, write_json
from jsddpm.slices.dataset import SliceDataModule
from jsddpm.slices.store import SliceStore
from jsddpm.training.checkpoint import (
    KEY,
    AtomicCheckpointIO,
    CheckpointInfo,
    checkpoint_info,
    info_of,
    read_checkpoint,
)
from jsddpm.training.module import JointDDPM, Validator

Progress = Callable[[int, int, Mapping[str, float]], None]
"""Called after every step with (steps done, steps in all, the latest logged values)."""

_VERSIONED = ("jsddpm", "torch", "lightning", "diffusers", "numpy")


def train(
    config: RunConfig,
    store: SliceStore,
    out: str | Path,
    *,
    resume: bool = False,
    warm_start: str | Path | None = None,
    validator: Validator | None = None,
    progress: Progress | None = None,
) -> Path:
    """Train, leaving ``config.yaml``, ``provenance.json``, ``metrics.csv`` and ``checkpoints/`` in a run folder.

    Args:
        config: The run's configuration.
        store: Slices to train on; its validation split scores the reconstruction.
        out: New run folder; an existing one only with ``resume``.
        resume: Go on from ``checkpoints/last.ckpt`` with the folder's own configuration.
        warm_start: Checkpoint of the same network and binning whose weights a new run starts from.
        validator: Scores of the exact reconstruction beside its mean squared error.
        progress: See :data:`Progress`.

    Returns:
        The last checkpoint.

    Raises:
        JsddpmError: ``EXISTS``, ``NO_SLICES``, ``RESUME`` (status 2); ``NON_FINITE_LOSS`` (status 6); ``NOT_WRITABLE``
            (status 5), before the first step.
        KeyboardInterrupt: After saving ``last.ckpt``, when interrupted.
    """
    out = Path(out)
    if not resume:
        refuse_existing(out)
    last = out / "checkpoints" / "last.ckpt"
    binning = config.binning.for_store(store.n_slices)
    data = SliceDataModule(
        store,
        binning,
        batch_size=config.data.batch_size,
        lesion_share=config.data.lesion_share,
        seed=config.seed,
    )
    counts = tuple(torch.bincount(data.train.token, minlength=2 * binning.n_bins).tolist())
    info = CheckpointInfo(config, binning, store.size, store.spacing, store.fingerprint, counts)
    torch.manual_seed(config.seed)  # of the first weights; everything later is seeded by step
    module = JointDDPM(config, binning, store.size, validator)
    if warm_start is not None:
        _start_from(module, warm_start)
    if resume:
        _check_resume(last, info)
    else:
        require_writable(out)
        write_config(out / "config.yaml", config)
        write_json(out / "provenance.json", _provenance(config, store, info))
    trainer = _trainer(config, out, info, progress)
    with _quiet():
        trainer.fit(module, data, ckpt_path=last if resume else None, weights_only=True)
    if trainer.interrupted:
        trainer.save_checkpoint(last)
        raise KeyboardInterrupt
    if not last.is_file() or checkpoint_info(last).step < trainer.global_step:  # the last check came earlier
        trainer.save_checkpoint(last)
    return last


def run_config(run: str | Path) -> RunConfig:
    """Configuration of an existing run folder."""
    return load_config(require_directory(run) / "config.yaml")


def training_store(run: str | Path) -> Path:
    """Folder of the store the run was trained on, as its provenance has it."""
    return Path(read_json(require_directory(run) / "provenance.json")["store"]["path"])


def last_checkpoint(run: str | Path) -> Path:
    """The run's last checkpoint, or a clear error when there is none yet."""
    path = require_directory(run) / "checkpoints" / "last.ckpt"
    if not path.is_file():
        raise usage_error(
            "NO_CHECKPOINT",
            "the run has no checkpoint yet",
            fix="train it, or wait for its first check",
            file=run,
        )
    return path


def _start_from(module: JointDDPM, path: str | Path) -> None:
    """Load both sets of weights from a checkpoint of the same network and binning."""
    loaded = read_checkpoint(path)
    info_of(loaded, Path(path), module.binning)
    try:
        module.load_state_dict(loaded["state_dict"])
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise integrity_error(
            "CHECKPOINT",
            f"does not fit this network ({reason})",
            fix="train with the checkpoint's model section",
            file=path,
        ) from error


def _check_resume(last: Path, info: CheckpointInfo) -> None:
    before = checkpoint_info(last, expected=info.binning)
    old, new = before.config.model_dump(), info.config.model_dump()
    differing = [f"{s}.{k}" for s, v in new.items() if isinstance(v, dict) for k in v if v[k] != old[s][k]]
    differing += [s for s, v in new.items() if not isinstance(v, dict) and v != old[s]]
    if before.store != info.store:
        differing.append(f"store ({before.store} before, {info.store} now)")
    if differing:
        raise usage_error(
            "RESUME",
            f"the run was started with other settings: {', '.join(differing)}",
            fix="resume it unchanged",
            file=last,
        )


def _trainer(config: RunConfig, out: Path, info: CheckpointInfo, progress: Progress | None) -> L.Trainer:
    every = min(config.trainer.check_every, config.trainer.max_steps)
    saver = ModelCheckpoint(
        out / "checkpoints", filename="best", monitor="val/mse", save_last=True, enable_version_counter=False,
        save_on_train_epoch_end=False,
    )  # fmt: skip
    callbacks: list[Callback] = [_Stamp(info), saver]
    if progress:
        callbacks.append(_Report(progress))
    with _quiet():
        return L.Trainer(
            accelerator="auto",
            devices=1,
            max_steps=config.trainer.max_steps,
            precision=config.trainer.precision,
            gradient_clip_val=config.trainer.gradient_clip,
            val_check_interval=every,
            check_val_every_n_epoch=None,
            num_sanity_val_steps=0,
            log_every_n_steps=min(10, config.trainer.max_steps),
            logger=CSVLogger(out, name="", version=""),
            callbacks=callbacks,
            plugins=[AtomicCheckpointIO()],
            enable_progress_bar=False,
            enable_model_summary=False,
        )


class _Stamp(Callback):
    """Puts configuration and binning into every checkpoint."""

    def __init__(self, info: CheckpointInfo) -> None:
        self.info = info

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        checkpoint[KEY] = self.info.to_dict()


class _Report(Callback):
    """Passes steps and values on."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        values = {k: float(v) for k, v in trainer.callback_metrics.items()}
        self.progress(trainer.global_step, trainer.max_steps, values)


class _quiet(warnings.catch_warnings):  # noqa: N801 - used as a function
    """Silence Lightning's notes on hardware and loaders, which users cannot act on."""

    def __enter__(self) -> None:
        super().__enter__()
        warnings.filterwarnings("ignore", module="lightning")
        for name in ("lightning.pytorch", "lightning.fabric"):
            logging.getLogger(name).setLevel(logging.ERROR)


def _provenance(config: RunConfig, store: SliceStore, info: CheckpointInfo) -> dict[str, Any]:
    return {
        "versions": {name: version(name) for name in _VERSIONED} | {"python": platform.python_version()},
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "seed": config.seed,
        "store": {
            "path": str(store.path.resolve()),
            "fingerprint": store.fingerprint,
            "patients": len(set(store.patients)),
            "slices": len(store.index),
        },
        "split": {s["name"]: s["split"] for s in store.subjects if "split" in s},
        "binning": info.binning.to_dict(),
    }

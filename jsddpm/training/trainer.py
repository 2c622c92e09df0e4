"""The trainer of Lightning for a run: devices, precision, logs, checkpoints, processes."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import lightning as L  # noqa: N812 - the library's own convention
import torch
from lightning.fabric.plugins.environments import SLURMEnvironment  # type: ignore[attr-defined]
from lightning.pytorch.callbacks import Callback, LambdaCallback
from lightning.pytorch.loggers import Logger, TensorBoardLogger, WandbLogger
from lightning.pytorch.plugins.io import TorchCheckpointIO
from lightning.pytorch.strategies import DDPStrategy

from jsddpm.config import RunConfig
from jsddpm.diffusion.checkpoint import KEY, CheckpointInfo, read_checkpoint, write_checkpoint
from jsddpm.diffusion.standalone import in_bfloat16
from jsddpm.errors import require_package, usage_error
from jsddpm.runtime import best_device, processes, under_slurm
from jsddpm.training.callbacks import Pictures
from jsddpm.training.log import RunLog
from jsddpm.training.progress import read_metrics


class AtomicCheckpointIO(TorchCheckpointIO):
    """Reads and writes Lightning's checkpoints with our atomic writer and safe loader."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a checkpoint; see :func:`~jsddpm.diffusion.checkpoint.write_checkpoint`."""
        write_checkpoint(path, checkpoint)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Load tensors and plain values only; see :func:`~jsddpm.diffusion.checkpoint.read_checkpoint`."""
        return read_checkpoint(path)


def resolved_precision(config: RunConfig) -> Literal["32-true", "bf16-mixed", "16-mixed"]:
    """The configured precision; ``auto`` is bf16-mixed if the device multiplies bfloat16, else 32-true.

    Raises:
        JsddpmError: ``PRECISION`` (status 2) for 16-bit floats without a GPU: their loss scaling needs one.
    """
    precision = config.trainer.precision
    if precision == "16-mixed" and not torch.cuda.is_available():
        raise usage_error("PRECISION", "16-mixed needs a GPU", fix="use bf16-mixed or 32-true")
    if precision != "auto":
        return precision
    return "bf16-mixed" if in_bfloat16(precision, best_device()) else "32-true"


def build_trainer(
    config: RunConfig, out: Path, info: CheckpointInfo, more: list[Callback], *, resumed_at: int | None
) -> L.Trainer:
    """The trainer of a run folder.

    Args:
        config: The run's configuration.
        out: The run folder.
        info: Metadata of every checkpoint.
        more: Callbacks besides those of every run; writers of checkpoints are called last.
        resumed_at: Step from which the run resumes; None for a new run.
    """
    limits, job = config.trainer, processes()
    patience = timedelta(seconds=limits.collective_timeout)
    stamp = LambdaCallback(on_save_checkpoint=lambda *called: called[-1].update({KEY: info.to_dict()}))
    callbacks: list[Callback] = [*more, stamp, Pictures(out / "pictures", info)]
    with quiet():
        return L.Trainer(
            accelerator="auto",
            devices=job.local,
            num_nodes=job.machines,
            strategy=DDPStrategy(timeout=patience) if job.world > 1 else "auto",
            use_distributed_sampler=False,  # the data module divides batches between processes itself
            max_steps=limits.max_steps,
            precision=resolved_precision(config),
            gradient_clip_val=limits.gradient_clip,
            accumulate_grad_batches=limits.accumulate,
            val_check_interval=min(limits.check_every, limits.max_steps) * limits.accumulate,
            check_val_every_n_epoch=None,
            num_sanity_val_steps=0,
            log_every_n_steps=min(config.logging.every, limits.max_steps),
            logger=loggers(config, out, resumed_at),
            callbacks=callbacks,
            # SLURM's signals end a run like any other: the job script requeues the job instead of Lightning
            plugins=[AtomicCheckpointIO(), *([SLURMEnvironment(auto_requeue=False)] if under_slurm() else [])],
            enable_progress_bar=False,
            enable_model_summary=False,
        )


def loggers(config: RunConfig, out: Path, resumed_at: int | None = None) -> list[Logger]:
    """``metrics.csv`` and the other configured loggers."""
    chosen: list[Logger] = [_run_log(out, resumed_at)]
    if config.logging.tensorboard:
        chosen.append(TensorBoardLogger(out, name="", version="tensorboard"))
    if config.logging.wandb:
        chosen.append(WandbLogger(project=config.logging.wandb, name=out.name, save_dir=out))
    return chosen


def _run_log(out: Path, resumed_at: int | None) -> RunLog:
    """``metrics.csv`` with the rows before a resume, which Lightning would drop."""
    path, rows = out / "metrics.csv", []
    if resumed_at is not None and path.is_file() and processes().rank == 0:
        rows = [row for row in read_metrics(path) if int(row["step"]) < resumed_at]
    with quiet():
        return RunLog(out, rows)


def check_packages(config: RunConfig) -> None:
    """Refuse loggers whose package is not installed.

    Raises:
        JsddpmError: ``MISSING_PACKAGE`` (status 5) with the package to install.
    """
    for package, enabled in (("tensorboard", config.logging.tensorboard), ("wandb", config.logging.wandb)):
        if enabled:
            require_package(package, extra="logs", why=f"logging.{package}")


def check_processes() -> None:
    """Refuse machines with different numbers of processes, for which Lightning waits without end.

    Raises:
        JsddpmError: ``OPTION`` (status 2).
    """
    job = processes()
    if job.local * job.machines != job.world:
        what = f"{job.world} processes cannot be divided equally between {job.machines} machines"
        cure = "start as many on each, as srun does with --ntasks-per-node"
        raise usage_error("OPTION", what, fix=cure)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence notes of Lightning on hardware and loaders, on which users cannot act, within the block."""
    logs = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [log.level for log in logs]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")
        for log in logs:
            log.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for log, level in zip(logs, levels, strict=True):
                log.setLevel(level)

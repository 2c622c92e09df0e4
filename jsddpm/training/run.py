"""A training run: its folder, its resumption, its provenance."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L  # noqa: N812 - the library's own convention
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, Checkpoint

from jsddpm.checksums import write_recorded
from jsddpm.config import RunConfig, write_config
from jsddpm.diffusion.checkpoint import CheckpointInfo, checkpoint_info, info_of, read_checkpoint
from jsddpm.diffusion.objective import require_signal
from jsddpm.errors import ExitStatus, JsddpmError, integrity_error, usage_error
from jsddpm.files import json_bytes, require_space, require_writable, write_json
from jsddpm.refusals import writing
from jsddpm.runtime import processes
from jsddpm.slices.datamodule import SliceDataModule
from jsddpm.slices.dataset import is_drawn
from jsddpm.slices.layout import image_digest
from jsddpm.slices.opened import Store, opened
from jsddpm.slices.store import SliceStore
from jsddpm.training import provenance
from jsddpm.training.callbacks import (
    AfterCheck,
    Interrupted,
    KeepBest,
    KeepLast,
    Progress,
    ProgressReport,
    SaveLogs,
    Speed,
)
from jsddpm.training.estimate import BYTES_PER_WEIGHT, require_memory
from jsddpm.training.failures import explained
from jsddpm.training.folder import claimed, clear_unbegun, is_unbegun, sweep_run
from jsddpm.training.log import failure_of
from jsddpm.training.module import JointDDPM, Validator
from jsddpm.training.progress import CHOICE, last_checkpoint, read_provenance
from jsddpm.training.samples import Judge, JudgedSamples, required_plan
from jsddpm.training.trainer import build_trainer, check_packages, check_processes, quiet, resolved_precision
from jsddpm.training.warm_start import start_from

_STATE = ("epoch", "global_step", "loops", "optimizer_states", "lr_schedulers", "callbacks")
"""Entries of a checkpoint that only a resumed run needs."""
_START_AGAIN = {
    "NON_FINITE_LOSS": ("a lower learning rate", ", the last good one"),
    "NON_FINITE": ("another sampling.sampler, or a lower learning rate,", ""),
}
"""Errors of numbers, with what a new run should change, and what is known of the last checkpoint."""


def prepare(
    config: RunConfig, store: SliceStore, validator: Validator | None = None
) -> tuple[JointDDPM, SliceDataModule, CheckpointInfo]:
    """Network, data and checkpoint information of a run; its seed gives the initial weights.

    Raises:
        JsddpmError: ``CONFIG``, ``NO_SLICES``, ``SIZE``, ``Z_RANGE``, ``N_BINS`` (status 2).
    """
    require_signal(config.diffusion, config.objective)
    binning = config.binning.for_store(store.n_slices, store.path, store.z_range)
    data = SliceDataModule(store, binning, seed=config.seed, **config.data.model_dump(exclude={"flip"}))
    token = data.train.token
    drawn = is_drawn(token, binning.n_bins, config.data.lesion_share)
    counts = tuple(torch.bincount(token[drawn], minlength=2 * binning.n_bins).tolist())
    subjects = np.unique(store.index["subject"][data.train.rows[drawn.numpy()]])
    images = tuple(sorted({image_digest(store.subjects[number]) for number in subjects}))
    info = CheckpointInfo(config, binning, store.size, store.spacing, store.fingerprint, counts, images=images)
    torch.manual_seed(config.seed)  # for the initial weights; later random numbers are seeded by step
    row, column, _ = store.spacing
    return JointDDPM(config, binning, store.size, validator, aspect=row / column), data, info


def checkpoint_bytes(module: JointDDPM) -> int:
    """Size of a checkpoint of this network."""
    return BYTES_PER_WEIGHT * sum(p.numel() for p in module.denoiser.parameters())


def train(
    config: RunConfig,
    store: Store,
    out: str | Path,
    *,
    resume: bool = False,
    warm_start: str | Path | None = None,
    validator: Validator | None = None,
    judge: Judge | None = None,
    progress: Progress | None = None,
    checked: Callable[[], None] | None = None,
) -> Path:
    """Train, leaving ``config.yaml``, ``provenance.json``, ``metrics.csv``, ``pictures/`` and ``checkpoints/``.

    Under ``torchrun`` every process calls this; the first one writes.

    Args:
        config: The run's configuration.
        store: Training slices, as a store or its folder; its validation split scores the reconstruction.
        out: New run folder, or that of a run that ended before its first checkpoint; others need ``resume``.
        resume: Continue from ``checkpoints/last.ckpt``; from step 0 before the first checkpoint. ``config`` and
            ``store`` must be those of the run, whose configuration is in ``config.yaml``; only ``data.workers``,
            ``data.residence`` and ``trainer.collective_timeout`` may differ.
        warm_start: Checkpoint of the same network, binning, target and noise schedule whose weights a new run starts
            from; see :func:`~jsddpm.training.warm_start.start_from`.
        validator: Scores of the exact reconstruction besides its mean squared error.
        judge: Judges the samples drawn at every check, and chooses ``checkpoints/best.ckpt``; without a judge there is
            no best check.
        progress: See :data:`Progress`.
        checked: Called on the first process after each check, when its values and checkpoints are on the disk.

    Returns:
        The last checkpoint.

    Raises:
        JsddpmError: ``EXISTS``, ``NO_SLICES``, ``OPTION``, ``RESUME``, ``WARM_START`` (status 2); ``LOCKED`` (status 5)
            while another process writes the run; ``NON_FINITE_LOSS``, ``NON_FINITE`` (status 6), naming the last
            checkpoint; ``NOT_WRITABLE``, ``DISK_FULL``, ``MEMORY`` (status 5), before the first step or later, the last
            checkpoint then stays; ``WORKER``, ``PROCESSES`` (status 5); ``TERMINATED`` (status 143) after SIGTERM or
            SIGUSR1, ``last.ckpt`` saved.
        KeyboardInterrupt: After SIGINT, ``last.ckpt`` saved.
    """
    store = opened(store)
    out, first = Path(out), processes().rank == 0
    last = out / "checkpoints" / "last.ckpt"
    with claimed(out, new=not resume) if first else nullcontext():
        if resume and (is_unbegun(out) if first else not last.is_file()):  # the first process may be emptying it
            if first:
                _refuse_random_weights(out)
            resume = False
        check_packages(config)
        check_processes()
        resolved_precision(config)
        require_memory(config, store)
        plan = required_plan(config, store, judged=judge is not None)
        module, data, info = prepare(config, store, validator)
        resumed_at: int | None = None
        changed: dict[str, Any] = {}
        if warm_start is not None:
            info = start_from(warm_start, module, info, store)
        if resume:
            before, changed = _check_resume(last_checkpoint(out), info)
            resumed_at, info = before.step, replace(info, ancestors=before.ancestors)
        prepared = module, data, info
        if first:
            if not resume:
                clear_unbegun(out)
            require_writable(out / "checkpoints")
            sweep_run(out)
            require_checkpoint_space(out, module)
            if resumed_at is None or changed:
                write_config(out / "config.yaml", config)
            if resumed_at is None:
                record = provenance.begun(config, store, out, info, data.train)
            else:
                record = provenance.resumed(read_provenance(out), resumed_at, config, changed)
            write_recorded(out / "provenance.json", json_bytes(record))
            if plan.reason:
                write_json(out / CHOICE, plan.to_dict())
        samples = partial(JudgedSamples, judge, plan, info, out / CHOICE) if judge and plan.ids else None
        return _train(config, out, prepared, resumed_at, samples, progress, checked)


def _train(
    config: RunConfig,
    out: Path,
    prepared: tuple[JointDDPM, SliceDataModule, CheckpointInfo],
    resumed_at: int | None,
    samples: Callable[[Callable[[L.Trainer], None]], JudgedSamples] | None,
    progress: Progress | None,
    checked: Callable[[], None] | None,
) -> Path:
    """Train in a folder that is ready for it."""
    (module, data, info), last = prepared, out / "checkpoints" / "last.ckpt"
    keep, slices = KeepLast(last), config.data.batch_size * config.trainer.accumulate
    every = min(config.logging.every, config.trainer.max_steps)
    callbacks: list[Callback] = [Speed(slices, every), SaveLogs()]
    callbacks += [ProgressReport(progress)] if progress else []
    writers: list[Checkpoint] = [keep]  # Lightning calls them after all others, in this order
    told = [checked] if checked else []
    if samples:
        drawing = samples(keep.leave_check)
        callbacks.insert(0, drawing)
        writers.insert(0, KeepBest(last.with_name("best.ckpt"), drawing))
        told.insert(0, drawing.write)
    writers.append(AfterCheck(told))
    with writing(out, out):  # other loggers of Lightning have streams of their own
        trainer = build_trainer(config, out, info, [*callbacks, *writers], resumed_at=resumed_at)
        if config.trainer.compile:
            module.denoiser.unet.compile()
        _fit(trainer, module, data, keep, None if resumed_at is None else last)
    if trainer.global_step % min(config.trainer.check_every, config.trainer.max_steps):  # the last check was earlier
        with quiet():
            trainer.save_checkpoint(last)
    if failure := failure_of(trainer.loggers):
        raise failure
    if trainer.is_global_zero:  # the log ends with the last logged step, which may be an earlier one
        done = read_provenance(out) | {"steps": trainer.global_step}
        write_recorded(out / "provenance.json", json_bytes(done))
    return last


def _fit(
    trainer: L.Trainer, module: JointDDPM, data: SliceDataModule, keep: KeepLast, resume_from: Path | None
) -> None:
    try:
        with quiet(), keep.restored(), explained(module.config, keep.path, lambda: trainer.global_step):
            trainer.fit(module, data, ckpt_path=resume_from, weights_only=True)
    except Interrupted as leaving:
        if leaving.number == signal.SIGINT:
            raise KeyboardInterrupt from None
        what = f"{signal.Signals(leaving.number).name} at step {trainer.global_step}, which is saved"
        cure = "continue with --resume"
        raise JsddpmError("TERMINATED", what, fix=cure, file=keep.path, status=ExitStatus.SIGTERM) from None
    except JsddpmError as error:
        if error.code not in _START_AGAIN or not keep.path.is_file():
            raise
        change, said = _START_AGAIN[error.code]
        cure = f"start with {change} and --warm-start {keep.path} (step {checkpoint_info(keep.path).step}{said})"
        raise JsddpmError(error.code, error.what, fix=cure, status=error.status) from error


def require_checkpoint_space(folder: Path, module: JointDDPM) -> int:
    """Free bytes of a folder's disk, after checking that a run's checkpoints fit.

    Raises:
        JsddpmError: ``DISK_FULL`` (status 5).
    """
    return require_space(
        folder, 3 * checkpoint_bytes(module)
    )  # the best, the last, and the next one while it is written


def _refuse_random_weights(out: Path) -> None:
    """Refuse to begin a run anew with random weights that was to begin with those of another one."""
    if (out / "provenance.json").is_file() and "ancestors" in read_provenance(out):
        what = "has no checkpoint yet, and was to start from the weights of another run"
        raise usage_error("RESUME", what, fix="repeat its command with --warm-start", file=out)


_FREE = ("data.workers", "data.residence", "trainer.collective_timeout")
"""Keys that a resumption may change, because the result does not depend on them."""


def _check_resume(last: Path, info: CheckpointInfo) -> tuple[CheckpointInfo, dict[str, Any]]:
    """Metadata of the checkpoint from which a run resumes, and the new values of keys that it may change.

    Other settings than at its start are refused, with their names.
    """
    loaded = read_checkpoint(last)
    before = info_of(loaded, last, info.binning)
    old, new = _flat(before.config.model_dump(mode="json")), _flat(info.config.model_dump(mode="json"))
    changed = [key for key in new if old.get(key) != new[key]]
    differing = [f"{key}: {old.get(key)} before, {new[key]} now" for key in changed if key not in _FREE]
    if before.store != info.store:
        differing.append(f"store: {before.store} before, {info.store} now")
    if differing:
        what = f"the run was started with other settings ({'; '.join(differing)})"
        cure = "resume it with the same settings, or start a new run from it with --warm-start"
        raise usage_error("RESUME", what, fix=cure, file=last)
    if missing := [key for key in _STATE if key not in loaded]:
        cure = "start a new run from it with --warm-start"
        raise integrity_error("CHECKPOINT", f"lacks {', '.join(missing)}", fix=cure, file=last)
    return before, {key: new[key] for key in changed}


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    sections = {k: v for k, v in values.items() if isinstance(v, dict)}
    flat = {f"{name}.{key}": value for name, section in sections.items() for key, value in section.items()}
    return flat | {k: v for k, v in values.items() if k not in sections}

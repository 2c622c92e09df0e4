"""Callbacks of a run: checkpoints, signals, progress, pictures."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import lightning as L  # noqa: N812 - the library's own convention
import torch
from lightning.pytorch.callbacks import Callback, Checkpoint
from PIL import Image

from jsddpm.binning import Condition
from jsddpm.diffusion.checkpoint import CheckpointInfo
from jsddpm.diffusion.pictures import grid_picture
from jsddpm.diffusion.pipeline import JointPipeline
from jsddpm.diffusion.sampling import SampleId
from jsddpm.errors import JsddpmError
from jsddpm.files import atomic_open, make_directory
from jsddpm.training.log import failure_of
from jsddpm.training.module import JointDDPM
from jsddpm.training.samples import JudgedSamples

Progress = Callable[[int, int, Mapping[str, float]], None]
"""Called after every step with (steps done, steps in all, the latest logged values)."""


class Interrupted(BaseException):
    """A signal ended training at a step boundary, after the checkpoint was written."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class KeepLast(Checkpoint):
    """Writes the last checkpoint at every validation, and when a signal or samples that are not finite end training.

    Lightning's ModelCheckpoint writes the last checkpoint only with a new best one; on SIGTERM Lightning exits with
    status 0 and loses the steps since then. Here SIGINT, SIGTERM and SLURM's SIGUSR1 end training after the current
    step, which is the same on all processes; a second SIGINT ends the process at once.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)

    def __init__(self, path: Path) -> None:
        self.path = path
        self.received: int | None = None
        self._stopping = self._repeat_validation = False

    @contextmanager
    def restored(self) -> Iterator[None]:
        """Restore the signal handlers when the block ends, because training replaces them."""
        before = {n: signal.getsignal(n) for n in self.SIGNALS}
        try:
            yield
        finally:
            if threading.current_thread() is threading.main_thread():
                for number, handler in before.items():
                    signal.signal(number, handler)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Install the handlers, after Lightning has installed its own."""
        if threading.current_thread() is threading.main_thread():
            for number in self.SIGNALS:
                signal.signal(number, self._receive)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save between two steps after a signal; a validation that is due is done first."""
        done, check = batch_idx + 1, int(trainer.val_check_batch or 1)
        if done % trainer.accumulate_grad_batches == 0 and done % check != 0 and self._signalled(trainer):
            self._save(trainer, stopping=True)

    def on_train_batch_start(self, *_: Any) -> None:
        """Stop after the values of the saved step were logged."""
        if self._stopping:
            raise Interrupted(self.received or signal.SIGTERM)

    def on_validation_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        """Stop during validation."""
        self.leave_check(trainer)

    def leave_check(self, trainer: L.Trainer) -> None:
        """Save and stop during a check after a signal; a resumed run repeats the check."""
        if self._signalled(trainer):
            self._repeat_validation = True
            self._save(trainer, stopping=True)
            self.on_train_batch_start()

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """Save when the judged samples are not finite; one of several processes could not do so alone."""
        not_finite = isinstance(exception, JsddpmError) and exception.code == "NON_FINITE"
        if not_finite and trainer.validating and trainer.world_size == 1:
            self._repeat_validation = True
            self._save(trainer, stopping=False)

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Mark an interrupted validation as just started, because Lightning would skip it after a resume."""
        if self._repeat_validation:
            begun = {"ready": 1, "started": 1, "processed": 0, "completed": 0}
            progress = checkpoint["loops"]["fit_loop"]["epoch_loop.val_loop.batch_progress"]
            progress.update(total=dict(begun), current=dict(begun), is_last_batch=False)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Save at every validation."""
        self._save(trainer, stopping=self._signalled(trainer))

    def _save(self, trainer: L.Trainer, *, stopping: bool) -> None:
        trainer.save_checkpoint(self.path)
        self._stopping = stopping

    def _signalled(self, trainer: L.Trainer) -> bool:
        """Whether any process got a signal."""
        received = self.received is not None
        return trainer.strategy.reduce_boolean_decision(received, all=False) if trainer.world_size > 1 else received

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self.received == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGINT)
        self.received = number


class KeepBest(Checkpoint):
    """Writes ``best.ckpt`` at the check with the best samples.

    Args:
        path: File of the checkpoint.
        samples: The judged samples, which say whether a check is the best.
    """

    def __init__(self, path: Path, samples: JudgedSamples) -> None:
        self.path, self.samples = path, samples

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Save a check that is better than all earlier ones."""
        if self.samples.best:
            trainer.save_checkpoint(self.path)


class ProgressReport(Callback):
    """Reports every finished step with the values logged so far."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Report a finished step."""
        if (batch_idx + 1) % trainer.accumulate_grad_batches == 0:
            values = {k: float(v) for k, v in trainer.callback_metrics.items()}
            self.progress(trainer.global_step, trainer.max_steps, values)


class Speed(Callback):
    """Logs ``train/slices_per_second`` since the last logged value, excluding validations.

    Args:
        slices: Number of slices of a step on each process.
        every: Steps between two values.
    """

    def __init__(self, slices: int, every: int) -> None:
        self.slices, self.every = slices, every
        self._since: tuple[float, int] | None = None

    def on_train_batch_start(self, trainer: L.Trainer, *_: Any) -> None:
        """Start the clock, at the beginning and after a validation."""
        if self._since is None:
            self._since = time.monotonic(), trainer.global_step

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        """Log the speed at every logged step."""
        now, step = time.monotonic(), trainer.global_step
        start, first = self._since or (now, step)
        if step > first and step % self.every == 0:
            n_slices = (step - first) * self.slices * trainer.world_size
            pl_module.log("train/slices_per_second", n_slices / max(now - start, 1e-9))
            self._since = now, step

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stop the clock."""
        self._since = None


class SaveLogs(Callback):
    """Writes the logs to the disk after every validation, so that an unfinished run can be read.

    They are written before the checkpoint, because a resumed run keeps the rows before its checkpoint alone. If they
    cannot be written, the checkpoint is written first, and training ends then.
    """

    def __init__(self) -> None:
        self._failure: JsddpmError | None = None

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the logs."""
        for logger in trainer.loggers:
            logger.save()
        self._failure = failure_of(trainer.loggers)

    def on_train_batch_start(self, *_: Any) -> None:
        """Raise the error of the last logs, after the checkpoints of their step were written."""
        if self._failure:
            raise self._failure


class AfterCheck(Checkpoint):
    """Calls actions on the first process when logs and checkpoints of a validation are on the disk.

    Lightning calls it after other callbacks, like the writers of checkpoints, and in their order.

    Args:
        actions: The actions, in order.
    """

    def __init__(self, actions: Sequence[Callable[[], None]]) -> None:
        self.actions = actions

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Call them."""
        for action in self.actions if trainer.is_global_zero else ():
            action()


class Pictures(Callback):
    """Draws the same samples after every validation into ``pictures/step-N.png``: images above, masks below.

    Args:
        folder: Folder of the pictures.
        info: The run's checkpoint information; conditions are spread over those with training slices.
    """

    def __init__(self, folder: Path, info: CheckpointInfo) -> None:
        self.folder, self.info = folder, info
        self._failure: JsddpmError | None = None
        trained = sorted(info.trained)
        places = torch.linspace(0, len(trained) - 1, min(info.config.logging.grid, len(trained))).round().int()
        self.conditions: list[Condition] = [trained[i] for i in places.tolist()]

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Draw the samples, on the first process."""
        if trainer.is_global_zero and self.conditions and isinstance(pl_module, JointDDPM):
            pipe = JointPipeline.of(pl_module.averaged.eval(), self.info)
            ids, sampling = [SampleId(c, 0) for c in self.conditions], pipe.sampling_with(guidance=1.0)
            try:
                x = pipe.sample(ids, sampling, self.info.config.seed)
            except JsddpmError as error:
                self._failure = error
                return
            with atomic_open(make_directory(self.folder) / f"step-{trainer.global_step:08d}.png") as stream:
                Image.fromarray(grid_picture(x)).save(stream, "PNG")

    def on_train_batch_start(self, *_: Any) -> None:
        """Raise the error of the last pictures, after the checkpoints of their step were written."""
        if self._failure:
            raise self._failure

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Raise the error of the last pictures of the run."""
        self.on_train_batch_start()

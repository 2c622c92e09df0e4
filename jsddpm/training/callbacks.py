"""What happens around the steps of a run: checkpoints, signals, progress, pictures."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import lightning as L  # noqa: N812 - the library's own convention
import torch
from lightning.pytorch.callbacks import Callback, Checkpoint
from PIL import Image

from jsddpm.binning import Condition
from jsddpm.diffusion.pictures import grid_picture
from jsddpm.diffusion.sampling import SampleId, sample
from jsddpm.files import atomic_open, make_directory
from jsddpm.training.checkpoint import KEY, CheckpointInfo
from jsddpm.training.module import JointDDPM

Progress = Callable[[int, int, Mapping[str, float]], None]
"""Called after every step with (steps done, steps in all, the latest logged values)."""


class Stamp(Callback):
    """Puts configuration and binning into every checkpoint."""

    def __init__(self, info: CheckpointInfo) -> None:
        self.info = info

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Add them."""
        checkpoint[KEY] = self.info.to_dict()


class Interrupted(BaseException):
    """Training left at a step boundary, its checkpoint written, because of a signal."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class KeepLast(Checkpoint):
    """Writes the last checkpoint at every check, and when a signal ends training.

    Lightning's ModelCheckpoint writes its last one only with a new best; on SIGTERM Lightning leaves with status 0 and
    loses the steps since. Here SIGINT, SIGTERM and SLURM's SIGUSR1 end training after the current step, on all
    processes at the same one; a second SIGINT ends the process at once.
    """

    NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)

    def __init__(self, path: Path) -> None:
        self.path = path
        self.received: int | None = None
        self._saved_for_leaving = self._check_again = False

    @contextmanager
    def restored(self) -> Iterator[None]:
        """Give the handlers back when the block ends; they are taken when training starts."""
        before = {n: signal.getsignal(n) for n in self.NUMBERS}
        try:
            yield
        finally:
            if threading.current_thread() is threading.main_thread():
                for number, handler in before.items():
                    signal.signal(number, handler)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Take the signals, after Lightning has taken them."""
        if threading.current_thread() is threading.main_thread():
            for number in self.NUMBERS:
                signal.signal(number, self._note)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save between two steps when told to leave; a check that is due comes first."""
        done, check = batch_idx + 1, int(trainer.val_check_batch or 1)
        if done % trainer.accumulate_grad_batches == 0 and done % check != 0 and self._told(trainer):
            self._save(trainer, leaving=True)

    def on_train_batch_start(self, *_: Any) -> None:
        """Leave, now that the values of the step saved are logged."""
        if self._saved_for_leaving:
            raise Interrupted(self.received or signal.SIGTERM)

    def on_validation_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        """Leave in the middle of a check, which a resumed run makes from its start."""
        if self._told(trainer):
            self._check_again = True
            self._save(trainer, leaving=True)
            self.on_train_batch_start()

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Note a check that was left: Lightning would skip it, here it is as if its first batch had just begun."""
        if self._check_again:
            begun = {"ready": 1, "started": 1, "processed": 0, "completed": 0}
            progress = checkpoint["loops"]["fit_loop"]["epoch_loop.val_loop.batch_progress"]
            progress.update(total=dict(begun), current=dict(begun), is_last_batch=False)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write at every check, better or not."""
        self._save(trainer, leaving=self._told(trainer))

    def _save(self, trainer: L.Trainer, *, leaving: bool) -> None:
        trainer.save_checkpoint(self.path)
        self._saved_for_leaving = leaving

    def _told(self, trainer: L.Trainer) -> bool:
        """Whether any process got a signal."""
        told = self.received is not None
        return trainer.strategy.reduce_boolean_decision(told, all=False) if trainer.world_size > 1 else told

    def _note(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self.received == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGINT)
        self.received = number


class Report(Callback):
    """Passes finished steps and the values logged so far on."""

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
    """Logs ``train/slices_per_second`` since the value before, checks left out.

    Args:
        slices: Slices of a step on each process.
        every: Steps between two values.
    """

    def __init__(self, slices: int, every: int) -> None:
        self.slices, self.every = slices, every
        self._since: tuple[float, int] | None = None

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Start the clock, at the beginning and after all that a check does."""
        if self._since is None:
            self._since = time.monotonic(), trainer.global_step

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Log it with the steps that are logged."""
        now, step = time.monotonic(), trainer.global_step
        start, first = self._since or (now, step)
        if step > first and step % self.every == 0:
            seen = (step - first) * self.slices * trainer.world_size
            pl_module.log("train/slices_per_second", seen / max(now - start, 1e-9))
            self._since = now, step

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stop the clock."""
        self._since = None


class Checked(Callback):
    """Brings the logs to the disk at every check, so that an unfinished run can be looked at, and tells who asked.

    Args:
        action: Called on the first process after each check, its values on the disk.
    """

    def __init__(self, action: Callable[[], None] | None) -> None:
        self.action = action

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write and tell."""
        for logger in trainer.loggers:
            logger.save()
        if self.action is not None and trainer.is_global_zero:
            self.action()


class Pictures(Callback):
    """Draws the same samples at every check into ``pictures/step-N.png``: images above, masks below.

    Args:
        folder: Where they go.
        info: The run's checkpoint information; conditions are spread over those with training slices.
    """

    def __init__(self, folder: Path, info: CheckpointInfo) -> None:
        self.folder, self.info = folder, info
        trained = sorted(info.trained)
        places = torch.linspace(0, len(trained) - 1, min(info.config.logging.grid, len(trained))).round().int()
        self.conditions: list[Condition] = [trained[i] for i in places.tolist()]

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Draw them, on one process."""
        if trainer.is_global_zero and self.conditions and isinstance(pl_module, JointDDPM):
            config = self.info.config
            network = pl_module.averaged
            x = sample(
                network.eval(),
                [SampleId(c, 0) for c in self.conditions],
                binning=self.info.binning,
                diffusion=config.diffusion,
                sampling=config.sampling.model_copy(update={"guidance": 1.0}),
                size=self.info.size,
                run_seed=config.seed,
            )
            with atomic_open(make_directory(self.folder) / f"step-{trainer.global_step:08d}.png") as stream:
                Image.fromarray(grid_picture(x)).save(stream, "PNG")

"""Samples that a network draws at every check, always from the same noise, and their judge.

Their noise is that of no sample that ``jsddpm sample`` draws: a checkpoint is not evaluated on what chose it.
This package draws and logs; a :class:`Judge` scores the samples and chooses the best check. The evaluation provides it
(:class:`jsddpm_eval.monitoring.judge.SampleJudge`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, cast

import lightning as L  # noqa: N812 - the library's own convention
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback

from jsddpm.binning import Condition
from jsddpm.config import RunConfig
from jsddpm.diffusion.checkpoint import CheckpointInfo
from jsddpm.diffusion.pipeline import JointOutput, JointPipeline
from jsddpm.diffusion.sampling import SampleId, judged_seed
from jsddpm.errors import usage_error
from jsddpm.files import write_json
from jsddpm.runtime import processes
from jsddpm.sections import SamplingConfig
from jsddpm.slices.datamodule import VALIDATED_AT_ONCE
from jsddpm.slices.dataset import is_drawn
from jsddpm.slices.store import SliceStore
from jsddpm.training.module import JointDDPM
from jsddpm.training.together import drawn_together, on_first
from jsddpm.wording import agreeing, counted

MIN_VALIDATION_PATIENTS = 3
"""Smallest number of validation patients for judging samples: a spread between patients needs three."""
MIN_SAMPLES = 16
"""Smallest number of samples: scores of fewer would be noise."""
_WORK = "judge samples"
_BACKWARD = 3
"""Cost of a training step in passes of its slices through the network: one forward, two for backward."""


@dataclass(frozen=True)
class Judgement:
    """The judgement on the samples of one check.

    Attributes:
        values: Scores by name.
        best: Whether this check is the best so far.
        stop: Why training should stop; empty if it should continue.
    """

    values: Mapping[str, float]
    best: bool
    stop: str = ""


class Judge(Protocol):
    """Judges samples drawn during training, on the first process."""

    def prepare(self) -> None:
        """Compute the constant parts before the first step."""

    def judge(self, step: int, output: JointOutput) -> Judgement:
        """Judge the samples drawn after ``step`` steps."""

    def state(self) -> dict[str, Any]:
        """Plain values, for a checkpoint."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from such values."""

    def record(self) -> dict[str, Any]:
        """Content of ``choice.json`` of the run."""


@dataclass(frozen=True)
class SamplePlan:
    """Which samples are drawn at every check.

    Attributes:
        ids: The samples; empty if none are drawn.
        sampling: Settings of sampling.
        reason: Why none are drawn; empty if they are.
    """

    ids: tuple[SampleId, ...]
    sampling: SamplingConfig
    reason: str = ""

    @property
    def sentence(self) -> str:
        """The plan, or the reason why no samples are drawn, in words."""
        if self.reason:
            return f"samples are not evaluated during training, and no best checkpoint is chosen: {self.reason}"
        conditions = len({i.condition for i in self.ids})
        return (
            f"each validation draws {counted(len(self.ids), 'sample')} of {counted(conditions, 'condition')} in "
            f"{counted(self.sampling.steps, 'step')}; "
            "their comparison with validation patients chooses best.ckpt"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for ``choice.json``."""
        steps = self.sampling.steps if self.ids else 0
        return {"samples": len(self.ids), "sampling_steps": steps, "not_judged": self.reason or None}

    @classmethod
    def of(cls, config: RunConfig, store: SliceStore, *, workers: int = 1) -> SamplePlan:
        """The plan of a run: the same for the same configuration, store and number of processes.

        Conditions are those that are trained, with slices of validation patients. The number of samples is set by the
        configuration, or by their cost, ``monitoring.share`` of that of the steps between two checks.

        Args:
            config: The run's configuration.
            store: Its store.
            workers: Number of processes that train together.
        """
        monitoring, sampling = config.monitoring, config.sampling
        sampling = sampling.model_copy(update={"steps": min(sampling.steps, monitoring.steps)})
        binning = config.binning.for_store(store.n_slices, store.path, store.z_range)
        train, val = (store.select(binning=binning, split=split) for split in ("train", "val"))
        trained = torch.from_numpy(store.tokens(train, binning))
        trained = trained[is_drawn(trained, binning.n_bins, config.data.lesion_share)]
        tokens = np.intersect1d(trained.numpy(), store.tokens(val, binning))
        n_patients = len(np.unique(store.patients[val]))
        count = monitoring.samples if monitoring.samples is not None else affordable(config, sampling, workers)
        if monitoring.samples == 0:
            return cls((), sampling, "monitoring.samples is 0")
        if n_patients < MIN_VALIDATION_PATIENTS:
            return cls(
                (), sampling, f"{MIN_VALIDATION_PATIENTS} validation patients are needed, there are {n_patients}"
            )
        if not len(tokens):
            return cls((), sampling, "training and validation patients have no condition in common")
        if monitoring.samples is not None and count < MIN_SAMPLES:
            return cls((), sampling, f"monitoring.samples is {count}, and {MIN_SAMPLES} are needed")
        if count < MIN_SAMPLES:
            between, time = config.trainer.check_every, f"time for {counted(count, 'sample')}"
            verb = agreeing(between, "leaves", "leave")
            what = f"the {counted(between, 'step')} between two validations {verb} {time}"
            return cls((), sampling, f"{what} (monitoring.share {monitoring.share:g}), and {MIN_SAMPLES} are needed")
        conditions = [Condition.from_token(int(t), binning.n_bins) for t in tokens]
        return cls(spread_ids(conditions, count), sampling)


def required_plan(config: RunConfig, store: SliceStore, *, judged: bool = True) -> SamplePlan:
    """The plan of a run on all processes of this job; refused if the configuration needs samples that are not drawn.

    Args:
        config: The run's configuration.
        store: Its store.
        judged: Whether there is a judge.

    Raises:
        JsddpmError: ``CONFIG`` (status 2) with the setting that depends on samples.
    """
    plan = SamplePlan.of(config, store, workers=processes().world)
    if not judged and not plan.reason:
        plan = replace(plan, ids=(), reason="no judge was given")
    for key in ("patience", "stop_at_memorisation"):
        if plan.reason and getattr(config.trainer, key):
            what = f"trainer.{key} depends on generated samples, and none are generated: {plan.reason}"
            raise usage_error("CONFIG", what, fix=f"leave out trainer.{key}, or set monitoring.samples")
    return plan


def affordable(config: RunConfig, sampling: SamplingConfig, workers: int = 1) -> int:
    """Samples that cost a share of the training steps between two checks, counted in passes through the network.

    >>> config = RunConfig()
    >>> affordable(config, config.sampling.model_copy(update={"steps": 20}))  # 5 % of 1000 steps of 16 slices
    120
    """
    steps = min(config.trainer.check_every, config.trainer.max_steps)
    passes = _BACKWARD * steps * config.data.batch_size * config.trainer.accumulate * workers
    each = sampling.steps * (1 if sampling.guidance == 1 else 2)
    return min(int(config.monitoring.share * passes / each), MOST_SAMPLES)


MOST_SAMPLES = 256
"""Largest number of samples of a check if it is set by cost; more would add little information."""


def spread_ids(conditions: list[Condition], count: int) -> tuple[SampleId, ...]:
    """Samples with the same number of each condition; of evenly spread conditions if there are more of them.

    >>> [i.condition.z_bin for i in spread_ids([Condition(k, 0) for k in range(5)], 3)]
    [0, 2, 4]
    >>> len(spread_ids([Condition(0, 0), Condition(1, 0)], 5))
    4
    """
    if count < len(conditions):
        places = np.linspace(0, len(conditions) - 1, count).round().astype(int)
        return tuple(SampleId(conditions[i], 0) for i in places)
    return tuple(SampleId(c, k) for c in conditions for k in range(count // len(conditions)))


class JudgedSamples(Callback):
    """Draws the same samples at every check, has them judged, logs the scores, and stops training if the judge asks.

    Every process draws a share, and the first one judges. Signals are handled between two steps of the sampler (with
    several processes, after the last one); the check is then repeated when the run is resumed.

    Args:
        judge: The judge.
        plan: The plan of samples.
        info: The run's checkpoint information.
        file: ``choice.json``, written at every check after the checkpoints, and when training ends.
        leave: Ends training when a signal was received.
    """

    def __init__(
        self, judge: Judge, plan: SamplePlan, info: CheckpointInfo, file: Path, leave: Callable[[L.Trainer], None]
    ) -> None:
        self.judge, self.plan, self.info, self.file, self._leave = judge, plan, info, file, leave
        self.best = False
        self._trained, self._since = 0.0, time.monotonic()

    def on_train_batch_start(self, *_: Any) -> None:
        """Start the clock of a step."""
        self._since = time.monotonic()

    def on_train_batch_end(self, *_: Any) -> None:
        """Add the step to the time trained since the last check."""
        self._trained += time.monotonic() - self._since

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Compute the constant parts before the first step."""
        on_first(trainer, self.judge.prepare, _WORK)

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Draw, judge and log."""
        if not isinstance(pl_module, JointDDPM):
            return
        start = time.monotonic()
        output = self._drawn(trainer, pl_module)
        self._leave(trainer)
        step = trainer.global_step
        judgement = on_first(trainer, lambda: self.judge.judge(step, cast(JointOutput, output)), _WORK)
        self.best = judgement.best
        values = {f"samples/{name}": value for name, value in judgement.values.items()}
        seconds = time.monotonic() - start
        values["samples/seconds"] = seconds
        if self._trained:  # a check that is repeated after a resume does not follow a step
            values["samples/share_of_training"] = seconds / self._trained
        pl_module.log_dict(values)
        self._trained = 0.0
        if judgement.stop:
            trainer.should_stop = True

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write ``choice.json`` of a run that was killed before its last check did."""
        if trainer.is_global_zero:
            self.write()

    def write(self) -> None:
        """Write ``choice.json``."""
        write_json(self.file, self.plan.to_dict() | dict(self.judge.record()))

    def _drawn(self, trainer: L.Trainer, module: JointDDPM) -> JointOutput | None:
        """The samples, drawn by all processes together; None on all but the first."""
        passes = 1 if self.plan.sampling.guidance == 1 else 2
        sampling = self.plan.sampling.model_copy(update={"batch_size": max(1, VALIDATED_AT_ONCE // passes)})
        pipe, seed = JointPipeline.of(module.averaged, self.info), judged_seed(self.info.config.seed)
        heard = (lambda: self._leave(trainer)) if trainer.world_size == 1 else None
        drawn = drawn_together(trainer, self.plan.ids, lambda ids: (pipe.sample(ids, sampling, seed, heard).numpy(),))
        return None if drawn is None else pipe.output(self.plan.ids, torch.from_numpy(drawn[0]))

    def state_dict(self) -> dict[str, Any]:
        """State of the judge."""
        return self.judge.state()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state of the judge."""
        self.judge.restore(state_dict)

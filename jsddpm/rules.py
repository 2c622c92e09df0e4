"""Combinations of keys that cannot work together, each with the key to change and its cure.

Bounds of a single key are defined with the key, in :mod:`jsddpm.sections`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from jsddpm.config import RunConfig


class Conflict(NamedTuple):
    """A combination that cannot work: the key to change, what is wrong with its value, and the cure."""

    key: str
    what: str
    fix: str


def conflicts(config: RunConfig) -> Iterator[Conflict]:
    """Every combination of the configuration that cannot work.

    >>> from jsddpm.config import RunConfig
    >>> list(conflicts(RunConfig()))
    []
    """
    yield from _network(config)
    yield from _noise_levels(config)
    yield from _weighting(config)
    yield from _run(config)


def _network(config: RunConfig) -> Iterator[Conflict]:
    model = config.model
    channels, groups, head = model.channels, model.norm_num_groups, model.attention_head_dim
    levels = model.attention_levels
    for number, wide in enumerate(channels):
        if wide % groups:
            yield Conflict(
                "model.channels",
                f"{wide} channels of level {number} cannot be divided into model.norm_num_groups={groups}",
                f"give multiples of {groups}, or other model.norm_num_groups",
            )
    if outside := [level for level in levels if level >= len(channels)]:
        what = f"level {outside[0]} is not one of the {len(channels)} levels of model.channels"
        yield Conflict("model.attention_levels", what, f"give levels from 0 to {len(channels) - 1}")
    if len(set(levels)) < len(levels):
        yield Conflict("model.attention_levels", f"{list(levels)} names a level twice", "name each level once")
    for level in levels:
        if level < len(channels) and channels[level] % head:
            yield Conflict(
                "model.attention_head_dim",
                f"heads of {head} channels do not divide the {channels[level]} channels of level {level}",
                "give a divisor of the channels of every level with attention",
            )


def _noise_levels(config: RunConfig) -> Iterator[Conflict]:
    diffusion, levels = config.diffusion, config.diffusion.num_train_timesteps
    if diffusion.beta_start > diffusion.beta_end:
        what = f"{diffusion.beta_start:g} is larger than diffusion.beta_end={diffusion.beta_end:g}"
        yield Conflict("diffusion.beta_start", what, "give at most diffusion.beta_end: noise grows with the level")
    if diffusion.rescale_zero_snr and diffusion.prediction_type == "epsilon":
        what = "the last noise level has no signal to recover x0 with diffusion.prediction_type=epsilon"
        yield Conflict("diffusion.rescale_zero_snr", what, "predict sample or v_prediction, or set it to false")
    timesteps = config.evaluation.timesteps
    if outside := [t for t in timesteps if t >= levels]:
        what = f"{outside[0]} is not one of the {levels} noise levels (from 0)"
        yield Conflict("evaluation.timesteps", what, f"give timesteps below diffusion.num_train_timesteps={levels}")
    if len(set(timesteps)) < len(timesteps):
        yield Conflict("evaluation.timesteps", f"{list(timesteps)} names a timestep twice", "name each timestep once")
    if config.sampling.steps > levels:
        what = f"{config.sampling.steps} steps exceed the {levels} noise levels"
        yield Conflict("sampling.steps", what, f"give at most diffusion.num_train_timesteps={levels}")


def _weighting(config: RunConfig) -> Iterator[Conflict]:
    limit, floor = config.objective.min_snr_gamma, config.objective.snr_floor
    if limit is not None and floor is not None and floor > limit:
        what = f"{floor:g} is larger than objective.min_snr_gamma={limit:g}"
        yield Conflict("objective.snr_floor", what, "give at most objective.min_snr_gamma")
    if config.diffusion.rescale_zero_snr and limit is not None and floor is None:
        what = "with diffusion.rescale_zero_snr the last noise level, where sampling starts, has weight 0"
        yield Conflict("objective.min_snr_gamma", what, "set objective.snr_floor too (1, for instance)")


def _run(config: RunConfig) -> Iterator[Conflict]:
    if config.data.residence == "device" and config.data.workers:
        what = f"{config.data.workers} processes cannot read the slices that data.residence=device holds on a device"
        yield Conflict("data.workers", what, "set data.workers=0, or data.residence=memory")
    if config.sampling.guidance != 1 and config.unconditional_share == 0:
        what = f"{config.sampling.guidance:g} needs a network trained with null tokens"
        yield Conflict("sampling.guidance", what, "set unconditional_share (0.1, for instance), or guidance 1")
    if config.monitoring.samples == 0:
        for key, requested in (
            ("patience", config.trainer.patience),
            ("stop_at_memorisation", config.trainer.stop_at_memorisation),
        ):
            if requested:
                what = "depends on generated samples, and monitoring.samples=0 generates none"
                yield Conflict(f"trainer.{key}", what, "set monitoring.samples=null")

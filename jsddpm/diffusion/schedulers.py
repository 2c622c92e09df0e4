"""Samplers, and their schedulers by name: on the noise schedule of training, with steps from x0."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from jsddpm.diffusion.objective import alphas_cumprod, noise_schedule
from jsddpm.diffusion.standalone import visit, visited_timesteps
from jsddpm.errors import usage_error
from jsddpm.registry import SAMPLERS
from jsddpm.sections import DiffusionConfig, SamplingConfig


@dataclass(frozen=True)
class Sampler:
    """A method to step from noise to samples; a file of :mod:`jsddpm.diffusion.samplers` holds it as ``SAMPLER``.

    Attributes:
        scheduler: A scheduler class of diffusers, or one that behaves like it.
        options: Arguments of its constructor besides the schedule.
        step_options: Arguments of its ``step``, from the sampling settings and a function that draws the step's noise.
    """

    scheduler: Callable[..., Any]
    options: Mapping[str, Any]
    step_options: Callable[[SamplingConfig, Callable[[], torch.Tensor]], Mapping[str, Any]] = lambda *_: {}


def make_scheduler(diffusion: DiffusionConfig, sampling: SamplingConfig) -> Any:
    """The sampler's scheduler, set to the timesteps of :func:`~jsddpm.diffusion.standalone.visited_timesteps`.

    It steps from x0 with every prediction type: the pipeline recovers and clips x0 in one place for all samplers.

    Raises:
        JsddpmError: ``STEPS`` (status 2) for more steps than noise levels.
    """
    if sampling.steps > diffusion.num_train_timesteps:
        what = f"{sampling.steps} sampling steps exceed the {diffusion.num_train_timesteps} noise levels"
        raise usage_error("STEPS", what, fix="use fewer steps")
    sampler: Sampler = SAMPLERS.load(sampling.sampler).SAMPLER
    scheduler = sampler.scheduler(
        num_train_timesteps=diffusion.num_train_timesteps,
        # some schedulers do not know all schedules by name
        trained_betas=noise_schedule(diffusion, rescale_zero_snr=False).betas.tolist(),
        rescale_betas_zero_snr=diffusion.rescale_zero_snr,
        prediction_type="sample",
        **sampler.options,
    )
    visit(scheduler, visited_timesteps(alphas_cumprod(diffusion), sampling.steps, sampling.spacing))
    return scheduler

"""The samplers by name: diffusers' schedulers on the schedule of training, all of them stepping from x0."""

from __future__ import annotations

from typing import Any, TypeAlias

import torch
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler, UniPCMultistepScheduler
from diffusers.schedulers.scheduling_ddim import DDIMSchedulerOutput
from diffusers.utils.torch_utils import randn_tensor
from torch import Tensor

from jsddpm.config import DiffusionConfig, SamplingConfig
from jsddpm.errors import usage_error


class ExactDDIMScheduler(DDIMScheduler):  # type: ignore[misc]
    """DDIM from x0 (Song et al. 2020, arXiv 2010.02502, equation 12) along the timesteps it was given.

    The library's own step goes back by ``num_train_timesteps // steps``; where that division leaves a remainder, it
    ends beside the noise level the network is told next.
    """

    def step(
        self, model_output: Tensor, timestep: Tensor, sample: Tensor, eta: float = 0.0, generator: Any = None
    ) -> DDIMSchedulerOutput:
        """One step to the next timestep of the list, to no noise after the last."""
        place = int(torch.nonzero(self.timesteps == timestep)[0])
        previous = int(self.timesteps[place + 1]) if place + 1 < len(self.timesteps) else -1
        abar = self.alphas_cumprod[timestep]
        abar_previous = self.alphas_cumprod[previous] if previous >= 0 else self.final_alpha_cumprod
        noise = (sample - abar.sqrt() * model_output) / (1 - abar).sqrt()
        sigma = eta * self._get_variance(int(timestep), previous).clamp(min=0).sqrt()
        direction = (1 - abar_previous - sigma**2).clamp(min=0).sqrt() * noise
        result = abar_previous.sqrt() * model_output + direction
        if eta > 0:
            result = result + sigma * randn_tensor(sample.shape, generator, sample.device, sample.dtype)
        return DDIMSchedulerOutput(prev_sample=result, pred_original_sample=model_output)


Scheduler: TypeAlias = DDPMScheduler | DDIMScheduler | DPMSolverMultistepScheduler | UniPCMultistepScheduler

_SCHEDULERS: dict[str, tuple[Any, dict[str, Any]]] = {
    "ddpm": (DDPMScheduler, {"clip_sample": False}),
    "ddim": (ExactDDIMScheduler, {"clip_sample": False}),
    "dpmpp": (DPMSolverMultistepScheduler, {"algorithm_type": "dpmsolver++", "solver_order": 2}),
    "unipc": (UniPCMultistepScheduler, {"solver_order": 2}),
}


def make_scheduler(diffusion: DiffusionConfig, sampling: SamplingConfig) -> Scheduler:
    """Diffusers' scheduler by name, on trailing timesteps (Lin et al. 2023, arXiv 2305.08891).

    It is given x0, whatever the network predicts: :func:`sample` recovers and clips x0 in one place for all of them.

    Raises:
        JsddpmError: ``STEPS`` (status 2) for more steps than noise levels.
    """
    if sampling.steps > diffusion.num_train_timesteps:
        raise usage_error(
            "STEPS",
            f"{sampling.steps} sampling steps of {diffusion.num_train_timesteps} noise levels",
            fix="use fewer steps",
        )
    kind, options = _SCHEDULERS[sampling.sampler]
    levels = DDPMScheduler(
        num_train_timesteps=diffusion.num_train_timesteps,
        beta_schedule=diffusion.beta_schedule,
        beta_start=diffusion.beta_start,
        beta_end=diffusion.beta_end,
    )
    scheduler: Scheduler = kind(
        num_train_timesteps=diffusion.num_train_timesteps,
        trained_betas=levels.betas.tolist(),  # not every scheduler knows every schedule by name
        rescale_betas_zero_snr=diffusion.rescale_zero_snr,
        prediction_type="sample",
        timestep_spacing="trailing",
        **options,
    )
    scheduler.set_timesteps(sampling.steps)
    return scheduler

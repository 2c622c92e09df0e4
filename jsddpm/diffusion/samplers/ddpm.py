"""Ancestral sampling, with noise in every step (Ho et al. 2020, arXiv 2006.11239)."""

from __future__ import annotations

from diffusers import DDPMScheduler
from diffusers.schedulers.scheduling_ddpm import DDPMSchedulerOutput
from torch import Tensor

from jsddpm.diffusion.schedulers import Sampler
from jsddpm.diffusion.standalone import ddim_step


class GivenNoiseDDPMScheduler(DDPMScheduler):  # type: ignore[misc]
    """DDPM with the noise that it is given; the library's step draws its own."""

    def step(
        self, model_output: Tensor, timestep: Tensor, sample: Tensor, variance_noise: Tensor
    ) -> DDPMSchedulerOutput:
        """One step to the next timestep of the list, to no noise after the last."""
        result = ddim_step(self, model_output, timestep, sample, 1.0, variance_noise)
        return DDPMSchedulerOutput(prev_sample=result, pred_original_sample=model_output)


SAMPLER = Sampler(GivenNoiseDDPMScheduler, {"clip_sample": False}, lambda _, noise: {"variance_noise": noise()})

"""First order in x0, without noise unless eta adds it (Song et al. 2020, arXiv 2010.02502)."""

from __future__ import annotations

from diffusers import DDIMScheduler
from diffusers.schedulers.scheduling_ddim import DDIMSchedulerOutput
from torch import Tensor

from jsddpm.diffusion.schedulers import Sampler
from jsddpm.diffusion.standalone import ddim_step


class ExactDDIMScheduler(DDIMScheduler):  # type: ignore[misc]
    """DDIM from x0 along the timesteps of its list; see :func:`~jsddpm.diffusion.standalone.ddim_step`."""

    def step(
        self,
        model_output: Tensor,
        timestep: Tensor,
        sample: Tensor,
        eta: float = 0.0,
        variance_noise: Tensor | None = None,
    ) -> DDIMSchedulerOutput:
        """One step to the next timestep of the list, to no noise after the last."""
        result = ddim_step(self, model_output, timestep, sample, eta, variance_noise)
        return DDIMSchedulerOutput(prev_sample=result, pred_original_sample=model_output)


SAMPLER = Sampler(
    ExactDDIMScheduler,
    {"clip_sample": False},
    lambda sampling, noise: {"eta": sampling.eta, "variance_noise": noise() if sampling.eta else None},
)

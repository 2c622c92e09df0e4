"""First order in x0, without noise unless eta adds it (Song et al. 2020, arXiv 2010.02502)."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import DDIMScheduler
from diffusers.schedulers.scheduling_ddim import DDIMSchedulerOutput
from diffusers.utils.torch_utils import randn_tensor
from torch import Tensor

from jsddpm.diffusion.schedulers import Sampler


class ExactDDIMScheduler(DDIMScheduler):  # type: ignore[misc]
    """DDIM from x0 (Song et al. 2020, arXiv 2010.02502, equation 12) along the timesteps of its list.

    The library's step goes back by ``num_train_timesteps // steps``. If that division has a remainder, the step does
    not end at the noise level that the network sees next.
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


SAMPLER = Sampler(
    ExactDDIMScheduler,
    {"clip_sample": False},
    lambda sampling, generators: {"generator": generators, "eta": sampling.eta},
)

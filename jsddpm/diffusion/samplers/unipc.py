"""UniPC, a multistep predictor of second order with a corrector (Zhao et al. 2023, arXiv 2302.04867)."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import UniPCMultistepScheduler

from jsddpm.diffusion.schedulers import Sampler


class SpacedUniPCScheduler(UniPCMultistepScheduler):  # type: ignore[misc]
    """UniPC along any timesteps; the library's own class spreads them itself."""

    def set_timesteps(
        self, num_inference_steps: int | None = None, device: Any = None, *, timesteps: Any = None
    ) -> None:
        """Visit these timesteps, the noisiest first."""
        super().set_timesteps(num_inference_steps if timesteps is None else len(timesteps), device)
        if timesteps is not None:
            self.timesteps = torch.tensor(timesteps, device=device)
            abar = self.alphas_cumprod[timesteps]
            self.sigmas = torch.cat([((1 - abar) / abar).sqrt(), torch.zeros(1)]).float()


SAMPLER = Sampler(SpacedUniPCScheduler, {"solver_order": 2})

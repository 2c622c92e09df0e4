"""UniPC, a multistep predictor of second order with a corrector (Zhao et al. 2023, arXiv 2302.04867)."""

from __future__ import annotations

from diffusers import UniPCMultistepScheduler

from jsddpm.diffusion.schedulers import Sampler

SAMPLER = Sampler(UniPCMultistepScheduler, {"solver_order": 2})

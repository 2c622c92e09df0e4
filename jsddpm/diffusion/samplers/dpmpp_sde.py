"""DPM-Solver++ 2M with noise in every step (Lu et al. 2022, arXiv 2211.01095, its SDE form)."""

from __future__ import annotations

from diffusers import DPMSolverMultistepScheduler

from jsddpm.diffusion.schedulers import Sampler

SAMPLER = Sampler(
    DPMSolverMultistepScheduler,
    {"algorithm_type": "sde-dpmsolver++", "solver_order": 2},
    lambda _, noise: {"variance_noise": noise()},
)

"""DPM-Solver++ 2M, a multistep solver of second order (Lu et al. 2022, arXiv 2211.01095)."""

from __future__ import annotations

from diffusers import DPMSolverMultistepScheduler

from jsddpm.diffusion.schedulers import Sampler

SAMPLER = Sampler(DPMSolverMultistepScheduler, {"algorithm_type": "dpmsolver++", "solver_order": 2})

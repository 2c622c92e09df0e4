"""Ancestral sampling, with noise in every step (Ho et al. 2020, arXiv 2006.11239)."""

from __future__ import annotations

from diffusers import DDPMScheduler

from jsddpm.diffusion.schedulers import Sampler

SAMPLER = Sampler(DDPMScheduler, {"clip_sample": False}, lambda _, generators: {"generator": generators})

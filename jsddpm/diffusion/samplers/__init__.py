"""Samplers: each file holds one as ``SAMPLER``, see :class:`jsddpm.diffusion.schedulers.Sampler`."""

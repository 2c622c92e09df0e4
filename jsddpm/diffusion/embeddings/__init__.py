"""Condition embeddings: each file holds one as ``EMBEDDING``, see :mod:`jsddpm.diffusion.conditioning`."""

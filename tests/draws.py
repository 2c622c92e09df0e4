"""Tensors of random numbers, each from its own seed."""

from __future__ import annotations

import torch


def normal(*shape, seed=0):
    """Standard normal, float64."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def unit(*shape, seed=0, dtype=torch.float32):
    """Uniform in [0, 1)."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)

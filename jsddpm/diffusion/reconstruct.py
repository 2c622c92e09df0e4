"""Exact reconstruction: the network's estimate of a given slice at a given noise level.

Validation during training and the evaluation both use it, so they measure the same.
"""

from __future__ import annotations

import torch
from torch import Tensor

from jsddpm.diffusion.denoiser import Denoiser
from jsddpm.diffusion.objective import add_noise, predict_x0
from jsddpm.diffusion.standalone import clipped


def fixed_noise(rows: Tensor, shape: torch.Size, seed: int) -> Tensor:
    """Standard normal noise that depends only on (seed, store row), float32 ``(len(rows), *shape)`` on the CPU.

    The generator reads 32 bits of its seed, in which the rows of a store differ.
    """
    noise = [torch.randn(shape, generator=torch.Generator().manual_seed(seed * 1_000_003 + int(r))) for r in rows]
    return torch.stack(noise)


@torch.no_grad()
def reconstruct(
    denoiser: Denoiser, x0: Tensor, tokens: Tensor, noise: Tensor, timestep: int, abar: Tensor, prediction_type: str
) -> Tensor:
    """Predicted clean slices, clipped to [-1, 1]; NaN where the network's are not finite.

    Args:
        denoiser: The network, in evaluation mode.
        x0: Exact slices, ``(B, 2, H, W)`` in [-1, 1].
        tokens: Their condition tokens, ``(B,)``.
        noise: :func:`fixed_noise`, of the shape of ``x0``.
        timestep: Noise level, from 0.
        abar: ``alphas_cumprod`` on the device of ``x0``.
        prediction_type: What the network predicts.
    """
    timesteps = torch.full((len(x0),), timestep, device=x0.device)
    x_t = add_noise(x0, noise, timesteps, abar)
    return clipped(predict_x0(denoiser(x_t, timesteps, tokens).float(), x_t, timesteps, abar, prediction_type))

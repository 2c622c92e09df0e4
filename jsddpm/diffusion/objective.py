"""The training objective as pure functions of (x0, noise, timesteps); the draw happens elsewhere.

Notation of Ho et al. 2020 (arXiv 2006.11239) and Salimans & Ho 2022 (arXiv 2202.00512)::

    x_t = sqrt(abar_t) x0 + sqrt(1 - abar_t) noise          (abar = alphas_cumprod)
    v   = sqrt(abar_t) noise - sqrt(1 - abar_t) x0
    SNR = abar_t / (1 - abar_t)

The loss is always against the exact noisy slice, never against another slice of its bin.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from diffusers import DDPMScheduler
from torch import Tensor

from jsddpm.config import DiffusionConfig, ObjectiveConfig


def alphas_cumprod(config: DiffusionConfig) -> Tensor:
    """Cumulative products of ``1 - beta``, float32 ``(num_train_timesteps,)``."""
    scheduler = DDPMScheduler(num_train_timesteps=config.num_train_timesteps, beta_schedule=config.beta_schedule)
    values: Tensor = scheduler.alphas_cumprod
    return values.clone()


def signal_and_noise(abar: Tensor, timesteps: Tensor) -> tuple[Tensor, Tensor]:
    """``sqrt(abar_t)`` and ``sqrt(1 - abar_t)``, shaped ``(B, 1, 1, 1)`` to multiply images."""
    chosen = abar[timesteps].view(-1, 1, 1, 1)
    return chosen.sqrt(), (1 - chosen).sqrt()


def add_noise(x0: Tensor, noise: Tensor, timesteps: Tensor, abar: Tensor) -> Tensor:
    """The noisy slices ``x_t``, of the shape of ``x0`` ``(B, C, H, W)``."""
    signal, sigma = signal_and_noise(abar, timesteps)
    return signal * x0 + sigma * noise


def target(x0: Tensor, noise: Tensor, timesteps: Tensor, abar: Tensor, prediction_type: str) -> Tensor:
    """What the network should predict: ``epsilon``, ``sample`` (x0) or ``v_prediction``."""
    if prediction_type == "epsilon":
        return noise
    if prediction_type == "sample":
        return x0
    signal, sigma = signal_and_noise(abar, timesteps)
    return signal * noise - sigma * x0


def predict_x0(prediction: Tensor, x_t: Tensor, timesteps: Tensor, abar: Tensor, prediction_type: str) -> Tensor:
    """The clean slices that a prediction implies."""
    if prediction_type == "sample":
        return prediction
    signal, sigma = signal_and_noise(abar, timesteps)
    if prediction_type == "epsilon":
        return (x_t - sigma * prediction) / signal
    return signal * x_t - sigma * prediction


def timestep_weights(timesteps: Tensor, abar: Tensor, prediction_type: str, config: ObjectiveConfig) -> Tensor:
    """Weights that make the loss ``clamp(SNR, snr_floor, min_snr_gamma)`` times the squared error of x0, ``(B,)``.

    ``min_snr_gamma`` alone is Min-SNR (Hang et al. 2023, arXiv 2303.09556), ``snr_floor=1`` alone the truncated SNR
    weighting of Salimans & Ho 2022. For the target predicted, the weight is divided by ``SNR`` (noise) or ``SNR + 1``
    (velocity). Without either, every timestep of the target counts alike.
    """
    if config.min_snr_gamma is None and config.snr_floor is None:
        return torch.ones_like(timesteps, dtype=abar.dtype)
    snr = abar[timesteps] / (1 - abar[timesteps])
    divisor = {"sample": torch.ones_like(snr), "epsilon": snr, "v_prediction": snr + 1}[prediction_type]
    return snr.clamp(min=config.snr_floor, max=config.min_snr_gamma) / divisor


@dataclass(frozen=True)
class Loss:
    """The loss and its parts, scalars; ``total = image + mask`` with their weights applied."""

    total: Tensor
    image: Tensor
    mask: Tensor


def joint_loss(prediction: Tensor, wanted: Tensor, x0: Tensor, weights: Tensor, config: ObjectiveConfig) -> Loss:
    """Weighted mean squared error of image and mask.

    Args:
        prediction: Network output, ``(B, 2, H, W)``.
        wanted: :func:`target`.
        x0: The exact clean pair in [-1, 1]; its mask tells the lesion pixels.
        weights: :func:`timestep_weights`.
        config: Weights of the mask channel and of lesion pixels.
    """
    lesion = x0[:, 1:] > 0
    pixel_weights = torch.where(lesion, config.lesion_weight, 1.0)
    squared = (prediction.float() - wanted.float()).square() * pixel_weights * weights.view(-1, 1, 1, 1)
    image, mask = squared[:, 0].mean(), squared[:, 1].mean() * config.mask_weight
    return Loss(image + mask, image, mask)

"""The training objective as pure functions of (x0, noise, timesteps), which other modules draw.

Notation of Ho et al. 2020 (arXiv 2006.11239) and Salimans & Ho 2022 (arXiv 2202.00512)::

    x_t = sqrt(abar_t) x0 + sqrt(1 - abar_t) noise          (abar = alphas_cumprod)
    v   = sqrt(abar_t) noise - sqrt(1 - abar_t) x0
    SNR = abar_t / (1 - abar_t)

The loss always compares with the slice itself, never with another slice of its bin.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from diffusers import DDPMScheduler
from torch import Tensor

from jsddpm.errors import usage_error
from jsddpm.sections import DiffusionConfig, ObjectiveConfig


def noise_schedule(config: DiffusionConfig, *, rescale_zero_snr: bool) -> DDPMScheduler:
    """The scheduler of diffusers with the configured betas, optionally rescaled to zero terminal SNR."""
    return DDPMScheduler(
        num_train_timesteps=config.num_train_timesteps,
        beta_schedule=config.beta_schedule,
        beta_start=config.beta_start,
        beta_end=config.beta_end,
        rescale_betas_zero_snr=rescale_zero_snr,
    )


def alphas_cumprod(config: DiffusionConfig) -> Tensor:
    """Cumulative products of ``1 - beta``, float32 ``(num_train_timesteps,)``; the last is 0 with zero terminal SNR."""
    values: Tensor = noise_schedule(config, rescale_zero_snr=config.rescale_zero_snr).alphas_cumprod
    return values.clone()


def require_signal(diffusion: DiffusionConfig, objective: ObjectiveConfig) -> None:
    """Refuse a schedule with noise levels that float32 cannot represent, or without a finite weight of the loss.

    Raises:
        JsddpmError: ``CONFIG`` (status 2) naming the key.
    """
    before = noise_schedule(diffusion, rescale_zero_snr=False).alphas_cumprod
    if float(before[-1]) < torch.finfo(before.dtype).tiny:
        what = f"diffusion.beta_end: {diffusion.beta_end:g} over {diffusion.num_train_timesteps} levels"
        cure = "lower diffusion.beta_end, or diffusion.num_train_timesteps"
        raise usage_error("CONFIG", f"{what} leaves no signal that a 32-bit float could hold", fix=cure)
    levels, abar = torch.arange(diffusion.num_train_timesteps), alphas_cumprod(diffusion)
    if float(abar[0]) >= 1:
        what = f"diffusion.beta_start: {diffusion.beta_start:g} leaves no noise that a 32-bit float could hold"
        cure = "raise diffusion.beta_start (1e-6, for instance), or lower diffusion.num_train_timesteps"
        raise usage_error("CONFIG", f"{what} at the first level", fix=cure)
    weights = channel_weights(levels, abar, diffusion.prediction_type, objective)
    if not torch.isfinite(weights).all():
        worst = int((~torch.isfinite(weights).all(dim=1)).nonzero()[0])
        what = f"objective.snr_floor: the loss of noise level {worst} has no finite weight"
        cure = "set objective.snr_floor=null, or diffusion.prediction_type=sample"
        raise usage_error("CONFIG", what, fix=cure)


def signal_and_noise(abar: Tensor, timesteps: Tensor) -> tuple[Tensor, Tensor]:
    """``sqrt(abar_t)`` and ``sqrt(1 - abar_t)``, shaped ``(B, 1, 1, 1)`` to multiply images."""
    chosen = abar[timesteps].view(-1, 1, 1, 1)
    return chosen.sqrt(), (1 - chosen).sqrt()


def add_noise(x0: Tensor, noise: Tensor, timesteps: Tensor, abar: Tensor) -> Tensor:
    """The noisy slices ``x_t``, of the shape of ``x0`` ``(B, C, H, W)``."""
    signal, sigma = signal_and_noise(abar, timesteps)
    return signal * x0 + sigma * noise


def target(x0: Tensor, noise: Tensor, timesteps: Tensor, abar: Tensor, prediction_type: str) -> Tensor:
    """The target of the network: ``epsilon``, ``sample`` (x0) or ``v_prediction``."""
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


def timestep_weights(
    timesteps: Tensor, abar: Tensor, prediction_type: str, config: ObjectiveConfig, *, p: float = 2.0
) -> Tensor:
    """Weights that make the loss ``clamp(SNR, snr_floor, min_snr_gamma)`` times ``|error of x0| ** p``, ``(B,)``.

    ``min_snr_gamma`` alone is Min-SNR (Hang et al. 2023, arXiv 2303.09556), ``snr_floor=1`` alone the truncated SNR
    weighting of Salimans & Ho 2022. An error of the noise is ``sqrt(SNR)`` times that of x0, one of the velocity
    ``sqrt(SNR + 1)`` times: for squared errors the weight is divided by ``SNR`` or ``SNR + 1``, for other exponents by
    their power ``p / 2``. Without limits, all timesteps of the target have equal weights. With zero terminal SNR and
    no floor, the last timestep has weight 0.
    """
    if config.min_snr_gamma is None and config.snr_floor is None:
        return torch.ones_like(timesteps, dtype=abar.dtype)
    snr = abar[timesteps] / (1 - abar[timesteps])
    divisor = {"sample": torch.ones_like(snr), "epsilon": snr, "v_prediction": snr + 1}[prediction_type]
    return snr.clamp(min=config.snr_floor, max=config.min_snr_gamma) / divisor ** (p / 2)


def channel_weights(timesteps: Tensor, abar: Tensor, prediction_type: str, config: ObjectiveConfig) -> Tensor:
    """:func:`timestep_weights` of image, mask and frequencies, each with its exponent, ``(B, 3)``."""
    powers = (config.p_image, config.p_mask, 2.0)
    return torch.stack([timestep_weights(timesteps, abar, prediction_type, config, p=p) for p in powers], dim=1)


@dataclass(frozen=True)
class Loss:
    """The loss and its parts, scalars; ``total`` is the sum of the parts, their weights applied."""

    total: Tensor
    image: Tensor
    mask: Tensor
    frequency: Tensor


def joint_loss(prediction: Tensor, target: Tensor, x0: Tensor, weights: Tensor, config: ObjectiveConfig) -> Loss:
    """Weighted mean ``|error| ** p`` of image and mask, and the image's focal frequency loss if its weight is not 0.

    Args:
        prediction: Network output, ``(B, 2, H, W)``.
        target: :func:`target`.
        x0: The exact clean pair in [-1, 1]; its mask marks the lesion pixels.
        weights: :func:`channel_weights` ``(B, 3)``, or one weight a sample ``(B,)``.
        config: Exponents, weights of the mask channel, of lesion pixels and of the frequencies.
    """
    weights = weights.view(len(x0), -1).expand(-1, 3)
    error = prediction - target  # the target, and so the loss, remain float32 under autocast
    pixel_weights = torch.where(x0[:, 1] > 0, config.lesion_weight, 1.0)

    def part(channel: int, p: float) -> Tensor:
        power = error[:, channel].square() if p == 2 else error[:, channel].abs().pow(p)
        return (power * pixel_weights * weights[:, channel].view(-1, 1, 1)).mean()

    image, mask = part(0, config.p_image), part(1, config.p_mask) * config.mask_weight
    frequency = torch.zeros_like(image)
    if config.frequency_weight:
        each = focal_frequency(error[:, 0], config.frequency_alpha)
        frequency = config.frequency_weight * (each * weights[:, 2]).mean()
    return Loss(image + mask + frequency, image, mask, frequency)


def slice_losses(prediction: Tensor, target: Tensor, x0: Tensor, weights: Tensor, config: ObjectiveConfig) -> Tensor:
    """The total of :func:`joint_loss` for each slice alone, ``(B,)``; the arguments are the same."""

    def alone(prediction: Tensor, target: Tensor, x0: Tensor, weights: Tensor) -> Tensor:
        return joint_loss(prediction[None], target[None], x0[None], weights[None], config).total

    losses: Tensor = torch.vmap(alone)(prediction, target, x0, weights)
    return losses


def focal_frequency(error: Tensor, alpha: float) -> Tensor:
    """Focal frequency loss of an error image (Jiang et al. 2021, arXiv 2012.12821, equations 4 and 5).

    The mean over frequencies of ``w |F|^2``, ``F`` the orthonormal Fourier transform of the error and
    ``w = |F|^alpha / max |F|^alpha`` held constant. The transform is linear, so the loss of a noise or velocity error
    is that of x0 times the same factor as the squared error, and takes the weights of ``p = 2``.

    Args:
        error: ``(B, H, W)``.
        alpha: 0 is the mean squared error (Parseval), 1 the paper's.

    Returns:
        ``(B,)``.
    """
    transformed = torch.fft.fft2(error, norm="ortho")
    power = transformed.real.square() + transformed.imag.square()
    with torch.no_grad():
        focus = power.pow(alpha / 2)
        focus = focus / focus.amax(dim=(1, 2), keepdim=True).clamp(min=torch.finfo(focus.dtype).tiny)
    loss: Tensor = (focus * power).mean(dim=(1, 2))
    return loss

"""Drawing samples: a sample depends on (seed, condition, number) alone, the noise of every step included.

Each sample owns a random generator seeded by a hash of those three, and draws its starting noise and its step noise
from it on the CPU; batch size, order, rank and device do not enter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from diffusers import DDIMScheduler, DDPMScheduler
from torch import Tensor

from jsddpm.binning import Condition, ZBinning
from jsddpm.config import DiffusionConfig, SamplingConfig
from jsddpm.diffusion.denoiser import Denoiser
from jsddpm.errors import ExitStatus, JsddpmError


@dataclass(frozen=True, order=True)
class SampleId:
    """One sample to draw: its condition and its number within the condition."""

    condition: Condition
    number: int

    def seed(self, run_seed: int) -> int:
        """63-bit seed of this sample.

        >>> SampleId(Condition(3, 1), 0).seed(7) == SampleId(Condition(3, 1), 0).seed(7)
        True
        """
        key = f"jsddpm:{run_seed}:{self.condition.z_bin}:{self.condition.pathology}:{self.number}"
        return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") >> 1


def make_scheduler(diffusion: DiffusionConfig, sampling: SamplingConfig) -> DDIMScheduler | DDPMScheduler:
    """Diffusers' scheduler by name, with x0 clipped to [-1, 1] and trailing timesteps (arXiv 2305.08891)."""
    kind = {"ddim": DDIMScheduler, "ddpm": DDPMScheduler}[sampling.sampler]
    scheduler = kind(
        num_train_timesteps=diffusion.num_train_timesteps,
        beta_schedule=diffusion.beta_schedule,
        prediction_type=diffusion.prediction_type,
        clip_sample=True,
        timestep_spacing="trailing",
    )
    scheduler.set_timesteps(sampling.steps)
    return scheduler


@torch.inference_mode()
def sample(
    denoiser: Denoiser,
    ids: Sequence[SampleId],
    *,
    binning: ZBinning,
    diffusion: DiffusionConfig,
    sampling: SamplingConfig,
    size: tuple[int, int],
    run_seed: int,
    callback: Callable[[int], None] | None = None,
) -> Tensor:
    """Draw one batch of samples.

    Args:
        denoiser: The network, in evaluation mode.
        ids: What to draw.
        binning: The binning the network was trained with.
        diffusion: The forward process it was trained with.
        sampling: Sampler, steps, eta, guidance.
        size: ``(H, W)``.
        run_seed: Base of all seeds.
        callback: Called with the number of each finished step.

    Returns:
        float32 ``(len(ids), 2, H, W)`` in [-1, 1], image then mask, on the CPU.

    Raises:
        JsddpmError: ``NON_FINITE`` (status 6) naming the samples that are not finite.
    """
    device = next(denoiser.parameters()).device
    generators = [torch.Generator().manual_seed(i.seed(run_seed)) for i in ids]
    x = torch.stack([torch.randn((2, *size), generator=g) for g in generators]).to(device)
    tokens = torch.tensor([i.condition.token(binning.n_bins) for i in ids], device=device)
    scheduler = make_scheduler(diffusion, sampling)
    extra = {"eta": sampling.eta} if sampling.sampler == "ddim" else {}
    for number, t in enumerate(scheduler.timesteps):
        output = _guided(denoiser, x, int(t), tokens, binning.null_token, sampling.guidance)
        x = scheduler.step(output, t, x, generator=generators, **extra).prev_sample
        if callback:
            callback(number + 1)
    result = x.float().cpu().clamp(-1, 1)
    finite = torch.isfinite(result).flatten(1).all(dim=1)
    if not finite.all():
        bad = ", ".join(
            f"{ids[i].condition.name} number {ids[i].number}" for i in torch.nonzero(~finite)[:3, 0].tolist()
        )
        raise JsddpmError(
            "NON_FINITE",
            f"samples are not finite ({bad})",
            fix="use an earlier checkpoint",
            status=ExitStatus.NON_FINITE,
        )
    return result


def _guided(denoiser: Denoiser, x: Tensor, t: int, tokens: Tensor, null_token: int, weight: float) -> Tensor:
    """Classifier-free guidance (Ho & Salimans 2022, arXiv 2207.12598): null + w * (conditional - null)."""
    timesteps = torch.full((len(x),), t, device=x.device)
    if weight == 1:
        return denoiser(x, timesteps, tokens).float()  # type: ignore[no-any-return]
    null = torch.full_like(tokens, null_token)
    both = denoiser(torch.cat([x, x]), torch.cat([timesteps] * 2), torch.cat([tokens, null])).float()
    conditional, unconditional = both.chunk(2)
    return unconditional + weight * (conditional - unconditional)  # type: ignore[no-any-return]

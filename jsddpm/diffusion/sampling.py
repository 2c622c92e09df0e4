"""Drawing samples: a sample depends on (seed, condition, number) alone, the noise of every step included.

Each sample owns a random generator seeded by a hash of those three, and draws its starting noise and its step noise
from it on the CPU; batch size, order, rank and device do not enter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from jsddpm.binning import Condition, ZBinning
from jsddpm.config import DiffusionConfig, SamplingConfig
from jsddpm.diffusion.denoiser import Denoiser
from jsddpm.diffusion.objective import alphas_cumprod, predict_x0
from jsddpm.diffusion.schedulers import make_scheduler
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
    scheduler, abar = make_scheduler(diffusion, sampling), alphas_cumprod(diffusion).to(device)
    extra: dict[str, Any] = {"generator": generators} if sampling.sampler in ("ddpm", "ddim") else {}
    extra |= {"eta": sampling.eta} if sampling.sampler == "ddim" else {}
    x0_hat: Tensor | None = None
    for number, t in enumerate(scheduler.timesteps):
        timesteps = torch.full((len(x),), int(t), device=device)
        output = _guided(denoiser, x, timesteps, tokens, binning.null_token, sampling.guidance, x0_hat)
        x0 = predict_x0(output, x, timesteps, abar, diffusion.prediction_type).clamp(-1, 1)
        x = scheduler.step(x0, t, x, **extra).prev_sample
        x0_hat = x0 if getattr(denoiser, "self_conditioned", False) else None
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


def _guided(
    denoiser: Denoiser,
    x: Tensor,
    timesteps: Tensor,
    tokens: Tensor,
    null_token: int,
    weight: float,
    x0_hat: Tensor | None,
) -> Tensor:
    """Classifier-free guidance (Ho & Salimans 2022, arXiv 2207.12598): null + w * (conditional - null)."""
    known = {} if x0_hat is None else {"x0_hat": x0_hat}
    if weight == 1:
        return denoiser(x, timesteps, tokens, **known).float()  # type: ignore[no-any-return]
    null = torch.full_like(tokens, null_token)
    twice = {name: torch.cat([value, value]) for name, value in known.items()}
    both = denoiser(torch.cat([x, x]), timesteps.repeat(2), torch.cat([tokens, null]), **twice).float()
    conditional, unconditional = both.chunk(2)
    return unconditional + weight * (conditional - unconditional)  # type: ignore[no-any-return]

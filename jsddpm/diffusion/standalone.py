"""The pipeline of an exported model: diffusers opens it without jsddpm, and it draws the samples of ``jsddpm sample``.

``jsddpm checkpoint export`` copies this file into every folder that it writes. jsddpm itself uses its seeds, noise,
noise levels of samplers and DDIM step.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any

import numpy as np
import torch
from diffusers import DDIMScheduler, DDPMScheduler, DiffusionPipeline, UNet2DModel
from diffusers.schedulers.scheduling_utils import SchedulerMixin
from diffusers.utils import BaseOutput
from diffusers.utils.torch_utils import randn_tensor
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

WORDS = slice(24, 24 + 624 * 8)
"""Position of the 624 words of the Mersenne Twister, 64 bits each, in the state of PyTorch's CPU generator."""
AT_ONCE = 64
"""Number of slices in a call of the network."""


RHO = 7.0
"""Exponent of Karras et al. 2022 (arXiv 2206.00364, equation 5)."""
NOISIEST = 80.0
"""Highest noise of their schedule, as a ratio of noise to signal; a network cannot distinguish higher levels."""
LEAST = 4
"""Smallest number of steps spaced as by Karras et al.; with fewer, a step at the lowest level would be wasted."""


def sample_seed(run_seed: int, z_bin: int, pathology: int, number: int) -> int:
    """63-bit seed of one sample: number ``number`` of a condition."""
    key = f"jsddpm:{run_seed}:{z_bin}:{pathology}:{number}"
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") >> 1


def seeded_generator(seed: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator that depends on every bit of a 63-bit seed.

    ``manual_seed`` of the CPU generator reads only the low 32 bits, so that some pair among 100 000 seeds would draw
    the same noise. Here NumPy's seed sequence fills the whole state of the generator. Generators of a GPU read 64 bits.

    >>> low, high = (seeded_generator(s) for s in (5, 5 + 2**32))
    >>> bool(torch.equal(torch.randn(3, generator=low), torch.randn(3, generator=high)))
    False
    """
    generator = torch.Generator(device).manual_seed(seed)
    if generator.device.type != "cpu":
        return generator
    state = generator.get_state()
    state.numpy()[WORDS].view(np.uint64)[:] = np.random.SeedSequence(seed).generate_state(624)
    return generator.set_state(state)


def ddim_step(
    scheduler: Any, x0: torch.Tensor, timestep: Any, sample: torch.Tensor, eta: float, generators: Any
) -> torch.Tensor:
    """A step of DDIM from x0 (Song et al. 2020, arXiv 2010.02502, equation 12) to the next timestep of the list.

    The library's step goes back by ``num_train_timesteps // steps``. If that division has a remainder, the step does
    not end at the noise level that the network sees next.

    Args:
        scheduler: A ``DDIMScheduler`` with its timesteps set.
        x0: Estimate of the clean sample.
        timestep: A timestep of the list; no noise follows the last.
        sample: Noisy sample at this timestep.
        eta: Share of DDPM's step noise.
        generators: Generators of the step noise; None without one.
    """
    place = int(torch.nonzero(scheduler.timesteps == timestep)[0])
    previous = int(scheduler.timesteps[place + 1]) if place + 1 < len(scheduler.timesteps) else -1
    abar = scheduler.alphas_cumprod[timestep]
    abar_previous = scheduler.alphas_cumprod[previous] if previous >= 0 else scheduler.final_alpha_cumprod
    noise = (sample - abar.sqrt() * x0) / (1 - abar).sqrt()
    sigma = eta * scheduler._get_variance(int(timestep), previous).clamp(min=0).sqrt()
    direction = (1 - abar_previous - sigma**2).clamp(min=0).sqrt() * noise
    result: torch.Tensor = abar_previous.sqrt() * x0 + direction
    if eta > 0:
        result = result + sigma * randn_tensor(sample.shape, generators, sample.device, sample.dtype)
    return result


def visited_timesteps(abar: torch.Tensor, steps: int, spacing: str) -> list[int]:
    """Timesteps of a sampler, the noisiest first, all different.

    ``trailing`` goes down from the last level in equal strides (Lin et al. 2023, arXiv 2305.08891, table 2); the step
    from the last of them to no noise is as long as the others, and texture finer than its noise is averaged away.
    ``karras`` goes from the last level to the level of :data:`NOISIEST` and from there to timestep 0, with
    ``sigma ** (1 / RHO)`` evenly spread, ``sigma`` being the ratio of noise to signal. With fewer than :data:`LEAST`
    steps both are ``trailing``.

    Args:
        abar: Cumulative products of ``1 - beta``, ``(T,)``, falling; the last may be 0.
        steps: Number of timesteps, 1 to T.
        spacing: ``trailing`` or ``karras``.

    >>> abar = torch.linspace(0.999, 0.001, 100)
    >>> visited_timesteps(abar, 5, "trailing")
    [99, 79, 59, 39, 19]
    >>> visited_timesteps(abar, 5, "karras")[-1]
    0
    """
    levels = len(abar)
    if spacing == "trailing" or steps < LEAST:
        evenly: list[int] = (np.arange(levels, 0, -levels / steps).round()[:steps].astype(np.int64) - 1).tolist()
        return evenly
    signal = abar.double().numpy()
    sigma = np.sqrt((1 - signal[signal > 0]) / signal[signal > 0])
    first, last = min(NOISIEST, sigma[-1]) ** (1 / RHO), sigma[0] ** (1 / RHO)
    noise_levels = np.linspace(first, last, steps - 1) ** RHO
    place = np.rint(np.interp(np.log(noise_levels), np.log(sigma), np.arange(len(sigma)))).astype(np.int64)
    order = np.arange(steps)
    place = np.concatenate([[levels - 1], place]) + order
    # all different: at least one level above the next, then at most one below the one before
    place = np.maximum.accumulate(place[::-1])[::-1] - order
    place = np.minimum.accumulate(np.minimum(place, levels - 1) + order) - order
    visited: list[int] = place.tolist()
    return visited


def visit(scheduler: Any, timesteps: Sequence[int]) -> None:
    """Set a scheduler of diffusers to these timesteps, the noisiest first; some of them do not take a list."""
    if "timesteps" in signature(scheduler.set_timesteps).parameters:
        scheduler.set_timesteps(timesteps=list(timesteps))
        return
    scheduler.set_timesteps(len(timesteps))
    scheduler.timesteps = torch.tensor(timesteps)
    if hasattr(scheduler, "solver_p"):  # UniPC steps from one ratio of noise to signal to the next
        abar = scheduler.alphas_cumprod[scheduler.timesteps]
        scheduler.sigmas = torch.cat([((1 - abar) / abar).sqrt(), torch.zeros(1)]).float()


@dataclass
class JointSliceOutput(BaseOutput):  # type: ignore[misc]
    """Samples, condition by condition.

    Attributes:
        images: float32 ``(N, H, W)`` in [0, 1]; rows from anterior to posterior, columns from left to right.
        masks: bool ``(N, H, W)``, lesion pixels.
        z_bin: int64 ``(N,)``, axial bin that a sample is conditioned on.
        pathology: int64 ``(N,)``, 0 control, 1 lesion.
    """

    images: Any
    masks: Any
    z_bin: Any
    pathology: Any


class JointSlicePipeline(DiffusionPipeline):  # type: ignore[misc]
    """Draws brain MRI slices with their lesion masks, conditioned on axial bin and pathology.

    Args:
        unet: The network; its class labels are ``pathology * n_bins + z_bin``, and ``2 * n_bins`` for no condition.
        scheduler: Sampler, given estimates of the clean slices.
        settings: ``n_bins``, ``size``, ``patch_size``, ``prediction_type``, ``self_conditioned``, ``guided``,
            ``trained`` (labels with a training slice) and the defaults ``steps``,
            ``timestep_spacing``, ``eta`` and ``guidance``.
    """

    model_cpu_offload_seq = "unet"

    def __init__(self, unet: UNet2DModel, scheduler: SchedulerMixin, settings: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        unet = unet.eval().to(memory_format=torch.channels_last)  # the order of summation in jsddpm
        self.register_modules(unet=unet, scheduler=scheduler)
        self.register_to_config(settings=dict(settings or {}))  # diffusers passes arguments that have a default

    @torch.inference_mode()
    def __call__(
        self,
        conditions: Sequence[tuple[int, int]] | None = None,
        *,
        num_per_condition: int = 1,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        eta: float | None = None,
        seed: int = 0,
    ) -> JointSliceOutput:
        """Draw samples; for arguments that are None, the settings of the model apply.

        Args:
            conditions: Pairs ``(z_bin, pathology)``; None draws every condition with a training slice.
            num_per_condition: Samples of each condition.
            num_inference_steps: Network evaluations of a sample.
            guidance_scale: Classifier-free guidance weight; 1 uses the conditional prediction alone.
            eta: Share of DDPM's step noise in DDIM.
            seed: Seed; a sample depends only on seed, condition and number within the condition.

        Raises:
            ValueError: For a condition without a training slice, and for guidance that was not trained.
        """
        known = self.config.settings
        n_bins, trained = known["n_bins"], known["trained"]
        pairs = [(t % n_bins, t // n_bins) for t in trained] if conditions is None else list(conditions)
        untrained = [(z, p) for z, p in pairs if not (0 <= z < n_bins and p in (0, 1) and p * n_bins + z in trained)]
        weight = known["guidance"] if guidance_scale is None else guidance_scale
        if untrained or not pairs:
            raise ValueError(f"no training slice of (z_bin, pathology) {untrained[:3]}")
        if weight != 1 and not known["guided"]:
            raise ValueError("the network was trained without null labels, so guidance must be 1")
        steps = num_inference_steps or known["steps"]
        share = known["eta"] if eta is None else eta
        ids = [(z, p, k) for z, p in pairs for k in range(num_per_condition)]
        batches = [ids[i : i + AT_ONCE] for i in range(0, len(ids), AT_ONCE)]
        x = torch.cat([self._drawn(batch, steps, weight, share, seed) for batch in batches])
        images, masks = ((x[:, 0] + 1) / 2).numpy().astype(np.float32), (x[:, 1] > 0).numpy()
        return JointSliceOutput(images, masks, *(np.array([i[part] for i in ids], np.int64) for part in (0, 1)))

    def _drawn(
        self, ids: Sequence[tuple[int, int, int]], steps: int, weight: float, eta: float, seed: int
    ) -> torch.Tensor:
        """Pairs ``(N, 2, H, W)`` of image and mask in [-1, 1], on the CPU."""
        known, device = self.config.settings, self.unet.device
        generators = [seeded_generator(sample_seed(seed, *i)) for i in ids]
        x = torch.stack([torch.randn((2, *known["size"]), generator=g) for g in generators]).to(device)
        tokens = torch.tensor([p * known["n_bins"] + z for z, p, _ in ids], device=device)
        abar = self._alphas_cumprod().to(device)
        visit(self.scheduler, visited_timesteps(abar.cpu(), steps, known["timestep_spacing"]))
        x0: torch.Tensor | None = None
        for t in self.progress_bar(self.scheduler.timesteps):
            signal, sigma = abar[int(t)].sqrt(), (1 - abar[int(t)]).sqrt()
            output = self._guided(x, int(t), tokens, weight, x0)
            if known["prediction_type"] == "epsilon":
                output = (x - sigma * output) / signal
            elif known["prediction_type"] == "v_prediction":
                output = signal * x - sigma * output
            x0 = output.clamp(-1, 1)
            x = self._step(x0, t, x, eta, generators)
        return x.float().cpu().clamp(-1, 1)

    def _guided(self, x: torch.Tensor, t: int, tokens: torch.Tensor, weight: float, x0: torch.Tensor | None) -> Any:
        """Classifier-free guidance (Ho & Salimans 2022, arXiv 2207.12598): null + w * (conditional - null)."""
        if self.config.settings["self_conditioned"]:
            x = torch.cat([x, torch.zeros_like(x) if x0 is None else x0], dim=1)
        if weight == 1:
            return self._predicted(x, t, tokens)
        null = torch.full_like(tokens, 2 * self.config.settings["n_bins"])
        conditional, unconditional = self._predicted(torch.cat([x, x]), t, torch.cat([tokens, null])).chunk(2)
        return unconditional + weight * (conditional - unconditional)

    def _predicted(self, x: torch.Tensor, t: int, tokens: torch.Tensor) -> torch.Tensor:
        patch, times = self.config.settings["patch_size"], torch.full((len(x),), t, device=x.device)
        output = self.unet(pixel_unshuffle(x, patch), times, class_labels=tokens).sample
        return pixel_shuffle(output, patch).float()

    def _step(self, x0: torch.Tensor, t: Any, x: torch.Tensor, eta: float, generators: Any) -> torch.Tensor:
        if isinstance(self.scheduler, DDIMScheduler):
            return ddim_step(self.scheduler, x0, t, x, eta, generators)
        noisy = self.scheduler.config.get("algorithm_type") == "sde-dpmsolver++"
        options = {"generator": generators} if noisy or isinstance(self.scheduler, DDPMScheduler) else {}
        following: torch.Tensor = self.scheduler.step(x0, t, x, **options).prev_sample
        return following

    def _alphas_cumprod(self) -> torch.Tensor:
        """The schedule of training; multistep schedulers change the last noise level if it is 0."""
        names = ("num_train_timesteps", "trained_betas", "rescale_betas_zero_snr")
        schedule: torch.Tensor = DDPMScheduler(**{n: self.scheduler.config[n] for n in names}).alphas_cumprod
        return schedule

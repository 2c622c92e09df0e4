"""The pipeline of an exported model: diffusers opens it without jsddpm, and it draws the samples of ``jsddpm sample``.

``jsddpm checkpoint export`` copies this file into every folder that it writes. jsddpm itself uses its functions.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from inspect import signature
from operator import index
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DDIMScheduler, DDPMScheduler, DiffusionPipeline, SchedulerMixin, UNet2DModel
from diffusers.utils import BaseOutput
from torch import Tensor
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

AT_ONCE = 64  # slices in a call of the network
WORD = 0xFFFFFFFF  # the largest word of 32 bits
RHO = 7.0  # exponent of Karras et al. 2022 (arXiv 2206.00364, equation 5)
NOISIEST = 80.0  # highest noise of their schedule, relative to the signal; a network cannot distinguish higher levels
LEAST = 4  # smallest number of steps that they space; with fewer, a step at the lowest level would be wasted
CLASSES = {"control": 0, "lesion": 1}


def sample_seed(run_seed: int, z_bin: int, pathology: int, number: int) -> int:
    """63-bit seed of one sample: number ``number`` of a condition."""
    key = ":".join(["jsddpm", *(str(index(part)) for part in (run_seed, z_bin, pathology, number))])  # True is 1
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") >> 1


def philox(counter: Sequence[Any], key: Sequence[Any]) -> tuple[Tensor, ...]:
    """Four random words of each counter: Philox 4x32-10 (Salmon et al. 2011, doi 10.1145/2063384.2063405).

    Words have 32 bits, in integers or int64 tensors, which are broadcast: four of a counter, two of a key, four drawn.

    >>> [hex(int(word)) for word in philox([torch.tensor(0)] * 4, [torch.tensor(0)] * 2)]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    (a, b, c, d), (k, m) = counter, key
    for _ in range(10):
        p, q = a * 0xD2511F53, c * 0xCD9E8D57  # of the products of 64 bits, the sign bit is one like the others
        a, b, c, d = ((q >> 32) & WORD) ^ b ^ k, q & WORD, ((p >> 32) & WORD) ^ d ^ m, p & WORD
        k, m = (k + 0x9E3779B9) & WORD, (m + 0xBB67AE85) & WORD
    return a, b, c, d


def normal_noise(seeds: Sequence[int], draw: int, size: Sequence[int], device: torch.device | str = "cpu") -> Tensor:
    """Standard normal noise as a function of (seed, draw, position), whatever the device and the other seeds.

    Words of :func:`philox` become pairs of numbers by Box & Muller (1958); devices agree but for rounding.

    Args:
        seeds: A seed of 63 bits for each sample.
        draw: Which noise of the sample: 0 its start, ``n + 1`` that of its sampling step ``n``, counted from 0.
        size: Shape of the noise of one sample; the result is float32 ``(len(seeds), *size)``.
        device: Device that computes and holds it.

    >>> together, alone = normal_noise([5, 6], 0, (2, 3)), normal_noise([6], 0, (2, 3))
    >>> torch.equal(together[1], alone[0])
    True
    """
    count = math.prod(size)
    key = torch.tensor([[seed & WORD, seed >> 32] for seed in seeds], device=device)
    block = torch.arange(-(-count // 4), device=device)[None]
    a, b, c, d = philox((block, draw, 0, 0), (key[:, :1], key[:, 1:]))
    radius = ((torch.stack([a, c], -1) + 1).float() / 2**32).log().mul(-2).sqrt()
    angle = torch.stack([b, d], -1).float() * (math.tau / 2**32)
    return torch.stack([radius * angle.cos(), radius * angle.sin()], -1).flatten(1)[:, :count].reshape(-1, *size)


def ddim_step(scheduler: Any, x0: Tensor, timestep: Any, sample: Tensor, eta: float, noise: Tensor | None) -> Tensor:
    """A step of DDIM from x0 (Song et al. 2020, arXiv 2010.02502, equation 12) to the next timestep of the list.

    With ``eta`` 1 it is a step of DDPM (Ho et al. 2020, arXiv 2006.11239, equation 7). The library's step goes back by
    ``num_train_timesteps // steps``; if that has a remainder, it does not end at the level that the network sees next.

    Args:
        scheduler: A ``DDIMScheduler`` or ``DDPMScheduler`` with its timesteps set.
        x0: Estimate of the clean sample.
        timestep: A timestep of the list; no noise follows the last.
        sample: Noisy sample at this timestep.
        eta: Share of DDPM's step noise.
        noise: Standard normal noise, None if ``eta`` is 0.
    """
    place = int(torch.nonzero(scheduler.timesteps == timestep)[0])
    abar, before = [*scheduler.alphas_cumprod[scheduler.timesteps].tolist(), 1.0][place : place + 2]
    sigma = eta * math.sqrt(max((1 - before) / (1 - abar) * (1 - abar / before), 0))
    direction = (sample - math.sqrt(abar) * x0) / math.sqrt(1 - abar)
    result: Tensor = math.sqrt(before) * x0 + math.sqrt(max(1 - before - sigma**2, 0)) * direction
    return result if noise is None else result + sigma * noise


def in_bfloat16(precision: str, device: torch.device) -> bool:
    """Whether a network computes in bfloat16: ``auto`` does where the device multiplies it in hardware."""
    if precision != "auto":
        return precision == "bf16-mixed"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))  # emulated, it is slower than float32
    able = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def visited_timesteps(abar: Tensor, steps: int, spacing: str) -> list[int]:
    """Timesteps of a sampler, the noisiest first, all different.

    ``trailing`` goes down from the last level in equal strides (Lin et al. 2023, arXiv 2305.08891, table 2); its last
    step is as long as the others, and averages finer texture away. ``karras`` goes from the last level to that of
    :data:`NOISIEST` and from there to timestep 0, with ``sigma ** (1 / RHO)`` evenly spread, ``sigma`` being the ratio
    of noise to signal. With fewer than :data:`LEAST` steps both are ``trailing``.

    Args:
        abar: Cumulative products of ``1 - beta``, ``(T,)``, falling; the last may be 0.
        steps: Number of timesteps, 1 to T.
        spacing: ``trailing`` or ``karras``.

    >>> [visited_timesteps(torch.linspace(0.999, 0.001, 100), 5, spacing) for spacing in ("trailing", "karras")]
    [[99, 79, 59, 39, 19], [99, 98, 96, 33, 0]]
    """
    levels = len(abar)
    if not 1 <= steps <= levels:
        raise ValueError(f"{steps} steps are not possible: give 1 to {levels}, the number of noise levels")
    if spacing == "trailing" or steps < LEAST:
        return [int(level) - 1 for level in np.arange(levels, 0, -levels / steps).round()[:steps]]
    signal = abar.double().numpy()
    sigma = np.sqrt((1 - signal[signal > 0]) / signal[signal > 0])
    first, last = min(NOISIEST, sigma[-1]) ** (1 / RHO), sigma[0] ** (1 / RHO)
    noise_levels = np.linspace(first, last, steps - 1) ** RHO
    place, order = np.interp(np.log(noise_levels), np.log(sigma), np.arange(len(sigma))), np.arange(steps)
    place = np.concatenate([[levels - 1], np.rint(place).astype(np.int64)]) + order
    # all different: at least one level above the next, then at most one below the one before
    place = np.maximum.accumulate(place[::-1])[::-1] - order
    place = np.minimum.accumulate(np.minimum(place, levels - 1) + order) - order
    return [int(level) for level in place]


def visit(scheduler: Any, timesteps: Sequence[int]) -> None:
    """Set a scheduler of diffusers to these timesteps, the noisiest first; some of them do not take a list."""
    if "timesteps" in signature(scheduler.set_timesteps).parameters:
        scheduler.set_timesteps(timesteps=list(timesteps))
    else:
        scheduler.set_timesteps(len(timesteps))
        scheduler.timesteps = torch.tensor(timesteps)
        if hasattr(scheduler, "solver_p"):  # UniPC steps from one ratio of noise to signal to the next
            abar = scheduler.alphas_cumprod[scheduler.timesteps]
            scheduler.sigmas = torch.cat([((1 - abar) / abar).sqrt(), torch.zeros(1)]).float()
    sigmas = getattr(scheduler, "sigmas", None)  # the library's for a level without signal is 4096, perhaps too low
    if sigmas is not None and scheduler.config.get("rescale_betas_zero_snr") and sigmas[0] <= sigmas[1]:
        sigmas[0] = 2 * sigmas[1]


def clipped(x0: Tensor) -> Tensor:
    """Estimates clipped to [-1, 1]; what is not finite becomes NaN, which no step of a sampler removes."""
    return torch.where(x0.isfinite(), x0.clamp(-1, 1), torch.nan)


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
        settings: ``n_bins``, ``size``, ``patch_size``, ``prediction_type``, ``self_conditioned``, ``guided``, labels
            with a training slice (``trained``), ``steps``, ``timestep_spacing``, ``eta``, ``guidance``, ``precision``.
    """

    model_cpu_offload_seq = "unet"

    def __init__(self, unet: UNet2DModel, scheduler: SchedulerMixin, settings: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.register_modules(unet=unet.eval().to(memory_format=torch.channels_last), scheduler=scheduler)  # as jsddpm
        self.register_to_config(settings=dict(settings or {}))  # diffusers passes arguments that have a default

    def save_config(self, save_directory: str | Path, *args: Any, **kwargs: Any) -> None:
        """Save the settings and this file, which opens them: ``save_pretrained`` of diffusers leaves it out."""
        super().save_config(save_directory, *args, **kwargs)
        Path(save_directory, "pipeline.py").write_bytes(Path(__file__).read_bytes())
        saved, name = Path(save_directory, self.config_name), f'"{type(self).__name__}"'
        saved.write_text(saved.read_text().replace(name, f'["pipeline", {name}]', 1))

    @torch.inference_mode()
    def __call__(
        self,
        conditions: Sequence[tuple[int, Any]] | None = None,
        *,
        num_per_condition: int = 1,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        eta: float | None = None,
        seed: int = 0,
        generator: None = None,
    ) -> JointSliceOutput:
        """Draw samples; for arguments that are None, the settings of the model apply.

        Args:
            conditions: Pairs such as ``(3, 1)`` or ``(3, "lesion")``; None draws every condition with a training slice.
            num_per_condition: Samples of each condition.
            num_inference_steps: Network evaluations of a sample.
            guidance_scale: Classifier-free guidance weight; 1 uses the conditional prediction alone.
            eta: Share of DDPM's step noise in DDIM.
            seed: Seed, from 0; a sample depends only on seed, condition and number within the condition.
            generator: Not used, and refused: the noise follows from the seed.

        Raises:
            TypeError: For a generator, and a seed or a condition that is not of whole numbers.
            ValueError: For a condition without a training slice or given twice, guidance that was not trained, a number
                of steps below 1 or above that of noise levels, a negative seed, and samples that are not finite.
        """
        known = self.config.settings
        if generator is not None:
            raise TypeError("samples are drawn without a generator: give seed=")
        possible = [(t % known["n_bins"], t // known["n_bins"]) for t in known["trained"]]
        pairs = possible if conditions is None else [(index(z), index(CLASSES.get(str(p), p))) for z, p in conditions]
        ids = [(z, p, k) for z, p in pairs for k in range(num_per_condition)]
        asked = {"steps": num_inference_steps, "guidance": guidance_scale, "eta": eta}
        chosen: dict[str, Any] = {name: known[name] if value is None else value for name, value in asked.items()}
        if index(seed) < 0:
            raise ValueError(f"the seed {seed} is negative")
        if not ids:
            raise ValueError("no sample is asked for: give pairs, and num_per_condition from 1")
        if unknown := [pair for pair in pairs if pair not in possible]:
            raise ValueError(f"there was no training slice of the pairs (z_bin, pathology) {unknown[:3]}")
        if twice := [pair for pair in possible if pairs.count(pair) > 1]:
            raise ValueError(f"pairs are given more than once: {twice[:3]}")
        if chosen["guidance"] != 1 and not known["guided"]:
            raise ValueError("the network was trained without null labels, so guidance must be 1")
        x = torch.cat([self._drawn(ids[i : i + AT_ONCE], seed, **chosen) for i in range(0, len(ids), AT_ONCE)])
        if not x.isfinite().all():
            raise ValueError("samples are not finite")
        images, masks = ((x[:, 0] + 1) / 2).numpy().astype(np.float32), (x[:, 1] > 0).numpy()
        return JointSliceOutput(images, masks, *np.array(ids, np.int64).T[:2])

    def _drawn(self, ids: Sequence[tuple[int, ...]], seed: int, *, steps: int, guidance: float, eta: float) -> Tensor:
        """Pairs ``(N, 2, H, W)`` of image and mask in [-1, 1], on the CPU."""
        known, device, seeds = self.config.settings, self.unet.device, [sample_seed(seed, *i) for i in ids]
        x, x0 = normal_noise(seeds, 0, (2, *known["size"]), device), None
        tokens = torch.tensor([p * known["n_bins"] + z for z, p, _ in ids], device=device)
        abar = self._alphas_cumprod().to(device)
        visit(self.scheduler, visited_timesteps(abar.cpu(), steps, known["timestep_spacing"]))
        for number, t in enumerate(self.progress_bar(self.scheduler.timesteps)):
            signal, sigma = abar[int(t)].sqrt(), (1 - abar[int(t)]).sqrt()
            output = self._guided(x, int(t), tokens, guidance, x0)
            if (kind := known["prediction_type"]) != "sample":
                output = (x - sigma * output) / signal if kind == "epsilon" else signal * x - sigma * output
            x0 = clipped(output)
            x = self._step(x0, t, x, eta, partial(normal_noise, seeds, number + 1, x.shape[1:], device))
        return x.float().cpu().clamp(-1, 1)

    def _guided(self, x: Tensor, t: int, tokens: Tensor, weight: float, x0: Tensor | None) -> Any:
        """Classifier-free guidance (Ho & Salimans 2022, arXiv 2207.12598): null + w * (conditional - null)."""
        if self.config.settings["self_conditioned"]:
            x = torch.cat([x, torch.zeros_like(x) if x0 is None else x0], dim=1)
        if weight == 1:
            return self._predicted(x, t, tokens)
        null = torch.full_like(tokens, 2 * self.config.settings["n_bins"])
        conditional, unconditional = self._predicted(torch.cat([x, x]), t, torch.cat([tokens, null])).chunk(2)
        return unconditional + weight * (conditional - unconditional)

    def _predicted(self, x: Tensor, t: int, tokens: Tensor) -> Tensor:
        patch, times = self.config.settings["patch_size"], torch.full((len(x),), t, device=x.device)
        with torch.autocast(x.device.type, torch.bfloat16, in_bfloat16(self.config.settings["precision"], x.device)):
            output = self.unet(pixel_unshuffle(x, patch).to(self.unet.dtype), times, class_labels=tokens).sample
        return pixel_shuffle(output, patch).float()

    def _step(self, x0: Tensor, t: Any, x: Tensor, eta: float, noise: Callable[[], Tensor]) -> Tensor:
        if isinstance(self.scheduler, DDIMScheduler | DDPMScheduler):
            share = eta if isinstance(self.scheduler, DDIMScheduler) else 1.0
            return ddim_step(self.scheduler, x0, t, x, share, noise() if share else None)
        noisy = self.scheduler.config.get("algorithm_type") == "sde-dpmsolver++"
        options = {"variance_noise": noise()} if noisy else {}
        return self.scheduler.step(x0, t, x, **options).prev_sample  # type: ignore[no-any-return]

    def _alphas_cumprod(self) -> Tensor:
        """The schedule of training; multistep schedulers change the last noise level if it is 0."""
        names = ("num_train_timesteps", "trained_betas", "rescale_betas_zero_snr")
        return DDPMScheduler(**{n: self.scheduler.config[n] for n in names}).alphas_cumprod  # type: ignore[no-any-return]

"""A trained model as one object, which draws images and lesion masks for conditions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from jsddpm.binning import Condition, ZBinning
from jsddpm.config import parse_sampling
from jsddpm.diffusion.checkpoint import CheckpointInfo, Weights, load_denoiser
from jsddpm.diffusion.footprint import ALLOCATOR_SHARE, BATCH, batches_at_once, memory_error, network_bytes
from jsddpm.diffusion.objective import alphas_cumprod, predict_x0
from jsddpm.diffusion.pictures import to_image_and_mask
from jsddpm.diffusion.redraw import redrawn
from jsddpm.diffusion.sampling import Noise, SampleId
from jsddpm.diffusion.schedulers import make_scheduler
from jsddpm.diffusion.standalone import clipped, in_bfloat16
from jsddpm.errors import ExitStatus, JsddpmError, usage_error
from jsddpm.registry import SAMPLERS
from jsddpm.runtime import available_memory, device_memory
from jsddpm.sections import DiffusionConfig, SamplingConfig, Spacing
from jsddpm.seeds import check_seed


@dataclass(frozen=True, eq=False)
class JointOutput:
    """Samples of a :class:`JointPipeline`, condition by condition.

    Attributes:
        images: float32 ``(N, H, W)`` in [0, 1].
        masks: bool ``(N, H, W)``, lesion pixels.
        z_index: int64 ``(N,)``, the middle slice of the sample's bin.
        z_bin: int64 ``(N,)``.
        pathology: int64 ``(N,)``, 0 control, 1 lesion.
    """

    images: NDArray[np.float32]
    masks: NDArray[np.bool_]
    z_index: NDArray[np.int64]
    z_bin: NDArray[np.int64]
    pathology: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class JointPipeline:
    """A trained network with all that sampling needs; :meth:`from_checkpoint` reads it.

    A sample depends only on (seed, condition, number within the condition); batch size, order and device change it by
    rounding alone.

    Attributes:
        denoiser: The network, in evaluation mode.
        binning: The z-bins of its conditions.
        diffusion: Its forward process.
        size: ``(H, W)`` of the slices.
        spacing: ``(row, column, z)`` in mm.
        sampling: The run's sampling settings, the defaults of every call.
        trained: Conditions of which training drew slices; the others are refused.
        guided: Whether it was trained with null tokens, which guidance needs.
        provenance: Origin of the network, for ``store.json``.

    Example::

        pipe = JointPipeline.from_checkpoint("runs/first/checkpoints/last.ckpt")
        output = pipe([(3, 1), (4, 1)], num_per_condition=8)
        output.images.shape, output.masks.mean(axis=(1, 2))
    """

    denoiser: nn.Module = field(repr=False)
    binning: ZBinning
    diffusion: DiffusionConfig
    size: tuple[int, int]
    spacing: tuple[float, float, float]
    sampling: SamplingConfig
    trained: tuple[Condition, ...]
    guided: bool
    provenance: Mapping[str, Any]

    @classmethod
    def from_checkpoint(
        cls,
        path: str | Path,
        *,
        weights: Weights = "ema",
        device: str | torch.device | None = None,
        expected: ZBinning | None = None,
    ) -> JointPipeline:
        """Load a checkpoint that ``jsddpm train`` wrote.

        Args:
            path: Checkpoint file.
            weights: Averaged weights, or the raw ones.
            device: Device for the network; None uses the GPU if there is one.
            expected: Binning it must have been trained with.

        Raises:
            JsddpmError: As :func:`~jsddpm.diffusion.checkpoint.load_denoiser`.
        """
        return cls.of(*load_denoiser(path, weights=weights, device=device, expected=expected), weights)

    @classmethod
    def of(cls, denoiser: nn.Module, info: CheckpointInfo, weights: Weights = "ema") -> JointPipeline:
        """The pipeline of a network in memory and its checkpoint's metadata."""
        return cls(
            denoiser=denoiser,
            binning=info.binning,
            diffusion=info.config.diffusion,
            size=info.size,
            spacing=info.spacing,
            sampling=info.config.sampling,
            trained=tuple(info.trained),
            guided=info.config.unconditional_share > 0,
            provenance=info.network(weights),
        )

    def __call__(
        self,
        conditions: Sequence[Condition | tuple[int, int]] | None = None,
        *,
        num_per_condition: int | None = None,
        sampler: str | None = None,
        num_inference_steps: int | None = None,
        spacing: Spacing | None = None,
        guidance_scale: float | None = None,
        eta: float | None = None,
        redraws: int | None = None,
        batch_size: int | None = None,
        precision: str | None = None,
        seed: int = 0,
    ) -> JointOutput:
        """Draw samples; for arguments that are None, the run's sampling settings apply.

        Args:
            conditions: Conditions, or pairs ``(z_bin, pathology)``; None draws every trained condition.
            num_per_condition: Samples of each condition.
            sampler: Name of a sampler.
            num_inference_steps: Network evaluations of a sample.
            spacing: Noise levels visited, ``karras`` or ``trailing``.
            guidance_scale: Classifier-free guidance weight; 1 uses the conditional prediction alone.
            eta: Share of DDPM's step noise in DDIM.
            redraws: Times that a sample whose mask contradicts its pathology is drawn again, at most.
            batch_size: Samples drawn at once.
            precision: Precision of the network's calls: ``auto``, ``32-true`` or ``bf16-mixed``.
            seed: Seed, a whole number from 0; the same seed gives the same samples.

        Raises:
            JsddpmError: ``UNTRAINED``, ``CONDITIONS``, ``GUIDANCE``, ``CONFIG``, ``STEPS``, ``BIN``, ``PATHOLOGY``,
                ``OPTION`` (status 2); ``MEMORY`` (status 5); ``NON_FINITE`` (status 6).
        """
        sampling = self.sampling_with(
            per_condition=num_per_condition, sampler=sampler, steps=num_inference_steps, spacing=spacing,
            guidance=guidance_scale, eta=eta, redraws=redraws, batch_size=batch_size, precision=precision,
        )  # fmt: skip
        ids = self.ids(conditions, sampling)
        self.require_memory(len(ids), sampling)
        return self.output(ids, self.draw(ids, sampling, seed)[1])

    def output(self, ids: Sequence[SampleId], x: Tensor) -> JointOutput:
        """Samples ``(len(ids), 2, H, W)`` in [-1, 1] with their conditions."""
        z_bin = np.array([i.condition.z_bin for i in ids], np.int64)
        z_index = np.array([self.binning.representative(int(k)) for k in z_bin], np.int64)
        return JointOutput(
            *to_image_and_mask(x), z_index, z_bin, np.array([i.condition.pathology for i in ids], np.int64)
        )

    def sampling_with(self, **changes: str | float | None) -> SamplingConfig:
        """The run's sampling settings with some of them changed and checked; None leaves a setting as it is."""
        chosen = {name: value for name, value in changes.items() if value is not None}
        return parse_sampling(self.sampling.model_dump() | chosen)

    def ids(self, conditions: Sequence[Condition | tuple[int, int]] | None, sampling: SamplingConfig) -> list[SampleId]:
        """The samples of these conditions (None: of every trained one); untrained conditions are refused.

        Raises:
            JsddpmError: ``UNTRAINED``, ``CONDITIONS``, ``GUIDANCE``, ``BIN``, ``PATHOLOGY`` (status 2).
        """
        if sampling.guidance != 1 and not self.guided:
            cure = "use guidance 1, or train with unconditional_share > 0"
            raise usage_error("GUIDANCE", "the run was trained without null tokens", fix=cure)
        pairs = self.trained if conditions is None else conditions
        requested = [Condition.of(c) for c in pairs] if isinstance(pairs, Iterable) else []
        if not requested:
            cure = "give a list such as [(3, 1)], or None for every trained one"
            raise usage_error("CONDITIONS", f"{conditions!r} is no list of conditions", fix=cure)
        trained = {c.token(self.binning.n_bins) for c in self.trained}
        if untrained := [c.name for c in requested if c.token(self.binning.n_bins) not in trained]:
            what = f"training drew no slice of the condition {', '.join(untrained[:3])}"
            raise usage_error("UNTRAINED", what, fix="choose conditions that the network was trained on")
        if twice := [c.name for c, count in Counter(requested).items() if count > 1]:
            cure = "give each condition once, and the number of its samples"
            raise usage_error("CONDITIONS", f"{', '.join(twice[:3])}: given more than once", fix=cure)
        return [SampleId(c, k) for c in requested for k in range(sampling.per_condition)]

    def require_memory(self, samples: int, sampling: SamplingConfig) -> None:
        """Refuse batches that cannot fit into the memory available, before any is allocated.

        Raises:
            JsddpmError: ``MEMORY`` (status 5) with the bytes needed and available.
        """
        on_cpu = self._device.type == "cpu"
        available = available_memory() if on_cpu else device_memory(self._device)
        at_once = min(self.at_once(sampling), samples)
        needed = int(self._bytes(at_once, sampling) * (ALLOCATOR_SHARE if on_cpu else 1))
        if available is not None and needed > available:
            cure = f"draw fewer at once, such as --batch-size {max(1, at_once * available // needed // 2)}"
            raise memory_error(f"{at_once} slices at once", {"sampling": needed}, available, cure)

    def at_once(self, sampling: SamplingConfig) -> int:
        """Number of samples drawn at once: as set; else ``BATCH``, and on a GPU what its free memory holds."""
        if sampling.batch_size is not None or self._device.type == "cpu":
            return sampling.batch_size or BATCH
        return BATCH * batches_at_once(self._bytes(BATCH, sampling), device_memory(self._device))

    def _bytes(self, samples: int, sampling: SamplingConfig) -> int:
        conditioned = bool(getattr(self.denoiser, "self_conditioned", False))
        slices = samples * (1 if sampling.guidance == 1 else 2)
        return network_bytes(self.denoiser, self.size, slices, gradient=False, self_conditioned=conditioned)

    @property
    def _device(self) -> torch.device:
        return next(self.denoiser.parameters()).device

    def draw(
        self, ids: Sequence[SampleId], sampling: SamplingConfig, seed: int, callback: Callable[[], None] | None = None
    ) -> tuple[list[SampleId], Tensor]:
        """As :meth:`sample`, with ``sampling.redraws``, and each sample with the number of its last attempt."""
        first = self.sample(ids, sampling, seed, callback)
        return redrawn(ids, first, sampling.redraws, lambda again: self.sample(again, sampling, seed))

    def sample(
        self, ids: Sequence[SampleId], sampling: SamplingConfig, seed: int, callback: Callable[[], None] | None = None
    ) -> Tensor:
        """Draw these samples, :meth:`at_once` together.

        Args:
            ids: The samples to draw.
            sampling: Sampler, steps, spacing, eta, guidance, batch size, precision.
            seed: Base of all seeds.
            callback: Called after every step of every batch.

        Returns:
            float32 ``(len(ids), 2, H, W)`` in [-1, 1], image then mask, on the CPU.

        Raises:
            JsddpmError: ``STEPS``, ``OPTION`` (status 2); ``NON_FINITE`` (status 6) naming samples that are not finite.
        """
        seed, size = check_seed(seed), self.at_once(sampling)
        batches = [ids[start : start + size] for start in range(0, len(ids), size)]
        return torch.cat([self._sample_batch(batch, sampling, seed, callback) for batch in batches])

    @torch.inference_mode()
    def _sample_batch(
        self, ids: Sequence[SampleId], sampling: SamplingConfig, seed: int, callback: Callable[[], None] | None
    ) -> Tensor:
        device, half = self._device, in_bfloat16(sampling.precision, self._device)
        noise = Noise(ids, seed, sampling.steps, self.size, device)
        x = noise.start()
        tokens = torch.tensor([i.condition.token(self.binning.n_bins) for i in ids], device=device)
        scheduler, abar = make_scheduler(self.diffusion, sampling), alphas_cumprod(self.diffusion).to(device)
        sampler = SAMPLERS.load(sampling.sampler).SAMPLER
        x0_hat: Tensor | None = None
        for number, t in enumerate(scheduler.timesteps):
            timesteps = torch.full((len(x),), int(t), device=device)
            with torch.autocast(device.type, torch.bfloat16, enabled=half):
                output = self._guided(x, timesteps, tokens, sampling.guidance, x0_hat)
            x0 = clipped(predict_x0(output, x, timesteps, abar, self.diffusion.prediction_type))
            step_options = sampler.step_options(sampling, partial(noise.of_step, number))
            x = scheduler.step(x0, t, x, **step_options).prev_sample
            x0_hat = x0 if getattr(self.denoiser, "self_conditioned", False) else None
            if callback:
                callback()
        result = x.float().cpu().clamp(-1, 1)
        finite = torch.isfinite(result).flatten(1).all(dim=1).tolist()
        if bad := [f"{i.condition.name} number {i.number}" for i, good in zip(ids, finite, strict=True) if not good]:
            what = f"samples are not finite ({', '.join(bad[:3])})"
            raise JsddpmError("NON_FINITE", what, fix="use an earlier checkpoint", status=ExitStatus.NON_FINITE)
        return result

    def _guided(self, x: Tensor, timesteps: Tensor, tokens: Tensor, weight: float, x0_hat: Tensor | None) -> Tensor:
        """Classifier-free guidance (Ho & Salimans 2022, arXiv 2207.12598): null + w * (conditional - null)."""
        estimate = {} if x0_hat is None else {"x0_hat": x0_hat}
        if weight == 1:
            return self.denoiser(x, timesteps, tokens, **estimate).float()  # type: ignore[no-any-return]
        null = torch.full_like(tokens, self.binning.null_token)
        twice = {name: torch.cat([value, value]) for name, value in estimate.items()}
        both = self.denoiser(torch.cat([x, x]), timesteps.repeat(2), torch.cat([tokens, null]), **twice).float()
        conditional, unconditional = both.chunk(2)
        return unconditional + weight * (conditional - unconditional)  # type: ignore[no-any-return]

"""The LightningModule: connects network, objective, averaging and validation, without maths of its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

import lightning as L  # noqa: N812 - the library's own convention
import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from jsddpm.binning import ZBinning
from jsddpm.config import RunConfig
from jsddpm.diffusion import objective
from jsddpm.diffusion.augmentation import augmented
from jsddpm.diffusion.denoiser import Denoiser
from jsddpm.diffusion.reconstruct import fixed_noise, reconstruct
from jsddpm.errors import ExitStatus, JsddpmError
from jsddpm.sections import EmaConfig, OptimizerConfig
from jsddpm.slices.dataset import Batch
from jsddpm.training.generator import seeded_generator

Validator = Callable[[Tensor, Tensor], Mapping[str, Tensor]]
"""Scores of reconstructions: ``(x0_hat, x0)``, both ``(B, 2, H, W)`` in [-1, 1], to named ``(B,)`` values.

A value that is undefined for a slice (Dice without a lesion) is NaN and not part of the mean.
"""

_COIN = 1
"""Stream of the coin of self-conditioning: (seed, step) alone are the numbers that draw the slices of a batch."""
MOST_SKIPPED = 20
"""Largest number of successive steps that 16-bit training may skip because of overflow."""


class Draw(NamedTuple):
    """A batch as input of the network.

    Attributes:
        x0: Slices, flipped and moved, ``(B, 2, H, W)``.
        tokens: Condition tokens, some of them dropped, ``(B,)``.
        timesteps: Noise levels, ``(B,)``.
        noise: Of the shape of ``x0``.
        amounts: How slices were moved, ``(B, n)``; None without augmentation.
    """

    x0: Tensor
    tokens: Tensor
    timesteps: Tensor
    noise: Tensor
    amounts: Tensor | None = None


class JointDDPM(L.LightningModule):
    """Joint image-and-mask diffusion model under training.

    Args:
        config: The run's configuration.
        binning: The run's binning.
        size: ``(H, W)`` of the slices.
        validator: Scores logged during validation, besides the loss.
        aspect: Distance of rows in distances of columns.
    """

    abar: Tensor

    def __init__(
        self,
        config: RunConfig,
        binning: ZBinning,
        size: tuple[int, int],
        validator: Validator | None = None,
        *,
        aspect: float = 1.0,
    ) -> None:
        super().__init__()
        self.config, self.binning, self.validator, self.aspect = config, binning, validator, aspect
        network = Denoiser(config.model, binning, size, augmented=config.augmentation.probability > 0)
        self.denoiser = network.to(memory_format=torch.channels_last)
        self.ema = AveragedModel(self.denoiser, multi_avg_fn=_ema_update(config.ema)).requires_grad_(False)
        self._skipped = 0
        self.register_buffer("abar", objective.alphas_cumprod(config.diffusion), persistent=False)

    @property
    def averaged(self) -> Denoiser:
        """The network with averaged weights."""
        return cast(Denoiser, self.ema.module)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Loss of one batch; its random numbers depend only on (seed, step, number of the batch in the step)."""
        accumulate, world = self.trainer.accumulate_grad_batches, self.trainer.world_size
        chunk = (self.global_step * accumulate + batch_idx % accumulate) * world + self.global_rank
        loss = self.loss(batch, self.global_step, chunk)
        if not torch.isfinite(loss.total):
            raise self._not_finite(f"the loss is {loss.total.item()} (slices {batch['row'].tolist()[:8]}...)")
        parts = {"train/loss": loss.total, "train/image": loss.image, "train/mask": loss.mask}
        if self.config.objective.frequency_weight:
            parts["train/frequency"] = loss.frequency
        self.log_dict({k: v.detach() for k, v in parts.items()}, prog_bar=True)
        self.log("train/learning_rate", self.trainer.optimizers[0].param_groups[0]["lr"])
        return loss.total

    def loss(self, batch: Batch, step: int, chunk: int) -> objective.Loss:
        """The objective on one batch.

        Args:
            batch: Exact slices.
            step: Optimiser steps done, the same on every process.
            chunk: Number of the batch among all batches of all processes since the start of the run. One process
                that accumulates two batches uses the chunks of two processes, and takes the same step.
        """
        x0, tokens, timesteps, noise, amounts = self.draw(batch, chunk)
        kind, config = self.config.diffusion.prediction_type, self.config.objective
        x_t = objective.add_noise(x0, noise, timesteps, self.abar).contiguous(memory_format=torch.channels_last)
        x0_hat = self._own_estimate(x_t, timesteps, tokens, amounts, step)
        prediction = self.denoiser(x_t, timesteps, tokens, x0_hat, amounts)
        target = objective.target(x0, noise, timesteps, self.abar, kind)
        weights = objective.channel_weights(timesteps, self.abar, kind, config)
        return objective.joint_loss(prediction, target, x0, weights, config)

    def _own_estimate(
        self, x_t: Tensor, timesteps: Tensor, tokens: Tensor, amounts: Tensor | None, step: int
    ) -> Tensor | None:
        """Self-conditioning: the network's estimate of x0, in its share of the steps, the same on all processes."""
        share = self.config.model.self_conditioning
        if not share or np.random.default_rng([self.config.seed, step, _COIN]).random() >= share:
            return None
        with torch.no_grad():
            prediction = self.denoiser(x_t, timesteps, tokens, amounts=amounts)
            kind = self.config.diffusion.prediction_type
            return objective.predict_x0(prediction, x_t, timesteps, self.abar, kind).clamp(-1, 1)

    def draw(self, batch: Batch, chunk: int = 0) -> Draw:
        """Draw all random numbers of a batch.

        These are flips, augmentation, timesteps, noise, dropped conditions and the seed of dropout.
        """
        x0, tokens = batch["x0"], batch["token"]
        state = np.random.SeedSequence([self.config.seed, chunk, 0]).generate_state(2, np.uint64) >> np.uint64(1)
        seed, other = map(int, state)
        if (
            self.config.model.dropout
        ):  # it uses the global generator: on a GPU, the same seed would give the same numbers
            torch.manual_seed(seed if x0.device.type == "cpu" else other)
        generator = seeded_generator(seed, x0.device)
        coins = torch.rand((2, len(x0)), generator=generator, device=x0.device)
        if self.config.data.flip:
            x0 = torch.where((coins[0] < 0.5).view(-1, 1, 1, 1), x0.flip(-1), x0)
        tokens = torch.where(coins[1] < self.config.unconditional_share, self.binning.null_token, tokens)
        timesteps = torch.randint(len(self.abar), (len(x0),), generator=generator, device=x0.device)
        noise, amounts = torch.randn(x0.shape, generator=generator, device=x0.device), None
        if self.config.augmentation.probability:
            x0, amounts = augmented(x0, self.config.augmentation, generator, aspect=self.aspect)
        return Draw(x0, tokens, timesteps, noise, amounts)

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        """Clip the norm of the gradient; a gradient that is not finite never changes the weights.

        With 16-bit floats the scaler adapts the loss scale by skipping steps that overflow, and only several successive
        ones are an error.
        """
        norm = torch.nn.utils.clip_grad_norm_(self.denoiser.parameters(), self.config.trainer.gradient_clip)
        self.log("train/gradient_norm", norm)
        self._skipped = 0 if torch.isfinite(norm) else self._skipped + 1
        if self._skipped > (MOST_SKIPPED if self.trainer.precision == "16-mixed" else 0):
            raise self._not_finite("the gradient is not finite")

    def _not_finite(self, what: str) -> JsddpmError:
        return JsddpmError(
            "NON_FINITE_LOSS",
            f"{what} at step {self.global_step}, seed {self.config.seed}",
            fix="start again with a lower learning rate",
            status=ExitStatus.NON_FINITE,
        )

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Step, and update the average, so that a checkpoint after any step contains both."""
        super().optimizer_step(*args, **kwargs)
        self.ema.update_parameters(self.denoiser)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Exact reconstruction by the averaged network on fixed timesteps and noise, by timestep and on average."""
        x0, tokens = batch["x0"], batch["token"]
        noise = fixed_noise(batch["row"], x0.shape[1:], self.config.seed).to(x0)
        kind = self.config.diffusion.prediction_type
        scores: dict[str, list[Tensor]] = {}
        for timestep in self.config.evaluation.timesteps:
            x0_hat = reconstruct(self.averaged, x0, tokens, noise, timestep, self.abar, kind)
            values = {"mse": (x0_hat - x0).square().mean(dim=(1, 2, 3))}
            if not torch.isfinite(values["mse"]).all():
                raise self._not_finite(f"the reconstruction at timestep {timestep} is not finite")
            values |= dict(self.validator(x0_hat, x0)) if self.validator else {}
            for name, value in values.items():
                scores.setdefault(name, []).append(value)
        for name, parts in scores.items():
            by_timestep = {f"{name}_t{t}": v for t, v in zip(self.config.evaluation.timesteps, parts, strict=True)}
            for key, value in {name: torch.cat(parts), **by_timestep}.items():
                defined, exact = value[torch.isfinite(value)], torch.isinf(value)
                if len(defined):
                    self.log(f"val/{key}", defined.mean(), batch_size=len(defined), on_epoch=True)
                if exact.any():  # an exact reconstruction has an infinite PSNR, which a mean cannot include
                    self.log(f"val/{key}_exact", exact.float().sum(), on_epoch=True, reduce_fx="sum")

    def configure_optimizers(self) -> Any:
        """AdamW with linear warm-up and cosine decay, by step."""
        config, steps = self.config.optimizer, self.config.trainer.max_steps
        scaled = self.config.trainer.precision == "16-mixed"  # a fused step unscales gradients after they are clipped
        optimizer = torch.optim.AdamW(
            self.denoiser.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=not scaled
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: learning_rate_factor(step, steps, config))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def learning_rate_factor(step: int, max_steps: int, config: OptimizerConfig) -> float:
    """Share of the highest learning rate at a step: linear warm-up, then cosine decay to ``final_share``."""
    if step < config.warmup_steps:
        return (step + 1) / (config.warmup_steps + 1)
    done = min(1.0, (step - config.warmup_steps) / max(1, max_steps - config.warmup_steps))
    return config.final_share + (1 - config.final_share) * 0.5 * (1 + math.cos(math.pi * done))


def _ema_update(config: EmaConfig) -> Callable[[Any, Any, Any], None]:
    @torch.no_grad()
    def update(averaged: list[Tensor], current: list[Tensor], count: Tensor | int) -> None:
        decay = min(config.decay, 1 - (1 + float(count)) ** -config.warmup_power)
        torch._foreach_lerp_(averaged, current, 1 - decay)

    return update

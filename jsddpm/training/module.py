"""The LightningModule: wiring of network, objective, averaging and validation; no maths of its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, cast

import lightning as L  # noqa: N812 - the library's own convention
import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from jsddpm.binning import ZBinning
from jsddpm.config import EmaConfig, OptimizerConfig, RunConfig
from jsddpm.diffusion import objective
from jsddpm.diffusion.denoiser import Denoiser
from jsddpm.diffusion.reconstruct import fixed_noise, reconstruct
from jsddpm.errors import ExitStatus, JsddpmError
from jsddpm.slices.dataset import Batch

Validator = Callable[[Tensor, Tensor], Mapping[str, Tensor]]
"""Scores of reconstructions: ``(x0_hat, x0)``, both ``(B, 2, H, W)`` in [-1, 1], to named ``(B,)`` values.

A value that is undefined for a slice (Dice without a lesion) is NaN and left out of the mean.
"""


class JointDDPM(L.LightningModule):
    """Joint image-and-mask diffusion model under training.

    Args:
        config: The run's configuration.
        binning: The run's binning.
        size: ``(H, W)`` of the slices.
        validator: Scores logged during validation, beside the loss.
    """

    abar: Tensor

    def __init__(
        self, config: RunConfig, binning: ZBinning, size: tuple[int, int], validator: Validator | None = None
    ) -> None:
        super().__init__()
        self.config, self.binning, self.validator = config, binning, validator
        self.denoiser = Denoiser(config.model, binning, size).to(memory_format=torch.channels_last)
        self.ema = AveragedModel(self.denoiser, multi_avg_fn=_ema_update(config.ema)).requires_grad_(False)
        self.register_buffer("abar", objective.alphas_cumprod(config.diffusion), persistent=False)

    @property
    def averaged(self) -> Denoiser:
        """The network with averaged weights."""
        return cast(Denoiser, self.ema.module)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Loss of one batch; its noise depends on (seed, step, rank) alone, so a resumed run repeats it."""
        x0, tokens, timesteps, noise = self._draw(batch)
        kind, config = self.config.diffusion.prediction_type, self.config.objective
        x_t = objective.add_noise(x0, noise, timesteps, self.abar).contiguous(memory_format=torch.channels_last)
        prediction = self.denoiser(x_t, timesteps, tokens)
        wanted = objective.target(x0, noise, timesteps, self.abar, kind)
        weights = objective.timestep_weights(timesteps, self.abar, kind, config)
        loss = objective.joint_loss(prediction, wanted, x0, weights, config)
        if not torch.isfinite(loss.total):
            raise JsddpmError(
                "NON_FINITE_LOSS",
                f"the loss is {loss.total.item()} at step {self.global_step} (slices {batch['row'].tolist()[:8]}...)",
                fix="continue from checkpoints/last.ckpt with a lower learning rate",
                status=ExitStatus.NON_FINITE,
            )
        self.log_dict({"train/loss": loss.total, "train/image": loss.image, "train/mask": loss.mask}, prog_bar=True)
        return loss.total

    def _draw(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Everything random of a step, in one place: flips, timesteps, noise, dropped conditions."""
        x0, tokens = batch["x0"], batch["token"]
        seed = np.random.SeedSequence([self.config.seed, self.global_step, self.global_rank]).generate_state(
            1, np.uint64
        )
        generator = torch.Generator(x0.device).manual_seed(int(seed[0] >> np.uint64(1)))
        coins = torch.rand((2, len(x0)), generator=generator, device=x0.device)
        if self.config.data.flip:
            x0 = torch.where((coins[0] < 0.5).view(-1, 1, 1, 1), x0.flip(-1), x0)
        tokens = torch.where(coins[1] < self.config.unconditional_share, self.binning.null_token, tokens)
        timesteps = torch.randint(len(self.abar), (len(x0),), generator=generator, device=x0.device)
        return x0, tokens, timesteps, torch.randn(x0.shape, generator=generator, device=x0.device)

    def on_train_batch_end(self, *_: Any) -> None:
        """Follow the weights."""
        self.ema.update_parameters(self.denoiser)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Exact reconstruction by the averaged network on fixed timesteps and noise."""
        x0, tokens = batch["x0"], batch["token"]
        noise = fixed_noise(batch["row"], x0.shape[1:], self.config.seed).to(x0)
        kind = self.config.diffusion.prediction_type
        scores: dict[str, list[Tensor]] = {}
        for timestep in self.config.evaluation.timesteps:
            x0_hat = reconstruct(self.averaged, x0, tokens, noise, timestep, self.abar, kind)
            values = {"mse": (x0_hat - x0).square().mean(dim=(1, 2, 3))}
            values |= dict(self.validator(x0_hat, x0)) if self.validator else {}
            for name, value in values.items():
                scores.setdefault(name, []).append(value)
        for name, parts in scores.items():
            value = torch.cat(parts)
            defined = value[torch.isfinite(value)]
            if len(defined):
                self.log(f"val/{name}", defined.mean(), batch_size=len(defined), on_epoch=True)

    def configure_optimizers(self) -> Any:
        """AdamW with linear warm-up and cosine decay, by step."""
        config, steps = self.config.optimizer, self.config.trainer.max_steps
        optimizer = torch.optim.AdamW(
            self.denoiser.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
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

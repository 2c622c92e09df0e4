"""The network: diffusers' UNet2DModel over (image, mask), conditioned on z-bin and pathology."""

from __future__ import annotations

import torch
from diffusers import UNet2DModel
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from jsddpm.binning import ZBinning
from jsddpm.diffusion.augmentation import AMOUNTS
from jsddpm.diffusion.conditioning import load_embedding
from jsddpm.errors import usage_error
from jsddpm.sections import ModelConfig


class Denoiser(nn.Module):
    """Predicts the target (noise, x0 or velocity) of a noisy image-mask pair.

    Args:
        config: Network configuration.
        binning: Bins of the condition.
        size: ``(H, W)`` of the slices.
        augmented: Whether it is conditioned on how training slices were moved.

    Raises:
        JsddpmError: ``SIZE`` (status 2) when the slices cannot be divided by the network's downsampling.
    """

    def __init__(
        self, config: ModelConfig, binning: ZBinning, size: tuple[int, int], *, augmented: bool = False
    ) -> None:
        super().__init__()
        levels, patch = len(config.channels), config.patch_size
        divisor = patch * 2 ** (levels - 1)
        if any(side % divisor for side in size):
            what = f"slices of {size[0]}x{size[1]} cannot be divided by {divisor} (patch {patch}, {levels} levels)"
            cures = ["build the store with another shape"]
            cures += ["use fewer levels (model.channels)"] if levels > 1 else []
            cures += ["set a smaller model.patch_size"] if patch > 1 else []
            raise usage_error("SIZE", what, fix=", or ".join(cures))
        self.patch, self.self_conditioned = patch, config.self_conditioning > 0
        self.embedding = load_embedding(config.condition_embedding)(binning, 4 * config.channels[0])
        if augmented:
            self.embedding.add_amounts(len(AMOUNTS))
        attention = [level in config.attention_levels for level in range(levels)]
        self.unet = UNet2DModel(
            sample_size=(size[0] // patch, size[1] // patch),
            in_channels=(4 if self.self_conditioned else 2) * patch**2,
            out_channels=2 * patch**2,
            block_out_channels=tuple(config.channels),
            layers_per_block=config.layers_per_block,
            down_block_types=tuple("AttnDownBlock2D" if a else "DownBlock2D" for a in attention),
            up_block_types=tuple("AttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attention)),
            attention_head_dim=config.attention_head_dim,
            norm_num_groups=config.norm_num_groups,
            add_attention=attention[-1],
            dropout=config.dropout,
            class_embed_type="identity",
        )

    def forward(
        self,
        x_t: Tensor,
        timesteps: Tensor,
        tokens: Tensor,
        x0_hat: Tensor | None = None,
        amounts: Tensor | None = None,
    ) -> Tensor:
        """Predict the target.

        Args:
            x_t: Noisy pair, ``(B, 2, H, W)``.
            timesteps: int64 ``(B,)``, from 0.
            tokens: int64 ``(B,)`` condition tokens or the null token.
            x0_hat: An estimate of the clean pair for a network with self-conditioning (Chen et al. 2022, arXiv
                2208.04202); None before the first one. Other networks ignore it.
            amounts: How slices were moved, ``(B, len(AMOUNTS))`` of :mod:`jsddpm.diffusion.augmentation`, for a network
                with this condition; None for slices that were not moved.

        Returns:
            Prediction of the same shape as ``x_t``.
        """
        if self.self_conditioned:
            x_t = torch.cat([x_t, torch.zeros_like(x_t) if x0_hat is None else x0_hat], dim=1)
        x = F.pixel_unshuffle(x_t, self.patch)
        labels = self.embedding(tokens)
        if amounts is not None:
            labels = labels + self.embedding.of_amounts(amounts)
        out = self.unet(x, timesteps, class_labels=labels).sample
        return F.pixel_shuffle(out, self.patch)

"""The network: diffusers' UNet2DModel over (image, mask), told where in the brain and whether with a lesion."""

from __future__ import annotations

from typing import cast

import torch
from diffusers import UNet2DModel
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from jsddpm.binning import ZBinning
from jsddpm.config import ModelConfig
from jsddpm.errors import usage_error


class ConditionEmbedding(nn.Module):
    """Token to vector.

    ``token`` learns one vector per condition. ``factored`` adds one vector per bin and one per pathology, so that a
    lesion seen in one bin teaches every bin what a lesion is. Both have a vector for the null token.

    Args:
        kind: ``token`` or ``factored``.
        n_bins: Bins of the binning.
        dim: Size of the vector.
    """

    def __init__(self, kind: str, n_bins: int, dim: int) -> None:
        super().__init__()
        self.n_bins, self.factored = n_bins, kind == "factored"
        if self.factored:
            self.z_bin = nn.Embedding(n_bins + 1, dim)
            self.pathology = nn.Embedding(3, dim)
        else:
            self.token = nn.Embedding(2 * n_bins + 1, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """``(B,)`` tokens, null token included, to ``(B, dim)``."""
        if not self.factored:
            return cast(Tensor, self.token(tokens))
        null = tokens == 2 * self.n_bins
        z_bin = torch.where(null, self.n_bins, tokens % self.n_bins)
        return cast(Tensor, self.z_bin(z_bin) + self.pathology(tokens // self.n_bins))


class Denoiser(nn.Module):
    """Predicts the target (noise, x0 or velocity) of a noisy image-mask pair.

    Args:
        config: Network configuration.
        binning: Bins of the condition.
        size: ``(H, W)`` of the slices.

    Raises:
        JsddpmError: ``SIZE`` (status 2) when the slices cannot be divided by the network's downsampling.
    """

    def __init__(self, config: ModelConfig, binning: ZBinning, size: tuple[int, int]) -> None:
        super().__init__()
        levels, patch = len(config.channels), config.patch_size
        divisor = patch * 2 ** (levels - 1)
        if any(side % divisor for side in size):
            raise usage_error(
                "SIZE",
                f"slices of {size[0]}x{size[1]} cannot be divided by {divisor} (patch {patch}, {levels} levels)",
                fix="build the store with another shape, or use fewer levels",
            )
        self.patch = patch
        self.embedding = ConditionEmbedding(config.condition_embedding, binning.n_bins, 4 * config.channels[0])
        attention = [level in config.attention_levels for level in range(levels)]
        self.unet = UNet2DModel(
            sample_size=(size[0] // patch, size[1] // patch),
            in_channels=2 * patch**2,
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

    def forward(self, x_t: Tensor, timesteps: Tensor, tokens: Tensor) -> Tensor:
        """Predict the target.

        Args:
            x_t: Noisy pair, ``(B, 2, H, W)``.
            timesteps: int64 ``(B,)``, from 0.
            tokens: int64 ``(B,)`` condition tokens or the null token.

        Returns:
            Prediction of the same shape as ``x_t``.
        """
        x = F.pixel_unshuffle(x_t, self.patch)
        out = self.unet(x, timesteps, class_labels=self.embedding(tokens)).sample
        return F.pixel_shuffle(out, self.patch)
